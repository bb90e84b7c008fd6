"""The scheduler on scripted lines, with a real SQLite underneath."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trio
from structlog.testing import capture_logs

from acd.agents import AgentState
from acd.agents_feed.fixed import FixedFeed
from acd.calls import CallState, DisconnectCause
from acd.clock import SystemClock
from acd.dialer.leftovers import dialog_as_json
from acd.dialer.node_lease import Tenure
from acd.dialer.scheduler import Scheduler
from acd.dialer.surroundings import Surroundings
from acd.lines import DialogId, TransferRefused, TrunkStatus
from acd.metrics import Metrics
from acd.settings import Settings, TrunkSettings
from acd.store import Store, open_store_sync
from acd.store import schema as t
from acd.store.campaigns import (
    CampaignState,
    campaign_by_id,
    reload_campaign,
    set_campaign_state,
)
from acd.store.nodes import NODE_LEASE, renew_node
from acd.store.outcomes import DialogSeen
from tests.contract.store.world import World, definition
from tests.fakes.lines import FakePool, FakeTrunk, Script

BOUND_SECONDS = 20.0
HANDLE_SECONDS = 0.01


class Floor:
    """An engine's scheduler without SIP: a store, scripted lines, and what it did."""

    def __init__(self, store: Store, nursery: trio.Nursery, folder: Path) -> None:
        self.store = store
        self.world = World(store)
        self._nursery = nursery
        self._folder = folder
        self.metrics = Metrics()
        """Of the last scheduler."""

    def campaign(self, leads: int, **changes: Any) -> int:
        agents = {"extensions": ["201", "202"], "handle_seconds": HANDLE_SECONDS}
        campaign_id = self.world.campaign(**{"agents": agents, **changes})
        self.world.leads(campaign_id, leads)
        return campaign_id

    def trunk(self, *scripts: Script, lines: int = 30) -> FakeTrunk:
        return FakeTrunk(FakePool(self._nursery, lines, scripts or (Script(),)))

    def scheduler(self, trunk: FakeTrunk) -> Scheduler:
        settings = Settings(trunk=(TrunkSettings(domain="127.0.0.1", user="dialer"),))
        self.metrics = Metrics()
        self.metrics.know_trunk("main", trunk.lines)
        return Scheduler(
            Surroundings(
                settings=settings,
                trunks={"main": trunk},
                store=self.store,
                feed=FixedFeed(self._nursery),
                metrics=self.metrics,
                clock=SystemClock(),
                node="node",
            )
        )

    async def finish(self, trunk: FakeTrunk) -> None:
        with trio.fail_after(BOUND_SECONDS):
            await self.scheduler(trunk).run(until_finished=True)

    @asynccontextmanager
    async def running(self, trunk: FakeTrunk) -> AsyncIterator[Scheduler]:
        scheduler = self.scheduler(trunk)
        with trio.fail_after(BOUND_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scheduler.run)
                yield scheduler
                scheduler.stop()

    def set_state(self, campaign_id: int, state: CampaignState) -> None:
        self.store.run_sync(
            set_campaign_state, campaign_id=campaign_id, state=state, now=SystemClock().now()
        )

    def column(self, column: sa.Column[Any]) -> list[Any]:
        def values(conn: sa.Connection) -> list[Any]:
            return list(conn.execute(sa.select(column)).scalars())

        return self.store.run_sync(values)

    def has_claimed(self, campaign_id: int) -> bool:
        mine = sa.select(t.leads.c.lead_id).where(
            t.leads.c.campaign_id == campaign_id, t.leads.c.state == "claimed"
        )
        return self.store.run_sync(lambda conn: conn.scalar(mine) is not None)


@pytest.fixture
def floor(tmp_path: Path, nursery: trio.Nursery) -> Iterator[Floor]:
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as store:
        yield Floor(store, nursery, tmp_path)


async def until(what: Callable[[], bool]) -> None:
    """Poll what has no event of its own, inside the test's bound."""
    while not what():  # noqa: ASYNC110 - SQL and the scripts raise no event
        await trio.sleep(0.01)


async def looked_again(trunk: FakeTrunk, times: int = 4) -> None:
    """The pacing has decided so many times more."""
    enough = trunk.asked + times
    await until(lambda: trunk.asked >= enough)


async def test_every_lead_is_dialed_once_and_the_campaign_finishes(floor: Floor) -> None:
    campaign_id = floor.campaign(leads=12)
    trunk = floor.trunk()
    with capture_logs() as lines:
        await floor.finish(trunk)
    dialed = [line.requests[0].destination.user for line in trunk.lines.used]
    assert len(dialed) == len(set(dialed)) == 12
    assert floor.column(t.attempts.c.disposition) == ["handed_over"] * 12
    row = floor.store.run_sync(campaign_by_id, campaign_id)
    assert row.state is CampaignState.FINISHED
    (told,) = (line for line in lines if line["action"] == "campaign.finished")
    assert told["campaign"] == row.name


async def test_a_campaign_whose_list_ran_dry_leaves_no_reason_behind(floor: Floor) -> None:
    floor.campaign(leads=2)
    await floor.finish(floor.trunk())
    families = {family.name: family.samples for family in floor.metrics.registry.collect()}
    assert {sample.value for sample in families["acd_campaign_hold"]} == {0}
    assert families["acd_leads_left_seconds"] == []


async def test_progressive_never_has_more_calls_than_ready_agents(floor: Floor) -> None:
    floor.campaign(leads=8)
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.BAD_ADDRESS))
    await floor.finish(trunk)
    assert trunk.lines.most_leased <= 2
    assert floor.column(t.attempts.c.disposition) == ["invalid_number"] * 8


async def test_an_over_dial_waits_for_the_ledger(floor: Floor) -> None:
    ratio = {"dial_mode": "ratio", "calls_per_agent": 3, "ramp_seconds": 0}
    agents = {"extensions": ["201"], "handle_seconds": HANDLE_SECONDS}
    campaign_id = floor.campaign(leads=33, agents=agents, **ratio)
    hand_over(floor, campaign_id, 33)
    floor.world.leads(campaign_id, 40)
    ringing = Script(answers_after=None, cause=DisconnectCause.NO_ANSWER)
    trunk = floor.trunk(ringing)
    async with floor.running(trunk) as scheduler:
        await until(lambda: trunk.lines.leased == 1)
        await looked_again(trunk)
        assert trunk.lines.most_leased == 1, "33 live answers bear no abandoned call"
        hand_over(floor, campaign_id, 1)
        await until(lambda: trunk.lines.leased == 2)
        await looked_again(trunk)
        assert trunk.lines.most_leased == 2, "34 live answers bear one"
        scheduler.stop()
        for line in trunk.lines.used:
            await line.hang_up()


async def test_the_ratio_is_reached_over_the_ramp(floor: Floor) -> None:
    ratio = {"dial_mode": "ratio", "calls_per_agent": 3, "ramp_seconds": 2}
    agents = {"extensions": ["201"], "handle_seconds": HANDLE_SECONDS}
    campaign_id = floor.campaign(leads=100, agents=agents, **ratio)
    hand_over(floor, campaign_id, 100)
    floor.world.leads(campaign_id, 40)
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.NO_ANSWER))
    began = trio.current_time()
    leased_after: dict[int, float] = {}

    async with floor.running(trunk) as scheduler:
        for calls in (1, 2, 3):
            await until(partial(_leased, trunk, calls))
            leased_after[calls] = trio.current_time() - began
        scheduler.stop()
        for line in trunk.lines.used:
            await line.hang_up()
    # Two calls for an agent are half the way from one to three, three are all of it.
    assert leased_after[2] >= 1.0
    assert leased_after[3] >= 2.0


def _leased(trunk: FakeTrunk, calls: int) -> bool:
    return trunk.lines.most_leased >= calls


async def test_claims_are_renewed_while_nobody_dials_them(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acd.dialer.upkeep.RENEW_CLAIMS_SECONDS", 0.05)
    floor.campaign(leads=6)
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.NO_ANSWER))

    def leases() -> list[datetime]:
        states = floor.column(t.leads.c.state)
        moments = floor.column(t.leads.c.lease_until)
        return [at for at, state in zip(moments, states, strict=True) if state == "claimed"]

    async with floor.running(trunk) as scheduler:
        await until(lambda: len(leases()) == 6 and trunk.lines.leased == 2)
        first = leases()
        await until(lambda: min(leases()) > max(first))
        scheduler.stop()
        for line in trunk.lines.used:
            await line.hang_up()


def hand_over(floor: Floor, campaign_id: int, people: int) -> None:
    """As another node would: so many leads reach an agent just now."""
    now = SystemClock().now()
    for lead in floor.world.claim(campaign_id, limit=people, node="other", now=now):
        floor.world.close(
            floor.world.dial(lead, node="other", now=now),
            DisconnectCause.TRANSFERRED,
            now=now,
            answered_at=now,
            transferred_at=now,
            transfer_result="answered",
        )


async def test_a_paused_campaign_gives_its_leads_back_and_finishes_its_calls(floor: Floor) -> None:
    campaign_id = floor.campaign(leads=20)
    trunk = floor.trunk(Script(answers_after=0.2))
    async with floor.running(trunk) as scheduler:
        await until(lambda: [len(line.requests) for line in trunk.lines.used] == [1, 1])
        floor.set_state(campaign_id, CampaignState.PAUSED)
        scheduler.look()
        await until(lambda: trunk.lines.leased == 0)
        await until(lambda: "claimed" not in floor.column(t.leads.c.state))
    assert floor.column(t.attempts.c.disposition) == ["handed_over"] * 2
    assert floor.column(t.leads.c.state).count("waiting") == 18


async def test_a_campaign_started_again_dials_while_a_call_from_before_goes_on(
    floor: Floor,
) -> None:
    campaign_id = floor.campaign(leads=5)
    slow, soon_over = Script(transfers=deque([60.0])), Script(transfers=deque([1.0]))
    trunk = floor.trunk(slow, soon_over, Script())
    async with floor.running(trunk) as scheduler:
        await until(lambda: [bool(line.targets) for line in trunk.lines.used] == [True, True])
        floor.set_state(campaign_id, CampaignState.PAUSED)
        scheduler.look()
        await until(lambda: floor.column(t.leads.c.state).count("claimed") == 2)
        floor.set_state(campaign_id, CampaignState.RUNNING)
        scheduler.look()
        await until(lambda: floor.column(t.attempts.c.disposition).count("handed_over") == 4)
        (first,) = (line for line in trunk.lines.used if line.script is slow)
        assert first.state is CallState.TRANSFERRING
        scheduler.stop()
        await first.hang_up()


async def test_what_waits_for_a_line_is_given_back_as_soon_as_the_engine_is_to_end(
    floor: Floor,
) -> None:
    floor.campaign(leads=20, agents={"extensions": [str(n) for n in range(201, 211)]})
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.NO_ANSWER), lines=1)
    async with floor.running(trunk) as scheduler:
        await until(lambda: [len(line.requests) for line in trunk.lines.used] == [1])
        await looked_again(trunk)
        scheduler.stop()
        await until(lambda: floor.column(t.leads.c.state).count("claimed") == 1)
        assert trunk.lines.leased == 1, "the call that rings goes on"
        await trunk.lines.used[0].hang_up()
    assert len(trunk.lines.used) == 1


async def test_a_reload_takes_effect_while_the_campaign_runs(floor: Floor) -> None:
    nobody = {"extensions": ["299"], "handle_seconds": 60}
    campaign_id = floor.campaign(leads=3, agents=nobody)
    trunk = floor.trunk()
    async with floor.running(trunk) as scheduler:
        await until(lambda: floor.column(t.attempts.c.disposition) == ["handed_over"])
        floor.store.run_sync(
            reload_campaign,
            campaign_id=campaign_id,
            definition=definition(agents={"extensions": ["201"], "handle_seconds": 0.01}),
            trunk="main",
            now=SystemClock().now(),
        )
        scheduler.look()
        await until(lambda: floor.column(t.attempts.c.disposition) == ["handed_over"] * 3)
    assert [line.targets[0].user for line in trunk.lines.used] == ["299", "201", "201"]


async def test_a_campaign_whose_trunk_is_gone_is_said_once_and_not_dialed(floor: Floor) -> None:
    lost = floor.campaign(leads=2)
    move(floor, lost, trunk="gone")
    floor.campaign(leads=3)
    trunk = floor.trunk()
    with capture_logs() as lines:
        async with floor.running(trunk) as scheduler:
            await until(lambda: len(trunk.lines.used) == 3)
            scheduler.look()
            await until(lambda: floor.column(t.campaigns.c.state).count("finished") == 1)
            assert floor.column(t.leads.c.state).count("waiting") == 2
            move(floor, lost, trunk="main")
            scheduler.look()
            await until(lambda: len(trunk.lines.used) == 5)
    said = [each for each in lines if each["action"] == "campaign.no_trunk"]
    assert [(each["campaign"], each["trunk"]) for each in said] == [("campaign-1", "gone")]


async def test_a_campaign_that_moves_to_no_trunk_ends_its_calls_and_stops(floor: Floor) -> None:
    campaign_id = floor.campaign(leads=20)
    trunk = floor.trunk(Script(answers_after=0.2))
    async with floor.running(trunk) as scheduler:
        await until(lambda: sum(bool(line.requests) for line in trunk.lines.used) == 2)
        move(floor, campaign_id, trunk="gone")
        scheduler.look()
        await until(lambda: trunk.lines.leased == 0)
        await until(lambda: "claimed" not in floor.column(t.leads.c.state))
    assert floor.column(t.attempts.c.disposition) == ["handed_over"] * 2


def move(floor: Floor, campaign_id: int, *, trunk: str) -> None:
    """Reload the campaign as dialing over another trunk."""
    agents = {"extensions": ["201", "202"], "handle_seconds": HANDLE_SECONDS}
    floor.store.run_sync(
        reload_campaign,
        campaign_id=campaign_id,
        definition=definition(agents=agents),
        trunk=trunk,
        now=SystemClock().now(),
    )


async def test_nothing_is_dialed_while_the_trunk_is_down(floor: Floor) -> None:
    floor.campaign(leads=2)
    trunk = floor.trunk()
    trunk.become(TrunkStatus.UNREACHABLE)
    async with floor.running(trunk):
        await until(lambda: trunk.asked > 4)
        assert trunk.lines.used == []
        trunk.become(TrunkStatus.UP)
        await until(lambda: len(trunk.lines.used) == 2)


async def test_two_campaigns_share_an_agent_one_person_at_a_time(floor: Floor) -> None:
    shared = {"extensions": ["201"], "handle_seconds": HANDLE_SECONDS}
    for _ in range(2):
        floor.campaign(leads=4, agents=shared)
    await floor.finish(floor.trunk())
    talks = sorted(
        (at, at + timedelta(seconds=HANDLE_SECONDS))
        for at in floor.column(t.attempts.c.transferred_at)
    )
    assert len(talks) == 8
    assert all(end <= start for (_, end), (start, _) in pairwise(talks))


async def test_nobody_takes_the_agent_for_whom_another_campaigns_phone_rings(floor: Floor) -> None:
    floor.campaign(leads=1, agents={"extensions": ["202"], "handle_seconds": HANDLE_SECONDS})
    floor.campaign(leads=1, agents={"extensions": ["202", "201"], "handle_seconds": HANDLE_SECONDS})
    await floor.finish(floor.trunk(Script(answers_after=0.6), Script(answers_after=0.2)))
    assert floor.column(t.attempts.c.disposition) == ["handed_over"] * 2
    assert sorted(floor.column(t.attempts.c.agent)) == ["201", "202"]


async def test_campaigns_whose_ledger_bears_nothing_leave_an_agent_for_each_call_of_the_others(
    floor: Floor,
) -> None:
    shared = {"extensions": ["201", "202", "203"], "handle_seconds": HANDLE_SECONDS}
    ratio = {"dial_mode": "ratio", "calls_per_agent": 3, "ramp_seconds": 0}
    for _ in range(2):
        floor.campaign(leads=10, agents=shared, **ratio)
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.NO_ANSWER))
    async with floor.running(trunk) as scheduler:
        await until(lambda: trunk.lines.leased == 3)
        await looked_again(trunk, times=8)
        assert trunk.lines.most_leased == 3, "nobody may be abandoned before 34 live answers"
        scheduler.stop()
        for line in trunk.lines.used:
            await line.hang_up()


async def test_an_over_dial_takes_no_agent_of_a_campaign_whose_ledger_does_not_bear_it(
    floor: Floor,
) -> None:
    shared = {"extensions": ["201", "202", "203"], "handle_seconds": HANDLE_SECONDS}
    ratio = {"dial_mode": "ratio", "calls_per_agent": 3, "ramp_seconds": 0}
    old = floor.campaign(leads=100, agents=shared, **ratio)
    young = floor.campaign(leads=40, agents=shared, line_limit=1, running=False, **ratio)
    hand_over(floor, old, 100)
    floor.world.leads(old, 40)
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.NO_ANSWER))
    async with floor.running(trunk) as scheduler:
        await until(lambda: trunk.lines.leased == 6)
        floor.set_state(young, CampaignState.RUNNING)
        await until(lambda: floor.has_claimed(young))
        for line in trunk.lines.used[:]:
            await line.hang_up()
        trunk.lines.most_leased = 0
        # Not the three that are left of the six for a moment, while they are given back.
        await until(lambda: trunk.lines.most_leased > 0 and trunk.lines.leased == 3)
        await looked_again(trunk)
        assert trunk.lines.most_leased == 3, "nobody may be abandoned of the young one's people"
        scheduler.stop()
        for line in trunk.lines.used:
            await line.hang_up()


async def test_a_queue_that_the_pbx_does_not_know_costs_three_people_and_no_more(
    floor: Floor,
) -> None:
    floor.campaign(leads=12, agents={"queue": "help", "slots": 1}, wait_limit_seconds=0.3)
    refused = TransferRefused(at_seconds=0.0, sip_status=404)
    scripts = [Script(hangs_up_after=1.0, transfers=deque([refused] * 9)) for _ in range(12)]
    trunk = floor.trunk(*scripts)
    async with floor.running(trunk) as scheduler:
        await until(lambda: scheduler.agent_states() == {AgentState.NOT_READY: 1})
        await looked_again(trunk)
        assert len(trunk.lines.used) == 3
        scheduler.stop()
    assert sum(floor.column(t.attempts.c.abandoned)) == 3


async def test_a_campaigns_own_line_limit_holds(floor: Floor) -> None:
    floor.campaign(leads=6, line_limit=1)
    trunk = floor.trunk(Script(answers_after=None, cause=DisconnectCause.BAD_ADDRESS))
    await floor.finish(trunk)
    assert trunk.lines.most_leased == 1
    assert floor.column(t.attempts.c.disposition) == ["invalid_number"] * 6


async def test_what_a_dead_engine_left_open_is_hung_up_and_ends_as_unknown(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_a_call(floor, node="dead")
    trunk = floor.trunk()
    monkeypatch.setattr(Tenure, "may_take_over", lambda self, now: True)
    async with floor.running(trunk):
        await until(lambda: floor.column(t.attempts.c.disposition) == ["unknown"])
    assert [dialog.call_id for dialog in trunk.hung_up] == ["left-over"]
    assert floor.column(t.leads.c.state) == ["review"]
    assert floor.column(t.nodes.c.node) == [], "who ends by themselves leaves nothing"


async def test_an_engine_that_has_just_come_takes_nobody_for_dead(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_a_call(floor, node="slow")
    asked: list[datetime] = []
    may_take_over = Tenure.may_take_over

    def note(tenure: Tenure, now: datetime) -> bool:
        asked.append(now)
        return may_take_over(tenure, now)

    monkeypatch.setattr(Tenure, "may_take_over", note)
    monkeypatch.setattr("acd.dialer.node_lease.RENEW_SECONDS", 0.05)
    trunk = floor.trunk()
    async with floor.running(trunk):
        await until(lambda: len(asked) > 3)
    assert trunk.hung_up == []
    assert floor.column(t.attempts.c.state) == ["dialing"]


def leave_a_call(floor: Floor, *, node: str) -> None:
    """As an engine whose lease ran out long ago."""
    campaign_id = floor.campaign(leads=1)
    now = SystemClock().now()
    (lead,) = floor.world.claim(campaign_id, node=node, now=now)
    attempt = floor.world.dial(lead, node=node, now=now)
    dialog = DialogId(
        call_id="left-over",
        local="<sip:a>;tag=1",
        remote="<sip:b>;tag=2",
        target="sip:b",
        routes=(),
        cseq=1,
    )
    seen = DialogSeen(attempt_id=attempt, sip_call_id=dialog.call_id, dialog=dialog_as_json(dialog))
    floor.world.write(seen, node=node)
    floor.store.run_sync(renew_node, node=node, now=now - 2 * NODE_LEASE)
