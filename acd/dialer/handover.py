"""What an agent's phone does with the person who is on the way to it: `Handover`.

A PBX may call a transfer answered before anybody picks up (Asterisk does at the first sound that
it sends, our own last packet among them). Where a feed sees the phone, the feed's word counts;
where none does, the PBX's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from acd.agents import AgentId, PersonSeen, Phone

SIGHTING_SECONDS = 2.0
"""How long after the PBX's word a phone that it calls may take to be seen ringing: the phone's own
180 and the feed are in between. Seen on a machine with ten processes a core: 0.4 s."""


@dataclass(slots=True)
class Handover:
    """One person and one agent, from the REFER to the end of their talk; moments on trio's clock.

    The roster tells it what the feed says of the agent's phone, and of the members of a queue: the
    person was sent to one, or was sent on there because the agent's phone was not picked up.
    """

    on_change: Callable[[Handover], None]
    """Told whenever something is known that is worth writing down."""
    seen: bool = False
    """A feed sees this phone."""
    number: str = ""
    """Whom we called: by this a queue's feed tells people apart."""
    queue: str = ""
    """Where the person is sent; empty: to an agent's phone."""
    agent: AgentId | None = None
    """Whose phone it is; of a queue's members who was called last, or has the person."""
    rang_at: float | None = None
    answered_at: float | None = None
    over_at: float | None = None
    hung_up_at: float | None = None
    """When the person was seen to hang up by themselves, and no agent had them."""
    picked_up_at: float | None = None
    """When the phone was seen in use: later than `answered_at`, if the feed was lost meanwhile."""
    _offered_to: AgentId | None = field(init=False)
    _in_queue: bool = False
    """Members of a queue are called for this person."""
    _waits: bool = False
    """They were seen to come into a queue."""
    _rings: dict[AgentId | None, float] = field(default_factory=dict)
    _phone: Phone = Phone.IDLE
    _lost: bool = False
    """Whether it was picked up nobody saw."""
    _over: bool = False
    _called: trio.Event = field(default_factory=trio.Event)
    """The phone did something, or nobody sees it any more."""
    _answered: trio.Event = field(default_factory=trio.Event)
    _gone: trio.Event = field(default_factory=trio.Event)
    """The person has hung up."""
    _rung: trio.Event = field(default_factory=trio.Event)
    """It rang, and does so no more."""

    def __post_init__(self) -> None:
        """Whom the person was sent to is known from the beginning."""
        self._offered_to = self.agent

    def take(self, phone: Phone, at_seconds: float) -> None:
        """The feed says that the agent's phone does this now."""
        if not self._in_queue:
            self._take(phone, at_seconds)

    def take_member(self, person: PersonSeen, at_seconds: float) -> None:
        """The feed says what the phone of a queue's member does for this person."""
        if self.picked_up_at is not None and not self._in_queue:
            return
        rings = person.phone is Phone.RINGING
        if rings:
            self._rings.setdefault(person.agent, at_seconds)
        theirs = rings or person.phone is Phone.IN_USE
        another = not self._in_queue or person.agent != self.agent
        if theirs and another and self.picked_up_at is None:
            self.agent, self.rang_at = person.agent, self._rings.get(person.agent)
            self._in_queue = True
            self.on_change(self)
        self._take(person.phone, at_seconds)

    def wait_in_queue(self) -> None:
        """The feed says that the person has come into a queue, whose members it sees."""
        if self.picked_up_at is None:
            self._waits = True
            self._called.set()

    def hang_up(self, at_seconds: float) -> None:
        """The feed says that the person has hung up."""
        if self.picked_up_at is None:
            self.hung_up_at = at_seconds
            self._called.set()
            self._answered.set()
            self._gone.set()

    def _take(self, phone: Phone, at_seconds: float) -> None:
        was_lost = self._phone is Phone.UNKNOWN
        self._phone = phone
        if phone is not Phone.IDLE:
            self._called.set()
        if self.rang_at is not None and phone is not Phone.RINGING:
            self._rung.set()
        match phone:
            case Phone.RINGING if self.rang_at is None and self.picked_up_at is None:
                self.rang_at = at_seconds
            case Phone.IN_USE if self.picked_up_at is None:
                self.picked_up_at = at_seconds
                # Else it was before that, nobody knows when.
                self.answered_at = None if was_lost else at_seconds
                self._answered.set()
            case Phone.IDLE | Phone.UNAVAILABLE if self.picked_up_at is not None and not self._over:
                self._over = True
                self.over_at = None if was_lost else at_seconds
            case Phone.UNKNOWN:
                self._lost = self._lost or self.picked_up_at is None
                return
            case _:
                return
        self.on_change(self)

    @property
    def sent_on(self) -> bool:
        """The agent's phone was not picked up, and a queue of the PBX calls somebody else.

        An agent whose extension is a queue of the PBX's, or who is called by one once more, has
        the person all the same.
        """
        return self._in_queue and not self.queue and self.agent != self._offered_to

    @property
    def unheard(self) -> bool:
        """The phone rang, and was surely not picked up so far."""
        return self.rang_at is not None and self.picked_up_at is None and not self._lost

    @property
    def waits(self) -> bool:
        """The person is in a queue of the PBX's, and nobody was seen to pick up."""
        return self._waits and self.picked_up_at is None and not self._lost

    @property
    def joined_at(self) -> float | None:
        """When the agent had the person, beyond doubt: their phone rang for them and was picked up.

        A PBX may report such a transfer as failed when the talk is over, or not at all before:
        Asterisk, where the agent says nothing, waits for a sound towards the person.
        """
        return self.picked_up_at if self._in_queue or self.rang_at is not None else None

    @property
    def missed(self) -> bool:
        """A feed sees the phone, and by now nobody has picked up, nor does it ring.

        Or there is nobody any more to pick up for.
        """
        if self.hung_up_at is not None:
            return True
        elsewhere = bool(self.queue) or self._in_queue or self._waits
        untold = elsewhere or self._rings_now
        return self.seen and not untold and self.picked_up_at is None

    @property
    def talk_seconds(self) -> float | None:
        """From the agent's answer to their hanging up."""
        if self.answered_at is None or self.over_at is None:
            return None
        return self.over_at - self.answered_at

    @property
    def _rings_now(self) -> bool:
        return self._phone is Phone.RINGING

    @property
    def _is_kept_waiting(self) -> bool:
        """What a queue plays is called an answer, too, where it can be heard."""
        return self._waits and self._phone is not Phone.UNKNOWN

    async def wait_answer(self, *, told_at: float, until_seconds: float) -> float | None:
        """When the agent answered, of a transfer that the PBX called answered at `told_at`.

        None: their phone still rang at `until_seconds`, or the person was in a queue by then of
        which no member had picked up, or has hung up (`hung_up_at`). A phone that neither rang nor
        was picked up is not where the person is: the PBX has sent them on, and its word is all
        there is.
        """
        await self._wait_called(min(told_at + SIGHTING_SECONDS, until_seconds))
        if self.hung_up_at is not None:
            return None
        if (self._rings_now or self._is_kept_waiting) and self.picked_up_at is None:
            with trio.move_on_at(until_seconds):
                await self._answered.wait()
            return self.picked_up_at
        return told_at if self.picked_up_at is None else self.picked_up_at

    async def wait_settled(self, *, over_at: float, until_seconds: float) -> float | None:
        """When the agent answered, of a transfer that a BYE at `over_at` left unconfirmed.

        None: nobody did, or nobody can tell. A PBX that has done what it was asked looks the same
        as a person who has hung up; only in the first case is the phone picked up.
        """
        await self._wait_called(over_at + SIGHTING_SECONDS)
        if self._rings_now:
            with trio.move_on_at(until_seconds):
                await self._rung.wait()
        return self.picked_up_at

    async def wait_hang_up(self, *, told_at: float, until_seconds: float) -> None:
        """Wait for the feed's word on why a transfer failed at `told_at`.

        A PBX that has lost the person says the same as one that found no agent.
        """
        if self.seen:
            with trio.move_on_at(min(told_at + SIGHTING_SECONDS, until_seconds)):
                await self._gone.wait()

    async def _wait_called(self, until_seconds: float) -> None:
        if self.seen:
            with trio.move_on_at(until_seconds):
                await self._called.wait()
