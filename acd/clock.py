"""Time of day behind a Protocol: calling hours need it, and tests must be able to choose it.

Durations never come from here: they use trio's clock, so that a simulation can run a shift
in seconds.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
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


def local_day(moment: datetime) -> date:
    """The day that the machine's wall has at that moment: people date lists by it."""
    return moment.astimezone().date()


def local_midnight(moment: datetime) -> datetime:
    """Where that day begins; its clock may be changed between then and the moment."""
    midnight = datetime.combine(local_day(moment), datetime.min.time())
    begins = (midnight.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    # Where 00:00 is skipped (Cairo, Havana, the Azores) one of the two is on the day before.
    return min(at for at in begins if local_day(at) == local_day(moment)).astimezone()
