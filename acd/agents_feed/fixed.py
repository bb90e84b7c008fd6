"""The feed for a PBX that tells nothing: an agent is busy for a stated handle time.

Whoever is given a person is taken to talk for `handle_seconds`, wrap-up included, and is
ready again after that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from heapq import heappop, heappush
from itertools import count

import trio

from acd.agents import AgentId, AgentState, AgentUpdate
from acd.beat import next_beat


class FixedFeed:
    """Fulfils `acd.agents.AgentFeed` by the clock alone.

    One task ends everybody's talks, for as long as there are any.

    Args:
        nursery: of that task.
        tell: told instead of `updates`.
    """

    def __init__(
        self, nursery: trio.Nursery, tell: Callable[[AgentUpdate], None] | None = None
    ) -> None:
        self._nursery = nursery
        self._talking: defaultdict[AgentId, set[int]] = defaultdict(set)
        """Each talk by its number."""
        self._numbers = count()
        self._ends: list[tuple[float, int, AgentId]] = []
        """A heap; a talk that was ended before its time stands in it twice."""
        self._keeping = False
        self._until_next = trio.CancelScope()
        self._send, self._receive = trio.open_memory_channel[AgentUpdate](float("inf"))
        self._tell = tell or self._send.send_nowait

    @property
    def updates(self) -> trio.MemoryReceiveChannel[AgentUpdate]:
        """States as they change, in order."""
        return self._receive

    def state_of(self, agent: AgentId) -> AgentState:
        """On a call for the handle time, else ready."""
        return AgentState.ON_CALL if self._talking.get(agent) else AgentState.READY

    def sees_phone(self, agent: AgentId) -> bool:
        """Nobody's."""
        return False

    def reason_of(self, agent: AgentId) -> str:
        """Nobody is ever not ready by the clock."""
        return ""

    def handed_over(self, agent: AgentId, *, handle_seconds: float) -> None:
        """A person was given to this agent just now."""
        talk = next(self._numbers)
        self._talking[agent].add(talk)
        self._end_at(trio.current_time() + handle_seconds, talk, agent)

    def call_over(self, agent: AgentId) -> None:
        """The agent's own word that they are done, before the stated time is."""
        for talk in self._talking.get(agent, ()):
            self._end_at(trio.current_time(), talk, agent)

    def _end_at(self, at_seconds: float, talk: int, agent: AgentId) -> None:
        heappush(self._ends, (at_seconds, talk, agent))
        if self._keeping and self._ends[0][1] == talk:
            self._until_next.deadline = next_beat(after=at_seconds)
        elif not self._keeping:
            self._keeping = True
            # For everybody: what the log knows of the first one's call is not theirs.
            Context().run(self._nursery.start_soon, self._end_talks)

    async def _end_talks(self) -> None:
        while self._ends:
            # The handle time is a guess, and each waking costs: talks end together.
            with trio.CancelScope(deadline=next_beat(after=self._ends[0][0])) as self._until_next:
                await trio.sleep_forever()
            now = trio.current_time()
            while self._ends and self._ends[0][0] <= now:
                _, talk, agent = heappop(self._ends)
                self._end(talk, agent)
        self._keeping = False

    def _end(self, talk: int, agent: AgentId) -> None:
        talks = self._talking.get(agent, set())
        if talk in talks:
            talks.discard(talk)
            for state in (AgentState.WRAP_UP, AgentState.READY):
                self._tell(AgentUpdate(agent=agent, state=state))


@asynccontextmanager
async def open_fixed_feed() -> AsyncIterator[FixedFeed]:
    """A fixed feed for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        yield FixedFeed(nursery)
        nursery.cancel_scope.cancel()
