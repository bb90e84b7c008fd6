from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from acd.agents import AgentId, AgentState, AgentUpdate, Phone, QueueSeen
from acd.dialer.places import AgentPlace, EnrolledAgent, Needs
from acd.dialer.queue_gate import UNSEEN_SECONDS
from acd.dialer.routing import Roster

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


def enrolled(extension: str, wanted: AgentState, **changes: Any) -> EnrolledAgent:
    values: dict[str, Any] = {
        "agent": AgentId(extension),
        "name": f"agent-{extension}",
        "skills": frozenset(),
        "campaigns": frozenset({SALES}),
        "wanted": wanted,
        "version": 1,
        **changes,
    }
    return EnrolledAgent(**values)


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


async def test_calls_of_another_campaign_leave_fewer_of_the_shared_agents(
    autojump_clock: trio.testing.MockClock,
) -> None:
    roster = Roster()
    roster.seat(SALES, [place("201"), place("202")])
    roster.seat(SERVICE, [place("202"), place("203")])

    def left_beside(calls: int) -> int:
        roster.count_calls(SERVICE, lambda: calls)
        return roster.left_for(SALES)

    left = [left_beside(calls) for calls in range(4)]
    assert left == [2, 2, 1, 1], "203 takes the first; 201 is nobody else's"
    assert roster.left_for(SERVICE) == 2
    roster.unseat(SERVICE)
    assert roster.left_for(SALES) == 2


def queue_says(usable: int, persons: int | None) -> AgentUpdate:
    seen = QueueSeen(usable=usable, persons=persons)
    return AgentUpdate(agent=AgentId("sales"), state=AgentState.NOT_READY, queue=seen)


@pytest.fixture
async def queue(autojump_clock: trio.testing.MockClock) -> Roster:
    """Ten places in a queue that no feed has told about."""
    roster = Roster()
    names = [AgentId(f"sales#{number}") for number in range(10)]
    roster.seat(
        SALES,
        [AgentPlace(agent=n, target="sales", handle_seconds=30.0, queue="sales") for n in names],
    )
    return roster


async def hand_over(roster: Roster) -> AgentPlace:
    place = await roster.reserve(SALES, until_seconds=trio.current_time())
    assert place is not None
    roster.joined(place)
    return place


async def test_a_queue_that_no_feed_sees_has_all_its_places(
    queue: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    assert queue.ready(SALES) == 10


@pytest.mark.parametrize(("usable", "persons", "ready"), [(2, 0, 2), (2, 1, 1), (2, 5, 0)])
async def test_no_more_places_are_ready_than_the_queue_has_members_for(
    queue: Roster, usable: int, persons: int, ready: int, autojump_clock: trio.testing.MockClock
) -> None:
    queue.apply(queue_says(usable, persons))
    assert queue.ready(SALES) == ready
    assert queue.states()[AgentState.READY] == ready
    assert queue.states().total() == 10


async def test_who_is_on_the_way_into_the_queue_counts_and_is_not_counted_twice(
    queue: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    queue.apply(queue_says(3, 0))
    await queue.reserve(SALES, until_seconds=trio.current_time())
    assert queue.ready(SALES) == 2
    queue.apply(queue_says(3, 1))
    assert queue.ready(SALES) == 2


async def test_a_place_whose_person_left_the_queue_is_ready_again(
    queue: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    queue.apply(queue_says(2, 0))
    await hand_over(queue)
    queue.apply(queue_says(2, 0))
    assert queue.states()[AgentState.ON_CALL] == 1, "not seen in the queue yet"
    queue.apply(queue_says(2, 1))
    queue.apply(queue_says(2, 0))
    assert queue.states()[AgentState.ON_CALL] == 0
    assert queue.ready(SALES) == 2


async def test_a_person_whom_the_queue_never_saw_is_given_up_after_a_while(
    queue: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    queue.apply(queue_says(2, 0))
    await hand_over(queue)
    await trio.sleep(UNSEEN_SECONDS)
    queue.apply(queue_says(2, 0))
    assert queue.ready(SALES) == 2


async def test_a_queue_whose_feed_is_lost_takes_nobody_and_loses_nobody(
    queue: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    queue.apply(queue_says(2, 0))
    await hand_over(queue)
    queue.apply(queue_says(0, None))
    await trio.sleep(60)
    queue.apply(queue_says(0, None))
    assert queue.ready(SALES) == 0
    assert queue.states()[AgentState.ON_CALL] == 1
    queue.apply(queue_says(2, 1))
    assert queue.ready(SALES) == 1


async def test_who_waits_is_given_the_first_member_who_is_free(
    queue: Roster, autojump_clock: trio.testing.MockClock
) -> None:
    queue.apply(queue_says(0, 0))
    given: list[AgentPlace | None] = []

    async def wait() -> None:
        given.append(await queue.reserve(SALES, until_seconds=trio.current_time() + 5))

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        queue.apply(queue_says(1, 0))
    assert given.count(None) == 1, given


async def test_people_on_the_way_into_an_overflow_queue_take_its_members(
    autojump_clock: trio.testing.MockClock,
) -> None:
    roster = Roster()
    with roster.entering("all") as unseen:
        assert unseen, "no feed sees this queue"
    roster.apply(sees_queue("all", usable=1, persons=0))
    with roster.entering("all") as first, roster.entering("all") as second:
        assert (first, second) == (True, False)
    roster.apply(sees_queue("all", usable=1, persons=1))
    with roster.entering("all") as third:
        assert not third
    roster.apply(sees_queue("all", usable=0, persons=None))
    with roster.entering("all") as lost:
        assert lost, "whether somebody is there is not known"


def sees_queue(queue: str, *, usable: int, persons: int | None) -> AgentUpdate:
    seen = QueueSeen(usable=usable, persons=persons)
    return AgentUpdate(agent=AgentId(queue), state=AgentState.READY, queue=seen)


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
