"""Chance that can be repeated: a value for each key, whatever the order of the calls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from acd.errors import BadInput

_SPAN = re.compile(r"^(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?$")


@dataclass(frozen=True, slots=True)
class Span:
    """From so many seconds to so many."""

    low_seconds: float
    high_seconds: float

    @classmethod
    def parse(cls, text: str) -> Span:
        """Read `3-8` or `2`.

        Raises:
            BadInput: not of this form, or the end lies before the start.
        """
        found = _SPAN.match(text.strip())
        if found is None:
            raise BadInput(f"{text!r} is no span of seconds; write 3-8, or 2")
        low = float(found[1])
        high = float(found[2]) if found[2] else low
        if high < low:
            raise BadInput(f"{text!r} ends before it starts; write {found[2]}-{found[1]}")
        return cls(low, high)

    def at(self, draw: float) -> float:
        """The moment inside the span that a draw from 0 to 1 stands for."""
        return self.low_seconds + draw * (self.high_seconds - self.low_seconds)

    def __str__(self) -> str:
        return f"{self.low_seconds:g}-{self.high_seconds:g}"


class Draws:
    """Draws from 0 (inclusive) to 1, the same for the same seed and key."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def of(self, *key: str | int) -> float:
        """One draw: its key alone decides, so calls that cross do not change each other."""
        text = "|".join(str(part) for part in (self._seed, *key))
        return int.from_bytes(sha256(text.encode()).digest()[:8]) / 2**64
