"""What one call's client is told: `call.state` and `call.info`, from one record of each.

`call.info` comes before the first state (who is called, as whom), after CONNECTED (with whom), and
when an automatic transfer is over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from acd.lines import Ended, LineEvent
from acd.tapi.constants import LineCallInfoState, LineCallState
from acd.tapi.info import ALL, AutoOutcome, CallInfo
from acd.tapi.progress import CallProgressTold, Told


class Teller(Protocol):
    """How a call speaks to its client."""

    def tell(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        ...

    @property
    def lost_at(self) -> float | None:
        """Since when the client is gone, on trio's clock; None: it is there."""
        ...


class CallTelling:
    """One call as its client knows it; nothing else speaks of the call."""

    def __init__(self, teller: Teller, *, name: str, info: CallInfo, connects_to: str) -> None:
        self.name = name
        self.told = CallProgressTold()
        self._teller = teller
        self._info = info
        self._connects_to = connects_to
        self._silent = False

    @property
    def info(self) -> CallInfo:
        """LINECALLINFO as it was last told."""
        return self._info

    @property
    def lost_at(self) -> float | None:
        """Since when the client is gone, on trio's clock; None: it is there."""
        return self._teller.lost_at

    def silence(self) -> None:
        """Say nothing more."""
        self._silent = True

    def placed(self) -> None:
        """LINE_REPLY has told that the call exists."""
        self._tell_info(self._info, ALL)
        self._tell(self.told.placed())

    def take(self, event: LineEvent, *, dropped: bool) -> None:
        """Tell what an event of the line means; `dropped`: the application asked for the end."""
        self._tell(self.told.take(event, dropped=dropped), event)

    def lost(self) -> None:
        """The gateway cannot say how the call went on."""
        self._tell(self.told.lost())

    def auto_transferred(self, *, done: bool) -> None:
        """The transfer that came with the `lineMakeCall` is over."""
        outcome = AutoOutcome.DONE if done else AutoOutcome.FAILED
        self._tell_info(replace(self._info, auto_outcome=outcome), LineCallInfoState.OTHER)

    def _tell(self, told: list[Told], event: LineEvent | None = None) -> None:
        end = event if isinstance(event, Ended) else None
        for each in told:
            self._send(
                "call.state",
                call=self.name,
                state=int(each.state),
                mode=int(each.mode),
                sip=end.sip_status if end else None,
                q850=end.q850_cause if end else None,
                reason=str(end.cause) if end else "",
            )
            if each.state is LineCallState.CONNECTED:
                self._connected()

    def _connected(self) -> None:
        changed = LineCallInfoState.CONNECTEDID
        info = replace(self._info, connected=self._connects_to)
        if info.auto is not None:
            info = replace(info, auto_outcome=AutoOutcome.UNDER_WAY)
            changed |= LineCallInfoState.OTHER
        self._tell_info(info, changed)

    def _tell_info(self, info: CallInfo, changed: LineCallInfoState) -> None:
        self._info = info
        self._send("call.info", call=self.name, changed=int(changed), **info.fields())

    def _send(self, kind: str, **fields: Any) -> None:
        if not self._silent:
            self._teller.tell(kind, **fields)
