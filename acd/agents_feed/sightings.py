"""What one feed sees, on its way to the merged feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from acd.agents import AgentId, FeedName, PersonSeen, Phone, QueueSeen, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One agent, as one feed sees them now."""

    agent: AgentId
    phone: Phone | None = None
    """None: this feed cannot see phones."""
    word: Word = Word.NONE
    reason: str = ""


NO_QUEUES: Mapping[str, QueueSeen] = MappingProxyType({})


class Listener(Protocol):
    """Told by feeds; everything returns at once."""

    def feed_up(
        self,
        feed: FeedName,
        sightings: Iterable[Sighting],
        queues: Mapping[str, QueueSeen] = NO_QUEUES,
    ) -> None:
        """The feed works from now on, and this is everybody, and every queue, that it knows."""
        ...

    def feed_down(self, feed: FeedName, why: str) -> None:
        """The feed is lost: nothing is known about its agents."""
        ...

    def saw(self, feed: FeedName, sighting: Sighting) -> None:
        """One agent has changed."""
        ...

    def saw_person(self, queue: str, person: PersonSeen) -> None:
        """A member's phone has done something for one of a queue's people, or somebody hung up.

        Of whoever has hung up no queue is told: it is empty.
        """
        ...

    def saw_queue(self, queue: str, seen: QueueSeen) -> None:
        """One queue has changed."""
        ...
