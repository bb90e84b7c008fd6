"""The feed for a PBX that tells nothing: an agent is busy for a stated handle time.

Whoever is given a person is taken to talk for `handle_seconds`, wrap-up included, and is
ready again after that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from acd.agents import AgentId, AgentState, AgentUpdate


class FixedFeed:
    """Fulfils `acd.agents.AgentFeed` by the clock alone."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._talking: defaultdict[AgentId, set[trio.CancelScope]] = defaultdict(set)
        self._send, self._receive = trio.open_memory_channel[AgentUpdate](float("inf"))

    @property
    def updates(self) -> trio.MemoryReceiveChannel[AgentUpdate]:
        """States as they change, in order."""
        return self._receive

    def state_of(self, agent: AgentId) -> AgentState:
        """On a call for the handle time, else ready."""
        return AgentState.ON_CALL if self._talking[agent] else AgentState.READY

    def sees_phone(self, agent: AgentId) -> bool:
        """Nobody's."""
        return False

    def reason_of(self, agent: AgentId) -> str:
        """Nobody is ever not ready by the clock."""
        return ""

    def handed_over(self, agent: AgentId, *, handle_seconds: float) -> None:
        """A person was given to this agent just now."""
        scope = trio.move_on_after(handle_seconds)
        self._talking[agent].add(scope)
        self._nursery.start_soon(self._talk, agent, scope)

    def call_over(self, agent: AgentId) -> None:
        """The agent's own word that they are done, before the stated time is."""
        for scope in self._talking[agent]:
            scope.cancel()

    async def _talk(self, agent: AgentId, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep_forever()
        self._talking[agent].discard(scope)
        for state in (AgentState.WRAP_UP, AgentState.READY):
            self._send.send_nowait(AgentUpdate(agent=agent, state=state))


@asynccontextmanager
async def open_fixed_feed() -> AsyncIterator[FixedFeed]:
    """A fixed feed for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        yield FixedFeed(nursery)
        nursery.cancel_scope.cancel()
