"""The exchange on a clock of the test's own and legs that remember what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from acd.errors import BadInput
from acd.lab.digest import DigestDoor, Verdict
from acd.lab.draws import Span
from acd.lab.messages import Invite
from acd.lab.pbx import Pbx
from acd.lab.records import CallRecord, Record, TalkRecord
from acd.lab.settings import LabSettings
from tests.unit.lab.credentials import ACCOUNT, credentials


def settings(*, agents: int = 2, calls: int = 9, address: str = "127.0.0.1") -> LabSettings:
    return LabSettings(
        address=address,
        port=0,
        watch_port=0,
        account=ACCOUNT,
        agents=agents,
        first_extension=2001,
        queue="support",
        ring=Span(1, 4),
        agent_answer=Span(0.5, 0.5),
        talk=Span(5, 5),
        calls=calls,
        seed=1,
    )


@dataclass(eq=False)
class FakeLeg:
    done: list[str] = field(default_factory=list)
    gone: bool = False

    def respond(self, status: int, headers: Sequence[tuple[str, str]] = ()) -> bool:
        if not self.gone:
            self.done.append(" ".join([str(status), *(name for name, _ in headers)]))
        return not self.gone

    def hang_up(self) -> None:
        self.done.append("hung up")

    def greet(self) -> None:
        self.done.append("greeting")


class Exchange:
    """A `Pbx` with its own clock."""

    def __init__(self, lab: LabSettings | None = None) -> None:
        self.now = 0.0
        self.records: list[Record] = []
        self.pbx = Pbx(
            lab or settings(),
            door=DigestDoor(ACCOUNT, b"secret"),
            clock=lambda: self.now,
            record=self.records.append,
        )

    def called(self, user: str, *, sip_call_id: str = "person") -> FakeLeg:
        """An INVITE that the door lets through: legs of the lab itself are not challenged."""
        leg = FakeLeg()
        self.pbx.invited(
            leg,
            Invite(user=user, sip_call_id=sip_call_id, authorization="", from_ourselves=True),
        )
        return leg

    def referred(self, person: FakeLeg, user: str) -> tuple[FakeLeg, FakeLeg]:
        """The lab's own leg, and the one that comes in at the agent."""
        own = FakeLeg()
        self.pbx.transferred(person, own, "transfer")
        return own, self.called(user, sip_call_id="transfer")

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.pbx.timetable.next_at_seconds()) is not None and due <= until:
            self.now = due
            self.pbx.timetable.run_due(due)
        self.now = until

    def over(self, *legs: FakeLeg) -> None:
        for leg in legs:
            leg.gone = True
            self.pbx.over(leg)


def test_without_credentials_the_invite_is_challenged() -> None:
    leg = FakeLeg()

    Exchange().pbx.invited(
        leg,
        Invite(user="+436601234500", sip_call_id="a", authorization="", from_ourselves=False),
    )

    assert leg.done == ["401 WWW-Authenticate"]


@pytest.mark.parametrize(
    ("number", "done"),
    [
        ("+436601234530", ["180", "200"]),
        ("+436601234531", ["486"]),
        ("+436601234532", ["180"]),
        ("+436601234533", ["180", "603"]),
        ("+436601234534", ["404"]),
        ("+436601234535", ["503"]),
        ("+436601234536", ["180", "200", "hung up"]),
        ("+436601234539", ["480"]),
    ],
)
def test_a_number_does_what_its_ending_says(number: str, done: list[str]) -> None:
    exchange = Exchange()
    leg = exchange.called(number)

    exchange.wait(10)

    assert leg.done == done


def test_a_person_to_whom_nobody_talks_hangs_up() -> None:
    exchange = Exchange()
    leg = exchange.called("+436601234500")

    exchange.wait(31)

    assert leg.done[-1] == "hung up"


def test_a_machine_greets_once_sound_can_be_heard() -> None:
    exchange = Exchange()
    machine, person = exchange.called("+436601234507"), exchange.called("+436601234500")

    for leg in (machine, person):
        exchange.pbx.media_up(leg)

    assert (machine.done[-1], person.done[-1]) == ("greeting", "180")


def test_a_caller_who_gave_up_is_recorded_as_487() -> None:
    exchange = Exchange()
    leg = exchange.called("+436601234530")

    exchange.over(leg)
    exchange.wait(10)

    assert exchange.records == [
        CallRecord(
            number="+436601234530",
            sip_call_id="person",
            conduct="answers",
            status=487,
            ended_by="caller",
            agent="",
            transfers=0,
        )
    ]


def test_a_cancel_that_crosses_the_answer_leaves_no_answer_behind() -> None:
    exchange = Exchange()
    leg = exchange.called("+436601234530")
    leg.gone = True

    exchange.wait(3)
    exchange.over(leg)

    assert [r.status for r in exchange.records if isinstance(r, CallRecord)] == [487]


def test_an_agent_rings_answers_talks_and_hangs_up() -> None:
    exchange = Exchange()
    person = exchange.called("+436601234500")
    exchange.wait(0)
    own, agent = exchange.referred(person, "2001")

    exchange.wait(1)
    exchange.over(person)
    assert agent.done == ["180", "200"]
    exchange.wait(5)
    exchange.over(agent, own)

    assert agent.done[-1] == "hung up"
    assert [(r.agent, r.talk_seconds) for r in exchange.records if isinstance(r, TalkRecord)] == [
        ("2001", 5.5)
    ]
    assert [r.agent for r in exchange.records if isinstance(r, CallRecord)] == ["2001"]


def test_a_busy_agent_is_486_and_the_person_stays_with_the_caller() -> None:
    exchange = Exchange()
    exchange.called("2001")
    person = exchange.called("+436601234500")
    exchange.wait(0)
    own, agent = exchange.referred(person, "2001")

    exchange.over(agent, own)

    assert agent.done == ["486"]
    assert person.done == ["180", "200"]


def test_an_agent_is_free_again_after_the_call() -> None:
    exchange = Exchange()
    first = exchange.called("2001")
    exchange.over(first)

    assert exchange.called("2001").done == ["180"]


def test_the_queue_holds_who_comes_when_all_are_busy() -> None:
    exchange = Exchange(settings(agents=1))
    first, second = exchange.called("support"), exchange.called("support")
    assert (first.done, second.done) == (["180"], ["182"])

    exchange.over(first)

    assert second.done == ["182", "180"]


def test_who_gives_up_in_the_queue_takes_no_agent() -> None:
    exchange = Exchange(settings(agents=1))
    first, second, third = (exchange.called("support") for _ in range(3))
    exchange.over(second)

    exchange.over(first)

    assert (second.done, third.done) == (["182"], ["182", "180"])


def test_a_person_who_hangs_up_takes_the_agents_leg_along() -> None:
    exchange = Exchange()
    person = exchange.called("+436601234506")
    exchange.wait(0)
    own, agent = exchange.referred(person, "2001")
    exchange.wait(1)
    exchange.over(person)

    exchange.wait(1)

    assert own.done == ["hung up"]
    assert agent.done == ["180", "200"]


def test_an_agent_who_hangs_up_ends_a_person_whose_caller_stayed() -> None:
    exchange = Exchange()
    person = exchange.called("+436601234500")
    exchange.wait(0)
    own, agent = exchange.referred(person, "2001")
    exchange.wait(6)

    exchange.over(agent, own)

    assert person.done[-1] == "hung up"


def test_a_talk_outlasts_the_patience_of_somebody_left_alone() -> None:
    exchange = Exchange()
    person = exchange.called("+436601234500")
    exchange.wait(0)
    own, _ = exchange.referred(person, "2001")
    exchange.wait(1)

    exchange.wait(40)

    assert (person.done, own.done) == (["180", "200"], [])


def test_more_people_than_the_lab_carries_get_503() -> None:
    exchange = Exchange(settings(calls=1))
    exchange.called("+436601234502")
    door = DigestDoor(ACCOUNT, b"secret")
    challenge = door.challenge(Verdict.MISSING, now_seconds=0.0)
    leg = FakeLeg()
    exchange.pbx.invited(
        leg,
        Invite(
            user="+436601234502",
            sip_call_id="b",
            authorization=credentials(challenge),
            from_ourselves=False,
        ),
    )

    assert leg.done == ["503"]


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "localhost", ""])  # noqa: S104 # refused
def test_the_lab_stays_on_loopback(address: str) -> None:
    with pytest.raises(BadInput, match="loopback"):
        settings(address=address)
