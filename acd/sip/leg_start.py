"""Sending the INVITE: pjsua2's options for it, and why pjsua would not send one."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import cache, lru_cache

import pjsua2 as pj

from acd.calls import DisconnectCause
from acd.sip.leg_call import LegCall
from acd.sip.messages import StartCall
from acd.sip.seen import Inbox
from acd.sip.trunk_side import TrunkSide

_FIRST_OS_ERROR = 120000
"""PJ_STATUS_FROM_OS: pjlib's numbers for errno."""
_ADDRESS_IN_USE = _FIRST_OS_ERROR + errno.EADDRINUSE
_UNREACHABLE = frozenset(
    _FIRST_OS_ERROR + number
    for number in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.ETIMEDOUT)
)
_INVALID_URIS = frozenset({171039, 171040, 171042})
"""PJSIP_EINVALIDURI, PJSIP_EINVALIDSCHEME, PJSIP_EINVALIDREQURI."""
_MOST_PORT_TRIES = 50
"""pjsua gives up after 100 busy RTP ports in a row, and goes on behind them when asked again."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """pjsua would not send the INVITE."""

    cause: DisconnectCause
    text: str


def send_invite(command: StartCall, trunk: TrunkSide, inbox: Inbox) -> LegCall | Refusal:
    """Start a call, on whatever RTP ports are free."""
    options = _invite_options(command.from_header, command.headers)
    for attempt in range(1, _MOST_PORT_TRIES + 1):
        call = LegCall(trunk.account, command.leg, inbox)
        try:
            call.makeCall(command.uri, options)
        except pj.Error as error:
            call.mute()
            if error.status != _ADDRESS_IN_USE or attempt == _MOST_PORT_TRIES:
                # Only plain values leave: a traceback would keep the call object alive.
                return Refusal(_cause_of_error(error.status), error.reason)
        else:
            return call
    raise AssertionError


@lru_cache(maxsize=32)
def _invite_options(from_header: str, headers: tuple[tuple[str, str], ...]) -> pj.CallOpParam:
    """Plain values that pjsua only reads, and each of them takes a way into C++ and back."""
    options = pj.CallOpParam(True)
    options.opt.audioCount = 1
    options.opt.videoCount = 0
    # From 2.16 on pjsua2 offers a text stream too unless told otherwise.
    if hasattr(options.opt, "textCount"):
        options.opt.textCount = 0
    options.txOption.localUri = from_header
    for name, value in headers:
        options.txOption.headers.append(_header(name, value))
    return options


@lru_cache(maxsize=32)
def refer_options(referred_by: str) -> pj.CallOpParam:
    """A REFER's options; without a Referred-By of ours pjsua writes the call's From."""
    options = pj.CallOpParam()
    if referred_by:
        options.txOption.headers.append(_header("Referred-By", referred_by))
    return options


@cache
def hang_up_options() -> pj.CallOpParam:
    """CANCEL or BYE with nothing of ours in it."""
    return pj.CallOpParam()


def _header(name: str, value: str) -> pj.SipHeader:
    header = pj.SipHeader()
    header.hName = name
    header.hValue = value
    return header


def _cause_of_error(status: int) -> DisconnectCause:
    """Why pjsua would not even send the INVITE (pj_status_t)."""
    if status in _INVALID_URIS:
        return DisconnectCause.BAD_ADDRESS
    if status in _UNREACHABLE:
        return DisconnectCause.UNREACHABLE
    return DisconnectCause.TEMPORARY_FAILURE
