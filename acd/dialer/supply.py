"""Whose calls which ready agents could take, where campaigns share some of them: pure.

    campaign ──needs──▶ crews that serve it ──ready──▶ their queue ──room──▶ served

A crew's agents are alike, so a handful of numbers says what a thousand seats do. The greatest
flow through them is how many calls find an agent at once: comparing campaigns two by two lets
three of them count on the same agent (201 serves A, 202 serves A and B, 203 serves B and C, …).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

_Node = tuple[str, int | str]
_SERVED: _Node = ("served", 0)
EVERYBODY = 1_000_000
"""More calls than there are agents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Ready agents who are alike."""

    campaigns: frozenset[int]
    ready: int
    queue: str = ""
    """Of which they are places; empty: phones."""
    room: int = 0
    """How many people the queue's places together could take."""


def served(supplies: Iterable[Supply], needs: Mapping[int, int]) -> int:
    """How many of the calls would find an agent, were all answered now."""
    return Flow(supplies).serve_all(needs)


class Flow:
    """Agents as they are given to calls; L. R. Ford, D. R. Fulkerson, 1956.

    As many calls as can be are served, whatever their order: who is given an agent never takes one
    from a call that was served before, but may send it to another.
    """

    def __init__(self, supplies: Iterable[Supply]) -> None:
        self._free: dict[_Node, dict[_Node, int]] = {}
        """What may still pass from node to node."""
        for number, supply in enumerate(supplies):
            crew: _Node = ("crew", number)
            for campaign_id in supply.campaigns:
                self._join(("campaign", campaign_id), crew, supply.ready)
            if supply.queue:
                self._join(crew, ("queue", supply.queue), supply.ready)
                self._join(("queue", supply.queue), _SERVED, supply.room)
            else:
                self._join(crew, _SERVED, supply.ready)

    def copy(self) -> Flow:
        """One to go on with, while this stays as it is."""
        copied = Flow(())
        copied._free = {node: dict(ends) for node, ends in self._free.items()}
        return copied

    def _join(self, start: _Node, end: _Node, most: int) -> None:
        self._free.setdefault(start, {})[end] = most
        self._free.setdefault(end, {}).setdefault(start, 0)

    def serve_all(self, needs: Mapping[int, int]) -> int:
        """Give so many calls of each campaign agents; how many found one."""
        return sum(self.serve(campaign_id, needed) for campaign_id, needed in needs.items())

    def serve(self, campaign_id: int, calls: int = EVERYBODY) -> int:
        """Give so many calls agents; how many found one."""
        given = 0
        while given < calls and (path := self._path(("campaign", campaign_id))):
            steps = list(pairwise(path))
            width = min(calls - given, *(self._free[start][end] for start, end in steps))
            for start, end in steps:
                self._free[start][end] -= width
                self._free[end][start] += width
            given += width
        return given

    def _path(self, source: _Node) -> list[_Node]:
        """The shortest way on which something may pass; empty: there is none."""
        came_from: dict[_Node, _Node] = {source: source}
        ahead = deque([source])
        while ahead and _SERVED not in came_from:
            node = ahead.popleft()
            for following, free in self._free.get(node, {}).items():
                if free > 0 and following not in came_from:
                    came_from[following] = node
                    ahead.append(following)
        return _way_back(came_from, source) if _SERVED in came_from else []


def _way_back(came_from: Mapping[_Node, _Node], source: _Node) -> list[_Node]:
    path = [_SERVED]
    while path[-1] != source:
        path.append(came_from[path[-1]])
    return path[::-1]
