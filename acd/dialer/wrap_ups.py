"""Who still writes after a call, and until when: `WrapUps`; moments on trio's clock."""

from __future__ import annotations

from math import inf

import trio

from acd.agents import AgentId


class WrapUps:
    """The agents whose wrap-up time runs."""

    def __init__(self) -> None:
        self._until: dict[AgentId, float] = {}
        self._changed = trio.Event()

    def begin(self, agent: AgentId, *, until_seconds: float) -> None:
        """Their time runs until then."""
        self._until[agent] = until_seconds
        self._notice()

    def end(self, agent: AgentId) -> float:
        """It runs no more; the seconds that were left of it."""
        left = self._until.pop(agent, 0.0) - trio.current_time()
        self._notice()
        return max(0.0, left)

    def until(self, agent: AgentId) -> float | None:
        """When it is over; None: it does not run."""
        return self._until.get(agent)

    async def wait_due(self) -> AgentId:
        """The next agent whose time is over."""
        while True:
            due = min(self._until.values(), default=inf)
            with trio.move_on_at(due) as waiting:
                await self._changed.wait()
            if waiting.cancelled_caught:
                return min(self._until, key=self._until.__getitem__)

    def _notice(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
