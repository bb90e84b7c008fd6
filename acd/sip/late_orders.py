"""Orders that come too late: what is answered where the call is already over."""

from __future__ import annotations

from time import perf_counter

from acd.lines import PersonWith
from acd.sip.messages import (
    FollowRedirect,
    HangUpCall,
    HoldCall,
    HoldEnded,
    LeaveRedirect,
    LegOrder,
    PlayEnded,
    PlayWav,
    Report,
    ResumeCall,
    StopPlaying,
    TransferCall,
    TransferEnded,
)
from acd.sip.transfer import TransferOutcome

_NO_SUCH_CALL = 481


def no_such_call(command: LegOrder) -> Report | None:
    """The answer to an order whose call is already over: nothing was sent."""
    match command:
        case TransferCall():
            return TransferEnded(
                command.leg, perf_counter(), TransferOutcome.REFUSED, _NO_SUCH_CALL, PersonWith.US
            )
        case PlayWav():
            return PlayEnded(command.leg, command.order)
        case HoldCall() | ResumeCall():
            return HoldEnded(command.leg, agreed=False)
        case HangUpCall() | StopPlaying() | FollowRedirect() | LeaveRedirect():
            return None
