from __future__ import annotations

import trio
import trio.testing

from acd.agents import AgentId, PersonSeen, Phone
from acd.dialer.handover import Handover
from acd.dialer.queue_persons import LONGEST_SECONDS, SENT_ON_SECONDS, QueuePersons


def ignore(handover: Handover) -> None:
    """Nothing is written down."""


def handover(number: str, *, queue: str = "sales", agent: AgentId | None = None) -> Handover:
    return Handover(on_change=ignore, number=number, queue=queue, agent=agent)


def seen(number: str, phone: Phone, agent: str = "") -> PersonSeen:
    return PersonSeen(number=number, phone=phone, agent=AgentId(agent) if agent else None)


def test_each_person_has_their_own_times_however_the_number_is_written() -> None:
    persons = QueuePersons()
    one, other = handover("00493023125001"), handover("030 23125002")
    for each in (one, other):
        persons.follow(each, now_seconds=0)
    calls = [("+493023125001", 1.0), ("+493023125002", 2.0)]
    for number, began in calls:
        for step, phone in enumerate((Phone.RINGING, Phone.IN_USE, Phone.IDLE)):
            persons.take("sales", seen(number, phone), now_seconds=began + 10 * step)
    assert (one.rang_at, one.answered_at, one.over_at) == (1, 11, 21)
    assert (other.rang_at, other.answered_at, other.over_at) == (2, 12, 22)


def test_who_hangs_up_is_known_by_the_number_wherever_they_are() -> None:
    persons = QueuePersons()
    to_queue = handover("+493023125001")
    to_phone = handover("+493023125002", queue="", agent=AgentId("101"))
    sent_on = handover("+493023125003", queue="", agent=AgentId("101"))
    stays = handover("+493023125004")
    for each in (to_queue, to_phone, sent_on, stays):
        persons.follow(each, now_seconds=0)
    persons.take("sales", seen(sent_on.number, Phone.RINGING, "102"), now_seconds=1)
    for each in (to_queue, to_phone, sent_on):
        gone = PersonSeen(number=each.number, phone=Phone.IDLE, hung_up=True)
        persons.take("", gone, now_seconds=2)
    assert [each.hung_up_at for each in (to_queue, to_phone, sent_on, stays)] == [2, 2, 2, None]


def test_who_hangs_up_after_a_talk_with_an_agent_was_not_lost() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow(one, now_seconds=0)
    persons.take("sales", seen(one.number, Phone.IN_USE, "102"), now_seconds=1)
    persons.take("", PersonSeen(number=one.number, phone=Phone.IDLE, hung_up=True), now_seconds=2)
    assert (one.hung_up_at, one.missed) == (None, False)


def test_people_of_others_and_of_other_queues_are_nobodys() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow(one, now_seconds=0)
    persons.take("sales", seen("+493023125009", Phone.RINGING), now_seconds=1)
    persons.take("support", seen("+493023125001", Phone.RINGING), now_seconds=1)
    persons.take("sales", seen("", Phone.RINGING), now_seconds=1)
    assert one.rang_at is None


def test_who_was_lost_before_the_queue_had_them_is_followed_no_more() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow(one, now_seconds=0)
    persons.drop(one)
    persons.take("sales", seen("+493023125001", Phone.RINGING), now_seconds=1)
    assert one.rang_at is None


def test_a_talk_whose_end_nobody_saw_has_none() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow(one, now_seconds=0)
    persons.take("sales", seen("+493023125001", Phone.IN_USE), now_seconds=1)
    persons.lost("sales", now_seconds=2)
    persons.take("sales", seen("+493023125001", Phone.IDLE), now_seconds=3)
    assert (one.answered_at, one.talk_seconds) == (1, None)


def test_nobody_is_followed_for_ever() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow(one, now_seconds=0)
    persons.follow(handover("+493023125002"), now_seconds=LONGEST_SECONDS + 1)
    persons.take("sales", seen("+493023125001", Phone.IN_USE), now_seconds=LONGEST_SECONDS + 2)
    assert one.answered_at is None


NUMBER = "+493023125001"


def test_who_of_the_members_has_the_person_is_told_with_their_own_ringing() -> None:
    persons = QueuePersons()
    one = handover(NUMBER)
    persons.follow(one, now_seconds=0)
    for at, (agent, phone) in enumerate(
        [
            ("101", Phone.RINGING),
            ("102", Phone.RINGING),
            ("101", Phone.IN_USE),
            ("101", Phone.IDLE),
        ]
    ):
        persons.take("sales", seen(NUMBER, phone, agent), now_seconds=at)
    assert one.agent == "101"
    assert (one.rang_at, one.answered_at, one.over_at) == (0, 2, 3)
    assert not one.sent_on


def sent_to_101(persons: QueuePersons) -> Handover:
    """The phone of 101 rings and stops."""
    one = handover(NUMBER, queue="", agent=AgentId("101"))
    persons.follow(one, now_seconds=0)
    one.take(Phone.RINGING, 1)
    one.take(Phone.IDLE, 20)
    return one


def test_a_person_of_a_silent_agent_is_the_colleagues_who_takes_them_from_a_queue() -> None:
    persons = QueuePersons()
    one = sent_to_101(persons)
    for at, phone in ((21, Phone.RINGING), (25, Phone.IN_USE)):
        persons.take("sales", seen(NUMBER, phone, "102"), now_seconds=at)
    # The silent agent's phone is their own business again.
    one.take(Phone.IN_USE, 30)
    one.take(Phone.IDLE, 31)
    persons.take("sales", seen(NUMBER, Phone.IDLE, "102"), now_seconds=40)
    assert (one.agent, one.sent_on) == ("102", True)
    assert (one.rang_at, one.answered_at, one.over_at) == (21, 25, 40)


def test_an_agent_whom_a_queue_calls_once_more_has_the_person_themselves() -> None:
    persons = QueuePersons()
    one = sent_to_101(persons)
    for at, (agent, phone) in enumerate(
        [("102", Phone.RINGING), ("101", Phone.RINGING), ("101", Phone.IN_USE)], start=21
    ):
        persons.take("sales", seen(NUMBER, phone, agent), now_seconds=at)
    assert (one.agent, one.rang_at, one.answered_at, one.sent_on) == ("101", 22, 23, False)


def test_a_person_who_comes_to_a_queue_much_later_has_called_there_themselves() -> None:
    persons = QueuePersons()
    one = sent_to_101(persons)
    persons.take("sales", seen(NUMBER, Phone.RINGING, "102"), now_seconds=SENT_ON_SECONDS + 1)
    assert (one.agent, one.sent_on) == ("101", False)


def test_a_person_who_has_talked_to_their_agent_is_in_no_queue() -> None:
    persons = QueuePersons()
    one = sent_to_101(persons)
    one.take(Phone.IN_USE, 21)
    persons.take("sales", seen(NUMBER, Phone.IN_USE, "102"), now_seconds=25)
    assert (one.agent, one.answered_at) == ("101", 21)


async def test_who_came_into_a_queue_that_is_seen_has_nobody_before_a_member_picks_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    persons = QueuePersons()
    to_queue = handover("+493023125001")
    to_phone = handover("+493023125002", queue="", agent=AgentId("101"))
    for each in (to_queue, to_phone):
        persons.follow(each, now_seconds=0)
        came = PersonSeen(number=each.number, phone=Phone.IDLE, waits=True)
        persons.take("sales", came, now_seconds=1)
    told_at = trio.current_time()
    for each in (to_queue, to_phone):
        assert await each.wait_answer(told_at=told_at, until_seconds=told_at + 2) is None
    persons.take("sales", seen(to_queue.number, Phone.IN_USE, "102"), now_seconds=9)
    assert await to_queue.wait_answer(told_at=told_at, until_seconds=told_at + 2) == 9
    persons.lost("sales", now_seconds=10)
    assert await to_phone.wait_answer(told_at=told_at, until_seconds=told_at + 2) == told_at, (
        "nobody sees any more what becomes of them: the PBX's word is all there is"
    )
