"""This engine among others on one database: its lease, and taking over from those that died.

How it works: each engine says every few seconds that it lives. After an outage of the database
nobody could, so every lease has run out, and whoever came back first would take the others for
dead. Therefore an engine takes over only when its own lease has been unbroken for as long as a
lease lasts: by then everybody who lives has renewed theirs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
import trio

from acd.dialer.leftovers import hang_up_leftovers
from acd.dialer.store_watch import StoreWatch
from acd.dialer.surroundings import Surroundings
from acd.errors import StoreUnavailable
from acd.store.nodes import NODE_LEASE, dead_nodes, renew_node, take_over

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RENEW_SECONDS = 10.0
"""How often this engine says to the others that it lives, and looks for those that do not."""


@dataclass(slots=True)
class Tenure:
    """Since when this engine's lease has been unbroken, by the clock that dates leases."""

    lease: timedelta = NODE_LEASE
    _since: datetime | None = None
    _renewed_at: datetime | None = None

    def renewed(self, at: datetime) -> None:
        """The lease begins anew; after a gap, or a clock that was put back, so does the tenure."""
        if self._since is None or not self._holds(at):
            self._since = at
        self._renewed_at = at

    def may_take_over(self, now: datetime) -> bool:
        """Whether all who live have had the time to say so."""
        return self._since is not None and self._holds(now) and now - self._since >= self.lease

    def _holds(self, at: datetime) -> bool:
        return self._renewed_at is not None and timedelta() <= at - self._renewed_at < self.lease


class NodeLease:
    """One engine's lease."""

    def __init__(self, around: Surroundings, store: StoreWatch) -> None:
        self._around = around
        self._store = store
        self._tenure = Tenure()

    async def hold(self) -> None:
        """Renew it for ever."""
        while True:
            with suppress(StoreUnavailable):
                now = self._around.clock.now()
                await self._store.run(renew_node, node=self._around.node, now=now)
                self._tenure.renewed(now)
            await trio.sleep(RENEW_SECONDS)

    async def take_over(self) -> None:
        """For ever: end what engines that died have left, dialogs first, then rows."""
        node = self._around.node
        while True:
            with suppress(StoreUnavailable):
                now = self._around.clock.now()
                if self._tenure.may_take_over(now):
                    for dead in await self._store.read(dead_nodes, but_not=node, now=now):
                        await self._end(dead)
            await trio.sleep(RENEW_SECONDS)

    async def _end(self, dead: str) -> None:
        await hang_up_leftovers(self._store, self._around.trunks, node=dead)
        taken = await self._store.run(take_over, dead=dead, now=self._around.clock.now())
        if taken is not None:
            log.warning("attempts taken over", action="node.died", dead=dead, count=len(taken))
