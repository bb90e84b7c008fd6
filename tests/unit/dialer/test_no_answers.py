from __future__ import annotations

from dataclasses import replace

import pytest
import trio.testing

from acd.agents import AgentId, AgentState, AgentUpdate, Phone
from acd.dialer.handover import Handover
from acd.dialer.no_answers import NoAnswers, PickUp, judge_pick_up
from acd.dialer.places import AgentPlace, EnrolledAgent
from acd.dialer.routing import Roster
from acd.lines import (
    PersonWith,
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
)

ANNA = AgentId("201")
SALES = 1
HER_PLACE = AgentPlace(agent=ANNA, target="201", handle_seconds=30.0)
ANSWERED = TransferAnswered(at_seconds=1.0)
FAILED = TransferFailed(at_seconds=1.0, sip_status=503, person_with=PersonWith.PBX)
TIMED_OUT = TransferTimedOut(at_seconds=1.0, person_with=PersonWith.PBX)
UNCONFIRMED = TransferUnconfirmed(at_seconds=1.0)


def refused(status: int) -> TransferRefused:
    return TransferRefused(at_seconds=1.0, sip_status=status)


def seen(*phones: Phone) -> Handover:
    handover = Handover(on_change=lambda _: None)
    for at_seconds, phone in enumerate(phones):
        handover.take(phone, float(at_seconds))
    return handover


@pytest.mark.parametrize(
    ("result", "phones", "late", "judged"),
    [
        (ANSWERED, [], False, PickUp.TAKEN),
        (ANSWERED, [Phone.RINGING, Phone.IN_USE], False, PickUp.TAKEN),
        # The dialplan has sent the person on.
        (ANSWERED, [Phone.RINGING, Phone.IDLE], False, PickUp.MISSED),
        # The feed was lost while it rang.
        (ANSWERED, [Phone.RINGING, Phone.UNKNOWN], False, PickUp.TAKEN),
        (FAILED, [], False, PickUp.MISSED),
        (FAILED, [Phone.IN_USE], False, PickUp.TAKEN),
        (TIMED_OUT, [], True, PickUp.MISSED),
        (refused(480), [], False, PickUp.MISSED),
        (refused(404), [], False, PickUp.NOBODY_THERE),
        (replace(FAILED, sip_status=604), [], False, PickUp.NOBODY_THERE),
        (refused(503), [], False, PickUp.UNKNOWN),
        # The person may have hung up at the first ring.
        (UNCONFIRMED, [Phone.RINGING], False, PickUp.UNKNOWN),
        (UNCONFIRMED, [Phone.RINGING], True, PickUp.MISSED),
        (UNCONFIRMED, [], True, PickUp.UNKNOWN),
    ],
)
def test_what_a_transfer_says_about_its_agent(
    result: TransferResult, phones: list[Phone], late: bool, judged: PickUp
) -> None:
    assert judge_pick_up(result, seen(*phones), late=late) is judged


def test_a_phone_that_was_busy_has_missed_the_person_who_waits_in_a_queue_now() -> None:
    handover = seen()
    handover.wait_in_queue()
    assert judge_pick_up(ANSWERED, handover, late=False) is PickUp.MISSED


def test_nothing_is_said_of_a_phone_that_nobody_saw_while_the_person_came_into_a_queue() -> None:
    handover = seen(Phone.UNKNOWN)
    handover.wait_in_queue()
    assert judge_pick_up(ANSWERED, handover, late=False) is PickUp.TAKEN


def test_only_misses_in_a_row_count_and_each_agents_own() -> None:
    counts = NoAnswers()
    assert not counts.missed(ANNA, limit=2)
    assert not counts.missed(AgentId("202"), limit=2)
    counts.taken(ANNA)
    assert not counts.missed(ANNA, limit=2)
    assert counts.missed(ANNA, limit=2)
    assert not counts.missed(ANNA, limit=2), "it begins anew"


def test_without_a_limit_nobody_ever_reaches_it() -> None:
    counts = NoAnswers()
    assert not any(counts.missed(ANNA, limit=0) for _ in range(100))


def enrolled(version: int, wanted: AgentState = AgentState.READY) -> EnrolledAgent:
    return EnrolledAgent(
        agent=ANNA,
        name="anna",
        skills=frozenset(),
        campaigns=frozenset({SALES}),
        wanted=wanted,
        version=version,
    )


def says(state: AgentState, phone: Phone) -> AgentUpdate:
    return AgentUpdate(agent=ANNA, state=state, phone=phone)


async def miss(roster: Roster, times: int = 1) -> None:
    """Reserve the agent so often, and have nobody pick up."""
    for _ in range(times):
        place = await roster.reserve(SALES, until_seconds=trio.current_time())
        assert place is not None
        roster.picked_up(place, PickUp.MISSED, limit=2)
        roster.give_back(place)


@pytest.fixture
async def roster(autojump_clock: trio.testing.MockClock) -> Roster:
    roster = Roster()
    roster.seat(SALES, [HER_PLACE])
    return roster


async def test_at_the_limit_the_agent_is_not_ready_whatever_a_feed_sees(roster: Roster) -> None:
    await miss(roster)
    assert roster.states() == {AgentState.READY: 1}
    await miss(roster)
    assert roster.states() == {AgentState.NOT_READY: 1}
    roster.apply(says(AgentState.NOT_READY, Phone.RINGING))
    roster.apply(says(AgentState.READY, Phone.IDLE))
    assert roster.states() == {AgentState.NOT_READY: 1}


@pytest.mark.parametrize(
    "sign",
    [(AgentState.ON_CALL, Phone.IN_USE), (AgentState.LOGGED_OFF, Phone.UNAVAILABLE)],
)
async def test_an_extension_is_ready_again_when_somebody_is_seen_at_its_phone(
    roster: Roster, sign: tuple[AgentState, Phone]
) -> None:
    await miss(roster, times=2)
    roster.apply(says(*sign))
    roster.apply(says(AgentState.READY, Phone.IDLE))
    assert roster.states() == {AgentState.READY: 1}


async def test_an_agent_whom_sql_knows_is_ready_again_at_their_own_word_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    told: list[str] = []
    roster = Roster(benched=lambda agent: told.append(agent.name))
    roster.seat(SALES, [])
    roster.enrol([enrolled(1)])
    await miss(roster, times=2)
    assert told == ["anna"]
    roster.enrol([enrolled(2, AgentState.NOT_READY)])
    roster.apply(says(AgentState.ON_CALL, Phone.IN_USE))
    roster.apply(says(AgentState.READY, Phone.IDLE))
    assert roster.states() == {AgentState.NOT_READY: 1}
    roster.enrol([enrolled(3)])
    assert roster.states() == {AgentState.READY: 1}


async def test_a_call_that_is_picked_up_forgives_the_ones_before(roster: Roster) -> None:
    await miss(roster)
    roster.apply(says(AgentState.ON_CALL, Phone.IN_USE))
    roster.apply(says(AgentState.READY, Phone.IDLE))
    await miss(roster)
    assert roster.states() == {AgentState.READY: 1}


async def test_a_queue_that_the_pbx_does_not_know_is_not_ready_with_all_its_places(
    autojump_clock: trio.testing.MockClock,
) -> None:
    places = [
        AgentPlace(agent=AgentId(f"help#{slot}"), target="help", handle_seconds=30.0, queue="help")
        for slot in (1, 2, 3)
    ]
    roster = Roster()
    roster.seat(SALES, places)

    def refer(seen: PickUp) -> bool:
        place = roster.reserve_now(SALES)
        assert place is not None
        benched = roster.picked_up(place, seen, limit=2)
        roster.give_back(place)
        return benched

    assert not refer(PickUp.NOBODY_THERE)
    assert not refer(PickUp.MISSED), "a queue is nobody's phone"
    assert roster.ready(SALES) == 3
    assert refer(PickUp.NOBODY_THERE)
    assert roster.states() == {AgentState.NOT_READY: 3}
    roster.unseat(SALES)
    roster.seat(SALES, places)
    assert roster.ready(SALES) == 3, "the campaign was paused and started"
