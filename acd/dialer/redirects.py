"""Where a 3xx leads: do-not-call is asked of that number too, immediately before its INVITE."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from acd.calls import DisconnectCause
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.lines import NotFollowed
from acd.numbers import masked
from acd.store.suppressions import Barred, why_barred

_WORDS: Mapping[Barred, str] = MappingProxyType(
    {
        Barred.DNC: "it stands on a do-not-call list",
        Barred.ERASED: "the person had their data erased",
    }
)
_NOT_NOW = NotFollowed(
    # Not FORWARDED, after which the lead's own number is never dialed again.
    cause=DisconnectCause.TEMPORARY_FAILURE,
    sentence="redirect not followed: the do-not-call lists cannot be read now",
)


async def may_follow(store: StoreWatch, campaign_id: int | None, e164: str) -> NotFollowed | None:
    """Why a number that a 3xx names must not be called; None: it may be.

    Args:
        store: the database; while it is away nothing is followed.
        campaign_id: whose lists count beside those for everybody; None: a TAPI client's call.
        e164: the number.
    """
    if not store.up:
        return _NOT_NOW
    try:
        barred = await store.read(why_barred, e164, campaign_id=campaign_id)
    except StoreUnavailable:
        return _NOT_NOW
    if barred is None:
        return None
    return NotFollowed(
        cause=DisconnectCause.FORWARDED,
        sentence=f"redirect refused: {masked(e164)} is not dialed: {_WORDS[barred]}",
    )
