"""Calls that come in on a trunk's account: shown to whoever takes them, never answered by us.

A phone of the same user has the same call: it is that phone that answers, or nobody does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerLine:
    """Who calls whom, as From and To of the INVITE have it; what is withheld is empty."""

    caller: str = ""
    caller_name: str = ""
    called: str = ""
    called_name: str = ""


class IncomingEnd(StrEnum):
    """How a call that came in is over for us."""

    CANCELLED = "cancelled"
    """The caller gave up, or nobody answered in the PBX's time."""
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    """Another phone of the user has it (CANCEL with Reason: SIP;cause=200, RFC 3326)."""
    ENDED_BY_US = "ended_by_us"
    """Turned away or redirected, or the engine ends."""
