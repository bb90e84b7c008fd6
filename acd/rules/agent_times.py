"""How long an agent was in each state: pure, their changes in, seconds out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, pairwise

from acd.agents import AgentState

HANDLING = (AgentState.ON_CALL, AgentState.WRAP_UP)
STAFFED = (AgentState.READY, AgentState.RESERVED, *HANDLING)
"""At work. A pause is no staffed time: nobody could have had the agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """From this moment on an agent was in a state."""

    at: datetime
    state: AgentState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTimes:
    """One agent's time, in seconds."""

    seconds: Mapping[AgentState, float] = field(default_factory=dict)
    """States that the agent was in."""
    pauses: Mapping[str, float] = field(default_factory=dict)
    """The seconds in NOT_READY by reason; those without one under the empty text."""

    def in_states(self, *states: AgentState) -> float:
        """Seconds in any of these."""
        return sum(self.seconds.get(state, 0.0) for state in states)

    @property
    def occupancy(self) -> float | None:
        """Talk and wrap-up ÷ staffed time, 0 to 1; None without any staffed time."""
        staffed = self.in_states(*STAFFED)
        return self.in_states(*HANDLING) / staffed if staffed else None


def state_times(changes: Iterable[StateChange], *, since: datetime, until: datetime) -> StateTimes:
    """Add up one agent's changes, oldest first, between two moments.

    Changes before `since` say what the agent was in then; before the first one nothing is known.
    """
    seconds: defaultdict[AgentState, float] = defaultdict(float)
    pauses: defaultdict[str, float] = defaultdict(float)
    end = StateChange(at=until, state=AgentState.LOGGED_OFF)
    for change, following in pairwise(chain(changes, [end])):
        lasted = (min(following.at, until) - max(change.at, since)).total_seconds()
        if lasted <= 0:
            continue
        seconds[change.state] += lasted
        if change.state is AgentState.NOT_READY:
            pauses[change.reason] += lasted
    return StateTimes(seconds=dict(seconds), pauses=dict(pauses))
