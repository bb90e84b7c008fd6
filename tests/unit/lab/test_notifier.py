"""The lab's notifier on a clock of the test's own: datagrams in, datagrams out."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree

import pytest

from acd.lab.agents import AgentDesk
from acd.lab.datagrams import Address, Datagram, read_datagram, response_to
from acd.lab.digest import DigestDoor
from acd.lab.notifier import Notifier
from acd.lab.timetable import Timetable
from tests.unit.lab.credentials import ACCOUNT, credentials

HERE, THERE = ("127.0.0.1", 5071), ("127.0.0.2", 5060)


@dataclass
class Peer:
    """A subscriber that answers only when it is told to."""

    now: float = 0.0
    sent: list[Datagram] = field(default_factory=list)
    """What the notifier sent, in order."""
    raw: list[bytes] = field(default_factory=list)
    cseq: int = 0

    def __post_init__(self) -> None:
        self.desk = AgentDesk(["2001", "2002"])
        self.timetable = Timetable()
        self.door = DigestDoor(ACCOUNT, b"secret")
        self.notifier = Notifier(
            desk=self.desk,
            door=self.door,
            timetable=self.timetable,
            clock=lambda: self.now,
            send=self._take,
            address=HERE,
        )

    def _take(self, data: bytes, there: Address) -> None:
        assert there == THERE
        message = read_datagram(data)
        assert message is not None
        self.sent.append(message)
        self.raw.append(data)

    def subscribe(
        self,
        user: str = "2001",
        *,
        expires: str = "60",
        event: str = "dialog",
        to: str = "",
        authorized: bool = True,
        contact: str = "<sip:acd@127.0.0.2:5060>",
    ) -> list[Datagram]:
        """A SUBSCRIBE with the next CSeq; what came of it."""
        self.cseq += 1
        lines = [
            f"SUBSCRIBE sip:{user}@127.0.0.1:5071 SIP/2.0",
            f"v: SIP/2.0/UDP 127.0.0.2:5060;rport;branch=z9hG4bK{self.cseq}",
            "From: <sip:acd@127.0.0.1>;tag=theirs",
            f"To: {to or f'<sip:{user}@127.0.0.1:5071>'}",
            "i: subscription",
            f"CSeq: {self.cseq} SUBSCRIBE",
            f"o: {event}",
            f"Expires: {expires}",
        ]
        lines += [f"Contact: {contact}"] if contact else []
        if authorized:
            challenge = self.door.challenge(
                self.door.check("", method="", now_seconds=0), now_seconds=self.now
            )
            lines.append(f"Authorization: {credentials(challenge, method='SUBSCRIBE')}")
        return self.send("\r\n".join(lines))

    def send(self, head: str) -> list[Datagram]:
        before = len(self.sent)
        self.last = f"{head}\r\n\r\n".encode()
        self.notifier.received(self.last, THERE)
        return self.sent[before:]

    def answer(self, status: str = "200 OK") -> list[Datagram]:
        """Answer the NOTIFY that came last; what came of that."""
        (notify,) = [m for m in self.sent if m.method == "NOTIFY"][-1:]
        before = len(self.sent)
        self.notifier.received(response_to(notify, status, source=HERE, tag=""), THERE)
        return self.sent[before:]

    def wait(self, seconds: float) -> list[Datagram]:
        before, until = len(self.sent), self.now + seconds
        while (due := self.timetable.next_at_seconds()) is not None and due <= until:
            self.now = due
            self.timetable.run_due(due)
        self.now = until
        return self.sent[before:]

    def told(self) -> list[str]:
        """The states in every NOTIFY up to now; a free phone has no dialog."""
        return [_state(raw) for raw in self.raw if raw.startswith(b"NOTIFY")]


def _state(notify: bytes) -> str:
    root = ElementTree.fromstring(notify.partition(b"\r\n\r\n")[2])  # noqa: S314 # our own
    space = "{urn:ietf:params:xml:ns:dialog-info}"
    assert (root.tag, root.get("state")) == (f"{space}dialog-info", "full")
    states = [element.text or "" for element in root.iter(f"{space}state")]
    return states[0] if states else "free"


def _summary(messages: list[Datagram]) -> list[str | int]:
    return [m.status or f"{m.method} {m.get('subscription-state')}" for m in messages]


def test_a_subscriber_is_told_at_once_and_at_each_change() -> None:
    peer = Peer()
    accepted, first = peer.subscribe()
    assert (accepted.status, accepted.get("expires")) == (200, "60")
    assert accepted.get("via").startswith("SIP/2.0/UDP 127.0.0.2:5060;received=127.0.0.2;rport=")
    assert first.get("subscription-state") == "active;expires=60"
    assert (first.uri, first.tag("from")) == ("sip:acd@127.0.0.2:5060", accepted.tag("to"))

    for step in (lambda: peer.desk.take("2001"), lambda: peer.desk.talks("2001")):
        peer.answer()
        step()
    peer.answer()
    peer.desk.free("2001")

    assert peer.told() == ["free", "early", "confirmed", "free"]
    assert [m.cseq[0] for m in peer.sent if m.method] == [1, 2, 3, 4]


def test_one_extension_is_told_and_no_other() -> None:
    peer = Peer()
    peer.subscribe("2001")
    peer.answer()

    peer.desk.take("2002")

    assert peer.told() == ["free"]


def test_who_is_slow_misses_steps_and_not_the_last_one() -> None:
    peer = Peer()
    peer.subscribe()
    peer.desk.take("2001")
    peer.desk.talks("2001")
    assert peer.told() == ["free"]

    peer.answer()

    assert peer.told() == ["free", "confirmed"]


def test_what_changed_and_changed_back_is_not_told() -> None:
    peer = Peer()
    peer.subscribe()
    peer.desk.take("2001")
    peer.desk.free("2001")

    assert peer.answer() == []


def test_a_notify_is_sent_again_until_it_is_answered() -> None:
    peer = Peer()
    peer.subscribe()
    assert len(peer.wait(8)) == 4  # at 0.5, 1.5, 3.5, 7.5 s
    assert len({m.get("via") for m in peer.sent if m.method}) == 1

    peer.answer()

    assert peer.wait(20) == []


def test_a_subscriber_that_never_answers_is_forgotten_after_32_seconds() -> None:
    peer = Peer()
    peer.subscribe(expires="600")
    peer.wait(33)
    before = len(peer.sent)

    peer.desk.take("2001")
    peer.wait(600)

    assert len(peer.sent) == before


@pytest.mark.parametrize("status", ["481 Gone", "500 Sorry"])
def test_a_subscriber_that_wants_no_notify_has_no_subscription(status: str) -> None:
    peer = Peer()
    peer.subscribe()
    peer.answer(status)

    peer.desk.take("2001")

    assert peer.told() == ["free"]
    assert _summary(peer.subscribe(to="<sip:2001@127.0.0.1:5071>;tag=old")) == [481]


def test_a_refresh_lasts_longer_and_is_told_the_state_again() -> None:
    peer = Peer()
    accepted, _ = peer.subscribe()
    peer.answer()
    peer.wait(50)

    assert _summary(peer.subscribe(to=accepted.get("to"))) == [200, "NOTIFY active;expires=60"]
    peer.answer()
    assert peer.wait(59) == []


def test_an_expired_subscription_ends_with_a_notify() -> None:
    peer = Peer()
    peer.subscribe()
    peer.answer()

    assert _summary(peer.wait(61)) == ["NOTIFY terminated;reason=timeout"]
    peer.desk.take("2001")
    assert peer.told() == ["free", "free"]


def test_expires_0_unsubscribes() -> None:
    peer = Peer()
    accepted, _ = peer.subscribe()
    peer.answer()

    ended = peer.subscribe(to=accepted.get("to"), expires="0")

    assert _summary(ended) == [200, "NOTIFY terminated;reason=timeout"]
    peer.desk.take("2001")
    assert len(peer.told()) == 2


def test_expires_0_without_a_subscription_asks_once() -> None:
    peer = Peer()

    assert _summary(peer.subscribe(expires="0")) == [200, "NOTIFY terminated;reason=timeout"]


def test_without_expires_it_lasts_an_hour() -> None:
    assert Peer().subscribe(expires="")[0].get("expires") == "3600"


def test_a_closing_lab_ends_every_subscription() -> None:
    peer = Peer()
    peer.subscribe()
    peer.answer()

    peer.notifier.close()

    assert _summary(peer.sent[-1:]) == ["NOTIFY terminated;reason=deactivated"]


def test_a_subscribe_that_comes_twice_is_one_subscription() -> None:
    peer = Peer()
    peer.subscribe()
    before = peer.raw[0]

    peer.notifier.received(peer.last, THERE)

    assert peer.raw[2:] == [before]
    peer.answer()
    peer.desk.take("2001")
    assert peer.told() == ["free", "early"]


def test_an_older_subscribe_is_refused() -> None:
    peer = Peer()
    accepted, _ = peer.subscribe()
    peer.subscribe(to=accepted.get("to"))
    peer.cseq = 0

    assert _summary(peer.subscribe(to=accepted.get("to"))) == [500]


@pytest.mark.parametrize(
    ("changes", "status", "header"),
    [
        ({"user": "7777"}, 404, ""),
        ({"user": "support"}, 404, ""),
        ({"event": "presence"}, 489, "allow-events"),
        ({"event": "dialog.x"}, 489, "allow-events"),
        ({"to": "<sip:2001@127.0.0.1:5071>;tag=forgotten"}, 481, ""),
        ({"contact": ""}, 400, ""),
        ({"authorized": False}, 401, "www-authenticate"),
    ],
)
def test_what_cannot_be_had_is_refused(changes: dict[str, str], status: int, header: str) -> None:
    peer = Peer()

    (refusal,) = peer.subscribe(**changes)  # type: ignore[arg-type] # the row's own types

    assert refusal.status == status
    assert refusal.tag("to")
    assert not header or refusal.get(header)


@pytest.mark.parametrize(("method", "statuses"), [("OPTIONS", [200]), ("REGISTER", [405])])
def test_other_requests_are_answered(method: str, statuses: list[int]) -> None:
    head = (
        f"{method} sip:127.0.0.1:5071 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK1"
        f"\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 {method}"
    )

    assert _summary(Peer().send(head)) == statuses


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\xff\xfe\x00",
        b"SUBSCRIBE sip:2001@h SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: x\r\nFrom: y\r\nTo: z\r\nCall-ID: 1\r\nCSeq: no\r\n\r\n",
        b"ACK sip:a SIP/2.0\r\nVia: x\r\nFrom: y\r\nTo: z\r\nCall-ID: 1\r\nCSeq: 1 ACK\r\n\r\n",
    ],
)
def test_what_is_no_question_gets_no_answer(data: bytes) -> None:
    peer = Peer()

    peer.notifier.received(data, THERE)

    assert peer.sent == []
