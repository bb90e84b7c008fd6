"""Who finds no agent in time goes to the overflow."""

from __future__ import annotations

from collections import deque

import pytest
import trio
from structlog.testing import capture_logs

from acd.agents import AgentId, AgentState, AgentUpdate, PersonSeen, Phone, QueueSeen
from acd.dialer.dialing import CallsInFlight
from acd.dialer.handover import Handover
from acd.dialer.reports import campaign_report
from acd.lines import TransferRefused
from tests.fakes.lines import Script
from tests.integration.dialer.stages import WAIT_LIMIT_SECONDS, StageMaker

OVERFLOW = {
    "extensions": ["201"],
    "overflow": "all",
    "overflow_before_limit_seconds": WAIT_LIMIT_SECONDS * 0.9,
}


async def test_who_finds_no_ready_agent_goes_to_the_overflow_inside_the_limit(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script(), agents=OVERFLOW)
    now = trio.current_time()
    await stage.dialing.roster.reserve(stage.dialing.campaign.campaign_id, until_seconds=now)
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("handed_over", False)
    assert (row["transfer_target"], row["agent"]) == ("all", "all")
    assert [target.user for target in stage.line.targets] == ["all"]
    assert stage.count("acd_overflows", result="answered") == 1
    assert stage.count("acd_abandoned") == 0
    report = await stage.dialing.store.run(
        campaign_report, stage.dialing.campaign.name, now=stage.dialing.clock.now()
    )
    assert report.overflows == {"answered": 1}


async def test_an_overflow_whose_phone_still_rings_has_nobody_though_the_pbx_says_so(
    stages: StageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await stages.make(Script(), agents={**OVERFLOW, "extensions": []})
    roster = stage.dialing.roster

    def follow(handover: Handover) -> None:
        rings = PersonSeen(number=handover.number, phone=Phone.RINGING, agent=AgentId("102"))
        handover.take_member(rings, trio.current_time())

    monkeypatch.setattr(roster, "follow_person", follow)
    row = await stage.run()
    assert (row["disposition"], row["transfer_result"]) == ("abandoned", "with_pbx")
    assert (row["transfer_target"], row["agent"]) == ("all", "102")
    assert row["agent_rang_at"] is not None
    assert stage.count("acd_overflows", result="with_pbx") == 1


async def test_who_could_not_be_given_to_the_agent_goes_to_the_overflow(
    stages: StageMaker,
) -> None:
    refused = TransferRefused(at_seconds=0.0, sip_status=404)
    stage = await stages.make(Script(transfers=deque([refused])), agents=OVERFLOW)
    row = await stage.run()
    assert row["disposition"] == "handed_over"
    assert [target.user for target in stage.line.targets] == ["201", "all"]


async def test_an_overflow_that_picks_up_too_late_leaves_an_abandoned_call(
    stages: StageMaker,
) -> None:
    stage = await stages.make(
        Script(transfers=deque([WAIT_LIMIT_SECONDS * 2])), agents={**OVERFLOW, "extensions": []}
    )
    row = await stage.run()
    assert (row["disposition"], row["transfer_result"]) == ("abandoned", "with_pbx")
    assert stage.count("acd_overflows", result="with_pbx") == 1


@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "full"])
async def test_an_overflow_that_takes_nobody_leaves_the_person_to_the_next_ready_agent(
    stages: StageMaker, refuses: bool
) -> None:
    refused = [TransferRefused(at_seconds=0.0, sip_status=480)] if refuses else []
    stage = await stages.make(
        Script(transfers=deque(refused)),
        agents={**OVERFLOW, "overflow_before_limit_seconds": 9.8},
        wait_limit_seconds=10.0,
    )
    campaign_id, roster = stage.dialing.campaign.campaign_id, stage.dialing.roster
    if not refuses:
        full = QueueSeen(usable=1, persons=1)
        roster.apply(AgentUpdate(agent=AgentId("all"), state=AgentState.NOT_READY, queue=full))
    place = await roster.reserve(campaign_id, until_seconds=trio.current_time())
    assert place is not None
    in_flight = CallsInFlight()
    with capture_logs() as said:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.run, in_flight)
            wanted = "transfer.end" if refuses else "overflow.full"
            with trio.fail_after(30):
                while wanted not in [line.get("action") for line in said] or not in_flight.waiting:
                    await trio.lowlevel.checkpoint()
            roster.give_back(place)
    assert (await stage.row())["disposition"] == "handed_over"
    assert [t.user for t in stage.line.targets] == (["all"] if refuses else []) + ["201"]
