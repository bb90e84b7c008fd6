"""What pjsua2's callbacks have seen, as plain values, and the inbox that they put it into."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, Protocol, TypeVar

_Callback = TypeVar("_Callback", bound=Callable[..., None])


class Progressed(NamedTuple):
    """1xx to our INVITE."""

    leg: int
    at_seconds: float
    sip_status: int
    message: str = ""
    """That message, for a 180."""


class Answered(NamedTuple):
    """2xx to our INVITE, the first one."""

    leg: int
    at_seconds: float
    message: str
    """That message."""


class Over(NamedTuple):
    """pjsua says DISCONNECTED: the dialog is over, and its slot is free again."""

    leg: int
    at_seconds: float
    method: str
    """Of the transaction that ended it: INVITE, BYE of the other side, or empty."""
    sip_status: int
    received: bool
    """A message from the other side ended it, not a timer and not a transport error."""
    message: str
    """That message."""


class ReferAnswered(NamedTuple):
    """A final response to our REFER; 0 where its transaction timed out or its transport broke."""

    leg: int
    at_seconds: float
    sip_status: int
    cseq: int
    """Of that REFER."""


class Notified(NamedTuple):
    """A NOTIFY came in the dialog."""

    leg: int
    at_seconds: float
    message: str


class ReInviteAnswered(NamedTuple):
    """A final response to an INVITE that we sent inside the dialog; 0 where nothing came."""

    leg: int
    at_seconds: float
    sip_status: int


class MediaChanged(NamedTuple):
    """The call's audio port may be another one."""

    leg: int


class Registered(NamedTuple):
    """REGISTER was answered (or timed out: 408)."""

    trunk: str
    at_seconds: float
    sip_status: int
    expires_seconds: int
    received: bool = True
    """It is the PBX's answer; else pjsip made it up for a time-out or a broken transport."""
    reason: str = ""
    """Of an answer of pjsip's own: what happened to the transport."""


class ProbeAnswered(NamedTuple):
    """OPTIONS was answered; 0 where nothing came."""

    trunk: str
    at_seconds: float
    sip_status: int
    message: str


class CertificateRefused(NamedTuple):
    """A TLS peer's certificate did not pass, and the connection was given up."""

    at_seconds: float
    remote: str
    """host:port that we connected to."""
    subject: str
    issuer: str
    valid_until: str
    complaints: tuple[str, ...]


class Challenged(NamedTuple):
    """401 or 407 to our INVITE, which pjsip answered by itself."""

    leg: int


class CallerTurnedAway(NamedTuple):
    """An INVITE came in and was answered 480."""

    trunk: str
    at_seconds: float


class Watched(NamedTuple):
    """Something happened to the subscription of a watched extension."""

    trunk: str
    at_seconds: float
    watch: int
    presence: bool
    """The subscription to presence, not the one to dialogs."""
    ended: bool
    """It is over."""
    sip_status: int
    """Of the answer to our SUBSCRIBE; 0 where it was something else."""
    message: str
    """The NOTIFY; empty where it was something else."""


class HasInbox(Protocol):
    """Whatever has callbacks."""

    inbox: Inbox


class Broken(NamedTuple):
    """One of our own callbacks failed."""

    what: str


Seen = (
    Progressed
    | Answered
    | Over
    | ReferAnswered
    | Notified
    | ReInviteAnswered
    | MediaChanged
    | Registered
    | ProbeAnswered
    | CertificateRefused
    | Challenged
    | CallerTurnedAway
    | Watched
    | Broken
)
Inbox = deque[Seen]


def guarded(callback: _Callback) -> _Callback:
    """A callback that lets nothing out but into the inbox."""

    @wraps(callback)
    def guard(self: HasInbox, prm: Any) -> None:
        try:
            callback(self, prm)
        except Exception:  # whatever it is, it must not reach SWIG
            self.inbox.append(Broken(traceback.format_exc()))

    return guard  # type: ignore[return-value] # same signature as what it guards
