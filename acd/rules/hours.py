"""Calling hours: when a person may be called, by the clock on their own wall.

A window is local wall time, `start <= wall < end`; a lead with several zones may be called
only when every one of them is open, and a lead without a zone never.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HORIZON_DAYS = 400
"""How far ahead an opening is looked for: further than a year of holidays."""

_WINDOW = re.compile(r"^(\d{2}):(\d{2})-(\d{2}):(\d{2})$")
_MINUTE = timedelta(minutes=1)
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=2 * HORIZON_DAYS + 2)
"""From here on days would be asked for that no calendar has: an opening that lies a horizon
ahead is asked for the one after it."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Part of a local day, in minutes after midnight; `end_minute` is no longer inside."""

    start_minute: int
    end_minute: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `"09:00-20:00"`; the end may be `24:00`.

        Raises:
            ValueError: not of this form, or the end is not after the start.
        """
        found = _WINDOW.match(text.strip())
        if found is None:
            raise ValueError('a window is written "09:00-20:00"')
        hours, minutes, end_hours, end_minutes = (int(part) for part in found.groups())
        window = cls(hours * 60 + minutes, end_hours * 60 + end_minutes)
        if minutes > 59 or end_minutes > 59 or window.end_minute > 24 * 60:
            raise ValueError('the times of a window lie between "00:00" and "24:00"')
        if window.start_minute >= window.end_minute:
            raise ValueError("a window ends after it starts, on the same day")
        return window

    def __str__(self) -> str:
        start, end = divmod(self.start_minute, 60), divmod(self.end_minute, 60)
        return f"{start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02}"


@dataclass(frozen=True, slots=True)
class CallingHours:
    """The windows of each weekday (Monday first) and the days without any."""

    weekdays: tuple[tuple[Window, ...], ...]
    holidays: frozenset[date] = frozenset()

    def windows(self, day: date) -> tuple[Window, ...]:
        """The windows of one local day."""
        return () if day in self.holidays else self.weekdays[day.weekday()]


def is_open(hours: CallingHours, zones: Sequence[str], at: datetime) -> bool:
    """Whether every zone is inside its calling hours at `at`; no zone at all is closed."""
    return bool(zones) and all(_zone_open(hours, zone, at) for zone in zones)


def next_open(hours: CallingHours, zones: Sequence[str], at: datetime) -> datetime | None:
    """The first moment from `at` on (UTC) at which `is_open`, or None within the horizon.

    None as well where the calendar ends before the horizon.
    """
    if not zones or at > _LAST:
        return None
    moment = at.astimezone(UTC)
    horizon = moment + timedelta(days=HORIZON_DAYS)
    while moment <= horizon:
        openings = [_zone_next_open(hours, zone, moment) for zone in zones]
        latest = moment
        for opening in openings:
            if opening is None:
                return None
            latest = max(latest, opening)
        if latest == moment:
            return moment
        moment = latest
    return None


@lru_cache(maxsize=1024)
def find_zone(name: str) -> ZoneInfo | None:
    """The IANA zone of that name, or None where this system knows none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _zone_open(hours: CallingHours, zone_name: str, at: datetime) -> bool:
    zone = find_zone(zone_name)
    if zone is None:
        return False
    local = at.astimezone(zone)
    minute = local.hour * 60 + local.minute
    return any(
        window.start_minute <= minute < window.end_minute for window in hours.windows(local.date())
    )


def _zone_next_open(hours: CallingHours, zone_name: str, at: datetime) -> datetime | None:
    zone = find_zone(zone_name)
    if zone is None:
        return None
    if _zone_open(hours, zone_name, at):
        return at
    first_day = at.astimezone(zone).date()
    for days in range(HORIZON_DAYS + 1):
        day = first_day + timedelta(days=days)
        if not hours.windows(day):
            continue
        for moment in _possible_openings(hours, zone, day):
            if moment > at and _zone_open(hours, zone_name, moment):
                return moment
    return None


def _possible_openings(hours: CallingHours, zone: ZoneInfo, day: date) -> list[datetime]:
    """Moments (UTC, sorted) at which a local day can become open.

    Where the clock is put back, a window's start may come twice; where it is changed at all,
    the change itself can land inside a window.
    """
    midnight = datetime(day.year, day.month, day.day)
    moments = set()
    for window in hours.windows(day):
        wall = midnight + timedelta(minutes=window.start_minute)
        for fold in (0, 1):
            moments.add(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC))
    change = _clock_change(zone, midnight)
    if change is not None:
        moments.add(change)
    return sorted(moments)


def _clock_change(zone: ZoneInfo, midnight: datetime) -> datetime | None:
    """The minute (UTC) in the day after local `midnight` at which the zone's clock is changed.

    That may be its first one: in Cairo and on the Azores 00:00 is skipped.
    """
    low = midnight.replace(tzinfo=zone).astimezone(UTC) - _MINUTE
    high = (midnight + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC)
    before = low.astimezone(zone).utcoffset()
    if high.astimezone(zone).utcoffset() == before:
        return None
    while high - low > _MINUTE:
        middle = low + timedelta(minutes=(high - low) // _MINUTE // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
