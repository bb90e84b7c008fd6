"""The rows that stand before their INVITEs, committed many at a time: `Beginnings`.

    attempt ── begin ──▶ queue ──▶ one task: whatever waits, in one transaction ──▶ each its answer

A transaction costs the same for one row as for twenty, in processor time and in waits for the
disk. Whoever comes alone is written at once; while many come, there is a transaction every
`GATHER_BEATS`, with all that came meanwhile. That pause is spent on letting them go on in
bunches, one with each beat.

A task that is cancelled while it waits in the queue goes at once, and its lead was never dialed.
One whose row is being written waits for what becomes of it: its INVITE has not left, but somebody
must know of the row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from acd.beat import BEAT_SECONDS, next_beat
from acd.clock import WallClock
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.store.beginning import Blocked, NewAttempt, begin_attempts

MOST_AT_ONCE = 200
GATHER_BEATS = 5
"""Where attempts come faster there is one transaction in so long."""


@dataclass(slots=True, eq=False)
class _Waiting:
    wanted: NewAttempt
    task: trio.lowlevel.Task
    answer: int | Blocked | StoreUnavailable


class Beginnings:
    """Attempts that are about to be dialed, oldest first."""

    def __init__(self, *, store: StoreWatch, clock: WallClock, node: str) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._queue: deque[_Waiting] = deque()
        self._news = trio.Event()

    async def begin(self, wanted: NewAttempt) -> int | Blocked:
        """Have the attempt's row committed; its id, or why the lead must not be dialed.

        Raises:
            StoreUnavailable: the database is away. The row may be there all the same, when what
                was lost is only the answer.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        # Stays where the transaction breaks in a way that nobody foresaw: nothing was committed.
        unanswered = StoreUnavailable("the transaction was not ended")
        waiting = _Waiting(wanted, trio.lowlevel.current_task(), unanswered)
        self._queue.append(waiting)
        self._news.set()

        def leave(_raise_cancel: object) -> trio.lowlevel.Abort:
            if waiting not in self._queue:
                return trio.lowlevel.Abort.FAILED
            self._queue.remove(waiting)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)
        if isinstance(waiting.answer, StoreUnavailable):
            raise waiting.answer
        return waiting.answer

    async def write(self) -> None:
        """Write for ever."""
        while True:
            while not self._queue:
                self._news = trio.Event()
                await self._news.wait()
            next_at = next_beat(GATHER_BEATS)
            await self._write_batch(next_at)
            await trio.sleep_until(next_at)

    async def _write_batch(self, next_at: float) -> None:
        batch = [self._queue.popleft() for _ in range(min(MOST_AT_ONCE, len(self._queue)))]
        try:
            begun = await self._store.run(
                begin_attempts,
                [waiting.wanted for waiting in batch],
                node=self._node,
                now=self._clock.now(),
            )
            for waiting, answer in zip(batch, begun, strict=True):
                waiting.answer = answer
        except StoreUnavailable as exc:
            for waiting in batch:
                # One for each: an exception that is raised in many tasks gathers their tracebacks.
                waiting.answer = StoreUnavailable(*exc.args)
        finally:
            await _let_go(batch, until=next_at)


async def _let_go(batch: Sequence[_Waiting], *, until: float) -> None:
    """Wake each in its turn, in bunches spread over the beats that are left.

    Calls that run together cost less each, and a carrier would rather not have all of them at
    once. One a turn of trio's loop in any case: it runs the tasks of one turn in any order, and who
    came first is dialed first.
    """
    beats = max(0, int((until - trio.current_time()) / BEAT_SECONDS))
    with trio.CancelScope(shield=True):
        for number, waiting in enumerate(batch):
            beats_left = beats + 1 - number * (beats + 1) // len(batch)
            turn_at = until - beats_left * BEAT_SECONDS
            if turn_at > trio.current_time():
                await trio.sleep_until(turn_at)
            else:
                # A moment that is past would cost trio a scope and an exception for each call.
                await trio.lowlevel.checkpoint()
            trio.lowlevel.reschedule(waiting.task)
