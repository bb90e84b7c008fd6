"""The scheduler: runs every started campaign on the shared lines until it is told to stop.

Scheduler.run ─┬─ follow SQL: which campaigns are to run (`campaign_control`)
               ├─ follow the feed: what agents do
               └─ one task a campaign (`campaign_run`) ── one task an attempt (`attempts`)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import structlog
import trio

from acd.agents import AgentState
from acd.beat import next_beat
from acd.dialer.agents_book import AgentBook
from acd.dialer.beginnings import Beginnings
from acd.dialer.campaign_control import CampaignControl
from acd.dialer.campaign_watch import watch_lag
from acd.dialer.leftovers import hang_up_leftovers
from acd.dialer.list_watch import LOOK_AT_LISTS_SECONDS, ListWatch
from acd.dialer.node_lease import NodeLease
from acd.dialer.outcomes import DRAIN_SECONDS, open_outcomes
from acd.dialer.preview import PreviewDesk
from acd.dialer.store_watch import StoreWatch
from acd.dialer.surroundings import Surroundings
from acd.errors import StoreUnavailable
from acd.lines import Trunk, TrunkHealth, TrunkStatus
from acd.store.attempts import close_orphans
from acd.store.nodes import leave_node

log: structlog.stdlib.BoundLogger = structlog.get_logger()

SHOW_BEATS = 5
"""How often agents are shown at most: their states change several times a call."""


class Scheduler:
    """Dials the campaigns that SQL says are running."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._store = StoreWatch(around.store, around.metrics)
        self._beginnings = Beginnings(store=self._store, clock=around.clock, node=around.node)
        self._lease = NodeLease(around, self._store)
        self._book = AgentBook(self._store, around.clock, around.feed)
        self._roster = self._book.roster
        self._campaigns = CampaignControl(
            around, store=self._store, beginnings=self._beginnings, book=self._book
        )
        self.previews = PreviewDesk(self._campaigns.previews)
        """What agents' desktops ask about leads before they are dialed."""
        self._companion_stops: list[Callable[[], None]] = []

    def look(self) -> None:
        """Ask SQL now which campaigns run, instead of at the next look."""
        self._campaigns.look()

    def agent_states(self) -> Counter[AgentState]:
        """Agents by state, as this engine sees them."""
        return self._roster.states()

    def stop(self) -> None:
        """Start no more calls; `run` returns when the present ones are over."""
        self._campaigns.stop()
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
            self._book.write_to(outcomes)
            self._campaigns.write_to(outcomes)
            self._start_sides(side)
            async with AsyncExitStack() as beside:
                for companion in around.companions:
                    stop = await beside.enter_async_context(companion(self._store, outcomes))
                    self._companion_stops.append(stop)
                async with trio.open_nursery() as campaigns:
                    await self._campaigns.follow(campaigns, until_finished=until_finished)
            side.cancel_scope.cancel()
        with suppress(StoreUnavailable):
            await self._store.run(leave_node, node=around.node)

    def _start_sides(self, nursery: trio.Nursery) -> None:
        """What goes on beside the calls, until the nursery is cancelled."""
        nursery.start_soon(self._store.watch)
        nursery.start_soon(self._beginnings.write)
        nursery.start_soon(self._lease.hold)
        nursery.start_soon(self._lease.take_over)
        nursery.start_soon(self._end_with_patience)
        nursery.start_soon(self._follow_feed)
        nursery.start_soon(self._roster.end_wrap_ups)
        nursery.start_soon(self._show_agents)
        nursery.start_soon(self._watch_lists)
        nursery.start_soon(self._book.close_undisposed)
        nursery.start_soon(watch_lag, self._around.metrics)
        for trunk in self._around.trunks.values():
            nursery.start_soon(self._follow_trunk, trunk)

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

    async def _follow_feed(self) -> None:
        updates = self._around.feed.updates
        async for update in updates:
            self._roster.apply(update)
            # What is there as well needs no turn of the loop for each.
            with suppress(trio.WouldBlock):
                while True:
                    self._roster.apply(updates.receive_nowait())

    async def _show_agents(self) -> None:
        shown = {state: self._around.metrics.agents.labels(state) for state in AgentState}
        while True:
            states = self._roster.states()
            for state, gauge in shown.items():
                gauge.set(states[state])
            await self._roster.wait_change()
            await trio.sleep_until(next_beat(SHOW_BEATS))

    async def _watch_lists(self) -> None:
        """Raise the alarm for lists that became too old, in every campaign as soon as it runs."""
        around = self._around
        watch = ListWatch(self._store, around.metrics, around.clock)
        while True:
            running = self._campaigns.running
            with suppress(StoreUnavailable):
                await watch.look(running)
            if running == self._campaigns.running:
                with trio.move_on_after(LOOK_AT_LISTS_SECONDS):
                    await self._campaigns.wait_change()

    async def _follow_trunk(self, trunk: Trunk) -> None:
        seen: TrunkHealth = trunk.health
        status: TrunkStatus | None = None
        while True:
            self._show_health(trunk, seen)
            if seen.status is not status:
                status = seen.status
                self._around.metrics.trunk_changes.labels(trunk.name, status).inc()
            seen = await trunk.wait_health_change(seen)

    def _show_health(self, trunk: Trunk, health: TrunkHealth) -> None:
        metrics = self._around.metrics
        metrics.trunk_up.labels(trunk.name).set(health.may_dial)
        for status in type(health.status):
            metrics.trunk_status.labels(trunk.name, status).set(status is health.status)
