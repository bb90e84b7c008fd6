"""What TAPI's structures hold, read from the gateway's messages for `acd.tapi.client`."""

from __future__ import annotations

from dataclasses import dataclass

from acd.tapi.constants import (
    LineAddrCapFlags,
    LineBusyMode,
    LineCallFeature,
    LineCallOrigin,
    LineCallParamFlags,
    LineCallPartyId,
    LineCallReason,
    LineCallState,
    LineConnectedMode,
    LineDisconnectMode,
    LineMediaMode,
)
from acd.tapi.wire import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDevice:
    """One line device, as `lineGetDevCaps` shows it."""

    number: int
    """1 to 999; TAPI's device id is one less."""
    name: str
    address: str
    enabled: bool
    registered: bool
    """The PBX holds a registration of its account (LINEDEVSTATE_CONNECTED, DISCONNECTED)."""
    in_service: bool
    """False while the trunk may not dial (LINEDEVSTATE_OUTOFSERVICE)."""
    caps: str
    """Which of the gateway's address capabilities: the line's mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressCaps:
    """LINEADDRESSCAPS."""

    flags: LineAddrCapFlags
    call_features: LineCallFeature
    """All that there can be; `line_get_call_status` has those of the moment."""
    call_states: LineCallState
    predictive_auto_transfer_states: LineCallState
    connected_modes: LineConnectedMode
    busy_modes: LineBusyMode
    disconnect_modes: LineDisconnectMode


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyId:
    """One dw…IDFlags with its address."""

    flags: LineCallPartyId
    address: str
    """Empty unless the flags have ADDRESS."""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """LINECALLINFO."""

    line: int
    origin: LineCallOrigin
    reason: LineCallReason
    media_mode: LineMediaMode
    call_param_flags: LineCallParamFlags
    caller: PartyId
    called: PartyId
    connected: PartyId
    auto_transfer: str = ""
    """`waiting`, `under_way`, `done` or `failed`; empty: none was asked for."""


def device_of(line: Message) -> LineDevice:
    """One of the `lines` of `ready`."""
    return LineDevice(
        number=line["n"],
        name=line["name"],
        address=line["addr"],
        enabled=line["enabled"],
        registered=line["reg"],
        in_service=line["insvc"],
        caps=line["caps"],
    )


def address_caps(fields: Message) -> AddressCaps:
    """One of the `caps` of `ready`."""
    return AddressCaps(
        flags=LineAddrCapFlags(fields["flags"]),
        call_features=LineCallFeature(fields["features"]),
        call_states=LineCallState(fields["states"]),
        predictive_auto_transfer_states=LineCallState(fields["auto"]),
        connected_modes=LineConnectedMode(fields["connected"]),
        busy_modes=LineBusyMode(fields["busy"]),
        disconnect_modes=LineDisconnectMode(fields["disconnect"]),
    )


def call_info(message: Message) -> CallInfo:
    """A `call.info`, or the reply to one."""
    return CallInfo(
        line=message["line"],
        origin=LineCallOrigin(message["origin"]),
        reason=LineCallReason(message["reason"]),
        media_mode=LineMediaMode(message["media"]),
        call_param_flags=LineCallParamFlags(message["params"]),
        caller=_party(message["caller"]),
        called=_party(message["called"]),
        connected=_party(message["connected"]),
        auto_transfer=message["auto"]["outcome"] if message["auto"] else "",
    )


def _party(fields: Message) -> PartyId:
    return PartyId(
        flags=LineCallPartyId(fields["flags"]),
        address=fields["addr"],
        name=fields.get("name", ""),
    )
