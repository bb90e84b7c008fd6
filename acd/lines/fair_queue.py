"""Who gets the next line: weighted fair queueing, pure.

Each holder has a moment of its own on a common scale, at which it is next served; being served
moves it on by one round ÷ its weight, and the earliest moment comes first. So holders that always
want more than there is are served in proportion to their weights, whoever wants nothing leaves
their share to the others, and whoever comes back starts where the others stand: nobody saves up.
(Start-time fair queueing, Goyal, Vin and Cheng 1996, with requests of one size.)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import lcm
from typing import Generic, TypeVar

T = TypeVar("T")

_ROUND = lcm(*range(1, 101))
"""One whole number of the scale for each weight that campaigns may have: no rounding, no fractions,
which would take longer than all else here."""


@dataclass(slots=True)
class _Holder(Generic[T]):
    next_at: int
    weight: int = 1
    waiting: deque[T] = field(default_factory=deque)


class FairQueue(Generic[T]):
    """Requests, in the order of asking for each holder, by weight between holders."""

    def __init__(self) -> None:
        self._holders: dict[str, _Holder[T]] = {}
        self._now = 0

    def __len__(self) -> int:
        return sum(len(holder.waiting) for holder in self._holders.values())

    def add(self, request: T, *, holder: str, weight: int) -> None:
        """Queue a request; the weight holds for everything that the holder is served from now on.

        Raises:
            ValueError: a weight below 1, which would never be served.
        """
        if weight < 1:
            raise ValueError(f"a weight is 1 or more, not {weight}")
        known = self._holders.setdefault(holder, _Holder(self._now))
        if not known.waiting:
            known.next_at = max(known.next_at, self._now)
        known.weight = weight
        known.waiting.append(request)

    def remove(self, request: T, *, holder: str) -> None:
        """Take back a request that was not served yet; nothing happens if it was."""
        known = self._holders.get(holder)
        if known is not None and request in known.waiting:
            known.waiting.remove(request)

    def pop(self) -> T:
        """The request that is served next.

        Raises:
            IndexError: nobody waits.
        """
        waiting = [holder for holder in self._holders.values() if holder.waiting]
        if not waiting:
            raise IndexError("nobody waits")
        served = min(waiting, key=lambda holder: holder.next_at)
        self._now = served.next_at
        served.next_at += _ROUND // served.weight
        request = served.waiting.popleft()
        self._forget_the_idle()
        return request

    def _forget_the_idle(self) -> None:
        """Who neither waits nor is ahead of the others would start anew anyway."""
        idle = [
            name
            for name, holder in self._holders.items()
            if not holder.waiting and holder.next_at <= self._now
        ]
        for name in idle:
            del self._holders[name]
