"""What is to happen when, without a thread: the SIP loop asks what is due."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class Entry:
    """One thing to do; `cancel` makes it nothing."""

    at_seconds: float
    number: int
    action: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """It will not happen."""
        self.action = None


class Timetable:
    """Entries in order of time; equal times keep the order in which they were made."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._made = 0

    def at(self, at_seconds: float, action: Callable[[], None]) -> Entry:
        """Do `action` once `at_seconds` is reached."""
        entry = Entry(at_seconds, self._made, action)
        self._made += 1
        heapq.heappush(self._entries, entry)
        return entry

    def next_at_seconds(self) -> float | None:
        """When `run_due` has something to do next."""
        while self._entries and self._entries[0].action is None:
            heapq.heappop(self._entries)
        return self._entries[0].at_seconds if self._entries else None

    def run_due(self, now_seconds: float) -> None:
        """Do everything whose time has come."""
        while (due := self.next_at_seconds()) is not None and due <= now_seconds:
            action = heapq.heappop(self._entries).action
            if action is not None:
                action()
