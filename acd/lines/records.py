"""What became of a blind transfer, in the words that SQL and metrics use."""

from __future__ import annotations

from acd.frozen import frozen
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


@frozen(kw_only=True)
class TransferRecord:
    """One transfer as it is written down."""

    outcome: TransferOutcome
    target: str
    sip_status: int | None
    person_with: PersonWith
    agent_has_person: bool
    """As far as anybody knows."""


_TOLD_TOO_LATE = frozenset(
    {TransferOutcome.ANSWERED, TransferOutcome.UNCONFIRMED, TransferOutcome.TIMED_OUT}
)
"""A failure keeps its own name: the PBX said what went wrong."""


def record_of(
    result: TransferResult, *, target: str, late: bool = False, missed: bool = False
) -> TransferRecord:
    """Name a line's transfer result.

    Args:
        result: of the line.
        target: what the REFER asked for.
        late: it came after the campaign's limit: whoever has the person, they were abandoned.
        missed: a feed saw that no agent picked up; it settles what is unconfirmed.
    """
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
    has_person = isinstance(result, TransferAnswered) or (
        isinstance(result, TransferUnconfirmed) and not missed
    )
    if late and person is PersonWith.PBX and outcome in _TOLD_TOO_LATE:
        outcome = TransferOutcome.WITH_PBX
    return TransferRecord(
        outcome=outcome,
        target=target,
        sip_status=status,
        person_with=person,
        agent_has_person=has_person,
    )
