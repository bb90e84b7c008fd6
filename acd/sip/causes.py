"""Why a leg ended, read off the SIP status and the Q.850 cause: two tables and the order of them.

A `Reason: Q.850` header (RFC 3326) comes from the network behind the PBX and knows more than the
status that the PBX chose for it, so it overrides the status. A phone that rang and then was 480
or 408 is a person who did not answer; without ringing it is a phone that cannot be reached.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from acd.calls import DisconnectCause

STATUS_CAUSES: Mapping[int, DisconnectCause] = MappingProxyType(
    {
        301: DisconnectCause.NUMBER_CHANGED,
        302: DisconnectCause.FORWARDED,
        401: DisconnectCause.UNAVAILABLE,
        403: DisconnectCause.BLOCKED,
        404: DisconnectCause.BAD_ADDRESS,
        407: DisconnectCause.UNAVAILABLE,
        408: DisconnectCause.UNREACHABLE,
        410: DisconnectCause.NUMBER_CHANGED,
        415: DisconnectCause.INCOMPATIBLE,
        433: DisconnectCause.BLOCKED,
        480: DisconnectCause.UNREACHABLE,
        484: DisconnectCause.BAD_ADDRESS,
        485: DisconnectCause.BAD_ADDRESS,
        486: DisconnectCause.BUSY,
        487: DisconnectCause.CANCELLED,
        488: DisconnectCause.INCOMPATIBLE,
        500: DisconnectCause.TEMPORARY_FAILURE,
        502: DisconnectCause.OUT_OF_ORDER,
        503: DisconnectCause.CONGESTION,
        504: DisconnectCause.TEMPORARY_FAILURE,
        580: DisconnectCause.QOS_UNAVAILABLE,
        600: DisconnectCause.BUSY,
        603: DisconnectCause.REJECTED,
        604: DisconnectCause.BAD_ADDRESS,
        606: DisconnectCause.INCOMPATIBLE,
        607: DisconnectCause.REJECTED,
        608: DisconnectCause.BLOCKED,
    }
)
"""Final statuses with a meaning of their own; `_CLASS_CAUSES` has the rest."""

_CLASS_CAUSES: Mapping[int, DisconnectCause] = MappingProxyType(
    {
        3: DisconnectCause.FORWARDED,
        4: DisconnectCause.UNAVAILABLE,
        5: DisconnectCause.TEMPORARY_FAILURE,
        6: DisconnectCause.REJECTED,
    }
)

ALERTED_CAUSES: Mapping[int, DisconnectCause] = MappingProxyType(
    {408: DisconnectCause.NO_ANSWER, 480: DisconnectCause.NO_ANSWER}
)
"""Statuses that mean something else once the phone rang (180 to 183)."""

Q850_CAUSES: Mapping[int, DisconnectCause] = MappingProxyType(
    {
        1: DisconnectCause.BAD_ADDRESS,
        17: DisconnectCause.BUSY,
        18: DisconnectCause.NO_ANSWER,
        19: DisconnectCause.NO_ANSWER,
        20: DisconnectCause.UNREACHABLE,
        21: DisconnectCause.REJECTED,
        22: DisconnectCause.NUMBER_CHANGED,
        27: DisconnectCause.OUT_OF_ORDER,
        28: DisconnectCause.BAD_ADDRESS,
        34: DisconnectCause.CONGESTION,
        38: DisconnectCause.CONGESTION,
        41: DisconnectCause.CONGESTION,
        42: DisconnectCause.CONGESTION,
    }
)
"""Q.850 causes that override the status; others (16, normal clearing) leave it as it is."""

OVERRIDABLE_STATUSES = frozenset({403, 480, 603})
"""PBXes disagree about these three: a trunk may map them otherwise."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A `Reason` header's Q.850 part."""

    q850_cause: int | None = None
    text: str = ""


def cause_of(
    sip_status: int,
    *,
    q850_cause: int | None = None,
    alerted: bool = False,
    overrides: Mapping[int, DisconnectCause] = MappingProxyType({}),
) -> DisconnectCause:
    """The one cause of a leg that a final response ended before it was answered.

    Args:
        sip_status: the final response to our INVITE, 300 to 699.
        q850_cause: from its `Reason` header, where there was one.
        alerted: whether a 180 to 183 came before it.
        overrides: the trunk's own reading of `OVERRIDABLE_STATUSES`.
    """
    if q850_cause is not None and q850_cause in Q850_CAUSES:
        return Q850_CAUSES[q850_cause]
    if sip_status in overrides:
        return overrides[sip_status]
    if alerted and sip_status in ALERTED_CAUSES:
        return ALERTED_CAUSES[sip_status]
    return STATUS_CAUSES.get(sip_status) or _CLASS_CAUSES.get(
        sip_status // 100, DisconnectCause.TEMPORARY_FAILURE
    )


_REASON_LINE = re.compile(r"^Reason[ \t]*:[ \t]*(.+?)\r?$", re.IGNORECASE | re.MULTILINE)
_Q850 = re.compile(r"(?:^|,)\s*Q\.850\s*((?:;[^,\"]*(?:\"[^\"]*\")?)*)", re.IGNORECASE)
_CAUSE = re.compile(r";\s*cause\s*=\s*(\d{1,3})", re.IGNORECASE)
_TEXT = re.compile(r";\s*text\s*=\s*\"([^\"]*)\"", re.IGNORECASE)


def reason_of(message: str) -> Reason:
    """Read the `Reason: Q.850;cause=n;text="..."` header (RFC 3326 2) of a whole SIP message."""
    head = message.partition("\r\n\r\n")[0]
    for line in _REASON_LINE.findall(head):
        found = _Q850.search(line)
        if found is None:
            continue
        cause = _CAUSE.search(found[1])
        text = _TEXT.search(found[1])
        if cause is not None:
            return Reason(int(cause[1]), text[1] if text else "")
    return Reason()


_RETRY_AFTER = re.compile(r"^Retry-After[ \t]*:[ \t]*(\d{1,9})", re.IGNORECASE | re.MULTILINE)


def retry_after_seconds(message: str) -> int | None:
    """The `Retry-After` of a whole SIP message (RFC 3261 20.33), None where there is none."""
    found = _RETRY_AFTER.search(message.partition("\r\n\r\n")[0])
    return int(found[1]) if found else None
