"""Where a 3xx leads: the lists and the calling hours are asked of that number too.

Immediately before its INVITE. It may be another country's, where it is night.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from acd.calls import DisconnectCause
from acd.clock import WallClock
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.lines import NotFollowed
from acd.numbers import PhoneNumber, masked, read_number
from acd.rules.hours import CallingHours, is_open, next_open
from acd.store.suppressions import Barred, why_barred

_WORDS: Mapping[Barred, str] = MappingProxyType(
    {
        Barred.DNC: "it stands on a do-not-call list",
        Barred.ERASED: "the person had their data erased",
    }
)
_NO_REGION = "ZZ"
"""phonenumbers' word for none: E.164 needs none to be read."""
_NOT_NOW = NotFollowed(
    # Not FORWARDED, after which the lead's own number is never dialed again.
    cause=DisconnectCause.TEMPORARY_FAILURE,
    sentence="redirect not followed: the do-not-call lists cannot be read now",
)


async def may_follow(
    store: StoreWatch,
    e164: str,
    *,
    campaign_id: int | None,
    hours: CallingHours | None,
    clock: WallClock,
) -> NotFollowed | None:
    """Why a number that a 3xx names must not be called; None: it may be.

    Args:
        store: the database; while it is away nothing is followed.
        e164: the number.
        campaign_id: whose lists count beside those for everybody; None: a TAPI client's call.
        hours: when people may be called; None: a TAPI client that keeps them itself.
        clock: what time it is.
    """
    if not store.up:
        return _NOT_NOW
    try:
        barred = await store.read(why_barred, e164, campaign_id=campaign_id)
    except StoreUnavailable:
        return _NOT_NOW
    if barred is None:
        return None if hours is None else why_closed(e164, hours, clock.now())
    return NotFollowed(
        cause=DisconnectCause.FORWARDED,
        sentence=f"redirect refused: {masked(e164)} is not dialed: {_WORDS[barred]}",
    )


def why_closed(e164: str, hours: CallingHours, now: datetime) -> NotFollowed | None:
    """The calling hours' word about a number, by the clock of whoever it reaches."""
    number = read_number(e164, default_region=_NO_REGION)
    zones = number.zones if isinstance(number, PhoneNumber) else ()
    if is_open(hours, zones, now):
        return None
    ever = next_open(hours, zones, now) is not None
    where = f"closed in {', '.join(zones)}" if zones else "its time zone is unknown"
    return NotFollowed(
        # Tomorrow the lead's own number may be dialed again, and lead there at a better hour.
        cause=DisconnectCause.TEMPORARY_FAILURE if ever else DisconnectCause.FORWARDED,
        sentence=f"redirect not followed: {masked(e164)}: calling hours: {where}",
    )
