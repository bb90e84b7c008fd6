"""Moments at which the SIP thread must do something, in one heap."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timer:
    """One moment; `cancel` forgets it."""

    action: Callable[[], None] | None

    def cancel(self) -> None:
        """Do nothing at that moment; harmless after it."""
        self.action = None


@dataclass(slots=True)
class Timers:
    """The caller brings the time, of any clock that never goes back."""

    _heap: list[tuple[float, int, Timer]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, when_seconds: float, action: Callable[[], None]) -> Timer:
        """Do `action` once `run_due` is called at or after this moment."""
        timer = Timer(action)
        heapq.heappush(self._heap, (when_seconds, next(self._order), timer))
        return timer

    def next_at(self) -> float | None:
        """The earliest moment that was not cancelled."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_due(self, now_seconds: float) -> None:
        """Do everything that is due, in the order of its moments."""
        while self._heap and self._heap[0][0] <= now_seconds:
            timer = heapq.heappop(self._heap)[2]
            if timer.action is not None:
                timer.action()

    def clear(self) -> None:
        """Forget every moment, and whatever its action holds on to."""
        self._heap.clear()
