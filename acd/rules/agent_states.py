"""How an agent gets from one state that people choose to another, along the agent table."""

from __future__ import annotations

from acd.agents import AgentState

RESTING = (AgentState.LOGGED_OFF, AgentState.NOT_READY, AgentState.READY)
"""What a person may ask for, each a step from its neighbours; the others are the engine's."""


def resting_steps(present: AgentState, wanted: AgentState) -> tuple[AgentState, ...]:
    """The states to go through, `wanted` last; none where the agent is there or has a person."""
    if present not in RESTING:
        return ()
    here, there = RESTING.index(present), RESTING.index(wanted)
    if here <= there:
        return RESTING[here + 1 : there + 1]
    return tuple(reversed(RESTING[there:here]))
