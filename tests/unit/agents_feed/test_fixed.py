from __future__ import annotations

import pytest
import trio
import trio.testing

from acd.agents import AgentId, AgentState
from acd.agents_feed.fixed import open_fixed_feed


async def test_an_agent_is_ready_again_after_the_stated_handle_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_fixed_feed() as feed:
        started = trio.current_time()
        feed.handed_over(AgentId("201"), handle_seconds=45.0)
        states = [(await feed.updates.receive()).state for _ in range(2)]
    assert states == [AgentState.WRAP_UP, AgentState.READY]
    assert trio.current_time() - started == pytest.approx(45.0)
