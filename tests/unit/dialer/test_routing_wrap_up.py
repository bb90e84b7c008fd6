from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from acd.agents import AgentId, AgentState, AgentUpdate, Phone
from acd.dialer.places import AgentPlace, Needs
from acd.dialer.routing import Roster
from tests.unit.dialer.seats import SALES, enrolled, says

WRAP_UP_SECONDS = 20.0


def phone_is(phone: Phone, state: AgentState, **more: Any) -> AgentUpdate:
    return AgentUpdate(agent=AgentId("201"), state=state, phone=phone, **more)


IN_USE = phone_is(Phone.IN_USE, AgentState.ON_CALL)
IDLE = phone_is(Phone.IDLE, AgentState.READY)
WRITES = AgentPlace(
    agent=AgentId("201"), target="201", handle_seconds=30.0, wrap_up_seconds=WRAP_UP_SECONDS
)


async def talk(roster: Roster) -> None:
    """One person, from the reservation to the moment in which 201 hangs up."""
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    roster.apply(IN_USE)
    roster.joined(taken)
    await trio.sleep(5)
    roster.apply(IDLE)


@pytest.fixture
async def writing(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> Roster:
    """A roster whose one agent has just hung up, and has time to write."""
    roster = Roster()
    roster.seat(SALES, [WRITES])
    nursery.start_soon(roster.end_wrap_ups)
    await talk(roster)
    return roster


async def wait_ready(roster: Roster) -> float:
    """How long it takes until 201 is ready."""
    since = trio.current_time()
    while not roster.ready(SALES):
        await roster.wait_change()
    return trio.current_time() - since


async def test_an_agent_whose_call_is_over_writes_for_the_time_of_their_campaign(
    writing: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    assert writing.states() == {AgentState.WRAP_UP: 1}
    assert await wait_ready(writing) == pytest.approx(WRAP_UP_SECONDS)


@pytest.mark.parametrize(
    "seen",
    [
        phone_is(Phone.RINGING, AgentState.NOT_READY),
        phone_is(Phone.UNKNOWN, AgentState.NOT_READY),
        phone_is(Phone.UNAVAILABLE, AgentState.LOGGED_OFF),
    ],
)
async def test_what_a_phone_does_meanwhile_counts_when_the_time_is_over(
    writing: Roster, seen: AgentUpdate, autojump_clock: trio.testing.MockClock
) -> None:
    writing.apply(seen)
    assert writing.states() == {AgentState.WRAP_UP: 1}
    await trio.sleep(WRAP_UP_SECONDS + 1)
    assert writing.states() == {seen.state: 1}


async def test_an_agent_who_is_done_is_ready_at_once(
    writing: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    writing.apply(phone_is(Phone.IDLE, AgentState.READY, wrapped_up=True))
    assert writing.ready(SALES) == 1


async def test_an_agents_own_wrap_up_goes_on_until_they_are_done(
    writing: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    writing.apply(phone_is(Phone.IDLE, AgentState.WRAP_UP))
    await trio.sleep(2 * WRAP_UP_SECONDS)
    assert writing.states() == {AgentState.WRAP_UP: 1}
    writing.apply(IDLE)
    assert writing.ready(SALES) == 1


async def test_a_call_in_the_middle_of_the_writing_stops_its_clock(
    writing: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    await trio.sleep(5)
    writing.apply(IN_USE)
    assert writing.states() == {AgentState.ON_CALL: 1}
    await trio.sleep(3 * WRAP_UP_SECONDS)
    writing.apply(IDLE)
    assert await wait_ready(writing) == pytest.approx(WRAP_UP_SECONDS - 5)


async def test_a_call_of_the_agents_own_is_followed_by_no_wrap_up(
    writing: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    await wait_ready(writing)
    writing.apply(IN_USE)
    writing.apply(IDLE)
    assert writing.ready(SALES) == 1


async def test_a_call_that_is_over_before_the_transfers_report_is_written_up_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    roster = Roster()
    roster.seat(SALES, [WRITES])
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    roster.apply(IN_USE)
    roster.apply(IDLE)
    roster.joined(taken)
    assert roster.states() == {AgentState.WRAP_UP: 1}


async def test_a_phone_that_nobody_sees_has_its_stated_time_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    roster = Roster()
    roster.seat(SALES, [WRITES])
    roster.joined(await reserved_by_clock(roster))
    for state in (AgentState.WRAP_UP, AgentState.READY):
        roster.apply(says("201", state))
    assert roster.ready(SALES) == 1


async def reserved_by_clock(roster: Roster) -> AgentPlace:
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    return taken


async def test_an_agent_writes_on_after_their_campaign_and_is_told_to_be_ready_then(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    moves: list[AgentState] = []
    roster = Roster(lambda agent, state, told_by: moves.append(state))
    roster.enrol([enrolled("201", AgentState.READY)])
    roster.seat(SALES, Needs(places=(), wrap_up_seconds=WRAP_UP_SECONDS))
    nursery.start_soon(roster.end_wrap_ups)
    await talk(roster)
    roster.unseat(SALES)
    await trio.sleep(WRAP_UP_SECONDS + 1)
    assert moves[-2:] == [AgentState.WRAP_UP, AgentState.READY]
    assert roster.states() == {}


@pytest.mark.parametrize(
    ("wanted", "skills", "state"),
    [
        (AgentState.READY, "", AgentState.READY),
        (AgentState.NOT_READY, "", AgentState.NOT_READY),
        (AgentState.READY, "german", AgentState.WRAP_UP),
    ],
)
async def test_a_command_ends_the_writing_and_a_new_skill_does_not(
    autojump_clock: trio.testing.MockClock, wanted: AgentState, skills: str, state: AgentState
) -> None:
    roster = Roster()
    roster.enrol([enrolled("201", AgentState.READY)])
    roster.seat(SALES, Needs(places=(), wrap_up_seconds=WRAP_UP_SECONDS))
    await talk(roster)
    roster.enrol([enrolled("201", wanted, version=2, skills=frozenset(skills.split()))])
    assert roster.states() == {state: 1}


async def test_a_new_engine_lets_an_agent_write_on(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    roster = Roster(state_of=lambda _: AgentState.NOT_READY)
    nursery.start_soon(roster.end_wrap_ups)
    until = trio.current_time() + 7
    roster.enrol([enrolled("201", AgentState.READY, wraps_up_until=until)])
    roster.seat(SALES, ())
    assert roster.states() == {AgentState.WRAP_UP: 1}
    roster.apply(IDLE)
    assert await wait_ready(roster) == pytest.approx(7)
