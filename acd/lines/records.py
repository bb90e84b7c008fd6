"""What became of a blind transfer, in the words that SQL and metrics use."""

from __future__ import annotations

from dataclasses import dataclass

from acd.lines import (
    PersonWith,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
)
from acd.rules.dispositions import TransferOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRecord:
    """One transfer as it is written down."""

    outcome: TransferOutcome
    target: str
    sip_status: int | None
    person_with: PersonWith


def record_of(result: TransferResult, *, target: str) -> TransferRecord:
    """Name a line's transfer result."""
    status: int | None = None
    match result:
        case TransferAnswered():
            outcome, status, person = TransferOutcome.ANSWERED, 200, PersonWith.PBX
        case TransferRefused(sip_status=code):
            outcome, status, person = TransferOutcome.REFUSED, code, PersonWith.US
        case TransferFailed(sip_status=code, person_with=person):
            outcome, status = TransferOutcome.FAILED, code
        case TransferUnconfirmed():
            outcome, person = TransferOutcome.UNCONFIRMED, PersonWith.PBX
        case TransferTimedOut(person_with=person):
            outcome = TransferOutcome.TIMED_OUT
    return TransferRecord(outcome=outcome, target=target, sip_status=status, person_with=person)
