from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from acd.agents import AgentId, AgentState, AgentUpdate, Phone
from acd.dialer.places import AgentPlace, Needs
from acd.dialer.routing import Roster
from acd.dialer.sharing import UnderWay
from tests.unit.dialer.seats import SALES, SERVICE, enrolled, place, says


@pytest.fixture
async def roster(autojump_clock: trio.testing.MockClock) -> Roster:
    roster = Roster()
    roster.seat(SALES, [place("201")])
    await trio.sleep(1)
    roster.seat(SALES, [place("201"), place("202")])
    return roster


async def test_the_agent_who_has_been_ready_longest_is_reserved(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    reserved = await roster.reserve(SALES, until_seconds=trio.current_time() + 2)
    assert reserved == place("201")
    assert roster.states() == {AgentState.RESERVED: 1, AgentState.READY: 1}


async def test_nobody_in_time_is_none_at_the_limit(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    for _ in range(2):
        await roster.reserve(SALES, until_seconds=trio.current_time())
    started = trio.current_time()
    assert await roster.reserve(SALES, until_seconds=started + 2) is None
    assert trio.current_time() == pytest.approx(started + 2)


async def test_people_who_wait_are_served_in_order(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
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


async def test_agents_of_a_higher_priority_go_before_those_who_have_been_ready_longer(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster.enrol([enrolled("301", AgentState.READY, priority=5)])
    reserved = [await roster.reserve(SALES, until_seconds=trio.current_time()) for _ in range(3)]
    assert [place.target for place in reserved if place] == ["301", "201", "202"]


async def test_people_of_a_higher_priority_are_given_the_next_agent_and_equals_in_order(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    for _ in range(2):
        await roster.reserve(SALES, until_seconds=trio.current_time())
    served: list[str] = []

    async def wait(name: str, priority: int) -> None:
        until = trio.current_time() + 9
        if await roster.reserve(SALES, until_seconds=until, priority=priority):
            served.append(name)

    async with trio.open_nursery() as nursery:
        for name, priority in (("first", 0), ("second", 3), ("third", 3), ("fourth", 1)):
            nursery.start_soon(wait, name, priority)
            await trio.testing.wait_all_tasks_blocked()
        for extension in ("201", "202", "201", "202"):
            roster.give_back(place(extension))
            await trio.testing.wait_all_tasks_blocked()
    assert served == ["second", "third", "fourth", "first"]


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


FEED_STATES = [state for state in AgentState if state is not AgentState.RESERVED]
STEPS = st.lists(
    st.one_of(
        st.sampled_from([says("201", state) for state in FEED_STATES]),
        st.just(AgentUpdate(agent=AgentId("201"), state=AgentState.NOT_READY, phone=Phone.RINGING)),
        st.sampled_from(["reserve", "give back", "join"]),
    ),
    max_size=30,
)


@given(STEPS)
def test_a_feed_may_see_anything_at_any_time_and_reserved_agents_stay_so(
    steps: list[AgentUpdate | str],
) -> None:
    async def play() -> None:
        roster = Roster()
        roster.seat(SALES, [place("201")])
        held = False
        for step in steps:
            if isinstance(step, AgentUpdate):
                roster.apply(step)
            elif step == "reserve":
                taken = await roster.reserve(SALES, until_seconds=trio.current_time())
                assert not (held and taken), "one agent, one person"
                held = held or taken is not None
            elif held:
                held = False
                (roster.give_back if step == "give back" else roster.joined)(place("201"))
            assert (roster.states()[AgentState.RESERVED] == 1) is held

    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_an_agent_who_phones_somebody_is_not_ready_until_they_hang_up(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster.apply(says("201", AgentState.ON_CALL))
    assert roster.ready(SALES) == 1
    roster.apply(says("201", AgentState.READY))
    assert roster.ready(SALES) == 2


async def test_an_agent_unplugged_while_reserved_is_logged_off_once_the_person_is_lost(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    roster.apply(says(taken.agent, AgentState.LOGGED_OFF))
    assert roster.states()[AgentState.RESERVED] == 1
    roster.give_back(taken)
    assert roster.states() == {AgentState.LOGGED_OFF: 1, AgentState.READY: 1}


async def test_a_call_that_is_over_before_the_transfers_report_leaves_the_agent_ready(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    for state in (AgentState.ON_CALL, AgentState.READY):
        roster.apply(says(taken.agent, state))
    roster.joined(taken)
    assert roster.ready(SALES) == 2


async def test_a_phone_that_still_rings_after_the_transfers_report_is_on_its_way_to_a_call(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    roster.joined(taken)
    roster.apply(AgentUpdate(agent=taken.agent, state=AgentState.NOT_READY, phone=Phone.RINGING))
    assert roster.states()[AgentState.ON_CALL] == 1


async def test_an_agent_takes_their_seat_as_the_feed_has_them() -> None:
    roster = Roster(state_of=lambda _: AgentState.NOT_READY)
    roster.seat(SALES, [place("201")])
    assert roster.ready(SALES) == 0


async def test_an_agent_without_a_campaign_is_forgotten_unless_on_a_call(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    roster.unseat(SALES)
    assert roster.states() == {AgentState.RESERVED: 1}
    roster.give_back(taken)
    assert roster.states() == {}


async def test_agents_that_a_reload_takes_away_are_ready_for_nobody(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster.seat(SALES, [place("202"), place("203")])
    assert roster.ready(SALES) == 2
    first = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert first == place("202")


async def test_a_phone_that_changes_hands_is_as_its_new_agent_was_asked_to_be(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    anna = enrolled("301", AgentState.READY, name="anna", version=2)
    ben = enrolled("302", AgentState.LOGGED_OFF, name="ben")
    roster.enrol([anna, ben])
    # One file swaps their phones; what ben is now counts as many changes as what anna was.
    roster.enrol(
        [
            replace(anna, agent=AgentId("302"), version=3),
            replace(ben, agent=AgentId("301"), version=2),
        ]
    )
    assert roster.ready_names(SALES) == {"201", "202", "302", "anna"}
    assert roster.states() == {AgentState.READY: 3, AgentState.LOGGED_OFF: 1}


async def test_an_agent_of_sql_serves_beside_those_of_the_campaigns_file(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster.enrol([enrolled("301", AgentState.READY), enrolled("302", AgentState.LOGGED_OFF)])
    assert roster.ready_names(SALES) == {"201", "202", "301", "agent-301"}
    assert roster.states() == {AgentState.READY: 3, AgentState.LOGGED_OFF: 1}


async def test_an_extension_of_the_file_that_is_an_agents_means_that_agent(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster.enrol([enrolled("201", AgentState.LOGGED_OFF, campaigns=frozenset({SERVICE}))])
    assert roster.states() == {AgentState.LOGGED_OFF: 1, AgentState.READY: 1}
    roster.seat(SERVICE, ())
    roster.enrol([enrolled("201", AgentState.READY, campaigns=frozenset({SERVICE}), version=2)])
    now = trio.current_time()
    assert (await roster.reserve(SERVICE, until_seconds=now)) == AgentPlace(
        agent=AgentId("201"), target="201", handle_seconds=180.0
    )
    assert roster.ready_names(SALES) == {"202"}, "taken by the other campaign"


async def test_who_is_asked_to_stop_finishes_the_call_and_takes_no_other(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    moves: list[AgentState] = []
    roster = Roster(lambda agent, state, told_by: moves.append(state))
    roster.enrol([enrolled("301", AgentState.READY)])
    roster.seat(SALES, ())
    taken = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert taken is not None
    roster.joined(taken)
    roster.enrol([enrolled("301", AgentState.LOGGED_OFF, version=2)])
    assert roster.states() == {AgentState.ON_CALL: 1}
    roster.apply(says("301", AgentState.WRAP_UP))
    roster.apply(says("301", AgentState.READY))
    assert roster.ready(SALES) == 0
    assert moves == [
        AgentState.READY,
        AgentState.RESERVED,
        AgentState.ON_CALL,
        AgentState.WRAP_UP,
        AgentState.READY,
        AgentState.NOT_READY,
        AgentState.LOGGED_OFF,
    ]


async def test_an_agent_who_becomes_ready_gets_the_person_who_waits(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster = Roster()
    roster.enrol([enrolled("301", AgentState.NOT_READY)])
    roster.seat(SALES, ())
    served: list[AgentPlace | None] = []

    async def wait() -> None:
        served.append(await roster.reserve(SALES, until_seconds=trio.current_time() + 9))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        roster.enrol([enrolled("301", AgentState.READY, version=2)])
    assert [place.target for place in served if place] == ["301"]


async def test_a_feeds_word_outlives_changes_of_other_agents(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster = Roster()
    both = [enrolled("301", AgentState.READY), enrolled("302", AgentState.READY)]
    roster.enrol(both)
    roster.seat(SALES, ())
    roster.apply(says("301", AgentState.NOT_READY))
    roster.enrol([both[0], enrolled("302", AgentState.NOT_READY, version=2)])
    assert roster.states() == {AgentState.NOT_READY: 2}


async def test_only_agents_with_every_skill_are_taken(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster = Roster()
    speaks = [
        enrolled("301", AgentState.READY, skills=frozenset({"german"})),
        enrolled("302", AgentState.READY, skills=frozenset({"german", "loans", "english"})),
    ]
    roster.enrol(speaks)
    roster.seat(SALES, Needs(places=(place("201"),), skills=frozenset({"german", "loans"})))
    assert roster.ready_names(SALES) == {"302", "agent-302"}


async def test_one_agent_can_be_reserved_by_name(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    roster.enrol([enrolled("301", AgentState.READY)])
    assert roster.reserve_agent(SERVICE, "agent-301") is None
    reserved = roster.reserve_agent(SALES, "agent-301")
    assert reserved is not None
    assert reserved.target == "301"
    assert roster.reserve_agent(SALES, "301") is None


async def test_a_person_is_given_whoever_the_calls_of_other_campaigns_can_spare(
    autojump_clock: trio.testing.MockClock,
) -> None:
    roster = Roster()
    roster.seat(SERVICE, [place("202")])
    await trio.sleep(1)
    roster.seat(SALES, [place("201"), place("202")])
    calls = {SALES: 0, SERVICE: 1}
    for campaign_id in calls:
        roster.sharing.tell(campaign_id, partial(_under_way, calls, campaign_id))
    spared = roster.reserve_now(SALES)
    assert spared is not None
    assert spared.target == "201", "202 has been ready longer, and a call of service rings for them"
    assert roster.reserve_agent(SALES, "202") is None
    calls[SERVICE] = 0
    roster.give_back(spared)
    longest = roster.reserve_now(SALES)
    assert longest is not None
    assert longest.target == "202"


async def test_a_reserved_agent_who_is_unplugged_is_not_to_be_called(
    roster: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    reserved = roster.reserve_now(SALES)
    assert reserved is not None
    assert roster.may_be_called(reserved)
    roster.apply(says("201", AgentState.LOGGED_OFF))
    assert not roster.may_be_called(reserved)


def _under_way(calls: dict[int, int], campaign_id: int) -> UnderWay:
    needed = calls[campaign_id]
    return UnderWay(calls=needed, agents_needed=needed, ledger_headroom=0, wants_more=True)
