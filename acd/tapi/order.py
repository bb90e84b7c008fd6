"""A `call.make` read: TAPI's LINECALLPARAMS, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acd.tapi.books import Desk, Dialed, Refusal
from acd.tapi.caps import ADDRESS_CAPS
from acd.tapi.constants import NO_PARAMS, LineCallParamFlags, LineCallState, LineErr
from acd.tapi.info import AutoTransfer, CallInfo
from acd.tapi.wire import BadFieldError, Message, text_of, whole_of

TAKEN_PARAMS = LineCallParamFlags.IDLE | LineCallParamFlags.PREDICTIVEDIAL
"""Every call here starts on a line without one, and may be a predictive dialer's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeCall:
    """The fields of a `call.make`, each of its type."""

    name: str
    line: int
    address: str
    no_answer_seconds: int
    caller_id: str
    params: int
    auto: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """A call that may be made."""

    name: str
    line: int
    dialed: Dialed
    no_answer_seconds: float
    """How long the phone may ring."""
    caller_id: str = ""
    """Empty: the trunk's."""
    params: LineCallParamFlags = NO_PARAMS
    auto: AutoTransfer | None = None

    def info(self, desk: Desk) -> CallInfo:
        """LINECALLINFO before anything has happened."""
        return CallInfo(
            line=self.line,
            caller=self.caller_id or desk.trunk_settings.user,
            called=self.dialed.e164 or self.dialed.destination.user,
            params=self.params,
            auto=self.auto,
        )


def read_make_call(message: Message) -> MakeCall:
    """The fields of a `call.make`.

    Raises:
        BadFieldError: one is missing or of another type.
    """
    caller_id = message.get("callingid") or ""
    if not isinstance(caller_id, str):
        raise BadFieldError("callingid must be text")
    auto = message.get("auto")
    if auto is not None:
        if not isinstance(auto, dict):
            raise BadFieldError("auto must be an object")
        auto = {"states": whole_of(auto, "states"), "target": text_of(auto, "target")}
    return MakeCall(
        name=text_of(message, "call"),
        line=whole_of(message, "line"),
        address=text_of(message, "dest"),
        no_answer_seconds=whole_of(message, "noanswer_s", default=0),
        caller_id=caller_id,
        params=whole_of(message, "params", default=0),
        auto=auto,
    )


def order_of(made: MakeCall, desk: Desk) -> CallOrder | LineErr | Refusal:
    """What the desk of the line makes of it, or why the call may not be made."""
    dialed = desk.read_address(made.address)
    if isinstance(dialed, LineErr | Refusal):
        return dialed
    caller_id = desk.read_caller_id(made.caller_id)
    if isinstance(caller_id, Refusal):
        return caller_id
    if made.params & ~int(TAKEN_PARAMS):
        return LineErr.INVALCALLPARAMS
    auto = _auto_transfer(made.auto, desk) if made.auto is not None else None
    if isinstance(auto, LineErr):
        return auto
    return CallOrder(
        name=made.name,
        line=made.line,
        dialed=dialed,
        no_answer_seconds=desk.ring_seconds(made.no_answer_seconds),
        caller_id=caller_id,
        params=LineCallParamFlags(made.params),
        auto=auto,
    )


def _auto_transfer(auto: Mapping[str, Any], desk: Desk) -> AutoTransfer | LineErr:
    possible = ADDRESS_CAPS[desk.profile.mode].auto_states
    if not auto["states"] or auto["states"] & ~int(possible):
        return LineErr.INVALCALLPARAMS
    target = desk.read_target(auto["target"])
    if isinstance(target, LineErr):
        return target
    return AutoTransfer(states=LineCallState(auto["states"]), target=target, written=auto["target"])
