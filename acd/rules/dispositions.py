"""Why a leg ended → what that means for the campaign → what happens to the lead, as tables.

`disposition_of` reads the tables, `decide_retry` applies the campaign's rule. Every cause and
every disposition has a row; a test says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from acd.calls import DisconnectCause
from acd.frozen import frozen

DAY = timedelta(hours=24)


class Disposition(StrEnum):
    """The business result of an attempt; exactly one each."""

    HANDED_OVER = "handed_over"
    """The agent's phone or the queue answered the transfer."""
    HANDED_OVER_UNCONFIRMED = "handed_over_unconfirmed"
    """BYE after the 202: the PBX succeeded, or the person hung up."""
    TRANSFER_FAILED = "transfer_failed"
    """Refused, failed or timed out, yet not an abandoned call by the campaign's limit."""
    ABANDONED = "abandoned"
    """A live answer not joined to an agent within the campaign's limit."""
    LEAD_HUNG_UP = "lead_hung_up"
    """They hung up after the answer, before any transfer and before the limit."""
    STOPPED = "stopped"
    """We hung up: an operator, a shutdown, the line's deadline, the agent left meanwhile."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    UNWANTED = "unwanted"
    """The called side says that it does not want such calls (RFC 8197, RFC 8688)."""
    UNREACHABLE = "unreachable"
    INVALID_NUMBER = "invalid_number"
    FORWARDED = "forwarded"
    """3xx: the person is elsewhere; the number there is another one, so it is not dialed."""
    CONGESTION = "congestion"
    FAILED = "failed"
    """A technical failure that says nothing about the person."""
    UNKNOWN = "unknown"
    """The engine died during the attempt; nobody knows whether a phone rang."""
    SALE = "sale"
    """This and the following are an agent's word; it takes the place of what the engine saw."""
    NOT_INTERESTED = "not_interested"
    WRONG_NUMBER = "wrong_number"
    """Somebody else answers there."""
    MACHINE = "machine"
    """No person answered: it leaves the live answers."""
    CALLBACK = "callback"
    DO_NOT_CALL = "do_not_call"
    """The person wants no such calls: on the list at once, for every campaign."""


AGENT_DISPOSITIONS = frozenset(
    {
        Disposition.SALE,
        Disposition.NOT_INTERESTED,
        Disposition.WRONG_NUMBER,
        Disposition.MACHINE,
        Disposition.CALLBACK,
        Disposition.DO_NOT_CALL,
    }
)
"""What an agent may say."""


class TransferOutcome(StrEnum):
    """What became of a blind transfer, as it is written in SQL.

    One for each result class, and `WITH_PBX`.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    TIMED_OUT = "timed_out"
    WITH_PBX = "with_pbx"
    """The PBX had the person, and no agent had them inside the campaign's limit."""


UNANSWERED: Mapping[DisconnectCause, Disposition] = MappingProxyType(
    {
        # A 2xx is needed for these two; without one our own bookkeeping is in doubt.
        DisconnectCause.NORMAL: Disposition.FAILED,
        DisconnectCause.TRANSFERRED: Disposition.FAILED,
        DisconnectCause.HUNG_UP: Disposition.STOPPED,
        DisconnectCause.BUSY: Disposition.BUSY,
        DisconnectCause.NO_ANSWER: Disposition.NO_ANSWER,
        DisconnectCause.UNREACHABLE: Disposition.UNREACHABLE,
        DisconnectCause.BAD_ADDRESS: Disposition.INVALID_NUMBER,
        DisconnectCause.NUMBER_CHANGED: Disposition.INVALID_NUMBER,
        DisconnectCause.FORWARDED: Disposition.FORWARDED,
        DisconnectCause.REJECTED: Disposition.REJECTED,
        DisconnectCause.BLOCKED: Disposition.UNWANTED,
        DisconnectCause.CONGESTION: Disposition.CONGESTION,
        DisconnectCause.TEMPORARY_FAILURE: Disposition.FAILED,
        DisconnectCause.OUT_OF_ORDER: Disposition.UNREACHABLE,
        DisconnectCause.INCOMPATIBLE: Disposition.FAILED,
        DisconnectCause.QOS_UNAVAILABLE: Disposition.FAILED,
        DisconnectCause.CANCELLED: Disposition.NO_ANSWER,
        DisconnectCause.UNAVAILABLE: Disposition.FAILED,
    }
)
"""For a leg that no 2xx answered."""

ANSWERED: Mapping[DisconnectCause, Disposition] = MappingProxyType(
    {
        **dict.fromkeys(DisconnectCause, Disposition.FAILED),
        DisconnectCause.NORMAL: Disposition.LEAD_HUNG_UP,
        DisconnectCause.HUNG_UP: Disposition.STOPPED,
        DisconnectCause.TRANSFERRED: Disposition.HANDED_OVER,
    }
)
"""For a leg that was answered and never transferred."""

TRANSFERRED: Mapping[TransferOutcome, Disposition] = MappingProxyType(
    {
        TransferOutcome.ANSWERED: Disposition.HANDED_OVER,
        TransferOutcome.UNCONFIRMED: Disposition.HANDED_OVER_UNCONFIRMED,
        TransferOutcome.REFUSED: Disposition.TRANSFER_FAILED,
        TransferOutcome.FAILED: Disposition.TRANSFER_FAILED,
        TransferOutcome.TIMED_OUT: Disposition.TRANSFER_FAILED,
        TransferOutcome.WITH_PBX: Disposition.ABANDONED,
    }
)


def disposition_of(
    *,
    cause: DisconnectCause | None,
    answered: bool,
    abandoned: bool,
    transfer: TransferOutcome | None,
) -> Disposition:
    """The one disposition of an attempt; `cause` None means that nobody saw the end."""
    if abandoned:
        return Disposition.ABANDONED
    if transfer is not None:
        return TRANSFERRED[transfer]
    if cause is None:
        return Disposition.UNKNOWN
    return (ANSWERED if answered else UNANSWERED)[cause]


class RetryAction(StrEnum):
    """What a retry rule does with a lead."""

    RETRY = "retry"
    CLOSE = "close"
    NEXT_NUMBER = "next_number"
    """This number is never dialed again; the lead goes on with its other numbers."""
    REVIEW = "review"
    """A person looks at it; the engine never redials it by itself."""


class RetryRule(BaseModel):
    """`[retry.<disposition>]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: RetryAction
    after_seconds: Annotated[int, Field(ge=0, le=366 * 86400)] = 0
    """Wait before the next attempt; the campaign's `gap_seconds` holds as well."""
    max_times: Annotated[int | None, Field(ge=1, le=100)] = None
    """Close the lead once it ended this way so often; None: only `max_attempts` counts."""


def _retry(hours: float, max_times: int | None = None) -> RetryRule:
    return RetryRule(
        action=RetryAction.RETRY, after_seconds=round(hours * 3600), max_times=max_times
    )


ABANDON_LOCK_OUT_SECONDS = 72 * 3600
"""Ofcom's persistent-misuse statement: no automated call again within 72 hours."""

DEFAULT_RULES: Mapping[Disposition, RetryRule] = MappingProxyType(
    {
        Disposition.HANDED_OVER: RetryRule(action=RetryAction.CLOSE),
        # Rather a lead too few than a person called twice.
        Disposition.HANDED_OVER_UNCONFIRMED: RetryRule(action=RetryAction.CLOSE),
        Disposition.TRANSFER_FAILED: _retry(24),
        Disposition.ABANDONED: RetryRule(
            action=RetryAction.RETRY, after_seconds=ABANDON_LOCK_OUT_SECONDS
        ),
        Disposition.LEAD_HUNG_UP: _retry(24, max_times=2),
        Disposition.STOPPED: _retry(2),
        Disposition.BUSY: _retry(0.5),
        Disposition.NO_ANSWER: _retry(4),
        Disposition.REJECTED: _retry(24, max_times=2),
        Disposition.UNWANTED: RetryRule(action=RetryAction.CLOSE),
        Disposition.UNREACHABLE: _retry(4),
        Disposition.INVALID_NUMBER: RetryRule(action=RetryAction.NEXT_NUMBER),
        Disposition.FORWARDED: RetryRule(action=RetryAction.NEXT_NUMBER),
        Disposition.CONGESTION: _retry(0.25),
        Disposition.FAILED: _retry(1),
        Disposition.UNKNOWN: RetryRule(action=RetryAction.REVIEW),
        Disposition.SALE: RetryRule(action=RetryAction.CLOSE),
        Disposition.NOT_INTERESTED: RetryRule(action=RetryAction.CLOSE),
        Disposition.WRONG_NUMBER: RetryRule(action=RetryAction.NEXT_NUMBER),
        Disposition.MACHINE: _retry(4),
        # Never asked: the agent says when.
        Disposition.CALLBACK: RetryRule(action=RetryAction.CLOSE),
        Disposition.DO_NOT_CALL: RetryRule(action=RetryAction.CLOSE),
    }
)


@frozen(kw_only=True)
class RetryHistory:
    """What the retry decision looks at; the attempt that just ended is already counted."""

    attempts: int
    times_this_disposition: int
    position: int
    """The place (0, 1, …) of the number that was tried."""
    usable_positions: Sequence[int]
    """Places of the lead's numbers that may still be dialed, ascending."""


@frozen(kw_only=True)
class RetryDecision:
    """What happens to the lead."""

    action: RetryAction
    """Never NEXT_NUMBER: that has become RETRY or CLOSE."""
    reason: str
    """A fixed word: why the lead is closed, waits or is reviewed."""
    next_attempt_at: datetime | None = None
    next_position: int = 0
    number_is_dead: bool = False


def decide_retry(
    rule: RetryRule,
    *,
    disposition: Disposition,
    history: RetryHistory,
    max_attempts: int,
    now: datetime,
) -> RetryDecision:
    """Apply one rule; several numbers are tried in order, round and round."""
    dead = rule.action is RetryAction.NEXT_NUMBER
    if rule.action in (RetryAction.CLOSE, RetryAction.REVIEW):
        return RetryDecision(
            action=rule.action, reason=str(disposition), next_position=history.position
        )
    usable = [
        place for place in history.usable_positions if not (dead and place == history.position)
    ]
    closed_because = ""
    if not usable:
        closed_because = "no_usable_number"
    elif history.attempts >= max_attempts:
        closed_because = "attempts_exhausted"
    elif rule.max_times is not None and history.times_this_disposition >= rule.max_times:
        closed_because = "retries_exhausted"
    if closed_because:
        return RetryDecision(
            action=RetryAction.CLOSE,
            reason=closed_because,
            next_position=history.position,
            number_is_dead=dead,
        )
    later = [place for place in usable if place > history.position]
    return RetryDecision(
        action=RetryAction.RETRY,
        reason=str(disposition),
        next_attempt_at=now + timedelta(seconds=rule.after_seconds),
        next_position=(later or usable)[0],
        number_is_dead=dead,
    )
