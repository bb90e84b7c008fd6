"""One attempt's whole life on a scripted line, with a real SQLite underneath."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trio
import trio.testing
from structlog.testing import capture_logs

from acd.agents import AgentId, AgentState, AgentUpdate, PersonSeen, Phone, QueueSeen
from acd.agents_feed.fixed import FixedFeed
from acd.calls import CallState, DisconnectCause
from acd.clock import SystemClock
from acd.dialer.attempts import run_attempt
from acd.dialer.beginnings import Beginnings
from acd.dialer.dialing import CallsInFlight, Dialing
from acd.dialer.handover import Handover
from acd.dialer.lead_why import explain_lead
from acd.dialer.outcomes import Outcomes
from acd.dialer.places import AgentPlace, agent_places
from acd.dialer.redirects import may_follow
from acd.dialer.reports import campaign_report
from acd.dialer.routing import Roster
from acd.dialer.store_watch import StoreWatch
from acd.dialer.upkeep import show_blocked
from acd.errors import StoreUnavailable
from acd.lines import (
    Door,
    PersonWith,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferUnconfirmed,
    Trunk,
    TrunkStatus,
)
from acd.metrics import Metrics
from acd.rules.eligibility import Rule
from acd.settings import DestinationSettings, TrunkSettings
from acd.store import Store, open_store_sync
from acd.store import schema as t
from acd.store.calls import call_of
from acd.store.campaigns import campaign_by_id
from acd.store.dnc import add_numbers, list_to_add_to
from acd.store.lead_changes import find_leads, reset_leads
from acd.store.leads import claim_leads
from acd.store.suppressions import suppress
from tests.contract.store.world import NOON, World
from tests.fakes.lines import FakeLine, FakePool, FakeTrunk, Script

WAIT_LIMIT_SECONDS = 0.2
TRUNK = TrunkSettings(domain="127.0.0.1", user="dialer")


@dataclass
class Stage:
    """One campaign with one lead and its agents."""

    dialing: Dialing
    stop: trio.Event

    async def run(self, in_flight: CallsInFlight | None = None) -> dict[str, Any]:
        """Dial the lead; the attempt's row, empty when none was written."""
        claimed = await self.dialing.store.run(
            claim_leads,
            campaign_id=self.dialing.campaign.campaign_id,
            node="node",
            limit=1,
            now=self.dialing.clock.now(),
        )
        await run_attempt(self.dialing, claimed[0], in_flight or CallsInFlight(), self.stop)
        return await self.row()

    async def row(self) -> dict[str, Any]:
        await self.dialing.outcomes.wait_written()

        def first(conn: sa.Connection) -> dict[str, Any]:
            row = conn.execute(sa.select(t.attempts)).mappings().first()
            return dict(row) if row else {}

        return await self.dialing.store.run(first)

    async def lead_state(self) -> str:
        await self.dialing.outcomes.wait_written()

        def state(conn: sa.Connection) -> str:
            return str(conn.execute(sa.select(t.leads.c.state)).scalar_one())

        return await self.dialing.store.run(state)

    def count(self, name: str, **labels: str) -> float:
        labels = {"campaign": self.dialing.campaign.name, **labels}
        value = self.dialing.metrics.registry.get_sample_value(f"{name}_total", labels)
        assert value is not None
        return value


@dataclass
class ScriptedStage(Stage):
    """Its trunk follows scripts."""

    trunk: FakeTrunk

    @property
    def line(self) -> FakeLine:
        return self.trunk.lines.used[-1]


class SeeingFeed(FixedFeed):
    """A feed that sees phones, whose updates the test itself gives to the roster."""

    def sees_phone(self, agent: AgentId) -> bool:
        return True


class StageMaker:
    """Builds a stage in a test's own nursery and folder."""

    def __init__(self, store: Store, nursery: trio.Nursery) -> None:
        self._store = store
        self.nursery = nursery

    async def make(self, script: Script, **definition: Any) -> ScriptedStage:
        trunk = FakeTrunk(FakePool(self.nursery, 5, [script]))
        dialing = await self.dialing(trunk, FixedFeed(self.nursery), **definition)
        return ScriptedStage(dialing, trio.Event(), trunk)

    async def dialing(self, trunk: Trunk, feed: FixedFeed, **definition: Any) -> Dialing:
        """A campaign with one lead."""
        store = self._store
        world = World(store)
        limit = {"wait_limit_seconds": WAIT_LIMIT_SECONDS}
        campaign_id = world.campaign(**{**limit, **definition})
        world.leads(campaign_id)
        campaign = await store.run(campaign_by_id, campaign_id)
        roster = Roster()
        roster.seat(campaign_id, agent_places(campaign.definition))
        metrics = Metrics()
        metrics.know_campaign(campaign.name)
        watch, clock = StoreWatch(store, metrics), SystemClock()
        outcomes = Outcomes(store=watch, metrics=metrics, clock=clock, node="node")
        beginnings = Beginnings(store=watch, clock=clock, node="node")
        self.nursery.start_soon(outcomes.write)
        self.nursery.start_soon(beginnings.write)
        return Dialing(
            campaign=campaign,
            trunk=trunk,
            trunk_settings=TRUNK,
            door=Door(DestinationSettings(), TRUNK),
            roster=roster,
            feed=feed,
            store=watch,
            beginnings=beginnings,
            outcomes=outcomes,
            metrics=metrics,
            clock=clock,
            node="node",
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as store:
        yield store


@pytest.fixture
def stages(store: Store, nursery: trio.Nursery) -> StageMaker:
    return StageMaker(store, nursery)


@pytest.mark.parametrize(
    "said",
    [
        30.0,
        TransferFailed(at_seconds=0.0, sip_status=503, person_with=PersonWith.PBX),
    ],
    ids=["the PBX says nothing", "the PBX says 503"],
)
async def test_an_agent_who_was_seen_picking_up_has_the_person_whatever_the_pbx_says(
    stages: StageMaker, said: TransferFailed | float
) -> None:
    stage = await stages.make(Script(transfers=deque([said])))
    roster = stage.dialing.roster

    def follow(place: AgentPlace, handover: Handover) -> None:
        for phone in (Phone.RINGING, Phone.IN_USE):
            handover.take(phone, trio.current_time())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roster, "follow", follow)
        row = await stage.run()
    assert (row["disposition"], row["transfer_result"]) == ("handed_over", "answered")
    assert not row["abandoned"]


@pytest.mark.parametrize(
    "said",
    [
        TransferAnswered(at_seconds=0.0),
        TransferFailed(at_seconds=0.0, sip_status=503, person_with=PersonWith.PBX),
    ],
    ids=["the PBX calls the ringing an answer", "the PBX says 503"],
)
async def test_who_was_seen_to_hang_up_while_the_phone_rang_was_not_abandoned_nor_missed(
    stages: StageMaker, said: TransferAnswered | TransferFailed
) -> None:
    stage = await stages.make(
        Script(transfers=deque([said])), agents={"extensions": ["201"], "no_answer_limit": 1}
    )
    roster, feed = stage.dialing.roster, SeeingFeed(stages.nursery)
    stage.dialing = replace(stage.dialing, feed=feed)

    def follow(place: AgentPlace, handover: Handover) -> None:
        handover.take(Phone.RINGING, trio.current_time())
        handover.hang_up(trio.current_time())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roster, "follow", follow)
        row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("handed_over_unconfirmed", False)
    assert row["transferred_at"] is None
    assert stage.count("acd_abandoned") == stage.count("acd_live_answers") == 0
    assert roster.states() == {AgentState.READY: 1}, "one more who is not taken would bench them"


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


SENT_ON_TO = "+43150564200"


@pytest.mark.parametrize(
    ("barred_by", "disposition", "why"),
    [
        ("", "handed_over", ""),
        ("another campaign's list", "handed_over", ""),
        ("the campaign's list", "forwarded", "it stands on a do-not-call list"),
        ("everybody's list", "forwarded", "it stands on a do-not-call list"),
        ("an erasure", "forwarded", "the person had their data erased"),
        ("the database is away", "failed", "the do-not-call lists cannot be read now"),
    ],
)
async def test_the_number_that_a_redirect_names_is_asked_of_the_lists(
    stages: StageMaker,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    barred_by: str,
    disposition: str,
    why: str,
) -> None:
    stage = await stages.make(Script(sent_on_to=SENT_ON_TO))
    lists = {
        "another campaign's list": World(store, _names=count(2)).campaign(),
        "the campaign's list": stage.dialing.campaign.campaign_id,
        "everybody's list": None,
    }
    if barred_by in lists:
        store.run_sync(_list_number, SENT_ON_TO, lists[barred_by])
    elif barred_by == "an erasure":
        store.run_sync(suppress, [SENT_ON_TO], NOON)
    elif barred_by:
        monkeypatch.setattr(store, "read_sync", _away)
    row = await stage.run()
    monkeypatch.undo()
    assert row["disposition"] == disposition
    _, happened = store.read_sync(call_of, row["attempt_id"])
    told = str(happened[-1].detail.get("not_followed", ""))
    assert told.endswith(why)
    assert SENT_ON_TO not in told
    dead = store.read_sync(lambda conn: conn.scalars(sa.select(t.lead_numbers.c.dead)).one())
    assert dead == (disposition == "forwarded"), "an outage says nothing about the lead"


def _list_number(conn: sa.Connection, e164: str, campaign_id: int | None) -> None:
    list_id = list_to_add_to(conn, name="listed", campaign_id=campaign_id, now=NOON)
    add_numbers(conn, list_id=list_id, numbers=[e164], now=NOON)


def _away(*_: object, **__: object) -> None:
    raise StoreUnavailable("away")


async def test_while_the_database_is_known_to_be_away_no_redirect_is_followed(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script())
    stage.dialing.store._lost("away")
    refusal = await may_follow(stage.dialing.store, 1, SENT_ON_TO)
    assert refusal is not None
    assert refusal.cause is DisconnectCause.TEMPORARY_FAILURE


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


async def test_a_person_who_hangs_up_inside_the_limit_after_a_refusal_is_not_abandoned(
    stages: StageMaker,
) -> None:
    refused = TransferRefused(at_seconds=0.0, sip_status=480)
    hurried = Script(transfers=deque([refused]), hangs_up_after=WAIT_LIMIT_SECONDS / 4)
    stage = await stages.make(hurried)
    row = await stage.run()
    assert (row["cause"], row["abandoned"]) == (DisconnectCause.NORMAL, False)
    assert row["transfer_result"] == "refused"
    assert stage.count("acd_abandoned") == 0


@pytest.mark.parametrize(
    "result",
    [
        TransferRefused(at_seconds=0.0, sip_status=480),
        TransferFailed(at_seconds=0.0, sip_status=486, person_with=PersonWith.US),
    ],
    ids=["refused", "failed"],
)
async def test_a_person_who_is_still_ours_goes_to_the_next_agent(
    stages: StageMaker, result: TransferRefused | TransferFailed
) -> None:
    stage = await stages.make(
        Script(transfers=deque([result])), agents={"extensions": ["201", "202"]}
    )
    row = await stage.run()
    assert row["disposition"] == "handed_over"
    assert [target.user for target in stage.line.targets] == ["201", "202"]
    assert stage.dialing.roster.states() == {AgentState.READY: 1, AgentState.ON_CALL: 1}


async def test_an_agent_who_cannot_be_reached_is_tried_once_a_person(stages: StageMaker) -> None:
    refused = TransferRefused(at_seconds=0.0, sip_status=404)
    stage = await stages.make(Script(transfers=deque([refused] * 5)))
    row = await stage.run()
    assert row["disposition"] == "abandoned"
    assert [target.user for target in stage.line.targets] == ["201"]


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
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script(), agents={**OVERFLOW, "extensions": []})
    roster = stage.dialing.roster

    def follow(handover: Handover) -> None:
        rings = PersonSeen(number=handover.number, phone=Phone.RINGING, agent=AgentId("102"))
        handover.take_member(rings, trio.current_time())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roster, "follow_person", follow)
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


async def test_a_person_whom_the_pbx_lost_is_abandoned_and_nothing_is_played(
    stages: StageMaker, tmp_path: Path
) -> None:
    lost = TransferFailed(at_seconds=0.0, sip_status=503, person_with=PersonWith.PBX)
    stage = await stages.make(
        Script(transfers=deque([lost])), abandon_message=str(tmp_path / "sorry.wav")
    )
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("abandoned", True)
    assert row["transfer_sip_status"] == 503
    assert stage.line.played == []
    assert stage.dialing.roster.states() == {AgentState.READY: 1}


async def test_an_agent_who_answers_after_the_limit_is_an_abandoned_call(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script(transfers=deque([WAIT_LIMIT_SECONDS * 2])))
    row = await stage.run()
    assert (row["transfer_result"], row["abandoned"]) == ("with_pbx", True)
    assert row["disposition"] == "abandoned"
    assert stage.dialing.roster.states() == {AgentState.ON_CALL: 1}
    assert stage.count("acd_transfers", result="with_pbx") == stage.count("acd_abandoned") == 1
    assert stage.count("acd_live_answers") == 1, "abandoned and then joined is one person"


async def test_the_ledger_knows_of_a_person_left_with_the_pbx_before_the_pbx_says_a_word(
    stages: StageMaker,
) -> None:
    stage = await stages.make(Script(transfers=deque([30.0])))
    in_flight = CallsInFlight()
    async with trio.open_nursery() as running:
        running.start_soon(stage.run, in_flight)
        with trio.fail_after(20):
            while not in_flight.abandoned:  # noqa: ASYNC110 - a set has no event
                await trio.sleep(0.01)
        assert stage.line.state is CallState.TRANSFERRING
        assert stage.count("acd_abandoned") == 1
        running.cancel_scope.cancel()
    row = await stage.row()
    assert row["abandoned"]


async def test_an_unconfirmed_transfer_is_never_called_lost(stages: StageMaker) -> None:
    unconfirmed = TransferUnconfirmed(at_seconds=trio.current_time())
    stage = await stages.make(Script(transfers=deque([unconfirmed])))
    row = await stage.run()
    assert (row["disposition"], row["abandoned"]) == ("handed_over_unconfirmed", False)


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
