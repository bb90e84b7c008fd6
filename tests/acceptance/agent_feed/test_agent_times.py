"""What SQL says of an agent's phone, held against the wire; ring tones that look like answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.acceptance.agent_feed.test_agent_feed import (
    ADDRESSES,
    HANDED_OVER,
    PEOPLE,
    installation_with_feed,
)
from tests.acceptance.support.installation import Installation, edit
from tests.acceptance.support.records import seconds
from tests.peers import phones
from tests.peers.centre import Centre, open_centre
from tests.peers.watching import wait_on_wire

pytestmark = pytest.mark.real

MARGIN_SECONDS = 0.5
"""A state goes through Asterisk, the manager interface and the engine's queues."""


def first(centre: Centre, status: int) -> float:
    answers = centre.traffic().of(ADDRESSES.agent_101, status, cseq="INVITE")
    return answers[0].at_seconds


async def test_ring_answer_and_talk_are_those_of_the_wire(tmp_path: Path) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=800, talk_ms=1200)
    # Several: a PBX that is too busy may refuse the transfer of the first.
    installation = await installation_with_feed(
        tmp_path, host=ADDRESSES.pbx, people=PEOPLE, prepare=patient
    )
    async with open_centre(ADDRESSES, phone) as centre:
        async with installation.engine() as engine:
            row = await wait_talked(installation)
            await engine.read_metrics()
            for name in ("ring", "agent"):
                assert engine.metric(f"acd_answer_to_{name}_seconds_count", campaign="sample") >= 1
            assert await engine.end() == 0, engine.log()
        rang, answered = first(centre, 180), first(centre, 200)
        referred = centre.traffic().from_engine("REFER")[0].at_seconds
        taken = centre.traffic().to_engine(200, cseq="INVITE")[0].at_seconds
        hung_up = centre.traffic().of(ADDRESSES.agent_101, "BYE")[0].at_seconds
    assert abs(seconds(row["answered_at"]) - taken) < MARGIN_SECONDS
    assert abs(seconds(row["referred_at"]) - referred) < MARGIN_SECONDS
    assert abs(seconds(row["agent_rang_at"]) - rang) < MARGIN_SECONDS
    assert abs(seconds(row["agent_answered_at"]) - answered) < MARGIN_SECONDS
    assert abs(row["talk_seconds"] - (hung_up - answered)) < MARGIN_SECONDS
    waited = seconds(row["agent_answered_at"]) - seconds(row["answered_at"])
    assert abs(row["wait_seconds"] - waited) < 0.1
    (told,) = await installation.succeed("acd report sample")
    assert "wait: p50" in told.stdout
    assert "talk: p50" in told.stdout
    (story,) = await installation.succeed(f"acd calls show {row['attempt_id']}")
    assert "agent 101 rang" in story.stdout


async def wait_talked(installation: Installation) -> dict[str, Any]:
    """The first attempt whose agent has hung up and whose row is closed."""
    with trio.fail_after(60):
        while True:
            for row in installation.rows("attempts"):
                if row["talk_seconds"] is not None and row["state"] == "closed":
                    return row
            # Another process writes the rows: they can only be read again.
            await trio.sleep(0.1)


def patient(installation: Installation) -> None:
    """Time enough for the agent, also on a busy machine."""
    edit(
        installation.folder / "campaigns" / "sample" / "campaign.toml", {"wait_limit_seconds": "9"}
    )


async def ring_with_tones(centre: Centre) -> None:
    """People hear ringing, and Asterisk calls that an answer."""
    await centre.pbx.cli("dialplan set global ACD_TONE_ZONE acd-ringing")


async def test_an_answer_of_the_pbx_while_the_phone_still_rings_is_none(tmp_path: Path) -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=6000, talk_ms=1500)
    installation = await installation_with_feed(tmp_path, host=ADDRESSES.pbx, people=PEOPLE[:1])
    async with open_centre(ADDRESSES, phone) as centre:
        await ring_with_tones(centre)
        async with installation.engine() as engine:
            await engine.wait_metric(HANDED_OVER, 1, campaign="sample", disposition="abandoned")
            picked_up = centre.traffic().of(ADDRESSES.agent_101, 200, cseq="INVITE")
            assert not picked_up, "nobody has picked up"
            assert centre.traffic().to_engine("NOTIFY")[-1].body.startswith(b"SIP/2.0 200")
            await wait_on_wire(
                centre.wire, lambda _: centre.traffic().of(ADDRESSES.agent_101, "BYE")
            )
            await engine.wait_metric("acd_agents", 1, state="ready")
            assert await engine.end() == 0, engine.log()
    [row] = installation.rows("attempts")
    assert (row["transfer_result"], row["transferred_at"]) == ("with_pbx", None)
    assert row["talk_seconds"] is not None
