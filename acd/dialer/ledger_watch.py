"""The abandon ledger's window, read from SQL often and cheaply: `LedgerWatch`.

How it works: what began more than an hour ago hardly changes (an agent may still say that it was
a machine), so it is counted once a minute and kept; only what began since then is counted each
time. A window of thirty days thus costs as much as one of an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from acd.clock import WallClock
from acd.dialer.store_watch import StoreWatch
from acd.rules.ledger import AbandonWindow, LedgerCounts
from acd.store.counts import ledger_counts

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

    def __init__(self, campaign_id: int, *, store: StoreWatch, clock: WallClock) -> None:
        self._campaign_id = campaign_id
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

    async def _count(self, since: datetime, until: datetime | None = None) -> LedgerCounts:
        return await self._store.read(
            ledger_counts, campaign_id=self._campaign_id, since=since, until=until
        )
