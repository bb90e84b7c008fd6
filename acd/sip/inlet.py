"""What one task waits for and the SIP side's reports bring: `Inlet`.

trio's memory channels do the same for many tasks on either side, and take four times the
processor time for it: a call has some ten values on their way, and nobody but its holder waits.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import trio

Item = TypeVar("Item")


class Inlet(Generic[Item]):
    """Values in their order, without a bound: whoever puts them must never find it full."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._task: trio.lowlevel.Task | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Hand a value to whoever waits, or will; from trio's thread."""
        self._items.append(item)
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    async def take(self) -> Item:
        """The next value; only one task may wait.

        Raises:
            trio.BusyResourceError: another task waits already.
        """
        if self._task is not None:
            raise trio.BusyResourceError("another task waits for this")
        if self._items:
            # No turn of the loop for what is there: reports come far apart, so nobody is starved.
            await trio.lowlevel.checkpoint_if_cancelled()
            return self._items.popleft()
        self._task = trio.lowlevel.current_task()

        def leave(_raise_cancel: object) -> trio.lowlevel.Abort:
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)
        return self._items.popleft()

    def take_now(self) -> Item:
        """The next value, which is there.

        Raises:
            IndexError: nothing is.
        """
        return self._items.popleft()

    def clear(self) -> None:
        """Forget what nobody took."""
        self._items.clear()
