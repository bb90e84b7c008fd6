"""A trunk's lines divided among those who dial on it: `n` lines for the one, the rest for others.

A share is a `LinePool` of its own on the common pool. It holds its holders back before they ask
the pool, so that whoever fills their share never stands in the way of another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager

import trio

from acd.calls import CallState
from acd.lines.events import DialogId
from acd.lines.extensions import ExtensionUpdates
from acd.lines.protocols import IncomingCall, Line, LinePool, Trunk, TrunkHealth


class LineShare:
    """Some of a pool's lines; fulfils `LinePool`."""

    def __init__(self, pool: LinePool, *, lines: int) -> None:
        self._pool = pool
        self._limit = trio.CapacityLimiter(lines)

    @property
    def size(self) -> int:
        """All lines of this share."""
        return int(self._limit.total_tokens)

    def resize(self, lines: int) -> None:
        """Let so many be leased from now on; leases above that run to their end."""
        self._limit.total_tokens = lines

    @property
    def free(self) -> int:
        """Lines that can be leased now."""
        return max(0, min(self._pool.free, int(self._limit.available_tokens)))

    @property
    def expired_leases(self) -> int:
        """Of the whole pool."""
        return self._pool.expired_leases

    def states(self) -> Mapping[CallState, int]:
        """Of the whole pool."""
        return self._pool.states()

    def holders(self) -> Mapping[str, int]:
        """Of the whole pool."""
        return self._pool.holders()

    def oldest_ended_seconds(self) -> float:
        """Of the whole pool."""
        return self._pool.oldest_ended_seconds()

    def lease(
        self, *, holder: str, deadline_seconds: float, weight: int = 1
    ) -> AbstractAsyncContextManager[Line]:
        """As `LinePool.lease`, after waiting for a line of this share."""
        lease = self._pool.lease(holder=holder, deadline_seconds=deadline_seconds, weight=weight)
        return self._lease(lease)

    @asynccontextmanager
    async def _lease(self, lease: AbstractAsyncContextManager[Line]) -> AsyncIterator[Line]:
        async with self._limit_of(lease), lease as line:
            yield line

    @asynccontextmanager
    async def _limit_of(self, borrower: object) -> AsyncIterator[None]:
        # On behalf of the lease: one task may hold several lines.
        await self._limit.acquire_on_behalf_of(borrower)
        try:
            yield
        finally:
            self._limit.release_on_behalf_of(borrower)


class TrunkShare:
    """A trunk of which only a share of the lines is seen; fulfils `Trunk`."""

    def __init__(self, trunk: Trunk, *, lines: int) -> None:
        self._trunk = trunk
        self.lines = LineShare(trunk.lines, lines=lines)

    @property
    def name(self) -> str:
        """The `name` of its `[[trunk]]`."""
        return self._trunk.name

    @property
    def health(self) -> TrunkHealth:
        """How it is now."""
        return self._trunk.health

    @property
    def challenges(self) -> int:
        """How many of our INVITEs were answered 401 or 407, since the start."""
        return self._trunk.challenges

    async def wait_health_change(self, seen: TrunkHealth) -> TrunkHealth:
        """Wait until the health is another than `seen`, and return it."""
        return await self._trunk.wait_health_change(seen)

    async def hang_up_leftover(self, dialog: DialogId) -> bool:
        """Send BYE for a dialog of a process that died."""
        return await self._trunk.hang_up_leftover(dialog)

    def watch(
        self, extension: str, *, domain: str = ""
    ) -> AbstractAsyncContextManager[ExtensionUpdates]:
        """Be told what the PBX knows of an extension's phone."""
        return self._trunk.watch(extension, domain=domain)

    def take_calls(self, take: Callable[[IncomingCall], None]) -> AbstractContextManager[None]:
        """Hand each call that comes in on the account to `take`."""
        return self._trunk.take_calls(take)
