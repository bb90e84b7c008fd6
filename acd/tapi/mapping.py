"""Our words in TAPI's numbers: tables, each complete over its left side."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from acd.calls import DisconnectCause
from acd.lines import DoorRule
from acd.tapi.constants import LineCallFeature, LineCallState, LineDisconnectMode, LineErr

DISCONNECT_MODES: Mapping[DisconnectCause, LineDisconnectMode | None] = MappingProxyType(
    {
        DisconnectCause.NORMAL: LineDisconnectMode.NORMAL,
        # What the application ended itself goes to IDLE with no DISCONNECTED before it.
        DisconnectCause.HUNG_UP: None,
        DisconnectCause.TRANSFERRED: None,
        DisconnectCause.BUSY: LineDisconnectMode.BUSY,
        DisconnectCause.NO_ANSWER: LineDisconnectMode.NOANSWER,
        DisconnectCause.UNREACHABLE: LineDisconnectMode.UNREACHABLE,
        DisconnectCause.BAD_ADDRESS: LineDisconnectMode.BADADDRESS,
        DisconnectCause.NUMBER_CHANGED: LineDisconnectMode.NUMBERCHANGED,
        DisconnectCause.FORWARDED: LineDisconnectMode.FORWARDED,
        DisconnectCause.REJECTED: LineDisconnectMode.REJECT,
        DisconnectCause.BLOCKED: LineDisconnectMode.BLOCKED,
        DisconnectCause.CONGESTION: LineDisconnectMode.CONGESTION,
        DisconnectCause.TEMPORARY_FAILURE: LineDisconnectMode.TEMPFAILURE,
        DisconnectCause.OUT_OF_ORDER: LineDisconnectMode.OUTOFORDER,
        DisconnectCause.INCOMPATIBLE: LineDisconnectMode.INCOMPATIBLE,
        DisconnectCause.QOS_UNAVAILABLE: LineDisconnectMode.QOSUNAVAIL,
        DisconnectCause.CANCELLED: LineDisconnectMode.CANCELLED,
        DisconnectCause.UNAVAILABLE: LineDisconnectMode.UNAVAIL,
    }
)

DOOR_ERRORS: Mapping[DoorRule, LineErr] = MappingProxyType(
    {
        DoorRule.EMERGENCY: LineErr.ADDRESSBLOCKED,
        DoorRule.PREMIUM: LineErr.ADDRESSBLOCKED,
        DoorRule.SHORT_CODE: LineErr.ADDRESSBLOCKED,
        DoorRule.REGION: LineErr.ADDRESSBLOCKED,
        DoorRule.INVALID: LineErr.INVALADDRESS,
        DoorRule.GRAMMAR: LineErr.INVALADDRESS,
    }
)

_ALIVE = LineCallFeature.DROP

CALL_FEATURES: Mapping[LineCallState, LineCallFeature] = MappingProxyType(
    {
        LineCallState.IDLE: LineCallFeature(0),
        LineCallState.OFFERING: LineCallFeature.REDIRECT | _ALIVE,
        LineCallState.ACCEPTED: LineCallFeature.REDIRECT | _ALIVE,
        LineCallState.DIALTONE: _ALIVE,
        LineCallState.DIALING: _ALIVE,
        LineCallState.RINGBACK: _ALIVE,
        LineCallState.BUSY: _ALIVE,
        LineCallState.SPECIALINFO: _ALIVE,
        LineCallState.CONNECTED: LineCallFeature.BLINDTRANSFER | _ALIVE,
        LineCallState.PROCEEDING: _ALIVE,
        LineCallState.ONHOLD: _ALIVE,
        LineCallState.CONFERENCED: _ALIVE,
        LineCallState.ONHOLDPENDCONF: _ALIVE,
        LineCallState.ONHOLDPENDTRANSFER: _ALIVE,
        LineCallState.DISCONNECTED: _ALIVE,
        LineCallState.UNKNOWN: LineCallFeature(0),
    }
)
