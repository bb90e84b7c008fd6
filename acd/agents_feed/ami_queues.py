"""What Asterisk's queues can take, added up from its events: `QueueView`.

Pure: facts in, counts out; moments are seconds on trio's clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from acd.agents import Phone, QueueSeen
from acd.agents_feed.ami_view import (
    Fact,
    MemberDone,
    MemberGone,
    MemberJoined,
    MemberSeen,
    QueueWaiting,
)

_FREE = frozenset({Phone.IDLE, Phone.UNKNOWN})
"""Asterisk calls a member of unknown state too (app_queue.c, `is_member_available`)."""
_BUSY = frozenset({Phone.RINGING, Phone.IN_USE})
_OVER = frozenset({Phone.IDLE, Phone.UNAVAILABLE})
"""Of a phone on which somebody talked."""


@dataclass(slots=True)
class _Member:
    phone: Phone = Phone.UNKNOWN
    paused: bool = False
    has_person: bool = False
    person: str = ""
    """Their number, where it was told."""
    wrap_up_seconds: float = 0.0
    wraps_up_until: float = 0.0


@dataclass(slots=True)
class _Queue:
    waiting: int = 0
    members: dict[str, _Member] = field(default_factory=dict)


class QueueView:
    """Queues by what was said of them so far."""

    def __init__(self, *, wrap_up_seconds: float = 0.0) -> None:
        """Begin with none; `wrap_up_seconds` is for members who have no time of their own."""
        self._wrap_up_seconds = wrap_up_seconds
        self._queues: dict[str, _Queue] = {}
        self._told: set[str] = set()

    @property
    def names(self) -> Collection[str]:
        """Queues of which it is known how many people wait."""
        return self._told

    def take(self, fact: Fact, *, at_seconds: float) -> str:
        """The queue that a fact changes; empty: none."""
        match fact:
            case QueueWaiting(queue=queue, waiting=waiting):
                self._queue(queue).waiting = waiting
                self._told.add(queue)
            case MemberSeen(queue=queue):
                self._note(self._member(fact), fact)
            case MemberGone(queue=queue, interface=interface):
                self._queue(queue).members.pop(interface, None)
            case MemberJoined(queue=queue):
                if (member := self._known(fact)) is not None:
                    member.has_person, member.person = True, fact.person
            case MemberDone(queue=queue):
                if (member := self._known(fact)) is not None:
                    member.has_person = False
                    member.wraps_up_until = at_seconds + self.wrap_up_seconds(fact)
            case _:
                return ""
        return queue if queue in self._told else ""

    def ended_by(self, fact: Fact) -> MemberDone | None:
        """The talk that is over because the member's phone is idle again; ask before `take`.

        Asterisk begins to look for the end of a call some time after the answer (app_queue.c,
        `setup_stasis_subs`): of a member who hangs up before that it never says AgentComplete.
        """
        if not isinstance(fact, MemberSeen):
            return None
        member = self._member(fact)
        was_busy = member.has_person and member.phone in _BUSY
        if not was_busy or fact.has_person or fact.phone not in _OVER:
            return None
        return MemberDone(fact.queue, fact.interface, member.person)

    def _note(self, member: _Member, seen: MemberSeen) -> None:
        member.phone, member.paused = seen.phone, seen.paused
        member.wrap_up_seconds = seen.wrap_up_seconds
        if seen.has_person is not None:
            member.has_person = seen.has_person
        elif seen.phone in _OVER:
            # An attended transfer may take the person away without a word about the member.
            member.has_person = False

    def wrap_up_seconds(self, done: MemberDone) -> float:
        """How long this member gets nobody after a call."""
        member = self._known(done)
        return (member and member.wrap_up_seconds) or self._wrap_up_seconds

    def seen(self, queue: str, *, at_seconds: float) -> QueueSeen:
        """What a queue looks like at this moment."""
        members = self._queue(queue).members.values()
        waiting = self._queue(queue).waiting
        talking = sum(member.has_person for member in members)
        others = [each for each in members if not each.has_person and not each.paused]
        ringing = sum(member.phone is Phone.RINGING for member in others)
        free = sum(each.phone in _FREE and each.wraps_up_until <= at_seconds for each in others)
        return QueueSeen(usable=free + talking + min(ringing, waiting), persons=waiting + talking)

    def _queue(self, queue: str) -> _Queue:
        return self._queues.setdefault(queue, _Queue())

    def _member(self, fact: MemberSeen) -> _Member:
        return self._queue(fact.queue).members.setdefault(fact.interface, _Member())

    def _known(self, fact: MemberJoined | MemberDone) -> _Member | None:
        """None: removed. Asterisk tells the end of their talk all the same."""
        return self._queue(fact.queue).members.get(fact.interface)
