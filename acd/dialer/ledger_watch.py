"""The abandon ledger's window, read from SQL often and cheaply (`LedgerWatch`), and what it leaves.

How it works: what began more than an hour ago hardly changes (an agent may still say that it was
a machine), so it is counted once a minute and kept; only what began since then is counted each
time. A window of thirty days thus costs as much as one of an hour.

`LedgerRoom` is what pacing asks: SQL's counts, less this engine's calls that they do not hold, and
less what other engines on the same database may still make of the campaign's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import trio

from acd.clock import WallClock
from acd.dialer.dialing import CallsInFlight
from acd.dialer.store_watch import StoreWatch
from acd.rules.definition import CampaignDefinition, DialMode
from acd.rules.ledger import AbandonWindow, LedgerCounts, headroom, share_of_headroom
from acd.store.counts import ledger_counts
from acd.store.nodes import Others, others_at_work

LEDGER_SECONDS = 1.0
"""How old the counts may be when calls beyond the ready agents are started."""
SETTLED_AFTER = timedelta(hours=1)
"""Attempts that began so long ago are counted once in `KEEP_FOR`."""
KEEP_FOR = timedelta(minutes=1)
"""How late an old attempt that leaves the window, or is called a machine, is noticed."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """The part of a window that is kept."""

    window: AbandonWindow
    start: datetime
    until: datetime
    read_at: datetime
    counts: LedgerCounts

    def holds(self, window: AbandonWindow, now: datetime) -> bool:
        """Whether it may still be used; not after the day, the window or the clock changed."""
        return (
            self.window == window
            and self.read_at <= now < self.read_at + KEEP_FOR
            and abs(window.start(now) - self.start) <= KEEP_FOR
        )


class LedgerWatch:
    """One campaign's ledger on this node."""

    def __init__(self, campaign_id: int, *, store: StoreWatch, clock: WallClock, node: str) -> None:
        self._campaign_id = campaign_id
        self._node = node
        self._store = store
        self._clock = clock
        self._settled: _Settled | None = None

    async def read(self, window: AbandonWindow) -> LedgerCounts:
        """Live answers and abandoned calls in the window, as SQL has them now.

        Raises:
            StoreUnavailable: the database is away.
        """
        now = self._clock.now()
        start, cut = window.start(now), now - SETTLED_AFTER
        if start >= cut:
            return await self._count(start)
        settled = self._settled
        if settled is None or not settled.holds(window, now):
            counts = await self._count(start, until=cut)
            settled = _Settled(window, start, cut, now, counts)
            self._settled = settled
        return settled.counts + await self._count(settled.until)

    async def others(self) -> Others:
        """The other engines that may dial this campaign now.

        Raises:
            StoreUnavailable: the database is away.
        """
        return await self._store.read(
            others_at_work,
            node=self._node,
            campaign_id=self._campaign_id,
            now=self._clock.now(),
        )

    async def _count(self, since: datetime, until: datetime | None = None) -> LedgerCounts:
        return await self._store.read(
            ledger_counts, campaign_id=self._campaign_id, since=since, until=until
        )


class LedgerRoom:
    """How many more abandoned calls one campaign's window can bear."""

    def __init__(self, watch: LedgerWatch, in_flight: CallsInFlight) -> None:
        self._watch = watch
        self._in_flight = in_flight
        self._room = 0
        self._definition: CampaignDefinition | None = None
        """Whose limit and window the room is reckoned by; another one after a reload."""
        self._counted = 0
        """Of the abandoned calls written from here: those that the counts are sure to hold."""
        self._read_at = 0.0

    async def read(self, definition: CampaignDefinition) -> None:
        """Have the counts fresh enough to start calls.

        Raises:
            StoreUnavailable: the database is away.
        """
        if definition.dial_mode is DialMode.PROGRESSIVE or not self._is_old(definition):
            return
        # What is written while SQL counts may be in the counts or not: it is held to be missing.
        counted, read_at = self._in_flight.abandoned_written, trio.current_time()
        # The others first: a call of theirs that ends meanwhile is then counted twice, not never.
        others = await self._watch.others()
        counts = await self._watch.read(definition.abandon_window)
        self._room = share_of_headroom(
            headroom(counts, limit_percent=definition.abandon_limit_percent),
            other_engines=others.engines,
            their_open_calls=others.open_attempts,
        )
        self._definition, self._counted, self._read_at = definition, counted, read_at

    def _is_old(self, definition: CampaignDefinition) -> bool:
        more = self._counted != self._in_flight.abandoned_written
        seconds = trio.current_time() - self._read_at
        return self._definition is not definition or more or seconds >= LEDGER_SECONDS

    def left(self, definition: CampaignDefinition) -> int:
        """At this moment, 0 or more."""
        if definition.dial_mode is DialMode.PROGRESSIVE or self._definition is not definition:
            return 0
        missing = self._in_flight.abandoned_written - self._counted
        return max(0, self._room - missing - len(self._in_flight.abandoned))
