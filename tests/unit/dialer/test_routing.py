from __future__ import annotations

import pytest
import trio
import trio.testing

from acd.agents import AgentId, AgentState, AgentUpdate
from acd.dialer.routing import AgentPlace, Roster
from acd.errors import CallError

SALES, SERVICE = 1, 2


def place(extension: str) -> AgentPlace:
    return AgentPlace(agent=AgentId(extension), target=extension, handle_seconds=30.0)


def says(extension: str, state: AgentState) -> AgentUpdate:
    return AgentUpdate(agent=AgentId(extension), state=state)


@pytest.fixture
async def roster(autojump_clock: trio.testing.MockClock) -> Roster:
    roster = Roster()
    roster.seat(SALES, [place("201")])
    await trio.sleep(1)
    roster.seat(SALES, [place("201"), place("202")])
    return roster


async def test_the_agent_who_has_been_ready_longest_is_reserved(roster: Roster) -> None:
    reserved = await roster.reserve(SALES, until_seconds=trio.current_time() + 2)
    assert reserved == place("201")
    assert roster.states() == {AgentState.RESERVED: 1, AgentState.READY: 1}


async def test_nobody_in_time_is_none_at_the_limit(roster: Roster) -> None:
    for _ in range(2):
        await roster.reserve(SALES, until_seconds=trio.current_time())
    started = trio.current_time()
    assert await roster.reserve(SALES, until_seconds=started + 2) is None
    assert trio.current_time() == pytest.approx(started + 2)


async def test_people_who_wait_are_served_in_order(roster: Roster) -> None:
    for _ in range(2):
        await roster.reserve(SALES, until_seconds=trio.current_time())
    served: list[tuple[str, AgentPlace | None]] = []

    async def wait(name: str) -> None:
        served.append((name, await roster.reserve(SALES, until_seconds=trio.current_time() + 9)))

    async with trio.open_nursery() as nursery:
        for name in ("first", "second"):
            nursery.start_soon(wait, name)
            await trio.testing.wait_all_tasks_blocked()
        for extension in ("202", "201"):
            roster.give_back(place(extension))
            await trio.testing.wait_all_tasks_blocked()
    assert served == [("first", place("202")), ("second", place("201"))]


async def test_two_campaigns_never_get_the_same_agent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    roster = Roster()
    roster.seat(SALES, [place("201")])
    roster.seat(SERVICE, [place("201")])
    now = trio.current_time()
    assert await roster.reserve(SALES, until_seconds=now) == place("201")
    assert await roster.reserve(SERVICE, until_seconds=now) is None
    assert roster.ready(SERVICE) == 0


async def test_an_agent_given_in_the_moment_of_a_cancellation_is_not_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    roster = Roster()
    roster.seat(SALES, [place("201")])
    await roster.reserve(SALES, until_seconds=trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: roster.reserve(SALES, until_seconds=trio.current_time() + 9))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        roster.give_back(place("201"))
    assert roster.states() == {AgentState.READY: 1}


async def test_a_feed_that_skips_a_state_is_refused(roster: Roster) -> None:
    with pytest.raises(CallError, match="201 cannot go from ready to wrap_up"):
        roster.apply(says("201", AgentState.WRAP_UP))


async def test_an_agent_without_a_campaign_is_forgotten_unless_on_a_call(roster: Roster) -> None:
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    roster.unseat(SALES)
    assert roster.states() == {AgentState.RESERVED: 1}
    roster.give_back(taken)
    assert roster.states() == {}


async def test_agents_that_a_reload_takes_away_are_ready_for_nobody(roster: Roster) -> None:
    roster.seat(SALES, [place("202"), place("203")])
    assert roster.ready(SALES) == 2
    first = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert first == place("202")
