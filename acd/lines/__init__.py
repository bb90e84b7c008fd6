"""What the scheduler and the TAPI gateway know of telephony: lines, trunks, and their events.

`acd.sip` fulfils these Protocols with pjsua2; a simulation can fulfil them without a network.
Whatever is dialed, transferred to or redirected to passes the one door (`Door`) first.
"""

from acd.lines.door import Door, DoorRule, Refused
from acd.lines.events import (
    Alerting,
    Answered,
    DialogId,
    Ended,
    LineEvent,
    PersonWith,
    Proceeding,
    Released,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
)
from acd.lines.extensions import ExtensionState, ExtensionUpdate, ExtensionUpdates
from acd.lines.incoming import CallerLine, IncomingEnd
from acd.lines.protocols import (
    CallerId,
    CallId,
    Destination,
    DestinationKind,
    IncomingCall,
    Line,
    LinePool,
    NotFollowed,
    OriginateRequest,
    RedirectGuard,
    TransferWait,
    Trunk,
    TrunkHealth,
    TrunkStatus,
)

__all__ = [
    "Alerting",
    "Answered",
    "CallId",
    "CallerId",
    "CallerLine",
    "Destination",
    "DestinationKind",
    "DialogId",
    "Door",
    "DoorRule",
    "Ended",
    "ExtensionState",
    "ExtensionUpdate",
    "ExtensionUpdates",
    "IncomingCall",
    "IncomingEnd",
    "Line",
    "LineEvent",
    "LinePool",
    "NotFollowed",
    "OriginateRequest",
    "PersonWith",
    "Proceeding",
    "RedirectGuard",
    "Refused",
    "Released",
    "TransferAnswered",
    "TransferFailed",
    "TransferRefused",
    "TransferResult",
    "TransferTimedOut",
    "TransferUnconfirmed",
    "TransferWait",
    "Trunk",
    "TrunkHealth",
    "TrunkStatus",
]
