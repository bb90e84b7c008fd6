"""Phones that nobody picks up, and queues with and without anybody in them, as the feed tells."""

from __future__ import annotations

import pytest
import trio

from acd.agents import AgentState
from tests.integration.feeds.floor import Told, hand_over, manager, told
from tests.peers import phones
from tests.peers.addresses import Addresses
from tests.peers.centre import Centre, open_centre
from tests.peers.watching import wait_on_wire

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
READY, NOT_READY, ON_CALL = AgentState.READY, AgentState.NOT_READY, AgentState.ON_CALL


async def both_ready(agents: Told) -> None:
    for extension in ("101", "102"):
        await agents.until(extension, READY)


async def pause(centre: Centre, *extensions: str) -> None:
    for extension in extensions:
        await centre.pbx.cli(f"queue pause member PJSIP/{extension} queue sales")


async def test_a_phone_that_nobody_picks_up_is_not_ready_while_it_rings_and_ready_again() -> None:
    desks = (
        phones.agent_silent(ADDRESSES.agent_101),
        phones.agent_answers(ADDRESSES.agent_102, ring_ms=100, talk_ms=300),
    )
    other_queue = manager(ADDRESSES.pbx, queues=("support",))
    async with open_centre(ADDRESSES, *desks) as centre, told(other_queue) as agents:
        await centre.pbx.cli("dialplan set global ACD_RING_SECONDS 1")
        await both_ready(agents)
        # The queue would ring the silent phone first, for 20 s more.
        await pause(centre, "101")
        await hand_over(ADDRESSES, "101")
        await agents.until("102", READY)
        await agents.until("101", READY)
    assert agents.states("101") == [READY, NOT_READY, READY]
    assert agents.states("102") == [READY, NOT_READY, ON_CALL, READY]


async def test_the_member_whom_a_queue_calls_is_on_a_call_and_nobody_else() -> None:
    desk = phones.agent_answers(ADDRESSES.agent_102, ring_ms=100, talk_ms=300)
    async with open_centre(ADDRESSES, desk) as centre, told(manager(ADDRESSES.pbx)) as agents:
        await both_ready(agents)
        await pause(centre, "101")
        await agents.until("101", NOT_READY)
        await hand_over(ADDRESSES, "sales")
        await agents.until("102", READY)
    assert agents.states("101") == [READY, NOT_READY]
    assert agents.states("102") == [READY, NOT_READY, ON_CALL, READY]


async def test_a_queue_whose_members_have_all_paused_puts_nobody_on_a_call() -> None:
    desk = phones.agent_answers(ADDRESSES.agent_101)
    async with open_centre(ADDRESSES, desk) as centre, told(manager(ADDRESSES.pbx)) as agents:
        await centre.pbx.cli("dialplan set global ACD_QUEUE_SECONDS 1")
        await both_ready(agents)
        await pause(centre, "101", "102")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hand_over, ADDRESSES, "sales")
            await wait_on_wire(centre.wire, lambda _: centre.traffic().to(ADDRESSES.carrier, "BYE"))
    assert agents.states("101") == agents.states("102") == [READY, NOT_READY]
