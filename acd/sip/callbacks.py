"""What pjsua2 calls back for endpoint, account and subscriptions: values for an inbox, no more.

With one exception nothing here, nor in `acd.sip.leg_call`, does more than ask pjsua, so that no pj
object is changed or destroyed from inside its own callback; the SIP thread reads the inbox as soon
as pjsua gives it back the word. No Python exception leaves a callback: SWIG would turn it into a
C++ one that ends the process.
"""

from __future__ import annotations

from collections.abc import Callable
from time import gmtime, perf_counter, strftime

import pjsua2 as pj

from acd.settings import Codec
from acd.sip.plain_text import plain_text
from acd.sip.seen import CertificateRefused, Inbox, ProbeAnswered, Registered, Watched, guarded

_FORBIDDEN = 403


def _message_of(event: pj.TsxStateEvent) -> str:
    """The message that made a transaction change; empty where it was none."""
    return plain_text(event.src.rdata.wholeMsg) if event.type == pj.PJSIP_EVENT_RX_MSG else ""


class ListeningEndpoint(pj.Endpoint):
    """pjsua2's endpoint, which alone hears of transports."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self.inbox = inbox

    @guarded
    def onTransportState(self, prm: pj.OnTransportStateParam) -> None:  # noqa: N802 # pjsua2's name
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
    def onIncomingSubscribe(self, prm: pj.OnIncomingSubscribeParam) -> None:  # noqa: N802 # as above
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
    def onBuddyEvSubDlgEventState(self, prm: pj.OnBuddyEvSubStateParam) -> None:  # noqa: N802 # as above
        """A NOTIFY, an answer to our SUBSCRIBE, or the end of the subscription."""
        self._seen(prm.e)

    @guarded
    def onBuddyEvSubState(self, prm: pj.OnBuddyEvSubStateParam) -> None:  # noqa: N802 # as above
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
