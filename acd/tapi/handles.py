"""A client's handles: an open line, and a call with everything that was told of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from acd.tapi.constants import LineCallState, LineDisconnectMode
from acd.tapi.views import CallInfo
from acd.tapi.wire import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStateEvent:
    """LINE_CALLSTATE."""

    state: LineCallState
    mode: int
    """LINEDISCONNECTMODE, LINEBUSYMODE, LINECONNECTEDMODE or LINEOFFERINGMODE, by the state."""
    sip_status: int | None = None
    reason: str = ""


@dataclass(eq=False, slots=True)
class HLine:
    """An open line."""

    number: int


@dataclass(eq=False, slots=True)
class HCall:
    """A call; valid until `line_deallocate_call`."""

    name: str
    line: HLine
    events: list[CallStateEvent] = field(default_factory=list)
    """Every LINE_CALLSTATE so far."""
    infos: list[CallInfo] = field(default_factory=list)
    """Every LINE_CALLINFO so far; the first comes before the first LINE_CALLSTATE."""
    caller: str = ""
    """LINECALLINFO's caller ID of a call that came in; empty where it is withheld."""
    caller_name: str = ""
    called: str = ""
    """… and its called ID."""
    called_name: str = ""
    _changed: trio.Event = field(default_factory=trio.Event)

    @property
    def state(self) -> LineCallState | None:
        """As the last LINE_CALLSTATE said; None before the first."""
        return self.events[-1].state if self.events else None

    @property
    def disconnect_mode(self) -> LineDisconnectMode | None:
        """Why it ended; None where it has not, or by our own doing."""
        for event in self.events:
            if event.state is LineCallState.DISCONNECTED:
                return LineDisconnectMode(event.mode)
        return None

    async def wait_states(self, states: LineCallState) -> LineCallState:
        """Wait until the call was told one of the states, or IDLE; which one came first."""
        while True:
            for event in self.events:
                if event.state & (states | LineCallState.IDLE):
                    return event.state
            await self._changed.wait()

    async def wait_auto_transfer(self) -> bool:
        """Wait until the automatic transfer is over, or IDLE; whether somebody was taken."""
        while True:
            outcome = self.infos[-1].auto_transfer if self.infos else ""
            if outcome in {"done", "failed"} or self.state is LineCallState.IDLE:
                return outcome == "done"
            await self._changed.wait()

    def take(self, event: CallStateEvent) -> None:
        """Note one LINE_CALLSTATE."""
        self.events.append(event)
        self._tell()

    def note(self, info: CallInfo) -> None:
        """Note one LINE_CALLINFO."""
        self.infos.append(info)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def call_of(message: Message, line: HLine) -> HCall:
    """The handle of a call that came in, from its `call.new`."""
    return HCall(
        message["call"],
        line,
        caller=message["from"],
        caller_name=message["from_name"],
        called=message["to"],
        called_name=message["to_name"],
    )


def event_of(message: Message) -> CallStateEvent:
    """A LINE_CALLSTATE, from its `call.state`."""
    return CallStateEvent(
        state=LineCallState(message["state"]),
        mode=message["mode"],
        sip_status=message.get("sip"),
        reason=message.get("reason", ""),
    )
