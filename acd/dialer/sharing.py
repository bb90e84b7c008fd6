"""Whose calls which ready agents could take, where campaigns share some of them: pure.

    campaign ──needs──▶ crews that serve it ──ready──▶ their queue ──room──▶ served

A crew's agents are alike, so a handful of numbers says what a thousand seats do. The greatest
flow through them is how many calls find an agent at once: comparing campaigns two by two lets
three of them count on the same agent (201 serves A, 202 serves A and B, 203 serves B and C, …).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

_Node = tuple[str, int | str]
_SERVED: _Node = ("served", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Ready agents who are alike."""

    campaigns: frozenset[int]
    ready: int
    queue: str = ""
    """Of which they are places; empty: phones."""
    room: int = 0
    """How many people the queue's places together could take."""


def left_over(supplies: Iterable[Supply], needs: Mapping[int, int], campaign_id: int) -> int:
    """How many agents one campaign could have when the calls of the others have theirs.

    As many of those as can be are served by agents whom this campaign has no use for.
    """
    flow = _Flow(supplies)
    for other, needed in needs.items():
        if other != campaign_id:
            flow.serve(other, needed)
    return flow.serve(campaign_id, flow.ready)


def served(supplies: Iterable[Supply], needs: Mapping[int, int]) -> int:
    """How many of the calls would find an agent, were all answered now."""
    flow = _Flow(supplies)
    return sum(flow.serve(campaign_id, needed) for campaign_id, needed in needs.items())


@dataclass(slots=True)
class _Flow:
    """What may still pass from node to node; L. R. Ford, D. R. Fulkerson, 1956."""

    supplies: Iterable[Supply]
    ready: int = 0
    _free: dict[_Node, dict[_Node, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, supply in enumerate(self.supplies):
            crew: _Node = ("crew", number)
            for campaign_id in supply.campaigns:
                self._join(("campaign", campaign_id), crew, supply.ready)
            if supply.queue:
                self._join(crew, ("queue", supply.queue), supply.ready)
                self._join(("queue", supply.queue), _SERVED, supply.room)
            else:
                self._join(crew, _SERVED, supply.ready)
            self.ready += supply.ready

    def _join(self, start: _Node, end: _Node, most: int) -> None:
        self._free.setdefault(start, {})[end] = most
        self._free.setdefault(end, {}).setdefault(start, 0)

    def serve(self, campaign_id: int, calls: int) -> int:
        """Give so many calls agents, without taking any from those served before."""
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
