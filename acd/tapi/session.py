"""One client's session: its lines, its calls, and what is done with its messages.

A session outlives its connection: a client that comes back within the grace goes on where it
was, a client that does not has its calls ended. Nothing here waits for the network.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import structlog
import trio

from acd.lines import IncomingCall
from acd.tapi.books import Desk, Refusal
from acd.tapi.call import Reply, TapiCall
from acd.tapi.constants import LineCallFeature, LineErr
from acd.tapi.line_states import LineStates
from acd.tapi.offered import TEMPORARILY_UNAVAILABLE, OfferedCall
from acd.tapi.order import order_of, read_make_call
from acd.tapi.outbox import Outbox
from acd.tapi.wire import BadFieldError, Message, text_of, whole_of

log: structlog.stdlib.BoundLogger = structlog.get_logger()

MOST_CALLS = 10_000
"""Calls that a client has not let go of; a client that never does is not fed for ever."""
SEEN = 10_000
"""Request ids remembered, so that none is done twice."""
PLACING = "placing"
"""In metrics: a call of which nothing was told yet, for it waits for its turn or a line."""
UNKNOWN = "unknown"
"""In metrics: a request that there is not."""


class Gateway(Protocol):
    """What a session asks of the gateway."""

    def enabled(self, line: int) -> bool | None:
        """Whether a line is enabled; None: there is no such line for anybody."""
        ...

    def take_line(self, line: int, session: Session) -> bool:
        """Make the session the line's owner; False: another session is."""
        ...

    def leave_line(self, line: int, session: Session) -> None:
        """Give the line up."""
        ...

    def line(self, number: int) -> Mapping[str, Any]:
        """A line device as clients see it."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether no new call may start."""
        ...


class Session:
    """What one instance of a client has open."""

    def __init__(
        self, name: str, desk: Desk, gateway: Gateway, nursery: trio.Nursery, *, inst: str
    ) -> None:
        self.name = name
        self.inst = inst
        self.desk = desk
        self.outbox = Outbox()
        self.line_states = LineStates()
        self.ended = trio.Event()
        self._gateway = gateway
        self._nursery = nursery
        self._lost_at: float | None = None
        self._lines: dict[int, TapiCall | OfferedCall | None] = {}
        self._calls: dict[str, TapiCall | OfferedCall] = {}
        self._offered = 0
        """How many calls came in."""
        self._open_requests: dict[int, str] = {}
        """Request id → call."""
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._asked: dict[int, tuple[str, float]] = {}
        """Requests without an answer so far: what was asked, and when."""

    # What calls ask of us

    def tell(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        self.outbox.put(kind, **fields)

    @property
    def lost_at(self) -> float | None:
        """Since when the client is gone, on trio's clock; None: it is there."""
        return self._lost_at

    # What the server asks of us

    @property
    def open_lines(self) -> int:
        """How many lines the client has open."""
        return len(self._lines)

    @property
    def live_calls(self) -> int:
        """How many of its calls are not over."""
        return sum(not call.over.is_set() for call in self._calls.values())

    def call_states(self) -> Counter[str]:
        """Calls that the client has not let go of, by what it was told last."""
        return Counter(
            call.told.last.state.shown if call.told.last else PLACING
            for call in self._calls.values()
        )

    @property
    def waiting_persons(self) -> int:
        """Answered people whom nobody has yet."""
        return sum(call.person_waits for call in self._calls.values())

    def tell_lines(self, *, of: str) -> None:
        """Tell how each open line of a trunk is now."""
        for number in sorted(self._lines):
            if self.desk.of_line(number).trunk.name == of:
                self._tell_line(number)

    def _tell_line(self, number: int) -> None:
        """Tell how an open line is, if it is not as the client knows it."""
        if news := self.line_states.news(self._gateway.line(number)):
            self.tell("line.state", **news)

    def tell_changed(self, added: list[dict[str, Any]], removed: list[int]) -> None:
        """Tell which of the client's lines are new or others, and which are gone."""
        mine = range(self.desk.settings.first_line, self.desk.settings.last_line + 1)
        add = [line for line in added if line["n"] in mine]
        remove = [number for number in removed if number in mine]
        if add or remove:
            self.line_states.shown(add)
            self.tell("lines.changed", add=add, remove=remove)

    def lost(self) -> None:
        """The connection broke."""
        self._lost_at = trio.current_time()
        self._tell_calls()

    def resumed(self) -> None:
        """The client is back."""
        self._lost_at = None
        self._tell_calls()

    def _tell_calls(self) -> None:
        for call in self._calls.values():
            call.link_changed()

    def end(self) -> None:
        """The client is gone for good: its phones stop ringing, its people are let go."""
        if self.ended.is_set():
            return
        self.ended.set()
        if self._lost_at is None:
            self._lost_at = trio.current_time()
        for call in self._calls.values():
            if not call.over.is_set():
                call.leave()
        for line in list(self._lines):
            self._close(line)

    # What callers ask of us

    def is_free(self, line: int) -> bool:
        """Whether the line carries no call."""
        present = self._lines.get(line)
        return present is None or present.idle

    def rings_own_phone(self, line: int) -> bool:
        """Whether the line's call makes the user's own phone ring now."""
        present = self._lines.get(line)
        return present is not None and present.rings_own_phone

    def offer(self, line: int, incoming: IncomingCall) -> None:
        """Tell of a call on a line that is free."""
        self._offered += 1
        name = f"in-{self._offered}-{self.name}"
        if name in self._calls or len(self._calls) >= MOST_CALLS:
            incoming.turn_away(TEMPORARILY_UNAVAILABLE)
            return
        call = OfferedCall(self.desk.of_line(line), self, incoming, name=name, line=line)
        self._lines[line] = self._calls[name] = call
        with structlog.contextvars.bound_contextvars(tapi_client=self.desk.name, tapi_line=line):
            call.offer()
            self._nursery.start_soon(call.run)

    def snapshot(self) -> dict[str, Any]:
        """Where every call and line stands, for a client that came back."""
        return {
            "calls": [self._status(call) for call in self._calls.values()],
            "open": sorted(self._lines),
            "open_requests": sorted(self._asked),
        }

    @staticmethod
    def _status(call: TapiCall | OfferedCall) -> dict[str, Any]:
        last = call.told.last
        return {
            "call": call.name,
            "line": call.line_number,
            "state": int(last.state) if last else 0,
            "mode": int(last.mode) if last else 0,
            "features": int(call.features),
            "disconnect_mode": int(call.told.disconnect_mode),
        }

    # Messages

    def handle(self, message: Message) -> None:
        """Do what a message asks; a request is answered once, now or later."""
        kind = str(message["t"])
        request = message.get("id")
        if request is not None and not self._is_new(request):
            return
        handler = HANDLERS.get(kind)
        self._count(kind if handler else UNKNOWN, request)
        if handler is None:
            if request is not None:
                self._fail(request, LineErr.OPERATIONUNAVAIL, f"{kind} is no request")
            return
        try:
            error = handler(self, message)
        except BadFieldError as bad:
            error = LineErr.INVALPARAM
            why = str(bad)
        else:
            why = ""
        if request is not None and not isinstance(error, Later):
            self._reply(request, error, why)

    def _is_new(self, request: object) -> bool:
        if not isinstance(request, int) or isinstance(request, bool):
            return False
        if request in self._seen:
            return False
        self._seen[request] = None
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return True

    def _count(self, kind: str, request: int | None) -> None:
        self.desk.metrics.tapi_requests.labels(self.desk.name, kind).inc()
        if request is not None:
            self._asked[request] = (kind, trio.current_time())

    def _answer(self, request: int, **fields: Any) -> None:
        kind, asked_at = self._asked.pop(request, (UNKNOWN, math.nan))
        if not math.isnan(asked_at):
            taken = self.desk.metrics.tapi_reply_seconds.labels(self.desk.name, kind)
            taken.observe(trio.current_time() - asked_at)
        self.outbox.put("reply", id=request, **fields)

    def _reply(self, request: int, error: LineErr | Refusal | None, why: str = "") -> None:
        if error is None:
            self._answer(request, ok=True)
        elif isinstance(error, Refusal):
            self._fail(request, error.error, error.why, error.rule)
        else:
            self._fail(request, error, why)

    def _fail(self, request: int, error: LineErr, why: str = "", rule: str = "") -> None:
        said = {"why": why, "rule": rule}
        fields = {key: value for key, value in said.items() if value}
        self.desk.metrics.tapi_errors.labels(self.desk.name, error.shown).inc()
        self._answer(request, err=int(error), name=error.shown, **fields)

    def _later(self, request: int, call: str) -> Reply:
        """Completes a request; the second time nothing happens."""
        self._open_requests[request] = call

        def reply(error: LineErr | Refusal | None) -> None:
            if self._open_requests.pop(request, None) is not None:
                self._reply(request, error)

        return reply

    def line_open(self, message: Message) -> Answer:
        """`line.open`: BADDEVICEID, RESOURCEUNAVAIL (disabled), ALLOCATED (another's)."""
        line = whole_of(message, "n")
        settings = self.desk.settings
        enabled = self._gateway.enabled(line)
        if enabled is None or not settings.first_line <= line <= settings.last_line:
            return LineErr.BADDEVICEID
        if not enabled:
            return LineErr.RESOURCEUNAVAIL
        if line in self._lines or not self._gateway.take_line(line, self):
            return LineErr.ALLOCATED
        self._lines[line] = None
        if "id" in message:
            self._reply(message["id"], None)
        self._tell_line(line)
        return LATER

    def line_close(self, message: Message) -> Answer:
        """`line.close`: its live call is dropped (LINEDEVCAPFLAGS_CLOSEDROP)."""
        line = whole_of(message, "n")
        if line not in self._lines:
            return LineErr.INVALLINEHANDLE
        self._close(line)
        return None

    def _close(self, line: int) -> None:
        call = self._lines.pop(line)
        if call is not None and not call.over.is_set() and not self.ended.is_set():
            call.drop_soon()
        self._gateway.leave_line(line, self)

    def call_make(self, message: Message) -> Answer:
        """`call.make`: answered when the INVITE is on its way, or why it is not."""
        request, made = whole_of(message, "id"), read_make_call(message)
        error = self._why_not(made.line, made.name)
        if error is not None:
            return error
        desk = self.desk.of_line(made.line)
        order = order_of(made, desk)
        if isinstance(order, LineErr | Refusal):
            return order
        call = TapiCall(desk, self, order)
        self._lines[order.line] = self._calls[order.name] = call
        self._nursery.start_soon(self._run, call, self._later(request, order.name))
        return LATER

    def _why_not(self, line: int, name: str) -> LineErr | None:
        if line not in self._lines:
            return LineErr.INVALLINEHANDLE
        may_dial = self.desk.of_line(line).may_dial
        if not self._gateway.enabled(line) or self._gateway.stopping or not may_dial:
            return LineErr.RESOURCEUNAVAIL
        present = self._lines[line]
        if present is not None and not present.idle:
            return LineErr.INUSE
        if name in self._calls or len(self._calls) >= MOST_CALLS:
            return LineErr.INVALCALLPARAMS
        return None

    async def _run(self, call: TapiCall, reply: Reply) -> None:
        def answer(error: LineErr | Refusal | None) -> None:
            if error is not None:
                self._forget(call)
            reply(error)

        with structlog.contextvars.bound_contextvars(
            tapi_client=self.desk.name, tapi_line=call.line_number
        ):
            await call.run(answer)

    def _forget(self, call: TapiCall | OfferedCall) -> None:
        self._calls.pop(call.name, None)
        if self._lines.get(call.line_number) is call:
            self._lines[call.line_number] = None

    def call_drop(self, message: Message) -> Answer:
        """`call.drop`: LINE_REPLY at once, IDLE when the call is over."""
        request, call = whole_of(message, "id"), self._call(message)
        if call is None:
            return LineErr.INVALCALLHANDLE
        call.drop(self._later(request, call.name))
        return LATER

    def call_transfer(self, message: Message) -> Answer:
        """`call.transfer`: answered at the final NOTIFY."""
        request, call = whole_of(message, "id"), self._call(message)
        address = text_of(message, "dest")
        if call is None:
            return LineErr.INVALCALLHANDLE
        if LineCallFeature.BLINDTRANSFER not in call.features:
            return LineErr.INVALCALLSTATE
        target = call.desk.read_target(address)
        if isinstance(target, LineErr):
            return target
        call.transfer(target, target.written, self._later(request, call.name))
        return LATER

    def call_redirect(self, message: Message) -> Answer:
        """`call.redirect`: an offered call goes elsewhere, by 302."""
        request, call = whole_of(message, "id"), self._call(message)
        address = text_of(message, "dest")
        if call is None:
            return LineErr.INVALCALLHANDLE
        if not isinstance(call, OfferedCall) or call.idle:
            return LineErr.INVALCALLSTATE
        target = call.desk.read_target(address)
        if isinstance(target, LineErr):
            return target
        call.redirect(target, self._later(request, call.name))
        return LATER

    def call_close(self, message: Message) -> Answer:
        """`call.close`: open requests fail, a live call is dropped, then silence."""
        call = self._call(message)
        if call is None:
            return LineErr.INVALCALLHANDLE
        call.silence()
        for request in [each for each, of in self._open_requests.items() if of == call.name]:
            del self._open_requests[request]
            self._fail(request, LineErr.OPERATIONFAILED)
        if not call.idle:
            call.drop_soon()
        self._forget(call)
        return None

    def _call(self, message: Message) -> TapiCall | OfferedCall | None:
        return self._calls.get(text_of(message, "call"))

    def call_status(self, message: Message) -> Answer:
        """`call.status`: the engine's own view, for tests and for a client that doubts its own."""
        request, call = whole_of(message, "id"), self._call(message)
        if call is None:
            return LineErr.INVALCALLHANDLE
        self._answer(request, ok=True, **self._status(call))
        return LATER

    def call_info(self, message: Message) -> Answer:
        """`call.info`: what the last event of that name told."""
        request, call = whole_of(message, "id"), self._call(message)
        if call is None:
            return LineErr.INVALCALLHANDLE
        self._answer(request, ok=True, call=call.name, **call.info.fields())
        return LATER


class Later:
    """The request is answered, or will be, by other hands."""


LATER = Later()
Answer = LineErr | Refusal | Later | None
"""None: it succeeded."""

HANDLERS: Mapping[str, Callable[[Session, Message], Answer]] = MappingProxyType(
    {
        "line.open": Session.line_open,
        "line.close": Session.line_close,
        "call.make": Session.call_make,
        "call.drop": Session.call_drop,
        "call.transfer": Session.call_transfer,
        "call.redirect": Session.call_redirect,
        "call.close": Session.call_close,
        "call.status": Session.call_status,
        "call.info": Session.call_info,
    }
)
REQUESTS = (*HANDLERS, UNKNOWN)
"""What is counted."""
