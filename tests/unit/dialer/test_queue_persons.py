from __future__ import annotations

from acd.agents import PersonSeen, Phone
from acd.dialer.handover import Handover
from acd.dialer.queue_persons import LONGEST_SECONDS, QueuePersons


def ignore(handover: Handover) -> None:
    """Nothing is written down."""


def handover(number: str) -> Handover:
    return Handover(on_change=ignore, number=number)


def seen(number: str, phone: Phone) -> PersonSeen:
    return PersonSeen(number=number, phone=phone)


def test_each_person_has_their_own_times_however_the_number_is_written() -> None:
    persons = QueuePersons()
    one, other = handover("00493023125001"), handover("030 23125002")
    for each in (one, other):
        persons.follow("sales", each, now_seconds=0)
    calls = [("+493023125001", 1.0), ("+493023125002", 2.0)]
    for number, began in calls:
        for step, phone in enumerate((Phone.RINGING, Phone.IN_USE, Phone.IDLE)):
            persons.take("sales", seen(number, phone), now_seconds=began + 10 * step)
    assert (one.rang_at, one.answered_at, one.over_at) == (1, 11, 21)
    assert (other.rang_at, other.answered_at, other.over_at) == (2, 12, 22)


def test_people_of_others_and_of_other_queues_are_nobodys() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow("sales", one, now_seconds=0)
    persons.take("sales", seen("+493023125009", Phone.RINGING), now_seconds=1)
    persons.take("support", seen("+493023125001", Phone.RINGING), now_seconds=1)
    persons.take("sales", seen("", Phone.RINGING), now_seconds=1)
    assert one.rang_at is None


def test_who_was_lost_before_the_queue_had_them_is_followed_no_more() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow("sales", one, now_seconds=0)
    persons.drop(one)
    persons.take("sales", seen("+493023125001", Phone.RINGING), now_seconds=1)
    assert one.rang_at is None


def test_a_talk_whose_end_nobody_saw_has_none() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow("sales", one, now_seconds=0)
    persons.take("sales", seen("+493023125001", Phone.IN_USE), now_seconds=1)
    persons.lost("sales", now_seconds=2)
    persons.take("sales", seen("+493023125001", Phone.IDLE), now_seconds=3)
    assert (one.answered_at, one.talk_seconds) == (1, None)


def test_nobody_is_followed_for_ever() -> None:
    persons = QueuePersons()
    one = handover("+493023125001")
    persons.follow("sales", one, now_seconds=0)
    persons.follow("sales", handover("+493023125002"), now_seconds=LONGEST_SECONDS + 1)
    persons.take("sales", seen("+493023125001", Phone.IN_USE), now_seconds=LONGEST_SECONDS + 2)
    assert one.answered_at is None
