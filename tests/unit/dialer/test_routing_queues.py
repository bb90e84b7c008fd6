from __future__ import annotations

import pytest
import trio
import trio.testing

from acd.agents import AgentId, AgentState, AgentUpdate, QueueSeen
from acd.dialer.places import AgentPlace
from acd.dialer.queue_gate import UNSEEN_SECONDS
from acd.dialer.routing import Roster
from tests.unit.dialer.seats import SALES


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
