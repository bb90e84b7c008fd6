"""What an agent's phone does with the person who is on the way to it: `Handover`.

A PBX may call a transfer answered before anybody picks up (Asterisk does at the first sound that
it sends, our own last packet among them). Where a feed sees the phone, the feed's word counts;
where none does, the PBX's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from acd.agents import Phone

SIGHTING_SECONDS = 2.0
"""How long after the PBX's word a phone that it calls may take to be seen ringing: the phone's own
180 and the feed are in between. Seen on a machine with ten processes a core: 0.4 s."""


@dataclass(slots=True)
class Handover:
    """One person and one agent, from the REFER to the end of their talk; moments on trio's clock.

    The roster tells it what the feed says of the agent's phone.
    """

    on_change: Callable[[Handover], None]
    """Told whenever something is known that is worth writing down."""
    seen: bool = False
    """A feed sees this phone."""
    number: str = ""
    """Whom we called: by this a queue's feed tells people apart."""
    queued: bool = False
    """In a queue, where somebody may wait although no phone rings for them yet."""
    rang_at: float | None = None
    answered_at: float | None = None
    over_at: float | None = None
    _ringing: bool = False
    _called: trio.Event = field(default_factory=trio.Event)
    """The phone did something, or nobody sees it any more."""
    _answered: trio.Event = field(default_factory=trio.Event)
    _rung: trio.Event = field(default_factory=trio.Event)
    """It rang, and does so no more."""

    def take(self, phone: Phone, at_seconds: float) -> None:
        """The feed says that the phone does this now."""
        self._ringing = phone is Phone.RINGING
        if phone is not Phone.IDLE:
            self._called.set()
        if self.rang_at is not None and not self._ringing:
            self._rung.set()
        match phone:
            case Phone.RINGING if self.rang_at is None:
                self.rang_at = at_seconds
            case Phone.IN_USE if self.answered_at is None:
                self.answered_at = at_seconds
                self._answered.set()
            case Phone.IDLE | Phone.UNAVAILABLE if self._is_news:
                self.over_at = at_seconds
            case _:
                return  # a lost feed among them: the end of the talk is then never known
        self.on_change(self)

    @property
    def _is_news(self) -> bool:
        return self.answered_at is not None and self.over_at is None

    @property
    def joined_at(self) -> float | None:
        """When the agent had the person, beyond doubt: their phone rang for them and was picked up.

        A PBX may report such a transfer as failed when the talk is over, or not at all before:
        Asterisk, where the agent says nothing, waits for a sound towards the person.
        """
        return None if self.rang_at is None else self.answered_at

    @property
    def missed(self) -> bool:
        """A feed sees the phone, and by now nobody has picked up, nor does it ring."""
        tells = self.seen and not self.queued
        return tells and self.answered_at is None and not self._ringing

    @property
    def talk_seconds(self) -> float | None:
        """From the agent's answer to their hanging up."""
        if self.answered_at is None or self.over_at is None:
            return None
        return self.over_at - self.answered_at

    async def wait_answer(self, *, told_at: float, until_seconds: float) -> float | None:
        """When the agent answered, of a transfer that the PBX called answered at `told_at`.

        None: their phone still rang at `until_seconds`. A phone that neither rang nor was picked
        up is not where the person is: the PBX has sent them on, and its word is all there is.
        """
        await self._wait_called(min(told_at + SIGHTING_SECONDS, until_seconds))
        if self._ringing and self.answered_at is None:
            with trio.move_on_at(until_seconds):
                await self._answered.wait()
            return self.answered_at
        return told_at if self.answered_at is None else self.answered_at

    async def wait_settled(self, *, over_at: float, until_seconds: float) -> float | None:
        """When the agent answered, of a transfer that a BYE at `over_at` left unconfirmed.

        None: nobody did, or nobody can tell. A PBX that has done what it was asked looks the same
        as a person who has hung up; only in the first case is the phone picked up.
        """
        await self._wait_called(over_at + SIGHTING_SECONDS)
        if self._ringing:
            with trio.move_on_at(until_seconds):
                await self._rung.wait()
        return self.answered_at

    async def _wait_called(self, until_seconds: float) -> None:
        if self.seen:
            with trio.move_on_at(until_seconds):
                await self._called.wait()
