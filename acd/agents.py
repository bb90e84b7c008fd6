"""Agents: their states as a table, and where their states come from (`AgentFeed`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NewType, Protocol

import trio

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
        AgentState.NOT_READY: frozenset({AgentState.LOGGED_OFF, AgentState.READY}),
        AgentState.READY: frozenset({AgentState.NOT_READY, AgentState.RESERVED}),
        # Back to ready when the person is lost before the agent's phone was answered.
        AgentState.RESERVED: frozenset({AgentState.READY, AgentState.ON_CALL}),
        AgentState.ON_CALL: frozenset({AgentState.WRAP_UP}),
        AgentState.WRAP_UP: frozenset({AgentState.READY, AgentState.NOT_READY}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentUpdate:
    """A feed says that an agent is now in a state."""

    agent: AgentId
    state: AgentState


class AgentFeed(Protocol):
    """Tells what agents do once a blind transfer has taken our own leg away."""

    @property
    def updates(self) -> trio.MemoryReceiveChannel[AgentUpdate]:
        """States as they change, in order."""
        ...

    def handed_over(self, agent: AgentId, *, handle_seconds: float) -> None:
        """The engine's word that a person was given to this agent just now.

        Args:
            agent: who has the person.
            handle_seconds: stated talk and wrap-up time, for feeds that cannot see the phone.
        """
        ...
