"""A person has answered, and the agent they were meant for can't take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.rules.dispositions import TransferOutcome
from tests.acceptance.support.installation import Installation, edit
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import Traffic, open_centre
from tests.peers.wire import first_of_each, first_of_each_call

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
WAIT_LIMIT_SECONDS = 2.0
"""As the sample campaign says: longer without an agent is an abandoned call."""
PATIENT_SECONDS = 8.0
"""A limit for a busy machine, where it is to be kept."""
MOST_REFERS = 1
"""An agent who cannot be reached is not tried again for the same person."""


async def test_an_extension_that_does_not_exist_leaves_the_person_abandoned_not_waiting(
    tmp_path: Path,
) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx, agent="199")
    async with open_centre(ADDRESSES) as centre, installation.engine() as engine:
        await engine.wait_metric(
            "acd_dispositions_total", 1, campaign="sample", disposition="abandoned"
        )
        assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert 1 <= len(traffic.from_engine("REFER")) <= MOST_REFERS
    assert held_seconds(traffic) < WAIT_LIMIT_SECONDS + 1
    (attempt,) = installation.rows("attempts")
    assert (attempt["disposition"], attempt["abandoned"]) == ("abandoned", 1)
    assert attempt["transfer_sip_status"] == 404
    assert engine.metric("acd_abandoned_total", campaign="sample") == 1


async def test_an_extension_that_does_not_exist_leaves_the_person_to_the_next_ready_agent(
    tmp_path: Path,
) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    # Without a feed both are ready, and 199 for as long as 101: the first one named goes first.
    edit(
        installation.folder / "campaigns" / "sample" / "campaign.toml",
        {"extensions": '["199", "101"]', "wait_limit_seconds": str(PATIENT_SECONDS)},
    )
    await installation.succeed("acd campaign reload sample")
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=100)
    async with open_centre(ADDRESSES, phone) as centre, installation.engine() as engine:
        await engine.wait_metric(
            "acd_dispositions_total", 1, campaign="sample", disposition="handed_over"
        )
        assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    refers = first_of_each(traffic.from_engine("REFER"), "cseq")
    assert [extension_of(refer.get("refer-to")) for refer in refers] == ["199", "101"]
    (answer,) = first_of_each_call(traffic.to_engine(200, cseq="INVITE"))
    (picked_up,) = first_of_each_call(traffic.of(ADDRESSES.agent_101, 200, cseq="INVITE"))
    assert picked_up.at_seconds - answer.at_seconds <= PATIENT_SECONDS
    (attempt,) = installation.rows("attempts")
    assert (attempt["disposition"], attempt["abandoned"]) == ("handed_over", 0)
    assert (attempt["transfer_target"], attempt["agent"]) == ("101", "101")
    assert engine.metric("acd_transfer_retries_total", campaign="sample") == 1


def extension_of(refer_to: str) -> str:
    return refer_to.partition("sip:")[2].partition("@")[0]


async def test_a_busy_agents_person_is_handed_over_when_the_queues_next_agent_picks_up(
    tmp_path: Path,
) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    agents = (
        phones.agent_busy(ADDRESSES.agent_101),
        phones.agent_answers(ADDRESSES.agent_102, ring_ms=500),
    )
    async with open_centre(ADDRESSES, *agents) as centre, installation.engine() as engine:
        await engine.wait_metric(
            "acd_dispositions_total", 1, campaign="sample", disposition="handed_over"
        )
        assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    # On a busy machine the PBX may be late with its ACK: the phone sends its answer again then.
    picked_up = first_of_each_call(traffic.of(ADDRESSES.agent_102, 200, cseq="INVITE"))
    byes = first_of_each_call(traffic.from_engine("BYE"))
    assert (len(picked_up), len(byes)) == (1, 1), f"\n{traffic}"
    assert byes[0].at_seconds > picked_up[0].at_seconds, (
        "acd waited for an agent to have the person"
    )
    (attempt,) = installation.rows("attempts")
    assert attempt["disposition"] == "handed_over"


async def test_a_person_whom_the_pbx_could_give_to_nobody_counts_as_abandoned(
    tmp_path: Path,
) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    agents = (phones.agent_busy(ADDRESSES.agent_101), phones.agent_busy(ADDRESSES.agent_102))
    async with open_centre(ADDRESSES, *agents) as centre, installation.engine() as engine:
        await centre.pbx.cli("dialplan set global ACD_QUEUE_SECONDS 1")
        await engine.wait_metric(
            "acd_dispositions_total", 1, campaign="sample", disposition="abandoned"
        )
        assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert len(traffic.from_engine("REFER")) == 1, "the PBX had taken the person: no second try"
    (attempt,) = installation.rows("attempts")
    assert attempt["transfer_sip_status"] == 503


async def test_an_agent_who_picks_up_after_the_limit_leaves_an_abandoned_call_with_the_pbx(
    tmp_path: Path,
) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    late = phones.agent_answers(ADDRESSES.agent_101, ring_ms=4000)
    async with open_centre(ADDRESSES, late) as centre, installation.engine() as engine:
        await engine.wait_metric(
            "acd_transfers_total", 1, campaign="sample", result=TransferOutcome.WITH_PBX
        )
        assert await engine.end() == 0, engine.log()
        traffic = centre.traffic()
    assert traffic.of(ADDRESSES.agent_101, 200, cseq="INVITE"), "the agent did pick up"
    (attempt,) = installation.rows("attempts")
    assert (attempt["disposition"], attempt["abandoned"]) == ("abandoned", 1)
    assert attempt["transfer_result"] == "with_pbx"
    (why,) = await installation.succeed(f"acd leads why {attempt['lead_id']}")
    assert "72" in why.stdout or "259200" in why.stdout, why.stdout


async def test_a_person_whom_the_pbx_keeps_ringing_for_counts_at_the_limit(
    tmp_path: Path,
) -> None:
    installation = await Installation.ready(tmp_path, pbx=ADDRESSES.pbx)
    silent = phones.agent_silent(ADDRESSES.agent_101)
    async with open_centre(ADDRESSES, silent) as centre, installation.engine() as engine:
        await engine.wait_metric("acd_abandoned_total", 1, campaign="sample")
        await engine.read_metrics()
        pending = engine.metric("acd_transfers_total", campaign="sample", result="with_pbx")
        assert pending == 0, "the PBX has not said yet what became of it"
        assert not [
            notify
            for notify in centre.traffic().to_engine("NOTIFY")
            if notify.get("subscription-state").startswith("terminated")
        ]


def held_seconds(traffic: Traffic) -> float:
    """From the person's answer to our hanging up."""
    (answer,) = traffic.to_engine(200, cseq="INVITE")
    (bye,) = traffic.from_engine("BYE")
    return bye.at_seconds - answer.at_seconds
