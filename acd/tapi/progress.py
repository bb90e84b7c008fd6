"""What an application is told of one call: LINE_CALLSTATEs in order, each at most once. Pure.

    DIALING ─▶ PROCEEDING ─▶ RINGBACK ─▶ CONNECTED ─▶ [BUSY ─▶] DISCONNECTED(mode) ─▶ IDLE
    OFFERING ─▶ [CONNECTED(INACTIVE) ─▶] IDLE

Any step may be left out, none comes back. What the application ended itself (lineDrop, a
transfer that succeeded) goes to IDLE with nothing before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from acd.calls import DisconnectCause
from acd.lines import Alerting, Answered, Ended, LineEvent, Proceeding, Released
from acd.tapi.constants import (
    LineBusyMode,
    LineCallFeature,
    LineCallState,
    LineConnectedMode,
    LineDisconnectMode,
    LineOfferingMode,
)
from acd.tapi.mapping import CALL_FEATURES, DISCONNECT_MODES

NO_MODE = LineDisconnectMode(0)
ORDER = (
    LineCallState.OFFERING,
    LineCallState.DIALING,
    LineCallState.PROCEEDING,
    LineCallState.RINGBACK,
    LineCallState.CONNECTED,
    LineCallState.BUSY,
    LineCallState.DISCONNECTED,
    LineCallState.IDLE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One LINE_CALLSTATE."""

    state: LineCallState
    mode: int = 0
    """LINEOFFERINGMODE, LINEBUSYMODE, LINECONNECTEDMODE or LINEDISCONNECTMODE, by the state."""


@dataclass(slots=True)
class CallProgressTold:
    """One call as its application knows it."""

    last: Told | None = None
    disconnect_mode: LineDisconnectMode = NO_MODE
    """Why it ended, from DISCONNECTED on; none where it has not, or by the application's doing."""
    _told: list[LineCallState] = field(default_factory=list)

    @property
    def features(self) -> LineCallFeature:
        """What may be asked of the call now."""
        return CALL_FEATURES[self.last.state] if self.last else LineCallFeature(0)

    def placed(self) -> list[Told]:
        """LINE_REPLY has told that the call exists."""
        return self._new(Told(state=LineCallState.DIALING))

    def offered(self) -> list[Told]:
        """Somebody calls the line."""
        return self._new(Told(state=LineCallState.OFFERING, mode=LineOfferingMode.ACTIVE))

    def offer_over(self, *, elsewhere: bool) -> list[Told]:
        """The call that was offered is over for this line; perhaps another phone has it."""
        told = [Told(state=LineCallState.IDLE)]
        if elsewhere:
            mode = LineConnectedMode.INACTIVE
            told.insert(0, Told(state=LineCallState.CONNECTED, mode=mode))
        return self._new(*told)

    def take(self, event: LineEvent, *, dropped: bool) -> list[Told]:
        """What to tell for an event of the line.

        Args:
            event: as the line gave it.
            dropped: the application asked for the end.
        """
        match event:
            case Proceeding():
                return self._new(Told(state=LineCallState.PROCEEDING))
            case Alerting():
                return self._new(Told(state=LineCallState.RINGBACK))
            case Answered():
                mode = LineConnectedMode.ACTIVE
                return self._new(Told(state=LineCallState.CONNECTED, mode=mode))
            case Ended(cause=cause):
                return self._ended(cause, dropped=dropped)
            case Released():
                return []

    def lost(self) -> list[Told]:
        """The gateway cannot say how the call went on."""
        return self._over(LineDisconnectMode.TEMPFAILURE)

    def _ended(self, cause: DisconnectCause, *, dropped: bool) -> list[Told]:
        idle = Told(state=LineCallState.IDLE)
        if dropped or cause is DisconnectCause.TRANSFERRED:
            return self._new(idle)
        # HUNG_UP without a lineDrop: the gateway itself, for a person whom nobody took.
        return self._over(DISCONNECT_MODES[cause] or LineDisconnectMode.NORMAL)

    def _over(self, mode: LineDisconnectMode) -> list[Told]:
        told = [
            Told(state=LineCallState.DISCONNECTED, mode=mode),
            Told(state=LineCallState.IDLE),
        ]
        if mode is LineDisconnectMode.BUSY:
            told.insert(0, Told(state=LineCallState.BUSY, mode=LineBusyMode.STATION))
        return self._new(*told)

    def _new(self, *told: Told) -> list[Told]:
        """Those that may still follow what was told before."""
        fresh = []
        for each in told:
            place = ORDER.index(each.state)
            if all(ORDER.index(state) < place for state in self._told):
                self._told.append(each.state)
                self.last = each
                if each.state is LineCallState.DISCONNECTED:
                    self.disconnect_mode = LineDisconnectMode(each.mode)
                fresh.append(each)
        return fresh
