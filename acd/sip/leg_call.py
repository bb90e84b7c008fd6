"""pjsua2's call behind one leg: what happens to it, called back or taken from pjsua2's queue."""

from __future__ import annotations

from enum import IntEnum
from time import perf_counter
from typing import NamedTuple

import pjsua2 as pj

from acd.sip.callbacks import TrunkAccount
from acd.sip.offer import with_only
from acd.sip.plain_text import cseq_of, plain_text
from acd.sip.seen import (
    Answered,
    Challenged,
    Inbox,
    MediaChanged,
    Notified,
    Over,
    Progressed,
    ReferAnswered,
    ReInviteAnswered,
    guarded,
)

_RINGING = 180
_TSX_OVER = pj.PJSIP_TSX_STATE_COMPLETED
_NOBODY = 0
"""The tag that drops what happens."""


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
    """One of `Told`."""
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
        self._tells_media = False
        self.refers: list[int] = []
        """CSeqs of the REFERs that left, those too that pjsip repeated with credentials."""
        self._answered = False
        self._sent = self._queues
        """The first INVITE has left, or nobody tells that it has."""
        self._queue()

    def mute(self) -> None:
        """Tell no more."""
        self.muted = True
        self._queue()

    def tell_media(self, *, on: bool) -> None:
        """Whether somebody wants to know when the audio port changes."""
        self._tells_media = on
        self._queue()

    def _queue(self) -> None:
        """Have pjsua2 queue what is wanted, where it queues."""
        if self._queues:
            narrows_offers = self._codecs is not None
            tag = _NOBODY if self.muted else self.leg
            self.queueEvents(tag, narrows_offers, self._tells_media)

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
        if self._tells_media:
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
