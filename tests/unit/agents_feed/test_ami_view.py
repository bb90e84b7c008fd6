from __future__ import annotations

import pytest

from acd.agents import AgentId, PersonSeen, Phone, Word
from acd.agents_feed.ami_frames import Packet
from acd.agents_feed.ami_view import PHONES, AmiView, PersonHungUp, decode, person_of
from acd.agents_feed.sightings import Sighting


def device(name: str, state: str) -> Packet:
    return {"Event": "DeviceStateChange", "Device": name, "State": state}


def member(
    extension: str, *, queue: str = "sales", paused: bool = False, reason: str = ""
) -> Packet:
    return {
        "Event": "QueueMemberPause",
        "Queue": queue,
        "Interface": f"Local/{extension}@agents",
        "StateInterface": f"PJSIP/{extension}",
        "Paused": "1" if paused else "0",
        "PausedReason": reason,
    }


def seen(view: AmiView, *packets: Packet) -> list[Sighting]:
    facts = [fact for packet in packets if (fact := decode(packet)) is not None]
    return [sighting for fact in facts if (sighting := view.take(fact)) is not None]


# Asterisk 22, main/devicestate.c: what `ast_devstate_str` can say.
STATES = "UNKNOWN NOT_INUSE INUSE BUSY INVALID UNAVAILABLE RINGING RINGINUSE ONHOLD"


@pytest.mark.parametrize("state", STATES.split())
def test_every_device_state_is_a_phones(state: str) -> None:
    (sighting,) = seen(AmiView(device="PJSIP/{extension}"), device("PJSIP/101", state))
    assert sighting.phone is PHONES[state]


def test_a_device_state_of_a_later_asterisk_is_unknown() -> None:
    (sighting,) = seen(AmiView(device="PJSIP/{extension}"), device("PJSIP/101", "DREAMING"))
    assert sighting.phone is Phone.UNKNOWN


def test_only_devices_of_the_agents_kind_are_agents() -> None:
    view = AmiView(device="PJSIP/{extension}-phone")
    others = ("Queue:sales", "PJSIP/101", "SIP/101-phone", "PJSIP/-phone")
    assert seen(view, *(device(name, "NOT_INUSE") for name in others)) == []
    (sighting,) = seen(view, device("PJSIP/101-phone", "NOT_INUSE"))
    assert sighting.agent == AgentId("101")


def test_who_hangs_up_by_themselves_is_told_by_their_number() -> None:
    fact = decode({"Event": "HangupRequest", "Channel": "PJSIP/1-1", "CallerIDNum": "+4930"})
    assert isinstance(fact, PersonHungUp)
    assert person_of(fact, None) == PersonSeen(number="+4930", phone=Phone.IDLE, hung_up=True)
    assert person_of(PersonHungUp(""), None) is None


def test_the_same_again_is_no_news() -> None:
    view = AmiView(device="PJSIP/{extension}")
    assert len(seen(view, *[device("PJSIP/101", "INUSE")] * 2)) == 1


def test_a_pause_in_one_queue_is_one_until_it_ends_there() -> None:
    view = AmiView(device="PJSIP/{extension}")
    told = seen(
        view,
        device("PJSIP/101", "NOT_INUSE"),
        member("101", paused=True, reason="lunch"),
        member("101", queue="support"),
        member("101"),
    )
    assert [(s.word, s.reason) for s in told] == [
        (Word.NONE, ""),
        (Word.NOT_READY, "lunch"),
        (Word.NONE, ""),
    ]


def test_who_leaves_the_queue_is_no_longer_paused_in_it() -> None:
    view = AmiView(device="PJSIP/{extension}")
    removed = {**member("101"), "Event": "QueueMemberRemoved"}
    told = seen(view, device("PJSIP/101", "NOT_INUSE"), member("101", paused=True), removed)
    assert told[-1].word is Word.NONE


def test_a_queue_that_does_not_count_pauses_nobody() -> None:
    view = AmiView(device="PJSIP/{extension}", queues=["support"])
    assert seen(view, member("101", paused=True)) == []
    assert len(seen(view, member("101", queue="support", paused=True))) == 1


def test_a_call_on_hold_and_a_second_one_that_rings_are_calls() -> None:
    assert PHONES["ONHOLD"] is PHONES["RINGINUSE"] is PHONES["INUSE"]
