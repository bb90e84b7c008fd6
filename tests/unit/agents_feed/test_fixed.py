from __future__ import annotations

import pytest
import trio
import trio.testing

from acd.agents import AgentId, AgentState
from acd.agents_feed.fixed import open_fixed_feed
from acd.beat import BEAT_SECONDS


async def test_an_agent_is_ready_again_after_the_stated_handle_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_fixed_feed() as feed:
        started = trio.current_time()
        feed.handed_over(AgentId("201"), handle_seconds=45.0)
        states = [(await feed.updates.receive()).state for _ in range(2)]
    assert states == [AgentState.WRAP_UP, AgentState.READY]
    assert 45.0 <= trio.current_time() - started < 45.0 + 2 * BEAT_SECONDS


async def test_talks_that_end_at_nearly_the_same_time_end_together(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_fixed_feed() as feed:
        for agent, handle_seconds in (("201", 45.0), ("202", 45.01), ("203", 46.0)):
            feed.handed_over(AgentId(agent), handle_seconds=handle_seconds)
        told = [(await feed.updates.receive()).agent for _ in range(4)]
        assert 45.01 <= trio.current_time() < 45.01 + 2 * BEAT_SECONDS
        assert told == ["201", "201", "202", "202"]
        assert feed.state_of(AgentId("203")) is AgentState.ON_CALL
        assert (await feed.updates.receive()).agent == "203"
        # Nobody talks any more: whoever is next is told of as well.
        await trio.testing.wait_all_tasks_blocked()
        feed.handed_over(AgentId("204"), handle_seconds=1.0)
        await feed.updates.receive()
        assert (await feed.updates.receive()).agent == "204"


async def test_an_agent_who_says_so_is_ready_before_the_stated_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_fixed_feed() as feed:
        agent = AgentId("201")
        feed.handed_over(agent, handle_seconds=45.0)
        await trio.sleep(5)
        feed.call_over(agent)
        states = [(await feed.updates.receive()).state for _ in range(2)]
        assert states == [AgentState.WRAP_UP, AgentState.READY]
        assert 5.0 <= trio.current_time() < 5.0 + 2 * BEAT_SECONDS
        await trio.sleep(60)
        with pytest.raises(trio.WouldBlock):
            feed.updates.receive_nowait()
