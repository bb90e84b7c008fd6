"""The only code that pjsua2 calls: it copies plain values into an inbox, and returns.

With one exception nothing here does more than ask pjsua, so that no pj object is changed or
destroyed from inside its own callback; the SIP thread reads the inbox as soon as pjsua gives it
back the word. No Python exception leaves a callback: SWIG would turn it into a C++ one that ends
the process.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from time import gmtime, perf_counter, strftime
from typing import Any, NamedTuple, Protocol, TypeVar

import pjsua2 as pj

from acd.settings import Codec
from acd.sip.offer import with_only
from acd.sip.plain_text import cseq_of, plain_text

_RINGING = 180
_FORBIDDEN = 403
_TSX_OVER = pj.PJSIP_TSX_STATE_COMPLETED
_NOBODY = 0
"""The tag that drops what happens."""

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


def _message_of(event: pj.TsxStateEvent) -> str:
    """The message that made a transaction change; empty where it was none."""
    return plain_text(event.src.rdata.wholeMsg) if event.type == pj.PJSIP_EVENT_RX_MSG else ""


class Told(IntEnum):
    """What happened to a call: `CallEvent::Kind` of `call-events.patch`."""

    TRANSACTION = 0
    ANSWERED = 1
    OVER = 2
    MEDIA = 3


class CallEvent(NamedTuple):
    """Something happened to a call; the fields are those of `call-events.patch`."""

    leg: int
    at_seconds: float
    kind: int
    method: str = ""
    """Empty where there is no transaction: pjsua did it by itself."""
    cseq: int = 0
    role: int = -1
    state: int = 0
    prev_state: int = 0
    sip_status: int = 0
    source: int = 0
    """PJSIP_EVENT_RX_MSG, PJSIP_EVENT_TX_MSG, or what else it was."""
    message: str = ""
    """The message that was received or sent."""
    last_status: int = 0
    """Of the call, once it is over."""

    @property
    def received(self) -> bool:
        """A message from the other side made it."""
        return self.source == pj.PJSIP_EVENT_RX_MSG

    @property
    def received_message(self) -> str:
        """Fit to be written down; empty where it was none."""
        return plain_text(self.message) if self.received else ""


def _call_event(leg: int, kind: Told, event: pj.SipEvent, last_status: int = 0) -> CallEvent:
    """What pjsua2 tells in a tree of objects."""
    at_seconds = perf_counter()
    if event.type != pj.PJSIP_EVENT_TSX_STATE:
        return CallEvent(leg, at_seconds, kind, last_status=last_status)
    changed = event.body.tsxState
    transaction = changed.tsx
    if changed.type == pj.PJSIP_EVENT_RX_MSG:
        message = changed.src.rdata.wholeMsg
    elif changed.type == pj.PJSIP_EVENT_TX_MSG:
        message = changed.src.tdata.wholeMsg
    else:
        message = ""
    return CallEvent(
        leg,
        at_seconds,
        kind,
        transaction.method,
        cseq_of(message or transaction.lastTx.wholeMsg),
        transaction.role,
        transaction.state,
        changed.prevState,
        transaction.statusCode,
        changed.type,
        message,
        last_status,
    )


class LegCall(pj.Call):
    """pjsua2's call behind one leg.

    Where the binding has `call-events.patch`, pjsua2 calls nothing back but queues what happened:
    `told` gets it when the SIP thread has the word again. Any other binding calls back.
    """

    def __init__(self, account: TrunkAccount, leg: int, inbox: Inbox) -> None:
        super().__init__(account)
        self._codecs = account.codecs
        self._queues = account.queues_call_events
        self.leg = leg
        self.inbox = inbox
        self.muted = False
        """What still comes is of no interest: our own hang-up, or a call that never started."""
        self.plays = False
        """Somebody wants to know when the audio port changes."""
        self.refers: list[int] = []
        """CSeqs of the REFERs that left, those too that pjsip repeated with credentials."""
        self._answered = False
        self._sent = False
        if self._queues:
            self.queueEvents(leg, self._codecs is not None)

    def mute(self) -> None:
        """Tell no more."""
        self.muted = True
        if self._queues:
            self.queueEvents(_NOBODY)

    @guarded
    def told(self, event: CallEvent) -> None:
        """Something that was queued, or that a callback told."""
        if event.kind == Told.TRANSACTION:
            self._changed(event)
        elif event.kind == Told.ANSWERED:
            self._accepted(event)
        elif event.kind == Told.MEDIA:
            self._media_changed()
        else:
            self._over(event)

    @guarded
    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802 # pjsua2's name
        """2xx and the end; pjsua2 says no more after a hang-up of our own."""
        if self.muted:
            return
        if not self.isActive():
            self._over(_call_event(self.leg, Told.OVER, prm.e, self.getInfo().lastStatusCode))
            return
        event = _call_event(self.leg, Told.ANSWERED, prm.e)
        if 200 <= event.sip_status < 300 and event.method == "INVITE":
            self._accepted(event)

    @guarded
    def onCallTsxState(self, prm: pj.OnCallTsxStateParam) -> None:  # noqa: N802 # pjsua2's name
        """1xx to the INVITE, responses to a REFER, NOTIFY requests."""
        if not self.muted:
            self._changed(_call_event(self.leg, Told.TRANSACTION, prm.e))

    @guarded
    def onCallSdpCreated(self, prm: pj.OnCallSdpCreatedParam) -> None:  # noqa: N802 # as above
        """Our offer or answer, before it leaves."""
        if self._codecs is not None:
            prm.sdp.wholeSdp = with_only(prm.sdp.wholeSdp, self._codecs)

    @guarded
    def onCallMediaState(self, _prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802 # as above
        """An offer was answered, by us or by the other side."""
        if not self.muted:
            self._media_changed()

    def _media_changed(self) -> None:
        if self.plays:
            self.inbox.append(MediaChanged(self.leg))

    def _accepted(self, event: CallEvent) -> None:
        # CONNECTING comes with the 2xx, before the ACK: that is the moment of the answer.
        if not self._answered:
            self._answered = True
            self.inbox.append(Answered(self.leg, event.at_seconds, event.received_message))

    def _changed(self, event: CallEvent) -> None:
        """A 401 or 407 that pjsip can answer is not told: the answer to its repetition is."""
        method = event.method
        if method == "INVITE":
            if self._answered:
                self._reinvite(event)
            elif event.state == pj.PJSIP_TSX_STATE_PROCEEDING:
                status = event.sip_status
                message = event.received_message if status == _RINGING else ""
                self.inbox.append(Progressed(self.leg, event.at_seconds, status, message))
            elif event.state == pj.PJSIP_TSX_STATE_CALLING:
                self._invited(event)
        elif method == "NOTIFY":
            if event.received and event.role == pj.PJSIP_ROLE_UAS:
                self.inbox.append(Notified(self.leg, event.at_seconds, event.received_message))
        elif method == "REFER" and event.role == pj.PJSIP_ROLE_UAC:
            self._refer(event)

    def _invited(self, event: CallEvent) -> None:
        """Pjsip tells no 401 that it can answer, only that the INVITE goes out once more."""
        again, self._sent = self._sent, True
        if again and "Authorization: " in event.message:
            self.inbox.append(Challenged(self.leg))

    def _reinvite(self, event: CallEvent) -> None:
        """The leg knows whether it waits for this: the 2xx of the first INVITE comes here too."""
        if event.role != pj.PJSIP_ROLE_UAC or event.state < _TSX_OVER:
            return
        if event.received:
            seen = ReInviteAnswered(self.leg, event.at_seconds, event.sip_status)
        elif event.prev_state < _TSX_OVER:
            seen = ReInviteAnswered(self.leg, event.at_seconds, 0)
        else:
            return
        self.inbox.append(seen)

    def _refer(self, event: CallEvent) -> None:
        if event.state == pj.PJSIP_TSX_STATE_CALLING:
            self.refers.append(event.cseq)
        elif event.received:
            status = event.sip_status
            if status >= 200:
                self.inbox.append(ReferAnswered(self.leg, event.at_seconds, status, event.cseq))
        # The timer also ends a transaction that was answered long ago (timer K).
        elif event.prev_state < _TSX_OVER <= event.state:
            self.inbox.append(ReferAnswered(self.leg, event.at_seconds, 0, event.cseq))

    def _over(self, event: CallEvent) -> None:
        ours = event.method == "BYE" and event.role == pj.PJSIP_ROLE_UAC
        if ours or not event.method:
            # pjsua ended it by itself: media that did not fit, a session timer that ran out, no
            # session refresh came, or ours was not answered (RFC 4028 10).
            over = Over(
                self.leg, event.at_seconds, "", event.last_status, received=False, message=""
            )
        else:
            over = Over(
                self.leg,
                event.at_seconds,
                event.method,
                event.sip_status,
                event.received,
                event.received_message,
            )
        self.inbox.append(over)


class ListeningEndpoint(pj.Endpoint):
    """pjsua2's endpoint, which alone hears of transports."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self.inbox = inbox

    @guarded
    def onTransportState(self, prm: pj.OnTransportStateParam) -> None:  # noqa: N802 # as above
        """Only a certificate that did not pass is of interest; requests tell the rest."""
        tls = prm.tlsInfo
        if tls.isEmpty() or not tls.verifyStatus or prm.state == pj.PJSIP_TP_STATE_CONNECTED:
            return
        certificate = tls.remoteCertInfo
        self.inbox.append(
            CertificateRefused(
                perf_counter(),
                tls.remoteAddr,
                plain_text(certificate.subjectCn),
                plain_text(certificate.issuerCn),
                strftime("%Y-%m-%d", gmtime(certificate.validityEnd.sec)),
                tuple(tls.verifyMsgs),
            )
        )


class TrunkAccount(pj.Account):
    """pjsua2's account behind one trunk."""

    def __init__(
        self,
        trunk: str,
        inbox: Inbox,
        *,
        called: Callable[[TrunkAccount, pj.OnIncomingCallParam], None],
        codecs: tuple[Codec, ...] | None = None,
        queues_call_events: bool = False,
    ) -> None:
        super().__init__()
        self.queues_call_events = queues_call_events
        """Whether this pjsua2 has `call-events.patch`."""
        self.codecs = codecs
        """Where they are not pjsua's own."""
        self.trunk = trunk
        self.inbox = inbox
        self._called = called

    @guarded
    def onRegState(self, prm: pj.OnRegStateParam) -> None:  # noqa: N802 # pjsua2's name
        """REGISTER's outcome."""
        received = bool(prm.rdata.wholeMsg)
        self.inbox.append(
            Registered(
                self.trunk,
                perf_counter(),
                prm.code,
                prm.expiration,
                received,
                "" if received else prm.reason,
            )
        )

    @guarded
    def onSendRequest(self, prm: pj.OnSendRequestParam) -> None:  # noqa: N802 # pjsua2's name
        """OPTIONS' outcome."""
        state = prm.e.body.tsxState
        status = state.tsx.statusCode if state.type == pj.PJSIP_EVENT_RX_MSG else 0
        self.inbox.append(ProbeAnswered(self.trunk, perf_counter(), status, _message_of(state)))

    @guarded
    def onIncomingSubscribe(self, prm: pj.OnIncomingSubscribeParam) -> None:  # noqa: N802
        """Somebody wants to watch us: a dialer has no presence."""
        prm.code = _FORBIDDEN

    @guarded
    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802 # pjsua2's name
        """Somebody calls us.

        What is not turned away from inside, and has no call object when we return, is answered
        500 by pjsua2 itself.
        """
        self._called(self, prm)


class ExtensionBuddy(pj.Buddy):
    """pjsua2's buddy behind one subscription of a watched extension."""

    def __init__(self, trunk: str, watch: int, inbox: Inbox, *, presence: bool) -> None:
        super().__init__()
        self.trunk = trunk
        self.watch = watch
        self.inbox = inbox
        self.presence = presence

    @guarded
    def onBuddyEvSubDlgEventState(self, prm: pj.OnBuddyEvSubStateParam) -> None:  # noqa: N802
        """A NOTIFY, an answer to our SUBSCRIBE, or the end of the subscription."""
        self._seen(prm.e)

    @guarded
    def onBuddyEvSubState(self, prm: pj.OnBuddyEvSubStateParam) -> None:  # noqa: N802
        """The same for a subscription to presence."""
        self._seen(prm.e)

    def _seen(self, event: pj.SipEvent) -> None:
        status, message = 0, ""
        if event.type == pj.PJSIP_EVENT_TSX_STATE:
            state = event.body.tsxState
            if state.tsx.method == "SUBSCRIBE":
                status = state.tsx.statusCode
            else:
                message = _message_of(state)
        # Asked here: when the inbox is read it may have ended for what stands behind this.
        ended = self.getInfo().subState == pj.PJSIP_EVSUB_STATE_TERMINATED
        self.inbox.append(
            Watched(self.trunk, perf_counter(), self.watch, self.presence, ended, status, message)
        )
