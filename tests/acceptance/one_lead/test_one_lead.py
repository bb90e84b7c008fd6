"""One lead, all the way: CSV → Asterisk → REFER → SQL → /metrics, by the README's own lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.acceptance.support.installation import Finished, Installation
from tests.acceptance.support.readme import your_pbx_lines
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.asterisk import DIALER_PASSWORD
from tests.peers.centre import Traffic, open_centre

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
RUN = "acd run --until-finished"
REFER_SECONDS = 2.0
"""From the PBX's 200 OK to our REFER; a bound, the figure itself is reported."""
BYE_SECONDS = 1.0
"""From the final NOTIFY to our BYE; Asterisk would keep the line for 60 s."""


async def test_the_readmes_lines_take_one_lead_all_the_way(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    installation = Installation.fresh(tmp_path)
    agent = phones.agent_answers(ADDRESSES.agent_101)
    # It rings long enough for /metrics to be read while the one call is up.
    async with open_centre(ADDRESSES, agent, answer_ms=1500) as centre:
        copy, *others = your_pbx_lines()
        await installation.succeed(copy)
        installation.settle(pbx=ADDRESSES.pbx)
        installation.prepare_sample()
        assert RUN in others
        finished = await installation.succeed(*others[: others.index(RUN)])
        async with installation.engine(RUN) as engine:
            await engine.wait_metric("acd_originates_total", 1, campaign="sample")
            assert await engine.wait() == 0, engine.log()
        traffic = centre.traffic()
        finished += await installation.succeed(*others[others.index(RUN) + 1 :])
    assert_one_call_was_handed_over(traffic)
    for name, seconds in delays_of(traffic).items():
        record_property(name, seconds)
    assert_one_row_says_so(installation)
    assert "handed over 1" in finished[-1].stdout, str(finished[-1])
    assert_no_secret_was_printed(finished)
    assert DIALER_PASSWORD not in engine.log()


async def test_metrics_count_the_one_call(tmp_path: Path) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    agent = phones.agent_answers(ADDRESSES.agent_101)
    async with open_centre(ADDRESSES, agent), installation.engine() as engine:
        await engine.wait_metric(
            "acd_dispositions_total", 1, campaign="sample", disposition="handed_over"
        )
        assert await engine.end() == 0, engine.log()
    assert engine.metric("acd_originates_total", campaign="sample") == 1
    assert engine.metric("acd_live_answers_total", campaign="sample") == 1
    assert engine.metric("acd_abandoned_total", campaign="sample") == 0
    assert engine.metric("acd_transfers_total", campaign="sample", result="answered") == 1


def assert_one_call_was_handed_over(traffic: Traffic) -> None:
    """One INVITE, one REFER to the agent, whose phone rang; our BYE ends it."""
    invites = traffic.from_engine("INVITE")
    assert len({invite.call_id for invite in invites}) == 1, str(traffic)
    assert len(invites) <= 2, f"one INVITE and its answer to the challenge, not more:\n{traffic}"
    assert unquote(invites[0].request_uri).startswith(f"sip:{phones.ANSWERS}@")
    assert len(traffic.to(ADDRESSES.carrier, "INVITE")) == 1

    (refer,) = traffic.from_engine("REFER")
    assert "sip:101@" in refer.get("refer-to")
    (ringing,) = traffic.to(ADDRESSES.agent_101, "INVITE")
    assert phones.ANSWERS in ringing.get("from"), "the agent sees who is calling"
    assert traffic.of(ADDRESSES.agent_101, 180), "the agent's phone rings"
    assert b"200" in traffic.final_notify().body

    (bye,) = traffic.from_engine("BYE")
    assert bye.call_id == invites[0].call_id
    assert not traffic.to_engine("BYE"), "the PBX had nothing to hang up"


def delays_of(traffic: Traffic) -> dict[str, float]:
    """Seconds on the wire between the messages that the person waits for."""
    (answer,) = traffic.to_engine(200, cseq="INVITE")
    (refer,) = traffic.from_engine("REFER")
    (bye,) = traffic.from_engine("BYE")
    refer_seconds = refer.at_seconds - answer.at_seconds
    bye_seconds = bye.at_seconds - traffic.final_notify().at_seconds
    assert 0 < refer_seconds < REFER_SECONDS
    assert 0 < bye_seconds < BYE_SECONDS
    return {"answer_to_refer_seconds": refer_seconds, "notify_to_bye_seconds": bye_seconds}


def assert_one_row_says_so(installation: Installation) -> None:
    (attempt,) = installation.rows("attempts")
    assert attempt["state"] == "closed"
    assert attempt["disposition"] == "handed_over"
    assert attempt["cause"] == "transferred"
    assert attempt["transfer_result"] == "answered"
    assert attempt["transfer_target"] == "101"
    assert attempt["abandoned"] == 0
    (lead,) = installation.rows("leads")
    assert (lead["state"], lead["attempts"]) == ("closed", 1)


def assert_no_secret_was_printed(finished: list[Finished]) -> None:
    for command in finished:
        assert DIALER_PASSWORD not in str(command)
