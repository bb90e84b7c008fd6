"""Time of day behind a Protocol: calling hours need it, and tests must be able to choose it.

Durations never come from here: they use trio's clock, so that a simulation can run a shift
in seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class WallClock(Protocol):
    """Tells the time of day."""

    def now(self) -> datetime:
        """The present moment, with its time zone (UTC)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)
