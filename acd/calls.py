"""One call's states as a table: what may follow what, and why a leg ended.

The words are TAPI's (LINECALLSTATE), the triggers are SIP's. The diagram in
`docs/call-states.md` is drawn from `TRANSITIONS`; nothing else in the program decides
what may follow a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from acd.errors import IllegalTransition


class CallState(StrEnum):
    """Where a leg stands."""

    DIALTONE = "dialtone"
    DIALING = "dialing"
    PROCEEDING = "proceeding"
    RINGBACK = "ringback"
    OFFERING = "offering"
    ACCEPTED = "accepted"
    CONNECTED = "connected"
    ONHOLD = "onhold"
    TRANSFERRING = "transferring"
    DISCONNECTED = "disconnected"
    IDLE = "idle"


class CallEvent(StrEnum):
    """What moves a leg from one state to the next."""

    INVITE_SENT = "invite_sent"
    PROGRESS = "progress"
    """100, 181, 182 or 183."""
    ALERTING = "alerting"
    """180."""
    ACCEPT = "accept"
    ANSWERED = "answered"
    """A 2xx to the INVITE: the abandon clock starts here, not at the ACK."""
    HOLD = "hold"
    RESUME = "resume"
    REFER_SENT = "refer_sent"
    TRANSFER_DONE = "transfer_done"
    TRANSFER_FAILED = "transfer_failed"
    HANG_UP = "hang_up"
    REMOTE_BYE = "remote_bye"
    FAILED = "failed"
    RELEASED = "released"
    """The dialog and its transactions are over; the line may be used again."""


class DisconnectCause(StrEnum):
    """Why a leg ended; exactly one a leg, the first one wins."""

    NORMAL = "normal"
    """The other side hung up after the answer."""
    HUNG_UP = "hung_up"
    """We hung up."""
    TRANSFERRED = "transferred"
    """The leg did its work: the person was handed over."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    BAD_ADDRESS = "bad_address"
    NUMBER_CHANGED = "number_changed"
    FORWARDED = "forwarded"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    CONGESTION = "congestion"
    TEMPORARY_FAILURE = "temporary_failure"
    OUT_OF_ORDER = "out_of_order"
    INCOMPATIBLE = "incompatible"
    QOS_UNAVAILABLE = "qos_unavailable"
    CANCELLED = "cancelled"
    """487 although we sent no CANCEL."""
    UNAVAILABLE = "unavailable"
    """Credentials refused, or a 4xx that says nothing about the person."""


_OVER: Mapping[CallEvent, CallState] = {
    CallEvent.HANG_UP: CallState.DISCONNECTED,
    CallEvent.FAILED: CallState.DISCONNECTED,
}
_ANSWERED_AND_OVER: Mapping[CallEvent, CallState] = {
    **_OVER,
    CallEvent.REMOTE_BYE: CallState.DISCONNECTED,
}
_BEFORE_ANSWER: Mapping[CallEvent, CallState] = {
    **_OVER,
    CallEvent.PROGRESS: CallState.PROCEEDING,
    CallEvent.ALERTING: CallState.RINGBACK,
    CallEvent.ANSWERED: CallState.CONNECTED,
}

TRANSITIONS: Mapping[CallState, Mapping[CallEvent, CallState]] = MappingProxyType(
    {
        CallState.DIALTONE: {**_OVER, CallEvent.INVITE_SENT: CallState.DIALING},
        CallState.DIALING: _BEFORE_ANSWER,
        CallState.PROCEEDING: _BEFORE_ANSWER,
        # A phone that rings goes on ringing: a 183 after the 180 is no step back.
        CallState.RINGBACK: {**_BEFORE_ANSWER, CallEvent.PROGRESS: CallState.RINGBACK},
        CallState.OFFERING: {
            **_OVER,
            CallEvent.ACCEPT: CallState.ACCEPTED,
            CallEvent.ANSWERED: CallState.CONNECTED,
        },
        CallState.ACCEPTED: {**_OVER, CallEvent.ANSWERED: CallState.CONNECTED},
        CallState.CONNECTED: {
            **_ANSWERED_AND_OVER,
            CallEvent.HOLD: CallState.ONHOLD,
            CallEvent.REFER_SENT: CallState.TRANSFERRING,
        },
        CallState.ONHOLD: {**_ANSWERED_AND_OVER, CallEvent.RESUME: CallState.CONNECTED},
        CallState.TRANSFERRING: {
            **_ANSWERED_AND_OVER,
            CallEvent.TRANSFER_DONE: CallState.DISCONNECTED,
            CallEvent.TRANSFER_FAILED: CallState.CONNECTED,
        },
        CallState.DISCONNECTED: {CallEvent.RELEASED: CallState.IDLE},
        CallState.IDLE: {},
    }
)

STARTS = frozenset({CallState.DIALTONE, CallState.OFFERING})
OVER = frozenset({CallState.DISCONNECTED, CallState.IDLE})
LIVE = frozenset({CallState.CONNECTED, CallState.ONHOLD, CallState.TRANSFERRING})
"""States in which a person is on the leg."""


def next_state(state: CallState, event: CallEvent) -> CallState:
    """The state that `event` leads to.

    Raises:
        IllegalTransition: the table has no such step; a leg that is over is the exception,
            see `CallProgress.apply`.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"a call in state {state} cannot take the event {event}") from None


@dataclass(slots=True)
class CallProgress:
    """One leg walking through the table; late events on a finished leg are counted, not raised."""

    state: CallState = CallState.DIALTONE
    cause: DisconnectCause | None = None
    late_events: int = field(default=0)

    def apply(self, event: CallEvent, cause: DisconnectCause | None = None) -> bool:
        """Take one event; return whether the leg moved to another state.

        Args:
            event: what happened.
            cause: why the leg ended, for the events that end it; the first one wins.

        Raises:
            IllegalTransition: the table does not allow it; nothing was changed.
        """
        if self.state in OVER and event not in TRANSITIONS[self.state]:
            self.late_events += 1
            return False
        before, self.state = self.state, next_state(self.state, event)
        if self.state is CallState.DISCONNECTED and self.cause is None:
            self.cause = cause
        return self.state is not before
