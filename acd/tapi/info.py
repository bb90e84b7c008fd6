"""LINECALLINFO of one call: who calls, who is called, who is on the line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from acd.lines import Destination
from acd.tapi.constants import (
    NO_PARAMS,
    LineCallInfoState,
    LineCallOrigin,
    LineCallParamFlags,
    LineCallPartyId,
    LineCallReason,
    LineCallState,
    LineMediaMode,
)

ALL = (
    LineCallInfoState.MEDIAMODE
    | LineCallInfoState.ORIGIN
    | LineCallInfoState.REASON
    | LineCallInfoState.CALLERID
    | LineCallInfoState.CALLEDID
    | LineCallInfoState.CONNECTEDID
)
"""What a call's first `call.info` tells of."""


class AutoOutcome(StrEnum):
    """What became of an automatic transfer."""

    WAITING = "waiting"
    UNDER_WAY = "under_way"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoTransfer:
    """LINECALLPARAMS' dwPredictiveAutoTransferStates and its target address."""

    states: LineCallState
    target: Destination
    written: str
    """The target as the application wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """One call, ours or one that came in."""

    line: int
    origin: LineCallOrigin = LineCallOrigin.OUTBOUND
    caller: str
    called: str
    caller_name: str = ""
    called_name: str = ""
    connected: str = ""
    """Empty until somebody answers."""
    params: LineCallParamFlags = NO_PARAMS
    auto: AutoTransfer | None = None
    auto_outcome: AutoOutcome = AutoOutcome.WAITING

    def fields(self) -> dict[str, Any]:
        """As it stands in `call.info`, in the event and in the reply."""
        return {
            "line": self.line,
            "origin": int(self.origin),
            "reason": int(LineCallReason.DIRECT),
            "media": int(LineMediaMode.INTERACTIVEVOICE),
            "params": int(self.params),
            "caller": _party(self.caller, self.caller_name, absent=LineCallPartyId.BLOCKED),
            "called": _party(self.called, self.called_name),
            "connected": _party(self.connected),
            "auto": self._auto(),
        }

    def _auto(self) -> dict[str, Any] | None:
        if self.auto is None:
            return None
        return {
            "states": int(self.auto.states),
            "target": self.auto.written,
            "outcome": str(self.auto_outcome),
        }


def _party(
    address: str, name: str = "", *, absent: LineCallPartyId = LineCallPartyId.UNAVAIL
) -> dict[str, Any]:
    flags = LineCallPartyId.ADDRESS if address else absent
    if not name:
        return {"flags": int(flags), "addr": address}
    return {"flags": int(flags | LineCallPartyId.NAME), "addr": address, "name": name}
