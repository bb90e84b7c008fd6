"""LINEADDRESSCAPS of a line, by its mode: what applications may expect and ask for. Tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from types import MappingProxyType

from acd.settings import LineMode
from acd.tapi.constants import (
    NO_STATES,
    LineAddrCapFlags,
    LineBusyMode,
    LineCallFeature,
    LineCallState,
    LineConnectedMode,
    LineDisconnectMode,
)
from acd.tapi.mapping import DISCONNECT_MODES
from acd.tapi.progress import ORDER

_DIALED = LineAddrCapFlags.DIALED | LineAddrCapFlags.SETCALLINGID
_OFFERED = LineCallFeature.REDIRECT
_MOVED = LineCallFeature.BLINDTRANSFER | LineCallFeature.DROP


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressCaps:
    """One mode's; the other values are the same for all."""

    flags: LineAddrCapFlags = _DIALED
    call_features: LineCallFeature = LineCallFeature.DROP
    auto_states: LineCallState = NO_STATES
    """dwPredictiveAutoTransferStates: only who has answered can be sent on by REFER."""
    incoming: bool = False
    """Callers are shown."""

    def fields(self) -> dict[str, int]:
        """As it stands in `ready`."""
        return {
            "flags": int(self.flags),
            "features": int(self.call_features | (_OFFERED if self.incoming else 0)),
            "states": int(_STATES | (LineCallState.OFFERING if self.incoming else 0)),
            "auto": int(self.auto_states),
            "connected": int(
                LineConnectedMode.ACTIVE | (LineConnectedMode.INACTIVE if self.incoming else 0)
            ),
            "busy": int(LineBusyMode.STATION),
            "disconnect": int(_DISCONNECT_MODES),
        }


_STATES = reduce(or_, ORDER) & ~LineCallState.OFFERING
_DISCONNECT_MODES = reduce(
    or_, (mode for mode in DISCONNECT_MODES.values() if mode), LineDisconnectMode(0)
)

ADDRESS_CAPS: Mapping[LineMode, AddressCaps] = MappingProxyType(
    {
        LineMode.ACD: AddressCaps(
            flags=_DIALED | LineAddrCapFlags.PREDICTIVEDIALER,
            call_features=_MOVED,
            auto_states=LineCallState.CONNECTED,
        ),
        LineMode.STANDARD: AddressCaps(),
        # Once the user's phone has not taken the person, the application may send them elsewhere.
        LineMode.REVERSE: AddressCaps(call_features=_MOVED),
        LineMode.ALTERNATIVE: AddressCaps(),
    }
)


INCOMING_MODES = (LineMode.ACD, LineMode.STANDARD, LineMode.REVERSE)
"""In which a profile may show callers."""
_INCOMING = "_incoming"


def caps_name(mode: LineMode, *, incoming: bool) -> str:
    """Which of `caps_fields` a line has."""
    return f"{mode}{_INCOMING if incoming else ''}"


def caps_fields() -> dict[str, dict[str, int]]:
    """Every mode's, as `ready` has them."""
    plain = {caps_name(mode, incoming=False): caps.fields() for mode, caps in ADDRESS_CAPS.items()}
    shown = {
        caps_name(mode, incoming=True): replace(ADDRESS_CAPS[mode], incoming=True).fields()
        for mode in INCOMING_MODES
    }
    return plain | shown
