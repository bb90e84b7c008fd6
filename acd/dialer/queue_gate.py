"""How many people a queue of the PBX can take, and whose are gone: pure.

The feed counts people and members, and cannot tell ours from others'; the roster knows how many
it has reserved or handed over. The greater of the two counts, so that a person on the way into
the queue is not forgotten, and one who has arrived is not counted twice.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, TypeVar

from acd.agents import QueueSeen

UNSEEN_SECONDS = 5.0
"""Longest that somebody who was handed over may take to be seen in the queue."""


class OnCall(Protocol):
    """A place that has a person."""

    since_seconds: float
    confirmed: bool


Place = TypeVar("Place", bound=OnCall)


@dataclass(slots=True)
class QueueGate:
    """One queue that a feed sees."""

    seen: QueueSeen

    def room(self, ours: int) -> int:
        """How many more it could take; `ours` are reserved for it or handed over to it."""
        if self.seen.persons is None:
            return 0
        return max(0, self.seen.usable - max(self.seen.persons, ours))

    def confirm(self, on_call: Collection[OnCall]) -> None:
        """Note that the people of these places were seen, if there are as many in the queue."""
        if self.seen.persons is not None and self.seen.persons >= len(on_call):
            for place in on_call:
                place.confirmed = True

    def over(self, on_call: Collection[Place], *, now_seconds: float) -> list[Place]:
        """Those of the places with a person whose person is gone, the longest on call first.

        Which one it was nobody tells: all places of a queue are alike.
        """
        self.confirm(on_call)
        if self.seen.persons is None:
            return []
        known = (
            place
            for place in on_call
            if place.confirmed or now_seconds - place.since_seconds >= UNSEEN_SECONDS
        )
        gone = max(0, len(on_call) - self.seen.persons)
        return sorted(known, key=lambda place: place.since_seconds)[:gone]
