"""Agents: their states as a table, and where their states come from (`AgentFeed`)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import NewType, Protocol

import trio

from acd.frozen import frozen

AgentId = NewType("AgentId", str)


class AgentState(StrEnum):
    """What an agent is doing."""

    LOGGED_OFF = "logged_off"
    NOT_READY = "not_ready"
    READY = "ready"
    RESERVED = "reserved"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"


AGENT_TRANSITIONS: Mapping[AgentState, frozenset[AgentState]] = MappingProxyType(
    {
        AgentState.LOGGED_OFF: frozenset({AgentState.NOT_READY}),
        # To a call from anywhere: an agent may phone somebody, or be phoned, at any time.
        AgentState.NOT_READY: frozenset(
            {AgentState.LOGGED_OFF, AgentState.READY, AgentState.ON_CALL}
        ),
        # To wrap-up: an agent whose last call is over may still have to write.
        AgentState.READY: frozenset(
            {AgentState.NOT_READY, AgentState.RESERVED, AgentState.ON_CALL, AgentState.WRAP_UP}
        ),
        # Back to ready when the person is lost before the agent's phone was answered.
        AgentState.RESERVED: frozenset(
            {AgentState.READY, AgentState.NOT_READY, AgentState.ON_CALL}
        ),
        AgentState.ON_CALL: frozenset({AgentState.WRAP_UP}),
        AgentState.WRAP_UP: frozenset({AgentState.READY, AgentState.NOT_READY, AgentState.ON_CALL}),
    }
)


@cache
def steps(start: AgentState, end: AgentState) -> tuple[AgentState, ...]:
    """The shortest way along `AGENT_TRANSITIONS`, `end` included; nothing where they are one.

    No way leads through RESERVED: only the engine reserves.
    """
    ways: list[tuple[AgentState, ...]] = [()]
    seen = {start}
    for way in ways:
        here = way[-1] if way else start
        if here is end:
            return way
        for state in AgentState:
            through = state is not AgentState.RESERVED or state is end
            if state in AGENT_TRANSITIONS[here] and state not in seen and through:
                seen.add(state)
                ways.append((*way, state))
    raise AssertionError(f"no way from {start} to {end}")


class Phone(StrEnum):
    """What an agent's phone does, as a PBX tells it."""

    UNKNOWN = "unknown"
    """Its feed is lost, or has not told yet."""
    UNAVAILABLE = "unavailable"
    """Not registered, or unplugged."""
    IDLE = "idle"
    RINGING = "ringing"
    IN_USE = "in_use"


class Word(StrEnum):
    """What an agent has said, on a desktop or to the PBX."""

    NONE = "none"
    """Nothing: the phone alone decides."""
    READY = "ready"
    NOT_READY = "not_ready"
    WRAP_UP = "wrap_up"
    """Still busy with the last call."""
    LOGGED_OFF = "logged_off"


_WILLING: Mapping[Phone, AgentState] = MappingProxyType(
    {
        Phone.UNKNOWN: AgentState.NOT_READY,
        Phone.UNAVAILABLE: AgentState.LOGGED_OFF,
        Phone.IDLE: AgentState.READY,
        # Somebody else's call, or ours, which the roster knows: it has reserved the agent.
        Phone.RINGING: AgentState.NOT_READY,
        Phone.IN_USE: AgentState.ON_CALL,
    }
)
AGENT_STATES: Mapping[Word, Mapping[Phone, AgentState]] = MappingProxyType(
    {
        Word.NONE: _WILLING,
        Word.READY: _WILLING,
        Word.NOT_READY: {**_WILLING, Phone.IDLE: AgentState.NOT_READY},
        Word.WRAP_UP: {
            **_WILLING,
            Phone.IDLE: AgentState.WRAP_UP,
            Phone.RINGING: AgentState.WRAP_UP,
        },
        Word.LOGGED_OFF: {**dict.fromkeys(Phone, AgentState.LOGGED_OFF)},
    }
)
"""What somebody who has said this, with a phone that does that, is for the dialer."""


class FeedName(StrEnum):
    """Where states come from."""

    HTTP = "http"
    AMI = "ami"
    DIALOG_INFO = "dialog_info"
    FIXED = "fixed"


PHONE_FEEDS = (FeedName.AMI, FeedName.DIALOG_INFO)
"""Who is asked first about a phone; agents whom none of them knows are told by FIXED."""
WORD_FEEDS = (FeedName.HTTP, FeedName.AMI)
"""Who is asked first about the agent's own word."""


@frozen(kw_only=True)
class QueueSeen:
    """A queue of the PBX, as a feed sees it."""

    usable: int
    """Members who are free, or have a person of this queue or their ringing phone."""
    persons: int | None
    """People who wait in it or talk to its members; None: nobody knows, the feed is lost."""


@frozen(kw_only=True)
class PersonSeen:
    """One person of a queue, or on the way to an agent's phone, as a feed sees them."""

    number: str
    """Whom the PBX called; its way to write it."""
    phone: Phone
    """What the phone of the member whom the queue calls for them does: it rings, is in use, or is
    idle when the talk is over."""
    agent: AgentId | None = None
    """Whose phone that is; None: the feed cannot tell."""
    waits: bool = False
    """They have just come into the queue, and no member has them; `phone` says nothing then."""
    hung_up: bool = False
    """They have hung up by themselves, wherever they were; `phone` says nothing then."""


def queue_of_place(agent: AgentId) -> str:
    """The queue of which this is a place ("sales" of "sales#1"); empty for a phone."""
    return agent.rpartition("#")[0]


@frozen(kw_only=True)
class AgentUpdate:
    """A feed says that an agent is now in a state."""

    agent: AgentId
    state: AgentState
    phone: Phone | None = None
    """What the phone does; None where the feed cannot see it."""
    reason: str = ""
    """Why somebody is not ready, in the PBX's or their own words."""
    wrapped_up: bool = False
    """They have said just now that they are done with their last person."""
    queue: QueueSeen | None = None
    """Set where `agent` is no agent but the name of a queue."""
    person: PersonSeen | None = None
    """The same, and the news is of one of its people; the name is empty where it is of no queue."""


class AgentFeed(Protocol):
    """Tells what agents do once a blind transfer has taken our own leg away."""

    @property
    def updates(self) -> trio.MemoryReceiveChannel[AgentUpdate]:
        """States as they change, in order."""
        ...

    def state_of(self, agent: AgentId) -> AgentState:
        """The present state, also of an agent of whom nothing was told yet."""
        ...

    def sees_phone(self, agent: AgentId) -> bool:
        """Whether what the phone does is told, now or once a feed that is lost is back."""
        ...

    def reason_of(self, agent: AgentId) -> str:
        """Why an agent is not ready, in the PBX's or their own words; empty: nobody knows."""
        ...

    def handed_over(self, agent: AgentId, *, handle_seconds: float) -> None:
        """The engine's word that a person was given to this agent just now.

        Args:
            agent: who has the person.
            handle_seconds: stated talk and wrap-up time, for feeds that cannot see the phone.
        """
        ...
