"""Places and agents for a roster, and what feeds say of them."""

from __future__ import annotations

from typing import Any

from acd.agents import AgentId, AgentState, AgentUpdate
from acd.dialer.places import AgentPlace, EnrolledAgent

SALES, SERVICE, SURVEY = 1, 2, 3


def place(extension: str) -> AgentPlace:
    """An agent's own phone."""
    return AgentPlace(agent=AgentId(extension), target=extension, handle_seconds=30.0)


def says(extension: str, state: AgentState) -> AgentUpdate:
    """A feed that tells states and no phones."""
    return AgentUpdate(agent=AgentId(extension), state=state)


def enrolled(extension: str, wanted: AgentState, **changes: Any) -> EnrolledAgent:
    """An agent of SQL who serves `SALES`."""
    values: dict[str, Any] = {
        "agent": AgentId(extension),
        "name": f"agent-{extension}",
        "skills": frozenset(),
        "campaigns": frozenset({SALES}),
        "wanted": wanted,
        "version": 1,
        **changes,
    }
    return EnrolledAgent(**values)
