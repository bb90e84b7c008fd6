"""Whose person a member of a queue has: `QueuePersons`.

Places of a queue are all alike, so a place does not tell whose phone rings for whom. The feed
tells the number of the person instead, and by that the person's own `Handover` is found, which
outlives the place: a place is ready again as soon as the queue has room.
"""

from __future__ import annotations

from acd.agents import PersonSeen, Phone
from acd.dialer.handover import Handover

LONGEST_SECONDS = 4 * 3600.0
"""No talk is longer; whose end was not told is forgotten then."""
TAIL_DIGITS = 8
"""As many of a number's last digits count: one side may write a prefix, the other none."""


def tail_of(number: str) -> str:
    """What two ways to write a number have in common."""
    return "".join(filter(str.isdigit, number))[-TAIL_DIGITS:]


class QueuePersons:
    """The people who are on their way to queues, or with their members; moments on trio's clock."""

    def __init__(self) -> None:
        self._following: dict[tuple[str, str], tuple[float, Handover]] = {}

    def follow(self, queue: str, handover: Handover, *, now_seconds: float) -> None:
        """Tell this handover what becomes of its person in a queue."""
        forgotten = now_seconds - LONGEST_SECONDS
        old = [key for key, (since, _) in self._following.items() if since < forgotten]
        for key in old:
            del self._following[key]
        if tail := tail_of(handover.number):
            self._following[queue, tail] = now_seconds, handover

    def drop(self, handover: Handover | None) -> None:
        """The person was lost before the queue had them."""
        for key, (_, followed) in list(self._following.items()):
            if followed is handover:
                del self._following[key]

    def take(self, queue: str, person: PersonSeen, *, now_seconds: float) -> None:
        """The feed says what the phone of a member does for one person."""
        key = queue, tail_of(person.number)
        followed = self._following.get(key)
        if followed is None:
            return
        _, handover = followed
        handover.take(person.phone, now_seconds)
        if person.phone is Phone.IDLE:
            del self._following[key]

    def lost(self, queue: str, *, now_seconds: float) -> None:
        """Nobody sees this queue any more."""
        for key in [key for key in self._following if key[0] == queue]:
            _, handover = self._following.pop(key)
            handover.take(Phone.UNKNOWN, now_seconds)
