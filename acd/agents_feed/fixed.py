"""The feed for a PBX that tells nothing: an agent is busy for a stated handle time.

Whoever is given a person is taken to talk for `handle_seconds`, wrap-up included, and is
ready again after that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from acd.agents import AgentId, AgentState, AgentUpdate


class FixedFeed:
    """Fulfils `acd.agents.AgentFeed` by the clock alone."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._talking: Counter[AgentId] = Counter()
        self._send, self._receive = trio.open_memory_channel[AgentUpdate](float("inf"))

    @property
    def updates(self) -> trio.MemoryReceiveChannel[AgentUpdate]:
        """States as they change, in order."""
        return self._receive

    def state_of(self, agent: AgentId) -> AgentState:
        """On a call for the handle time, else ready."""
        return AgentState.ON_CALL if self._talking[agent] else AgentState.READY

    def handed_over(self, agent: AgentId, *, handle_seconds: float) -> None:
        """A person was given to this agent just now."""
        self._talking[agent] += 1
        self._nursery.start_soon(self._talk, agent, handle_seconds)

    async def _talk(self, agent: AgentId, handle_seconds: float) -> None:
        await trio.sleep(handle_seconds)
        self._talking[agent] -= 1
        for state in (AgentState.WRAP_UP, AgentState.READY):
            self._send.send_nowait(AgentUpdate(agent=agent, state=state))


@asynccontextmanager
async def open_fixed_feed() -> AsyncIterator[FixedFeed]:
    """A fixed feed for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        yield FixedFeed(nursery)
        nursery.cancel_scope.cancel()
