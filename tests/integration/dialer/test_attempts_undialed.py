"""Leads that are claimed and not dialed, or not to the end: what becomes of row and lead."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from acd.agents import AgentState
from acd.calls import CallState, DisconnectCause
from acd.dialer.dialing import CallsInFlight
from acd.dialer.lead_why import explain_lead
from acd.dialer.upkeep import show_blocked
from acd.lines import Door, TransferAnswered, TrunkStatus
from acd.rules.eligibility import Rule
from acd.settings import DestinationSettings
from acd.store.lead_changes import find_leads
from tests.fakes.lines import Script
from tests.integration.dialer.stages import StageMaker


async def test_metrics_say_which_rule_keeps_a_lead_from_being_dialed(stages: StageMaker) -> None:
    stage = await stages.make(Script(answers_after=None, cause=DisconnectCause.BUSY))
    await stage.run()
    dialing = stage.dialing
    labels = {"campaign": dialing.campaign.name, "rule": Rule.GAP}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            show_blocked, dialing.store, dialing.clock, dialing.metrics, lambda: dialing.campaign
        )
        with trio.fail_after(20):
            while dialing.metrics.registry.get_sample_value("acd_leads_blocked", labels) != 1:  # noqa: ASYNC110 - no event
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


async def test_a_number_that_the_door_refuses_is_told_and_not_claimed_for_ever(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script())
    stage.dialing = replace(stage.dialing, door=Door(DestinationSettings(default_region="DE")))
    with capture_logs() as logs:
        assert await stage.run() == {}
    [told] = [each for each in logs if each["action"] == "destination.refused"]
    assert (told["log_level"], told["rule"]) == ("warning", "region")
    assert stage.line.requests == []
    assert await stage.lead_state() == "closed"
    [lead] = await stage.dialing.store.run(find_leads, lead_id=1)
    why = await stage.dialing.store.run(explain_lead, lead, stage.dialing.clock.now())
    assert not why.eligible
    assert why.checks[0].detail == "the lead is closed: destination_refused"


async def test_a_lead_that_nobody_wants_any_more_is_given_back(stages: StageMaker) -> None:
    stage = await stages.make(Script())
    assert await stage.run(_unwanted(queued={1})) == {}
    assert await stage.lead_state() == "waiting"


async def test_a_lead_that_comes_with_its_agent_is_always_wanted(stages: StageMaker) -> None:
    stage = await stages.make(Script())
    row = await stage.run(_unwanted(queued=set()))
    assert row["disposition"] == "handed_over"


def _unwanted(queued: set[int]) -> CallsInFlight:
    return CallsInFlight(queued=queued, is_wanted=lambda: False)


async def test_a_trunk_that_refuses_to_dial_leaves_a_closed_row_and_no_originate(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script(refuses_to_dial=True))
    row = await stage.run()
    assert (row["state"], row["disposition"]) == ("closed", "stopped")
    assert stage.count("acd_originates") == 0


async def test_a_lead_whose_trunk_is_down_is_given_back(stages: StageMaker) -> None:
    stage = await stages.make(Script())
    stage.trunk.become(TrunkStatus.UNREACHABLE)
    assert await stage.run() == {}
    assert await stage.lead_state() == "waiting"


async def test_a_lead_not_dialed_when_the_engine_stops_is_given_back(stages: StageMaker) -> None:
    stage = await stages.make(Script())
    stage.stop.set()
    assert await stage.run() == {}
    assert await stage.lead_state() == "waiting"


@pytest.mark.parametrize(
    ("answers_after", "reached", "become"),
    [
        (None, CallState.RINGBACK, "stopped"),
        # Rather a lead too few than a person called again whom an agent had.
        (0.0, CallState.TRANSFERRING, "handed_over_unconfirmed"),
    ],
)
async def test_a_cancelled_attempt_still_closes_its_row(
    stages: StageMaker, answers_after: float | None, reached: CallState, become: str
) -> None:
    script = Script(
        answers_after=answers_after,
        cause=DisconnectCause.NO_ANSWER,
        transfers=deque([30.0]),
    )
    stage = await stages.make(script)
    async with trio.open_nursery() as running:
        running.start_soon(stage.run)
        while not (stage.trunk.lines.used and stage.line.state is reached):
            await trio.testing.wait_all_tasks_blocked(0.001)
        running.cancel_scope.cancel()
    row = await stage.row()
    assert (row["state"], row["cause"]) == ("closed", DisconnectCause.HUNG_UP)
    assert row["disposition"] == become
    assert stage.dialing.roster.states() == {AgentState.READY: 1}
    assert TransferAnswered not in map(type, script.transfers)


async def test_a_person_whom_a_cancelled_engine_hangs_up_on_was_abandoned(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script())
    roster, campaign_id = stage.dialing.roster, stage.dialing.campaign.campaign_id
    place = roster.reserve_now(campaign_id)
    assert place is not None
    in_flight = CallsInFlight()
    async with trio.open_nursery() as running:
        running.start_soon(stage.run, in_flight)
        with trio.fail_after(20):
            while not in_flight.waiting:
                await trio.lowlevel.checkpoint()
        running.cancel_scope.cancel()
    row = await stage.row()
    assert (row["disposition"], row["abandoned"]) == ("abandoned", True)
    assert stage.count("acd_abandoned") == stage.count("acd_live_answers") == 1
