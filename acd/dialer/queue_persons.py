"""Whose person a member of a queue has: `QueuePersons`.

Places of a queue are all alike, so a place does not tell whose phone rings for whom. The feed
tells the number of the person instead, and by that the person's own `Handover` is found, which
outlives the place: a place is ready again as soon as the queue has room. People who were sent to
an agent's phone are followed too, in whatever queue a dialplan puts them when it is not picked up.
Whoever hangs up is known by the number alone, wherever they are.
"""

from __future__ import annotations

from acd.agents import PersonSeen, Phone
from acd.dialer.handover import Handover

LONGEST_SECONDS = 4 * 3600.0
"""No talk is longer; whose end was not told is forgotten then."""
SENT_ON_SECONDS = 300.0
"""No phone rings longer: whoever of an agent's people comes to a queue later has called there."""
TAIL_DIGITS = 8
"""As many of a number's last digits count: one side may write a prefix, the other none."""

_Key = tuple[str, str]
"""A queue, empty for an agent's phone, and the tail of a number."""


def tail_of(number: str) -> str:
    """What two ways to write a number have in common."""
    return "".join(filter(str.isdigit, number))[-TAIL_DIGITS:]


class QueuePersons:
    """The people who are on their way to agents, or with a queue's members; trio's clock."""

    def __init__(self) -> None:
        # Both in the order of their moments.
        self._following: dict[_Key, tuple[float, Handover]] = {}
        self._sent_on: dict[_Key, tuple[float, Handover]] = {}
        self._on_the_way: dict[_Key, tuple[float, Handover]] = {}
        """Whom no agent was seen to have; no queue in the key."""

    def follow(self, handover: Handover, *, now_seconds: float) -> None:
        """Tell this handover what becomes of its person in a queue."""
        _forget(self._following, before_seconds=now_seconds - LONGEST_SECONDS)
        _forget(self._sent_on, before_seconds=now_seconds - SENT_ON_SECONDS)
        _forget(self._on_the_way, before_seconds=now_seconds - SENT_ON_SECONDS)
        key = _key_of(handover)
        if key[1]:
            self._on_the_way.pop(("", key[1]), None)
            self._on_the_way["", key[1]] = now_seconds, handover
            following = self._following if handover.queue else self._sent_on
            following.pop(key, None)
            following[key] = now_seconds, handover

    def drop(self, handover: Handover | None) -> None:
        """The person was lost, or is with the agent to whose phone they were sent."""
        if handover is None:
            return
        for following in (self._following, self._sent_on):
            if following.get(_key_of(handover), (0.0, None))[1] is handover:
                del following[_key_of(handover)]

    def take(self, queue: str, person: PersonSeen, *, now_seconds: float) -> None:
        """The feed says what the phone of a member does for one person, or that they hung up."""
        tail = tail_of(person.number)
        if person.hung_up:
            _, gone = self._on_the_way.pop(("", tail), (0.0, None))
            if gone is not None:
                gone.hang_up(now_seconds)
            return
        self._catch(queue, tail, now_seconds)
        followed = self._following.get((queue, tail))
        if followed is None:
            return
        _, handover = followed
        if person.waits:
            handover.wait_in_queue()
            return
        handover.take_member(person, now_seconds)
        if person.phone is Phone.IDLE:
            del self._following[queue, tail]

    def _catch(self, queue: str, tail: str, now_seconds: float) -> None:
        """Whoever was sent to a phone and is in this queue now is followed there from now on."""
        since, handover = self._sent_on.pop(("", tail), (0.0, None))
        if handover is not None and now_seconds - since < SENT_ON_SECONDS:
            self._following.pop((queue, tail), None)
            self._following[queue, tail] = now_seconds, handover

    def lost(self, queue: str, *, now_seconds: float) -> None:
        """Nobody sees this queue any more."""
        for key in [key for key in self._following if key[0] == queue]:
            _, handover = self._following.pop(key)
            unknown = PersonSeen(number=handover.number, phone=Phone.UNKNOWN)
            handover.take_member(unknown, now_seconds)


def _key_of(handover: Handover) -> _Key:
    return handover.queue, tail_of(handover.number)


def _forget(following: dict[_Key, tuple[float, Handover]], *, before_seconds: float) -> None:
    while following:
        key = next(iter(following))
        if following[key][0] >= before_seconds:
            return
        del following[key]
