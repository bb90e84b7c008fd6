from __future__ import annotations

from acd.agents import QueueSeen
from acd.agents_feed.ami_frames import Packet
from acd.agents_feed.ami_queues import QueueView
from acd.agents_feed.ami_view import Fact, MemberDone, decode

NUMBERS = {"unknown": 0, "idle": 1, "in_use": 2, "gone": 5, "rings": 6}
"""`enum ast_device_state` of Asterisk 22."""


def params(waiting: int = 0) -> Packet:
    return {"Event": "QueueParams", "Queue": "sales", "Calls": str(waiting)}


def member(name: str, phone: str = "idle", *, paused: bool = False, **more: str) -> Packet:
    return {
        "Event": "QueueMemberStatus",
        "Queue": "sales",
        "Interface": f"Local/{name}@agents",
        "StateInterface": f"PJSIP/{name}",
        "Status": str(NUMBERS[phone]),
        "Paused": "1" if paused else "0",
        "InCall": "0",
        **more,
    }


def listed(name: str, *, in_call: bool) -> Packet:
    told = member(name, Event="QueueMember", InCall="1" if in_call else "0")
    return {**told, "Interface": "", "Location": f"Local/{name}@agents"}


def joins(name: str) -> Packet:
    return {"Event": "AgentConnect", "Queue": "sales", "Interface": f"Local/{name}@agents"}


def done(name: str) -> Packet:
    return {**joins(name), "Event": "AgentComplete"}


def people(event: str, count: int) -> Packet:
    return {"Event": event, "Queue": "sales", "Count": str(count)}


def view_of(*packets: Packet, wrap_up_seconds: float = 0.0) -> QueueView:
    view = QueueView(wrap_up_seconds=wrap_up_seconds)
    for packet in packets:
        view.take(fact_of(packet), at_seconds=0.0)
    return view


def seen(*packets: Packet) -> QueueSeen:
    return view_of(params(), *packets).seen("sales", at_seconds=0.0)


def test_members_who_are_free_can_take_people_and_others_cannot() -> None:
    members = (
        member("101"),
        member("102", "unknown"),
        member("103", "gone"),
        member("104", paused=True),
        member("105", "in_use"),
    )
    assert seen(*members) == QueueSeen(usable=2, persons=0)


def test_a_person_who_waits_while_a_phone_rings_for_them_takes_one_member() -> None:
    waiting = (member("101"), member("102", "rings"), people("QueueCallerJoin", 1))
    assert seen(*waiting) == QueueSeen(usable=2, persons=1)


def test_who_talks_to_a_member_counts_until_the_call_is_over() -> None:
    talking = (
        *(member("101", "rings"), people("QueueCallerJoin", 1)),
        *(people("QueueCallerLeave", 0), member("101", "in_use"), joins("101")),
    )
    assert seen(*talking) == QueueSeen(usable=1, persons=1)
    assert seen(*talking, done("101"), member("101")) == QueueSeen(usable=1, persons=0)


def test_a_member_whose_call_was_taken_away_is_free_without_a_word() -> None:
    assert seen(joins("101"), member("101")) == QueueSeen(usable=1, persons=0)


def fact_of(packet: Packet) -> Fact:
    fact = decode(packet)
    assert fact is not None, packet
    return fact


def joins_person(name: str) -> Packet:
    return {**joins(name), "CallerIDNum": "+4930231250001"}


def test_a_phone_that_is_idle_ends_a_talk_of_whose_end_nothing_was_said() -> None:
    view = view_of(params(), member("101", "rings"), joins_person("101"), member("101", "in_use"))
    assert view.ended_by(fact_of(member("101", "in_use"))) is None
    ended = view.ended_by(fact_of(member("101")))
    assert ended == MemberDone("sales", "Local/101@agents", "+4930231250001")
    view.take(ended, at_seconds=0.0)
    assert view.ended_by(fact_of(member("101"))) is None, "once"


def test_a_talk_of_half_a_second_may_end_before_the_phone_is_seen_in_use() -> None:
    view = view_of(params(), member("101", "rings"), joins_person("101"))
    assert view.ended_by(fact_of(member("101"))) is not None


def test_an_idle_phone_ends_no_talk_that_was_not_begun_or_is_over() -> None:
    rang = (params(), member("101", "rings"))
    idle = fact_of(member("101"))
    assert view_of(*rang).ended_by(idle) is None
    assert view_of(*rang, joins_person("101"), done("101")).ended_by(idle) is None
    # What was told late of the time before the phone rang.
    assert view_of(params(), member("101"), joins_person("101")).ended_by(idle) is None


def test_what_is_listed_anew_counts_people_who_talk_already() -> None:
    told = (params(waiting=3), listed("101", in_call=True), listed("102", in_call=False))
    assert view_of(*told).seen("sales", at_seconds=0) == QueueSeen(usable=2, persons=4)


def test_a_member_who_left_takes_nobody() -> None:
    assert seen(member("101"), {**member("101"), "Event": "QueueMemberRemoved"}).usable == 0


def test_the_end_of_a_talk_makes_nobody_a_member_again_who_was_removed_meanwhile() -> None:
    removed = {**member("101"), "Event": "QueueMemberRemoved"}
    talks = (member("101"), joins("101"), member("101", "in_use"), removed)
    assert seen(*talks, done("101")) == QueueSeen(usable=0, persons=0)
    assert seen(joins("102")) == QueueSeen(usable=0, persons=0)


def test_wrap_up_is_the_members_own_or_the_queues() -> None:
    told = (params(), member("101"), member("102", Wrapuptime="20"))
    view = view_of(*told, done("101"), done("102"), wrap_up_seconds=10)
    free = [view.seen("sales", at_seconds=at).usable for at in (0, 9.9, 10, 19.9, 20)]
    assert free == [0, 0, 1, 1, 2]


def test_a_queue_of_which_only_members_are_told_is_not_known() -> None:
    assert list(view_of(member("101")).names) == []
