"""TAPI's own words for a program in Python, from `line_initialize_ex` to `line_shutdown`.

    async with line_initialize_ex(address) as app:
        line = await app.line_open(1)
        call = await app.line_make_call(line, "+43 (1) 505641")
        if await app.wait_connected(call):
            await app.line_blind_transfer(call, "7001")
        app.line_deallocate_call(call)

A function that TAPI completes by LINE_REPLY returns when the reply is there and raises
`LineError` when it says LINEERR. If the gateway is lost for its grace, every open request fails
with LINEERR_OPERATIONFAILED and every call goes to DISCONNECTED(TEMPFAILURE) and IDLE.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from acd.errors import AcdError
from acd.tapi.constants import (
    NO_PARAMS,
    NO_STATES,
    LineCallParamFlags,
    LineCallState,
    LineDisconnectMode,
    LineErr,
)
from acd.tapi.handles import CallStateEvent, HCall, HLine, call_of, event_of
from acd.tapi.link import GatewayAddress, GatewayAwayError, GatewayRefusedError, Link
from acd.tapi.views import (
    AddressCaps,
    CallInfo,
    LineDevice,
    PartyId,
    address_caps,
    call_info,
    device_of,
)
from acd.tapi.wire import Message

__all__ = [
    "AddressCaps",
    "CallInfo",
    "CallStateEvent",
    "GatewayAddress",
    "GatewayAwayError",
    "GatewayRefusedError",
    "HCall",
    "HLine",
    "LineApp",
    "LineDevice",
    "LineError",
    "PartyId",
    "line_initialize_ex",
]


GOODBYE_SECONDS = 2.0
"""How long a gateway that takes nothing is waited for at the end."""


class LineError(AcdError):
    """A TAPI function failed."""

    def __init__(self, code: LineErr, why: str = "", rule: str = "") -> None:
        super().__init__(f"{code.shown}: {why}" if why else code.shown)
        self.code = code
        self.rule = rule
        """Which rule refused a number: `calling_hours`, `dnc`, `region` …; mostly empty."""


@dataclass(slots=True)
class _Waiting:
    done: trio.Event = field(default_factory=trio.Event)
    reply: Message = field(default_factory=dict)


_LOST: Mapping[str, Any] = {
    "err": int(LineErr.OPERATIONFAILED),
    "why": "the connection to the gateway was lost",
}


class LineApp:
    """What `lineInitializeEx` gives; use `line_initialize_ex`."""

    def __init__(self, address: GatewayAddress) -> None:
        self._link = Link(
            address,
            on_ready=self._ready,
            on_message=self._message,
            on_replayed=self._replayed,
            on_lost=self._lost,
        )
        self._devices: dict[int, LineDevice] = {}
        self._caps: dict[str, AddressCaps] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._unheard: set[int] = set()
        """Requests that the gateway never read, unless their replies are among those missed."""
        self._closing: dict[int, str] = {}
        """Calls that were let go of, by their request; until the gateway has said that it knows."""
        self._calls: dict[str, HCall] = {}
        self._lines: dict[int, HLine] = {}
        self._last_request = 0
        self._devices_changed = trio.Event()
        self._new_calls, self._newest_calls = trio.open_memory_channel[HCall](float("inf"))

    @property
    def connected(self) -> bool:
        """Whether the gateway is there."""
        return self._link.up

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connection; starts once the gateway was ready."""
        await self._link.run(task_status=task_status)

    # TAPI

    def line_get_dev_caps(self) -> list[LineDevice]:
        """Every line device that this client may open, disabled ones too."""
        return list(self._devices.values())

    def line_get_address_caps(self, number: int) -> AddressCaps:
        """What may be expected of a line's calls, and asked for."""
        return self._caps[self._devices[number].caps]

    async def wait_devices_changed(self) -> None:
        """Wait for the next LINE_CREATE, LINE_REMOVE or LINE_LINEDEVSTATE."""
        await self._devices_changed.wait()

    async def line_open(self, number: int) -> HLine:
        """Open a line.

        Raises:
            LineError: BADDEVICEID, RESOURCEUNAVAIL (disabled) or ALLOCATED (open elsewhere).
        """
        await self._ask("line.open", n=number)
        self._lines[number] = line = HLine(number)
        return line

    async def line_close(self, line: HLine) -> None:
        """Close a line; a call that lives on it is dropped."""
        self._lines.pop(line.number, None)
        await self._ask("line.close", n=line.number)

    async def line_make_call(
        self,
        line: HLine,
        address: str,
        *,
        no_answer_timeout_seconds: int = 0,
        calling_party_id: str = "",
        call_param_flags: LineCallParamFlags = NO_PARAMS,
        predictive_auto_transfer_states: LineCallState = NO_STATES,
        target_address: str = "",
    ) -> HCall:
        """Dial; returns with LINE_REPLY.

        Args:
            line: an open line without a call.
            address: canonical or dialable.
            no_answer_timeout_seconds: LINECALLPARAMS.dwNoAnswerTimeout; 0: the trunk's. Below
                the client's `shortest_ring_seconds` it is raised to that.
            calling_party_id: number to show; empty: the trunk's.
            call_param_flags: PREDICTIVEDIAL and IDLE, or none.
            predictive_auto_transfer_states: CONNECTED where the gateway itself is to hand over
                who answers; what became of it stands in the call's `infos`.
            target_address: … and to whom.

        Raises:
            LineError: INUSE, RESOURCEUNAVAIL, INVALADDRESS, ADDRESSBLOCKED, DIAL… and others.
        """
        call = HCall(f"{secrets.token_hex(6)}", line)
        self._calls[call.name] = call
        try:
            await self._ask(
                "call.make",
                line=line.number,
                call=call.name,
                dest=address,
                noanswer_s=no_answer_timeout_seconds,
                callingid=calling_party_id,
                params=int(call_param_flags),
                **_auto(predictive_auto_transfer_states, target_address),
            )
        except LineError:
            self._calls.pop(call.name, None)
            raise
        except trio.Cancelled:
            # Nobody has the handle: the phone must not ring on.
            self.line_deallocate_call(call)
            raise
        return call

    async def wait_connected(self, call: HCall) -> bool:
        """Wait for CONNECTED or the end; whether somebody answered."""
        wanted = LineCallState.CONNECTED | LineCallState.DISCONNECTED
        return await call.wait_states(wanted) is LineCallState.CONNECTED

    async def line_blind_transfer(self, call: HCall, address: str) -> None:
        """Hand the connected person over.

        Raises:
            LineError: INVALCALLSTATE, or OPERATIONFAILED: the agent did not take them.
        """
        await self._ask("call.transfer", call=call.name, dest=address)

    async def wait_new_call(self) -> HCall:
        """Wait for the next call that comes in on an open line (LINE_APPNEWCALL): OFFERING."""
        return await self._newest_calls.receive()

    async def line_redirect(self, call: HCall, address: str) -> None:
        """Send an offered call elsewhere; IDLE follows.

        Raises:
            LineError: INVALCALLSTATE, it is not OFFERING; INVALADDRESS, ADDRESSBLOCKED.
        """
        await self._ask("call.redirect", call=call.name, dest=address)

    async def line_drop(self, call: HCall) -> None:
        """End the call, at whatever moment; IDLE follows. One that is offered is declined.

        Raises:
            LineError: INVALCALLSTATE, it is over already.
        """
        await self._ask("call.drop", call=call.name)

    def line_deallocate_call(self, call: HCall) -> None:
        """Let go of the handle; a live call is dropped, and nothing more is told of it."""
        if self._calls.pop(call.name, None) is not None:
            request = self._next_request()
            self._closing[request] = call.name
            self._link.send("call.close", id=request, call=call.name)

    async def line_get_call_status(self, call: HCall) -> Message:
        """The gateway's view: `state`, `mode`, `features`, `disconnect_mode` (after IDLE too)."""
        return await self._ask("call.status", call=call.name)

    async def line_get_call_info(self, call: HCall) -> CallInfo:
        """LINECALLINFO, as the last LINE_CALLINFO told."""
        return call_info(await self._ask("call.info", call=call.name))

    async def line_shutdown(self) -> None:
        """Say goodbye: the gateway ends what is left."""
        await self._link.goodbye()

    # Messages

    async def _ask(self, kind: str, **fields: Any) -> Message:
        if not self._link.up:
            await trio.lowlevel.checkpoint()
            raise LineError(LineErr.RESOURCEUNAVAIL, "the gateway is not connected")
        request = self._next_request()
        self._waiting[request] = waiting = _Waiting()
        self._link.send(kind, id=request, **fields)
        try:
            await waiting.done.wait()
        finally:
            del self._waiting[request]
        if "err" in waiting.reply:
            why, rule = (str(waiting.reply.get(key, "")) for key in ("why", "rule"))
            raise LineError(LineErr(waiting.reply["err"]), why, rule)
        return waiting.reply

    def _next_request(self) -> int:
        self._last_request += 1
        return self._last_request

    def _ready(self, ready: Message) -> None:
        self._caps = {name: address_caps(fields) for name, fields in ready["caps"].items()}
        self._devices = {line["n"]: device_of(line) for line in ready["lines"]}
        self._tell_devices()
        if ready["resumed"]:
            self._unheard = self._waiting.keys() - set(ready["snapshot"]["open_requests"])
            for request, name in self._closing.items():
                # Under its old id: what the gateway has done it does not do again.
                self._link.send("call.close", id=request, call=name)

    def _replayed(self) -> None:
        """Every reply of the time before is here: what has none was never read."""
        for request in self._unheard & self._waiting.keys():
            if not self._waiting[request].done.is_set():
                self._answer(request, _LOST)
        self._unheard.clear()

    def _tell_devices(self) -> None:
        self._devices_changed.set()
        self._devices_changed = trio.Event()

    def _message(self, message: Message) -> None:
        match message["t"]:
            case "reply":
                self._answer(message["id"], message)
            case "call.new":
                line = self._lines.get(message["line"])
                if line is not None:
                    self._calls[message["call"]] = call_of(message, line)
                    self._new_calls.send_nowait(self._calls[message["call"]])
            case "call.state":
                call = self._calls.get(message["call"])
                if call is not None:
                    call.take(event_of(message))
            case "call.info":
                call = self._calls.get(message["call"])
                if call is not None:
                    call.note(call_info(message))
            case "line.state":
                device = self._devices.get(message["n"])
                if device is not None:
                    self._devices[device.number] = replace(
                        device,
                        enabled=message["enabled"],
                        registered=message["reg"],
                        in_service=message["insvc"],
                    )
                    self._tell_devices()
            case "lines.changed":
                for number in message["remove"]:
                    self._devices.pop(number, None)
                self._devices |= {line["n"]: device_of(line) for line in message["add"]}
                self._tell_devices()
            case _:
                pass

    def _answer(self, request: int, reply: Message) -> None:
        self._closing.pop(request, None)
        waiting = self._waiting.get(request)
        if waiting is not None:
            waiting.reply = reply
            waiting.done.set()

    def _lost(self) -> None:
        for request in list(self._waiting):
            self._answer(request, _LOST)
        self._closing.clear()
        for number, device in self._devices.items():
            self._devices[number] = replace(device, in_service=False)
        self._tell_devices()
        calls, self._calls = self._calls, {}
        self._lines.clear()
        for call in calls.values():
            if call.state is not LineCallState.IDLE:
                mode = LineDisconnectMode.TEMPFAILURE
                call.take(
                    CallStateEvent(
                        state=LineCallState.DISCONNECTED, mode=mode, reason="gateway lost"
                    )
                )
                call.take(CallStateEvent(state=LineCallState.IDLE, mode=0))


def _auto(states: LineCallState, target: str) -> Mapping[str, Any]:
    return {"auto": {"states": int(states), "target": target}} if states else {}


@asynccontextmanager
async def line_initialize_ex(address: GatewayAddress) -> AsyncIterator[LineApp]:
    """Connect to the gateway; the block's end is `lineShutdown`.

    Raises:
        ExceptionGroup: as a nursery does; of `GatewayRefusedError` (unknown client or wrong token)
            or `GatewayAwayError` (no gateway there).
    """
    app = LineApp(address)
    async with trio.open_nursery() as nursery:
        await nursery.start(app.run)
        try:
            yield app
        finally:
            with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                await app.line_shutdown()
            nursery.cancel_scope.cancel()
