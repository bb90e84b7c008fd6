"""Draws, the timetable, the agents' desk, and reading SIP text."""

import pytest

from acd.errors import BadInput
from acd.lab.agents import AgentDesk
from acd.lab.draws import Draws, Span
from acd.lab.messages import is_own_target, read_invite
from acd.lab.timetable import Timetable
from acd.lines import ExtensionState


def test_draws_depend_on_seed_and_key_alone() -> None:
    one, same, other = Draws(1), Draws(1), Draws(2)
    one.of("ring", "a", 1)

    assert one.of("ring", "b", 1) == same.of("ring", "b", 1) != other.of("ring", "b", 1)
    assert all(0 <= one.of("x", n) < 1 for n in range(1000))


@pytest.mark.parametrize(
    ("text", "span"), [("3-8", Span(3, 8)), ("2", Span(2, 2)), (" 0.2-0.8 ", Span(0.2, 0.8))]
)
def test_span_is_read(text: str, span: Span) -> None:
    assert Span.parse(text) == span


@pytest.mark.parametrize("text", ["", "8-3", "3-", "a", "-1", "1-2-3"])
def test_bad_span_is_one_sentence(text: str) -> None:
    with pytest.raises(BadInput):
        Span.parse(text)


def test_entries_run_in_order_once_due() -> None:
    table, done = Timetable(), list[str]()
    table.at(2.0, lambda: done.append("second"))
    table.at(1.0, lambda: done.append("first"))
    table.at(2.0, lambda: done.append("third"))

    table.run_due(1.5)
    assert (done, table.next_at_seconds()) == (["first"], 2.0)
    table.run_due(2.0)
    assert (done, table.next_at_seconds()) == (["first", "second", "third"], None)


def test_a_cancelled_entry_does_not_happen() -> None:
    table, done = Timetable(), list[str]()
    table.at(1.0, lambda: done.append("no")).cancel()

    table.run_due(5.0)

    assert (done, table.next_at_seconds()) == ([], None)


def test_an_agent_is_taken_once() -> None:
    desk = AgentDesk(["2001"])

    assert (desk.take("2001"), desk.take("2001"), desk.take("9")) == (True, False, False)
    desk.free("2001")
    assert desk.take("2001")


def test_queue_serves_the_longest_waiting_with_the_longest_free() -> None:
    desk, served = AgentDesk(["2001", "2002"]), list[str]()
    for name in "abc":
        desk.wait(lambda extension, name=name: served.append(name + extension))  # type: ignore[misc] # bound now
    assert served == ["a2001", "b2002"]

    desk.free("2002")

    assert served == ["a2001", "b2002", "c2002"]
    assert desk.busy == {"2001", "2002"}


def test_who_leaves_the_queue_is_not_served() -> None:
    desk, served = AgentDesk(["2001"]), list[str]()
    desk.take("2001")
    leave = desk.wait(served.append)

    leave()
    desk.free("2001")

    assert (served, desk.busy) == ([], frozenset())


def test_an_invite_is_read() -> None:
    invite = read_invite(
        "INVITE sip:%2B436601234500@127.0.0.1:5070;x=y SIP/2.0\r\n"
        'i: abc@here\r\nAuthorization: Digest username="acd"\r\n\r\nCall-ID: body\r\n',
        from_ourselves=False,
    )

    assert (invite.user, invite.sip_call_id) == ("+436601234500", "abc@here")
    assert invite.authorization == 'Digest username="acd"'


@pytest.mark.parametrize(
    ("refer_to", "own"),
    [
        ("<sip:2001@127.0.0.1:5070>", True),
        ("sip:2001@127.0.0.1:5070", True),
        ('"Ann" <sip:2001@127.0.0.1:5070;user=phone>', True),
        ("<sip:2001@127.0.0.1>", False),
        ("<sip:2001@192.0.2.1:5070>", False),
        ("<sip:2001@127.0.0.1:5070?Replaces=a%40b>", False),
        ("<sips:2001@127.0.0.1:5070>", False),
        ("<tel:+436601234500>", False),
        ("", False),
    ],
)
def test_a_transfer_stays_inside_the_lab(refer_to: str, own: bool) -> None:
    assert is_own_target(refer_to, address="127.0.0.1", port=5070) is own


def test_a_phone_rings_is_answered_and_is_free_again() -> None:
    desk, told = AgentDesk(["2001"]), list[ExtensionState | None]()
    desk.tell(lambda extension: told.append(desk.phone(extension)))

    desk.take("2001")
    desk.talks("2001")
    desk.wait(lambda extension: None)
    desk.free("2001")

    rings = ExtensionState.RINGING
    assert told == [rings, ExtensionState.IN_USE, ExtensionState.IDLE, rings]
    assert desk.phone("7777") is None
