"""What happened to each person and at each agent's phone, read from the wire beside the PBX.

    stories = read_stories(wire.sip(), carrier=HERE.carrier, phones=phones)
    stories["+49302312500101"].wait_seconds

Nothing of it comes from the engine. A number's call is known by the number in the INVITE that the
carrier gets, and an agent's by the number that the PBX shows as the caller. Retransmissions are
no messages of their own here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.peers.wire import SipMessage


@dataclass(slots=True)
class Offer:
    """One INVITE to an agent's phone, for one person."""

    agent: str
    """The extension."""
    number: str
    at_seconds: float
    answered_at: float | None = None
    refused_at: float | None = None
    """The phone's last word, where it was not picked up."""
    over_at: float | None = None
    """The first BYE or CANCEL."""

    @property
    def free_at(self) -> float:
        """When the phone had nobody any more; for ever busy where the wire shows no end."""
        ends = [end for end in (self.over_at, self.refused_at) if end is not None]
        return min(ends, default=float("inf"))


@dataclass(slots=True)
class Story:
    """One number, from the engine's INVITE to the end of the person's call."""

    number: str
    calls: set[str] = field(default_factory=set)
    """Call-IDs at the carrier."""
    dialed_at: float = float("inf")
    """The engine's INVITE."""
    refused: int | None = None
    """The carrier's last word, where nobody picked up."""
    refused_at: float = float("inf")
    answered_at: float | None = None
    refers: int = 0
    """How often the PBX took it on to find an agent."""
    offers: list[Offer] = field(default_factory=list)
    over_at: float | None = None
    """The first BYE of the person's call."""
    hung_up: bool = False
    """That BYE is the person's own."""

    @property
    def joined(self) -> Offer | None:
        """The agent who picked up."""
        picked_up = [offer for offer in self.offers if offer.answered_at is not None]
        assert len(picked_up) <= 1, f"two agents for {self.number}: {picked_up}"
        return picked_up[0] if picked_up else None

    @property
    def wait_seconds(self) -> float | None:
        """From the person's 200 to the agent's."""
        joined = self.joined
        if joined is None or joined.answered_at is None or self.answered_at is None:
            return None
        return joined.answered_at - self.answered_at

    @property
    def alone_until(self) -> float:
        """When an agent picked up, or the call ended without one; for ever where neither was."""
        ends = [self.joined.answered_at if self.joined else None, self.over_at]
        return min((end for end in ends if end is not None), default=float("inf"))

    def in_flight(self, at_seconds: float, *, limit_seconds: float) -> bool:
        """Whether an agent is needed for them at this moment, or may come to be.

        Once a phone was called for them it is the agent who is not free.
        """
        settled_at = self.refused_at
        if self.answered_at is not None:
            called = (offer.at_seconds for offer in self.offers)
            settled_at = min(self.alone_until, self.answered_at + limit_seconds, *called)
        return self.dialed_at <= at_seconds < settled_at


def read_stories(
    messages: Sequence[SipMessage], *, carrier: str, phones: Iterable[str]
) -> dict[str, Story]:
    """Number → its story.

    Args:
        messages: in the order of the wire, all that the PBX sent and got.
        carrier: its address.
        phones: the addresses of the agents' phones.
    """
    reader = _Reader(carrier, frozenset(phones))
    for message in messages:
        reader.take(message)
    return reader.stories


class _Reader:
    def __init__(self, carrier: str, phones: frozenset[str]) -> None:
        self.stories: dict[str, Story] = {}
        self._carrier = carrier
        self._phones = phones
        self._dialed: dict[str, Story] = {}
        self._people: dict[str, Story] = {}
        self._offers: dict[str, Offer] = {}
        self._referred: set[tuple[str, str]] = set()

    def take(self, message: SipMessage) -> None:
        ends = message.source[0], message.destination[0]
        if self._carrier in ends:
            self._at_carrier(message)
        elif self._phones.intersection(ends):
            self._at_phone(message)
        else:
            self._at_engine(message)

    def _story(self, number: str) -> Story:
        return self.stories.setdefault(number, Story(number))

    def _at_engine(self, message: SipMessage) -> None:
        if message.method == "INVITE" and (number := _user(message.request_uri)).startswith("+"):
            story = self._dialed.setdefault(message.call_id, self._story(number))
            story.dialed_at = min(story.dialed_at, message.at_seconds)
        story_there = self._dialed.get(message.call_id)
        asked = message.call_id, message.get("cseq")
        if story_there and message.status == 202 and asked not in self._referred:
            self._referred.add(asked)
            story_there.refers += 1

    def _at_carrier(self, message: SipMessage) -> None:
        if message.method == "INVITE":
            story = self._story(_user(message.request_uri))
            story.calls.add(message.call_id)
            self._people.setdefault(message.call_id, story)
        story_there = self._people.get(message.call_id)
        if story_there is None:
            return
        status = message.status or 0
        if message.method == "BYE" and story_there.over_at is None:
            story_there.over_at = message.at_seconds
            story_there.hung_up = message.source[0] == self._carrier
        elif message.cseq_method == "INVITE" and status == 200:
            story_there.answered_at = story_there.answered_at or message.at_seconds
        elif message.cseq_method == "INVITE" and status >= 300 and story_there.refused is None:
            story_there.refused, story_there.refused_at = status, message.at_seconds

    def _at_phone(self, message: SipMessage) -> None:
        if message.method == "INVITE" and message.call_id not in self._offers:
            number = _user(message.get("from"))
            offer = Offer(_user(message.request_uri), number, message.at_seconds)
            self._offers[message.call_id] = offer
            self._story(number).offers.append(offer)
        offer_there = self._offers.get(message.call_id)
        if offer_there is None:
            return
        status = message.status or 0
        if message.method in ("BYE", "CANCEL"):
            offer_there.over_at = offer_there.over_at or message.at_seconds
        elif message.cseq_method == "INVITE" and status == 200:
            offer_there.answered_at = offer_there.answered_at or message.at_seconds
        elif message.cseq_method == "INVITE" and status >= 300:
            offer_there.refused_at = offer_there.refused_at or message.at_seconds


def _user(text: str) -> str:
    found = re.search(r"sips?:([^@>;]*)@", text)
    return found[1] if found else ""


def offers_by_agent(stories: Mapping[str, Story]) -> dict[str, list[Offer]]:
    """Extension → everybody whom the phone was called for, in order."""
    found: dict[str, list[Offer]] = {}
    for story in stories.values():
        for offer in story.offers:
            found.setdefault(offer.agent, []).append(offer)
    for offers in found.values():
        offers.sort(key=lambda offer: offer.at_seconds)
    return found


def assert_one_person_at_a_time(stories: Mapping[str, Story]) -> None:
    """No phone was called for anybody before the one before was gone."""
    for offers in offers_by_agent(stories).values():
        for before, after in pairwise(offers):
            assert before.free_at < after.at_seconds, (before, after)
