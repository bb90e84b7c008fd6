"""The scheduler: runs every started campaign on the shared lines until it is told to stop.

    Scheduler.run ─┬─ follow SQL: which campaigns are to run
                   ├─ follow the feed: what agents do
                   └─ one task a campaign ── one task an attempt

A campaign's task looks at its snapshot, starts as many attempts as `pacing` says, and sleeps
until an agent's state, one of its calls or a second has passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from math import ceil
from pathlib import Path

import structlog
import trio

from acd.agents import AgentFeed, AgentState
from acd.clock import WallClock
from acd.dialer.agents_book import AgentBook
from acd.dialer.attempts import CallsInFlight, Dialing
from acd.dialer.callbacks import run_claimed
from acd.dialer.campaign_watch import CampaignWatch, watch_lag
from acd.dialer.hopper import Hopper
from acd.dialer.ledger_watch import LedgerWatch
from acd.dialer.leftovers import hang_up_leftovers
from acd.dialer.list_watch import LOOK_AT_LISTS_SECONDS, ListWatch
from acd.dialer.outcomes import DRAIN_SECONDS, Outcomes, open_outcomes
from acd.dialer.pacing import (
    LineWants,
    PacingSnapshot,
    calls_beyond,
    calls_to_start,
    lines_to_ask_for,
    ramped,
)
from acd.dialer.places import needs_of
from acd.dialer.routing import Roster
from acd.dialer.store_watch import StoreWatch
from acd.dialer.upkeep import keep_claims, show_blocked
from acd.errors import StoreUnavailable
from acd.lines import Door, Trunk, TrunkHealth
from acd.metrics import Metrics
from acd.rules.definition import DialMode
from acd.rules.hold import Hold
from acd.rules.ledger import LedgerCounts, headroom
from acd.settings import Settings
from acd.store import Store
from acd.store.attempts import close_orphans
from acd.store.campaigns import (
    CampaignRow,
    finish_if_exhausted,
    running_campaigns,
)
from acd.store.leads import ClaimedLead
from acd.store.nodes import leave_node, renew_node
from acd.store.outcomes import GivenBack

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RENEW_SECONDS = 10.0
"""How often this engine says to the others that it lives; its lease is a minute."""
LEDGER_SECONDS = 1.0
"""How old the abandon ledger's counts may be when calls beyond the ready agents are started."""
LOOK_SECONDS = 0.5
"""How often SQL is asked which campaigns run, and a campaign looks at its leads unprompted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the scheduler stands on; `acd.app` puts it together."""

    settings: Settings
    trunks: dict[str, Trunk]
    store: Store
    feed: AgentFeed
    metrics: Metrics
    clock: WallClock
    node: str
    comfort_audio: Path | None = None
    """Heard by people who wait for an agent, where their campaign has none of its own."""
    companions: tuple[Companion, ...] = ()


Companion = Callable[[StoreWatch, Outcomes], AbstractAsyncContextManager[Callable[[], None]]]
"""Something that dials beside the campaigns and writes into the same books.

Opened once the books are, and given a chance to end its calls before they are closed. What it
yields tells it to start no more calls.
"""


class Scheduler:
    """Dials the campaigns that SQL says are running."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._store = StoreWatch(around.store, around.metrics)
        self._book = AgentBook(self._store, around.clock, around.feed)
        self._roster = self._book.roster
        self._stopping = trio.Event()
        self._look = trio.Event()
        self._runs_changed = trio.Event()
        self._runs: dict[int, CampaignRun] = {}
        self._trunkless: set[tuple[int, int]] = set()
        """Campaigns, each with its version, whose trunk's absence was logged."""
        self._companion_stops: list[Callable[[], None]] = []
        self._outcomes: Outcomes

    def look(self) -> None:
        """Ask SQL now which campaigns run, instead of at the next look."""
        self._look.set()

    def agent_states(self) -> Counter[AgentState]:
        """Agents by state, as this engine sees them."""
        return self._roster.states()

    def stop(self) -> None:
        """Start no more calls; `run` returns when the present ones are over."""
        self._stopping.set()
        self._look.set()
        for run in self._runs.values():
            run.stop()
        for stop in self._companion_stops:
            stop()

    async def run(self, *, until_finished: bool = False) -> None:
        """Run until `stop`, or, with `until_finished`, until no campaign runs any more."""
        around = self._around
        await self._clean_up()
        async with (
            open_outcomes(
                store=self._store, metrics=around.metrics, clock=around.clock, node=around.node
            ) as outcomes,
            trio.open_nursery() as side,
        ):
            self._outcomes = outcomes
            self._book.write_to(outcomes)
            side.start_soon(self._store.watch)
            side.start_soon(self._hold_node)
            side.start_soon(self._end_with_patience)
            side.start_soon(self._follow_feed)
            side.start_soon(self._show_agents)
            side.start_soon(self._watch_lists)
            side.start_soon(self._book.close_undisposed)
            side.start_soon(watch_lag, around.metrics)
            for trunk in around.trunks.values():
                side.start_soon(self._follow_trunk, trunk)
            async with AsyncExitStack() as beside:
                for companion in around.companions:
                    stop = await beside.enter_async_context(companion(self._store, outcomes))
                    self._companion_stops.append(stop)
                async with trio.open_nursery() as campaigns:
                    await self._follow_campaigns(campaigns, until_finished=until_finished)
            side.cancel_scope.cancel()
        with suppress(StoreUnavailable):
            await self._store.run(leave_node, node=around.node)

    async def _hold_node(self) -> None:
        """Renew this engine's lease, and take over what engines that died have left open."""
        around = self._around
        while True:
            with suppress(StoreUnavailable):
                taken = await self._store.run(renew_node, node=around.node, now=around.clock.now())
                if taken:
                    log.warning("attempts taken over", action="node.died", count=len(taken))
            await trio.sleep(RENEW_SECONDS)

    async def _clean_up(self) -> None:
        """End what a process of this node that died has left: dialogs first, then rows."""
        around = self._around
        await hang_up_leftovers(self._store, around.trunks, node=around.node)
        orphans = await self._store.run(close_orphans, node=around.node, now=around.clock.now())
        if orphans:
            log.warning("attempts left open", action="attempt.orphaned", count=len(orphans))

    async def _end_with_patience(self) -> None:
        """A cancelled engine waits for the database too, but not for ever."""
        try:
            await trio.sleep_forever()
        finally:
            self._store.give_up_at(trio.current_time() + DRAIN_SECONDS)

    async def _follow_campaigns(self, nursery: trio.Nursery, *, until_finished: bool) -> None:
        while not self._stopping.is_set():
            try:
                # Agents first: nobody who is logged off may be offered a person of a new campaign.
                await self._book.read()
                rows = await self._store.read(running_campaigns)
            except StoreUnavailable:
                pass  # what runs goes on as it is
            else:
                if self._stopping.is_set():
                    # Told while SQL was read: what has just been left must not be taken up again.
                    return
                self._take_up(nursery, {row.campaign_id: row for row in rows})
                if until_finished and not self._runs:
                    return
            self._look = trio.Event()
            with trio.move_on_after(LOOK_SECONDS):
                await self._look.wait()

    def _take_up(self, nursery: trio.Nursery, rows: Mapping[int, CampaignRow]) -> None:
        """Start, renew and stop campaigns as SQL says."""
        for campaign_id, run in self._runs.items():
            if campaign_id not in rows:
                run.stop()
        for campaign_id, row in rows.items():
            present = self._runs.get(campaign_id)
            if present is not None and present.campaign.version == row.version:
                continue
            dialing = self._dialing(row)
            if dialing is None:
                if present is not None:
                    present.stop()
            elif present is None:
                self._runs[campaign_id] = started = CampaignRun(dialing, self._roster)
                self._runs_changed.set()
                nursery.start_soon(self._run_campaign, started)
            else:
                present.renew(dialing)
                self._runs_changed.set()
                log.info("campaign reloaded", action="campaign.reloaded", campaign=row.name)

    async def _run_campaign(self, run: CampaignRun) -> None:
        name = run.campaign.name
        self._around.metrics.know_campaign(name)
        log.info("campaign started", action="campaign.started", campaign=name)
        try:
            await run.run()
        finally:
            del self._runs[run.campaign.campaign_id]
            self._runs_changed.set()
            log.info("campaign left", action="campaign.left", campaign=name)

    def _dialing(self, row: CampaignRow) -> Dialing | None:
        """What the campaign is dialed with; None: this engine has no such trunk."""
        around = self._around
        trunk_settings = {trunk.name: trunk for trunk in around.settings.trunk}
        name = row.trunk or around.settings.trunk[0].name
        if name not in trunk_settings:
            self._miss_trunk(row, name)
            return None
        return Dialing(
            campaign=row,
            trunk=around.trunks[name],
            trunk_settings=trunk_settings[name],
            door=Door(around.settings.destinations, trunk_settings[name]),
            roster=self._roster,
            feed=around.feed,
            store=self._store,
            outcomes=self._outcomes,
            metrics=around.metrics,
            clock=around.clock,
            node=around.node,
            comfort_audio=around.comfort_audio,
        )

    def _miss_trunk(self, row: CampaignRow, trunk: str) -> None:
        # SQL is asked twice a second: once a version is enough.
        if (row.campaign_id, row.version) not in self._trunkless:
            self._trunkless.add((row.campaign_id, row.version))
            log.error(
                "campaign not dialed, its trunk is not in acd.toml",
                action="campaign.no_trunk",
                campaign=row.name,
                trunk=trunk,
            )

    async def _follow_feed(self) -> None:
        async for update in self._around.feed.updates:
            self._roster.apply(update)

    async def _show_agents(self) -> None:
        while True:
            states = self._roster.states()
            for state in AgentState:
                self._around.metrics.agents.labels(state).set(states[state])
            await self._roster.wait_change()

    async def _watch_lists(self) -> None:
        """Raise the alarm for lists that became too old, in every campaign as soon as it runs."""
        around = self._around
        watch = ListWatch(self._store, around.metrics, around.clock)
        while True:
            runs = tuple(self._runs.values())
            with suppress(StoreUnavailable):
                await watch.look(run.campaign for run in runs)
            with trio.move_on_after(LOOK_AT_LISTS_SECONDS):
                await self._runs_changed.wait()
            self._runs_changed = trio.Event()

    async def _follow_trunk(self, trunk: Trunk) -> None:
        seen: TrunkHealth = trunk.health
        while True:
            self._show_health(trunk, seen)
            self._around.metrics.trunk_changes.labels(trunk.name, seen.status).inc()
            seen = await trunk.wait_health_change(seen)

    def _show_health(self, trunk: Trunk, health: TrunkHealth) -> None:
        metrics = self._around.metrics
        metrics.trunk_up.labels(trunk.name).set(health.may_dial)
        for status in type(health.status):
            metrics.trunk_status.labels(trunk.name, status).set(status is health.status)


class CampaignRun:
    """One campaign while it runs on this node."""

    def __init__(self, dialing: Dialing, roster: Roster) -> None:
        self._dialing = dialing
        self._roster = roster
        self._stop = trio.Event()
        self._in_flight = CallsInFlight(line_given=self._wake, is_wanted=self._is_wanted)
        self._attempts = 0
        self._news = trio.Event()
        self._staffed_since: float | None = None
        self._ledger: LedgerCounts | None = None
        self._ledger_read_at = 0.0
        self._ledger_watch = LedgerWatch(
            dialing.campaign.campaign_id, store=dialing.store, clock=dialing.clock
        )
        self._watch = CampaignWatch(
            dialing.campaign.name,
            store=dialing.store,
            ledger=self._ledger_watch,
            metrics=dialing.metrics,
            clock=dialing.clock,
        )
        self._hopper = Hopper(
            store=dialing.store,
            clock=dialing.clock,
            campaign_id=dialing.campaign.campaign_id,
            node=dialing.node,
        )

    @property
    def campaign(self) -> CampaignRow:
        """The version that is dialed."""
        return self._dialing.campaign

    def renew(self, dialing: Dialing) -> None:
        """Dial by another version of the campaign; calls under way keep to theirs."""
        self._dialing = dialing
        self._seat_agents()

    def stop(self) -> None:
        """Start no more calls."""
        self._stop.set()

    def _seat_agents(self) -> None:
        self._roster.seat(self.campaign.campaign_id, needs_of(self.campaign.definition))

    async def run(self) -> None:
        """Dial until told to stop or nothing can become dialable; then let calls finish."""
        self._seat_agents()
        self._roster.count_calls(self.campaign.campaign_id, self._agents_needed)
        waiting = self._dialing.metrics.waiting_persons.labels(self.campaign.name)
        waiting.set_function(lambda: len(self._in_flight.waiting))
        try:
            async with trio.open_nursery() as upkeep:
                self._start_upkeep(upkeep)
                async with trio.open_nursery() as nursery:
                    await self._dial_all(nursery)
                upkeep.cancel_scope.cancel()
        finally:
            self._roster.unseat(self.campaign.campaign_id)
            if left := self._hopper.empty():
                lead_ids = tuple(lead.lead_id for lead in left)
                self._dialing.outcomes.put(GivenBack(lead_ids=lead_ids))

    def _start_upkeep(self, nursery: trio.Nursery) -> None:
        store, clock = self._dialing.store, self._dialing.clock
        nursery.start_soon(self._count)
        nursery.start_soon(
            partial(
                keep_claims,
                store,
                clock,
                self._dialing.node,
                held=self._held,
                lost=self._hopper.drop,
            )
        )
        nursery.start_soon(show_blocked, store, clock, self._dialing.metrics, lambda: self.campaign)

    def _held(self) -> set[int]:
        """Leads that are claimed and not yet dialed."""
        return self._hopper.lead_ids | self._in_flight.unanswered

    async def _dial_all(self, nursery: trio.Nursery) -> None:
        while not self._stop.is_set():
            # A database that hangs must not keep anybody from being told to stop.
            async with trio.open_nursery() as stopping:
                stopping.start_soon(_first, self._stop.wait, stopping.cancel_scope)
                await self._look(nursery)
                stopping.cancel_scope.cancel()
            if self._stop.is_set() or await self._finished():
                return
            await self._wait()

    async def _count(self) -> None:
        """Show what SQL knows of the campaign, whichever version of it is dialed."""
        await self._watch.count(lambda: self.campaign)

    async def _look(self, nursery: trio.Nursery) -> None:
        campaign_id = self._dialing.campaign.campaign_id
        if not self._dialing.store.up:
            self._watch.held(Hold.STORE)
            return
        if not self._dialing.trunk.health.may_dial:
            self._watch.held(Hold.TRUNK)
            return
        try:
            await self._hopper.fill(
                ready_agents=self._roster.ready(campaign_id),
                ready_names=self._roster.ready_names(campaign_id),
            )
        except StoreUnavailable:
            return
        await self._start_calls(nursery)

    async def _start_calls(self, nursery: trio.Nursery) -> None:
        try:
            await self._read_ledger()
        except StoreUnavailable:
            return
        snapshot = self._snapshot()
        leads = self._hopper.take(calls_to_start(snapshot))
        self._watch.looked(snapshot, started=len(leads))
        for lead in leads:
            self._in_flight.unanswered.add(lead.lead_id)
            self._in_flight.queued.add(lead.lead_id)
            self._attempts += 1
            nursery.start_soon(self._attempt, lead)
        name = self._dialing.campaign.name
        self._dialing.metrics.hopper_leads.labels(name).set(len(self._hopper))

    def _agents_needed(self) -> int:
        """By the calls under way, as far as this campaign's dial level goes."""
        calls = len(self._in_flight.unanswered) + len(self._in_flight.waiting)
        return ceil(calls / self._dial_level())

    def _free_lines(self) -> int:
        """The trunk's, as far as the campaign's own limit goes."""
        free, limit = self._dialing.trunk.lines.free, self.campaign.definition.line_limit
        return free if limit is None else min(free, limit - self._attempts)

    def _snapshot(self) -> PacingSnapshot:
        definition = self.campaign.definition
        return PacingSnapshot(
            ready_agents=self._roster.left_for(self.campaign.campaign_id),
            unanswered_calls=len(self._in_flight.unanswered),
            waiting_persons=len(self._in_flight.waiting),
            queued_calls=len(self._in_flight.queued),
            free_lines=self._free_lines(),
            lines_to_ask_for=lines_to_ask_for(
                LineWants(
                    attempts=self._attempts,
                    queued=len(self._in_flight.queued),
                    line_limit=definition.line_limit,
                    calls_per_second=self._dialing.trunk_settings.calls_per_second,
                )
            ),
            leads_at_hand=len(self._hopper),
            calls_per_agent=self._dial_level(),
            ledger_headroom=self._headroom(),
        )

    def _is_wanted(self) -> bool:
        return calls_beyond(self._snapshot()) == 0

    def _dial_level(self) -> Decimal:
        """Calls for each ready agent, as far as the ramp has come."""
        definition = self.campaign.definition
        return ramped(
            definition.calls_per_agent,
            staffed_seconds=self._staffed_seconds(),
            ramp_seconds=definition.ramp_seconds,
        )

    def _staffed_seconds(self) -> float:
        """Since when the campaign has had agents without a break; 0 without any."""
        if not self._roster.staffed(self.campaign.campaign_id):
            self._staffed_since = None
            return 0.0
        now = trio.current_time()
        if self._staffed_since is None:
            self._staffed_since = now
        return now - self._staffed_since

    async def _read_ledger(self) -> None:
        """Have the window's counts fresh enough; SQL has them, this node what is not there yet."""
        definition = self.campaign.definition
        if definition.dial_mode is DialMode.PROGRESSIVE:
            return
        now = trio.current_time()
        old = self._in_flight.sql_knows_more or now - self._ledger_read_at >= LEDGER_SECONDS
        if self._ledger is None or old:
            self._in_flight.sql_knows_more = False
            self._ledger = await self._ledger_watch.read(definition.abandon_window)
            self._ledger_read_at = now

    def _headroom(self) -> int:
        """What the abandon ledger still bears."""
        definition = self.campaign.definition
        if self._ledger is None or definition.dial_mode is DialMode.PROGRESSIVE:
            return 0
        room = headroom(self._ledger, limit_percent=definition.abandon_limit_percent)
        return max(0, room - len(self._in_flight.abandoned))

    async def _attempt(self, lead: ClaimedLead) -> None:
        try:
            await run_claimed(self._dialing, lead, self._in_flight, self._stop)
        finally:
            self._attempts -= 1
            self._wake()

    async def _finished(self) -> bool:
        if self._attempts or len(self._hopper):
            return False
        campaign_id = self._dialing.campaign.campaign_id
        if not self._dialing.store.up:
            return False
        try:
            finished = await self._dialing.store.run(
                finish_if_exhausted, campaign_id=campaign_id, now=self._dialing.clock.now()
            )
        except StoreUnavailable:
            return False
        if not finished:
            return False
        log.info("campaign finished", action="campaign.finished")
        return True

    async def _wait(self) -> None:
        """Until an agent's state or one of our calls changes, or it is time to look again."""
        waits = (self._stop.wait, self._news.wait, self._roster.wait_change)
        with trio.move_on_after(LOOK_SECONDS):
            async with trio.open_nursery() as nursery:
                for wait in waits:
                    nursery.start_soon(partial(_first, wait, nursery.cancel_scope))
        self._news = trio.Event()

    def _wake(self) -> None:
        self._news.set()


async def _first(wait: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
    await wait()
    scope.cancel()
