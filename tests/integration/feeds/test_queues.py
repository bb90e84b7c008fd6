"""What a queue of a real Asterisk can take, as the manager interface tells it."""

from __future__ import annotations

import pytest
import trio

from acd.agents import AgentId, QueueSeen
from tests.integration.feeds.floor import BOUND_SECONDS, Told, hand_over, manager, told
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import open_centre
from tests.peers.cut import open_way

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
ALL_FREE = QueueSeen(usable=2, persons=0)
LOST = QueueSeen(usable=0, persons=None)


async def until(agents: Told, wanted: QueueSeen, *, after: int = 0) -> int:
    """Where in all that was told the queue looked like this."""
    with trio.move_on_after(BOUND_SECONDS):
        while True:
            for index, update in enumerate(agents.updates):
                ours = index >= after and update.agent == AgentId("sales")
                if ours and update.queue == wanted:
                    return index
            await agents.wait_news()
    raise AssertionError(f"the queue never was {wanted}: {seen(agents)}")


def seen(agents: Told) -> list[QueueSeen]:
    """How the queue looked, each once in a row."""
    found: list[QueueSeen] = []
    for update in agents.updates:
        if update.agent == AgentId("sales") and update.queue is not None:
            found += [update.queue] if found[-1:] != [update.queue] else []
    return found


async def test_a_person_is_counted_from_the_queue_to_the_end_and_never_twice() -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=200, talk_ms=400)
    async with open_centre(ADDRESSES, phone) as centre, told(manager(ADDRESSES.pbx)) as agents:
        await until(agents, ALL_FREE)
        await centre.pbx.cli("queue pause member PJSIP/102 queue sales")
        paused = await until(agents, QueueSeen(usable=1, persons=0))
        await hand_over(ADDRESSES, "sales")
        with_person = await until(agents, QueueSeen(usable=1, persons=1), after=paused)
        await until(agents, QueueSeen(usable=1, persons=0), after=with_person)
    taken = [each for each in seen(agents) if each.persons]
    assert taken, seen(agents)
    assert all(each.usable <= 1 and each.persons == 1 for each in taken), seen(agents)


async def test_a_member_who_wraps_up_is_free_when_the_queues_time_is_over() -> None:
    phone = phones.agent_answers(ADDRESSES.agent_101, ring_ms=50, talk_ms=200)
    settings = manager(ADDRESSES.pbx, queue_wrap_up_seconds=1.0)
    async with open_centre(ADDRESSES, phone) as centre, told(settings) as agents:
        await until(agents, ALL_FREE)
        await centre.pbx.cli("queue pause member PJSIP/102 queue sales")
        await until(agents, QueueSeen(usable=1, persons=0))
        await hand_over(ADDRESSES, "sales")
        wraps_up = await until(agents, QueueSeen(usable=0, persons=0))
        free = await until(agents, QueueSeen(usable=1, persons=0), after=wraps_up)
        assert agents.at_seconds[free] - agents.at_seconds[wraps_up] >= 0.9


async def test_a_lost_feed_leaves_a_queue_that_takes_nobody_until_it_is_back() -> None:
    async with (
        open_centre(ADDRESSES) as centre,
        open_way(server=(ADDRESSES.pbx, 5038)) as way,
        told(manager(way.host, way.port)) as agents,
    ):
        await until(agents, ALL_FREE)
        way.cut()
        lost = await until(agents, LOST)
        await centre.pbx.cli("queue pause member PJSIP/102 queue sales")
        await way.mend()
        await until(agents, QueueSeen(usable=1, persons=0), after=lost)
    assert seen(agents) == [ALL_FREE, LOST, QueueSeen(usable=1, persons=0)]
