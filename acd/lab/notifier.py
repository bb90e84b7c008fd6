"""Tells subscribers what the agents' phones do: dialog-info (RFC 4235) by SUBSCRIBE (RFC 6665).

pjsua2 answers a SUBSCRIBE to dialogs 489 whatever it is told, so these few lines of SIP are the
lab's own, on a UDP port of their own. No socket and no clock here: datagrams go in and out.

    SUBSCRIBE ─ digest ─ an agent? ─▶ _Subscription ─▶ NOTIFY at once and at each change

A subscription has one NOTIFY under way. What changes meanwhile is told by the next one, so a slow
subscriber misses steps and never the last word. A NOTIFY always has the full state.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import structlog

from acd.lab.agents import AgentDesk
from acd.lab.datagrams import Address, Datagram, read_datagram, response_to, tag_of
from acd.lab.digest import DigestDoor, Verdict
from acd.lab.timetable import Entry, Timetable
from acd.lines import ExtensionState

log: structlog.stdlib.BoundLogger = structlog.get_logger()

DEFAULT_SECONDS = 3600
"""RFC 4235 3.4: how long a subscription lasts that does not say."""
MOST_SECONDS = 3600
_T1_SECONDS = 0.5  # RFC 3261 17.1.2.2: timer E starts at T1 and doubles up to T2, F is 64 T1.
_T2_SECONDS = 4.0
_TIMER_F_SECONDS = 32.0
_EVENT = "dialog"
_WORDS = {ExtensionState.RINGING: "early", ExtensionState.IN_USE: "confirmed"}


@dataclass(eq=False, slots=True)
class _Subscription:
    """One subscriber of one extension, and the dialog that its SUBSCRIBE made."""

    extension: str
    call_id: str
    local: str
    remote: str
    target: str
    event: str
    there: Address
    """Where its SUBSCRIBE came from: whatever its Contact says, it can be reached there."""
    seen_cseq: int
    expires_at: float
    cseq: int = 0
    version: int = 0
    told: ExtensionState | None = None
    under_way: bytes = b""
    """The NOTIFY that has no final answer yet."""
    sent_at: float = 0.0
    resend: Entry | None = None
    expiry: Entry | None = None
    last_answer: bytes = b""
    """Sent again when its SUBSCRIBE comes again."""

    @property
    def key(self) -> tuple[str, str]:
        """Call-ID and the subscriber's tag: one dialog of theirs."""
        return self.call_id, tag_of(self.remote)

    def cancel(self) -> None:
        for entry in (self.resend, self.expiry):
            if entry is not None:
                entry.cancel()


@dataclass(slots=True)
class Notifier:
    """The subscriptions of one lab."""

    desk: AgentDesk
    door: DigestDoor
    timetable: Timetable
    clock: Callable[[], float]
    send: Callable[[bytes, Address], None]
    address: Address
    """Where it listens itself."""
    _subscriptions: dict[tuple[str, str], _Subscription] = field(default_factory=dict)
    """By their keys."""

    def __post_init__(self) -> None:
        self.desk.tell(self._changed)

    def received(self, data: bytes, source: Address) -> None:
        """A datagram came in; what is no SIP gets no answer."""
        message = read_datagram(data)
        if message is None:
            return
        if message.status:
            self._answered(message)
        elif message.method == "SUBSCRIBE":
            self._subscribed(message, source)
        elif message.method == "OPTIONS":
            self._respond(message, source, "200 OK", "Allow: SUBSCRIBE, OPTIONS")
        elif message.method != "ACK":
            self._respond(message, source, "405 Method Not Allowed", "Allow: SUBSCRIBE, OPTIONS")

    def close(self) -> None:
        """Tell every subscriber that it is over; they may begin again at once (RFC 6665 4.1.3)."""
        for subscription in tuple(self._subscriptions.values()):
            self._end(subscription, "deactivated")

    # SUBSCRIBE.

    def _subscribed(self, request: Datagram, source: Address) -> None:
        known = self._subscriptions.get((request.get("call-id"), request.tag("from")))
        if known is not None and request.cseq[0] == known.seen_cseq:
            self.send(known.last_answer, source)
        elif refusal := self._refusal(request, known):
            self._respond(request, source, *refusal)
        else:
            self._admit(request, source, known)

    def _refusal(self, request: Datagram, known: _Subscription | None) -> tuple[str, ...]:
        """Status and headers of what cannot be had; empty for what can."""
        event = request.get("event").partition(";")[0].strip().lower()
        if event != _EVENT:
            # Presence is asked for beside it by those who cannot know that the lab has none.
            return "489 Bad Event", f"Allow-Events: {_EVENT}"
        if challenge := self._challenge(request.get("authorization")):
            return "401 Unauthorized", f"WWW-Authenticate: {challenge}"
        if known is None and request.tag("to"):
            return ("481 Subscription Does Not Exist",)
        if known is not None and request.cseq[0] < known.seen_cseq:
            return ("500 CSeq Out Of Order",)
        if known is None and not self.desk.knows(request.user):
            return ("404 Not Found",)
        if not request.contact_uri:
            return ("400 Missing Contact",)
        return ()

    def _challenge(self, authorization: str) -> str:
        """Empty for who gave the account's password."""
        now = self.clock()
        verdict = self.door.check(authorization, method="SUBSCRIBE", now_seconds=now)
        if verdict is Verdict.ACCEPTED:
            return ""
        if verdict is Verdict.WRONG:
            log.warning("wrong user or password", action="lab.auth.refused")
        return self.door.challenge(verdict, now_seconds=now)

    def _admit(self, request: Datagram, source: Address, known: _Subscription | None) -> None:
        asked = request.expires_seconds
        seconds = DEFAULT_SECONDS if asked is None else min(asked, MOST_SECONDS)
        subscription = known or self._begin(request)
        if subscription.expiry is not None:
            subscription.expiry.cancel()
        subscription.there = source
        subscription.target = request.contact_uri
        subscription.seen_cseq = request.cseq[0]
        subscription.expires_at = self.clock() + seconds
        subscription.last_answer = response_to(
            request,
            "200 OK",
            source=source,
            tag=tag_of(subscription.local),
            headers=(f"Expires: {seconds}", f"Contact: {self._contact(subscription.extension)}"),
        )
        self.send(subscription.last_answer, source)
        if seconds == 0:
            self._end(subscription, "timeout")
            return
        over = subscription.expires_at
        subscription.expiry = self.timetable.at(over, lambda: self._end(subscription, "timeout"))
        subscription.told = None  # RFC 6665 4.2.1.2: the state, after a refresh too
        self._tell(subscription)

    def _begin(self, request: Datagram) -> _Subscription:
        subscription = _Subscription(
            extension=request.user,
            call_id=request.get("call-id"),
            local=f"{request.get('to')};tag={secrets.token_hex(6)}",
            remote=request.get("from"),
            target="",
            event=request.get("event"),
            there=("", 0),
            seen_cseq=0,
            expires_at=0.0,
        )
        self._subscriptions[subscription.key] = subscription
        return subscription

    def _respond(self, request: Datagram, source: Address, status: str, *headers: str) -> None:
        tag = secrets.token_hex(6)
        self.send(response_to(request, status, source=source, tag=tag, headers=headers), source)

    # NOTIFY.

    def _changed(self, extension: str) -> None:
        for subscription in tuple(self._subscriptions.values()):
            if subscription.extension == extension:
                self._tell(subscription)

    def _tell(self, subscription: _Subscription) -> None:
        """The phone's state, unless it is known or another NOTIFY is under way."""
        state = self.desk.phone(subscription.extension)
        if subscription.under_way or state is None or state is subscription.told:
            return
        subscription.told = state
        left = max(1, round(subscription.expires_at - self.clock()))
        subscription.under_way = self._notify(subscription, f"active;expires={left}", state)
        subscription.sent_at = self.clock()
        self._send(subscription, _T1_SECONDS)

    def _send(self, subscription: _Subscription, wait_seconds: float) -> None:
        now = self.clock()
        if now - subscription.sent_at >= _TIMER_F_SECONDS:
            self._forget(subscription)
            return
        self.send(subscription.under_way, subscription.there)
        later = min(2 * wait_seconds, _T2_SECONDS)
        subscription.resend = self.timetable.at(
            now + wait_seconds, lambda: self._send(subscription, later)
        )

    def _answered(self, response: Datagram) -> None:
        """RFC 6665 4.2.2: whoever does not want a NOTIFY has no subscription any more."""
        known = self._subscriptions.get((response.get("call-id"), response.tag("to")))
        if known is None or response.cseq != (known.cseq, "NOTIFY") or response.status < 200:
            return
        known.under_way = b""
        if known.resend is not None:
            known.resend.cancel()
        if response.status < 300:
            self._tell(known)
        else:
            self._forget(known)

    def _end(self, subscription: _Subscription, reason: str) -> None:
        """The last NOTIFY; nobody waits for its answer."""
        self._forget(subscription)
        state = self.desk.phone(subscription.extension) or ExtensionState.IDLE
        last = self._notify(subscription, f"terminated;reason={reason}", state)
        self.send(last, subscription.there)

    def _forget(self, subscription: _Subscription) -> None:
        subscription.cancel()
        self._subscriptions.pop(subscription.key, None)

    def _notify(self, to: _Subscription, subscription_state: str, state: ExtensionState) -> bytes:
        body = self._body(to, state)
        to.cseq += 1
        to.version += 1
        host, port = self.address
        lines = [
            f"NOTIFY {to.target} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}",
            "Max-Forwards: 70",
            f"From: {to.local}",
            f"To: {to.remote}",
            f"Call-ID: {to.call_id}",
            f"CSeq: {to.cseq} NOTIFY",
            f"Contact: {self._contact(to.extension)}",
            f"Event: {to.event}",
            f"Subscription-State: {subscription_state}",
            "User-Agent: acd lab",
            "Content-Type: application/dialog-info+xml",
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def _body(self, to: _Subscription, state: ExtensionState) -> bytes:
        host, port = self.address
        entity = quoteattr(f"sip:{to.extension}@{host}:{port}")
        word = _WORDS.get(state)
        dialog = (
            f'<dialog id="{to.extension}" direction="recipient"><state>{word}</state></dialog>'
            if word
            else ""
        )
        return (
            '<?xml version="1.0"?>\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"'
            f' version="{to.version}" state="full" entity={entity}>{dialog}</dialog-info>\n'
        ).encode()

    def _contact(self, extension: str) -> str:
        host, port = self.address
        return f"<sip:{extension}@{host}:{port}>"
