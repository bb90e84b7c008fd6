"""One attempt's whole life on a scripted line, with a real SQLite underneath."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from acd.agents import AgentState
from acd.calls import DisconnectCause
from acd.dialer.dialing import CallsInFlight
from acd.dialer.lead_why import explain_lead
from acd.rules.eligibility import Rule
from acd.store import Store
from acd.store.lead_changes import find_leads, reset_leads
from tests.contract.store.world import NOON, World
from tests.fakes.lines import Script
from tests.integration.dialer.stages import WAIT_LIMIT_SECONDS, StageMaker


async def test_whoever_answers_is_handed_to_the_agent(stages: StageMaker) -> None:
    stage = await stages.make(Script())
    row = await stage.run()
    assert (row["disposition"], row["transfer_result"]) == ("handed_over", "answered")
    assert [target.user for target in stage.line.targets] == ["201"]
    assert row["cause"] == DisconnectCause.TRANSFERRED
    assert not row["abandoned"]
    assert stage.dialing.roster.states() == {AgentState.ON_CALL: 1}
    assert stage.count("acd_transfers", result="answered") == 1
    assert stage.count("acd_live_answers") == stage.count("acd_originates") == 1


async def test_busy_is_written_and_nobody_is_transferred(stages: StageMaker) -> None:
    stage = await stages.make(Script(answers_after=None, cause=DisconnectCause.BUSY))
    row = await stage.run()
    assert (row["disposition"], row["answered_at"]) == ("busy", None)
    assert stage.line.targets == []
    assert stage.count("acd_dispositions", disposition="busy") == 1


async def test_without_an_agent_in_time_the_person_hears_who_called(
    stages: StageMaker, tmp_path: Path
) -> None:
    message = tmp_path / "sorry.wav"
    stage = await stages.make(Script(), abandon_message=str(message))
    now = trio.current_time()
    await stage.dialing.roster.reserve(stage.dialing.campaign.campaign_id, until_seconds=now)
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("abandoned", True)
    assert stage.line.played == [(message, False)]
    assert row["cause"] == DisconnectCause.HUNG_UP
    assert stage.count("acd_abandoned") == 1


async def test_who_was_abandoned_is_locked_out_for_72_hours_and_why_says_so(
    stages: StageMaker, store: Store
) -> None:
    stage = await stages.make(Script(), gap_seconds=0)
    campaign_id = stage.dialing.campaign.campaign_id
    await stage.dialing.roster.reserve(campaign_id, until_seconds=trio.current_time())
    row = await stage.run()
    assert row["disposition"] == "abandoned"
    locked_until = row["ended_at"].replace(tzinfo=UTC) + timedelta(hours=72)
    store.run_sync(reset_leads, campaign_id=campaign_id, lead_ids=[row["lead_id"]], now=NOON)
    [lead] = store.read_sync(find_leads, lead_id=row["lead_id"])

    def told(now: datetime) -> dict[str, datetime | None]:
        checks = store.read_sync(explain_lead, lead, now).checks
        return {check.rule: check.passes_at for check in checks if not check.passed}

    early = locked_until - timedelta(seconds=1)
    assert told(early)[Rule.ABANDON_LOCK_OUT] == locked_until
    assert Rule.ABANDON_LOCK_OUT not in told(locked_until)
    assert World(store).claim(campaign_id, now=early) == []
    assert len(World(store).claim(campaign_id, now=locked_until)) == 1


async def test_who_waits_hears_the_campaigns_sound_until_an_agent_is_there(
    stages: StageMaker, tmp_path: Path
) -> None:
    wav = tmp_path / "wait.wav"
    stage = await stages.make(Script(), comfort_audio=str(wav))
    campaign_id, roster = stage.dialing.campaign.campaign_id, stage.dialing.roster
    place = await roster.reserve(campaign_id, until_seconds=trio.current_time())
    assert place is not None
    in_flight = CallsInFlight()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run, in_flight)
        while not (stage.trunk.lines.used and stage.line.played):  # noqa: ASYNC110 - no event
            await trio.sleep(0.001)
        roster.give_back(place)
    assert stage.line.played == [(wav, True)]
    assert (await stage.row())["disposition"] == "handed_over"


async def test_where_an_agent_is_ready_no_sound_is_started(
    stages: StageMaker, tmp_path: Path
) -> None:
    stage = await stages.make(Script(), comfort_audio=str(tmp_path / "wait.wav"))
    await stage.run()
    assert stage.line.played == []


async def test_a_sound_that_cannot_be_played_costs_nobody_their_agent(
    stages: StageMaker, tmp_path: Path
) -> None:
    stage = await stages.make(Script(unplayable=True), comfort_audio=str(tmp_path / "wait.wav"))
    campaign_id, roster = stage.dialing.campaign.campaign_id, stage.dialing.roster
    place = await roster.reserve(campaign_id, until_seconds=trio.current_time())
    assert place is not None
    in_flight = CallsInFlight()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run, in_flight)
        while not in_flight.waiting:  # noqa: ASYNC110 - no event
            await trio.sleep(0.001)
        roster.give_back(place)
    assert (await stage.row())["disposition"] == "handed_over"


async def test_the_time_to_the_first_ringing_is_counted(stages: StageMaker) -> None:
    stage = await stages.make(Script(rings_after=0.05))
    await stage.run()
    registry, labels = stage.dialing.metrics.registry, {"campaign": stage.dialing.campaign.name}
    assert registry.get_sample_value("acd_setup_seconds_count", labels) == 1
    seconds = registry.get_sample_value("acd_setup_seconds_sum", labels)
    assert seconds is not None
    assert seconds >= 0.05


async def test_a_message_that_cannot_be_played_ends_the_call_and_nothing_else(
    stages: StageMaker, tmp_path: Path
) -> None:
    stage = await stages.make(Script(unplayable=True), abandon_message=str(tmp_path / "sorry.wav"))
    now = trio.current_time()
    await stage.dialing.roster.reserve(stage.dialing.campaign.campaign_id, until_seconds=now)
    row = await stage.run()
    assert (row["state"], row["disposition"]) == ("closed", "abandoned")


async def test_a_person_who_hangs_up_inside_the_limit_is_not_abandoned(stages: StageMaker) -> None:
    stage = await stages.make(Script(hangs_up_after=WAIT_LIMIT_SECONDS / 4))
    now = trio.current_time()
    await stage.dialing.roster.reserve(stage.dialing.campaign.campaign_id, until_seconds=now)
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("lead_hung_up", False)
    assert stage.count("acd_abandoned") == stage.count("acd_live_answers") == 0
