"""Outcomes on their way to SQL, off the SIP path: `Outcomes`, `open_outcomes`.

Attempts put what became of them here and go on at once. One task writes what has gathered, in
its order and in one transaction: whoever comes alone is written at once, and while many come, a
batch is whatever came within `GATHER_BEATS`, or while the last one was written. While
the database is away the queue grows, and the same task tries again, more and more slowly.
Nothing leaves the queue before it is committed; an engine that dies with a queue leaves open
attempts, which the next start marks unknown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import sqlalchemy as sa
import structlog
import trio
from structlog.contextvars import get_contextvars

from acd.beat import next_beat
from acd.clock import WallClock
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.frozen import frozen
from acd.metrics import Metrics
from acd.rules.dispositions import Disposition
from acd.store.attempts import AttemptClosed
from acd.store.outcomes import Outcome, write_outcomes

log: structlog.stdlib.BoundLogger = structlog.get_logger()

MOST_AT_ONCE = 500
GATHER_BEATS = 5
"""Where outcomes come faster there is one transaction in so long."""
FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 3.0
DRAIN_SECONDS = 30.0
"""How long a stopping engine tries to write what it has; systemd's patience is 90 s."""

_NOT_FOR_SQL = (UnicodeError, OverflowError, sa.exc.DataError, sa.exc.IntegrityError)
"""A value that the database cannot hold; a database that is broken says other things."""

Settled = Callable[[Disposition], None]
"""Told the disposition once an attempt's end is committed."""


@frozen()
class _Queued:
    outcome: Outcome
    settled: Settled | None
    story: Mapping[str, Any]
    """What the log lines of its call carry."""


class Outcomes:
    """What is to be written, oldest first."""

    def __init__(self, *, store: StoreWatch, metrics: Metrics, clock: WallClock, node: str) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._queue: deque[_Queued] = deque()
        metrics.store_queue.set_function(self._queue.__len__)
        self._news = trio.Event()
        self._empty = trio.Event()
        self._empty.set()

    def put(self, outcome: Outcome, *, settled: Settled | None = None) -> None:
        """Write this soon.

        Args:
            outcome: what happened.
            settled: for the end of an attempt: told its disposition.
        """
        # Asked for ends only: it takes some microseconds, and no other outcome is told of.
        story = get_contextvars() if isinstance(outcome, AttemptClosed) else {}
        self._queue.append(_Queued(outcome, settled, story))
        if self._empty.is_set():
            self._empty = trio.Event()
        self._news.set()

    async def wait_written(self) -> None:
        """Wait until nothing is left to write."""
        while self._queue:
            await self._empty.wait()

    async def write(self) -> None:
        """Write for ever."""
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            await self._wait_work()
            next_at = next_beat(GATHER_BEATS)
            if await self._write_batch() and self._store.up:
                retry_seconds = FIRST_RETRY_SECONDS
                await trio.sleep_until(next_at)
            else:
                await trio.sleep(retry_seconds)
                retry_seconds = min(2 * retry_seconds, LAST_RETRY_SECONDS)

    async def _wait_work(self) -> None:
        """Until there is something to write, or to find out whether the database is back."""
        while not self._queue and self._store.up:
            self._news = trio.Event()
            async with trio.open_nursery() as nursery:
                for wait in (self._news.wait, self._store.wait_change):
                    nursery.start_soon(_end_with, wait, nursery.cancel_scope)

    async def _write_batch(self) -> bool:
        batch = list(islice(self._queue, MOST_AT_ONCE))
        try:
            dispositions = await self._commit(batch)
        except StoreUnavailable:
            return False
        except _NOT_FOR_SQL:
            return await self._write_singly(batch)
        self._take_off(batch, dispositions)
        return True

    async def _write_singly(self, batch: Sequence[_Queued]) -> bool:
        """Each in a transaction of its own; what SQL cannot hold keeps no other from it."""
        for queued in batch:
            dispositions: Sequence[Disposition | None] = [None]
            try:
                dispositions = await self._commit([queued])
            except StoreUnavailable:
                return False
            except _NOT_FOR_SQL:
                named = _named(queued)
                log.exception("an outcome was left out", action="outcome.unwritable", **named)
            self._take_off([queued], dispositions)
        return True

    async def _commit(self, batch: Sequence[_Queued]) -> list[Disposition | None]:
        return await self._store.run_first(
            write_outcomes,
            [queued.outcome for queued in batch],
            node=self._node,
            now=self._clock.now(),
            down_seconds=self._store.down_seconds if self._store.could_be_up else None,
        )

    def _take_off(
        self, batch: Sequence[_Queued], dispositions: Sequence[Disposition | None]
    ) -> None:
        for queued, disposition in zip(batch, dispositions, strict=True):
            self._queue.popleft()
            if queued.settled is not None and disposition is not None:
                queued.settled(disposition)
        if not self._queue:
            self._empty.set()

    def tell_unwritten(self) -> None:
        """Leave in the log what could not be written: SQL will call these attempts unknown."""
        for queued in self._queue:
            if isinstance(queued.outcome, AttemptClosed):
                log.error(
                    "an attempt's end was not written",
                    action="outcome.unwritten",
                    **_named(queued),
                )


def _named(queued: _Queued) -> Mapping[str, Any]:
    """What the log says of an outcome that is not in SQL."""
    outcome = queued.outcome
    if not isinstance(outcome, AttemptClosed):
        return {"kind": type(outcome).__name__, "attempt": getattr(outcome, "attempt_id", None)}
    return {
        **queued.story,
        "kind": AttemptClosed.__name__,
        "attempt": outcome.attempt_id,
        "cause": outcome.cause,
        "transfer_result": outcome.transfer_result,
        "abandoned": outcome.abandoned,
    }


async def _end_with(wait: Callable[[], object], scope: trio.CancelScope) -> None:
    await wait()  # type: ignore[misc] # an async function
    scope.cancel()


@asynccontextmanager
async def open_outcomes(
    *, store: StoreWatch, metrics: Metrics, clock: WallClock, node: str
) -> AsyncIterator[Outcomes]:
    """Write outcomes while the block lasts, and what is left after it for `DRAIN_SECONDS`."""
    outcomes = Outcomes(store=store, metrics=metrics, clock=clock, node=node)
    # Shielded: an engine that is ended at once still writes.
    writing = trio.CancelScope(shield=True)

    async def write() -> None:
        with writing:
            await outcomes.write()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        try:
            yield outcomes
        finally:
            with trio.move_on_after(DRAIN_SECONDS, shield=True):
                store.give_up_at(trio.current_time() + DRAIN_SECONDS)
                await outcomes.wait_written()
            outcomes.tell_unwritten()
            writing.cancel()
