from __future__ import annotations

from acd.agents import AGENT_TRANSITIONS, AgentState


def test_every_agent_state_has_a_row_and_is_reached() -> None:
    assert set(AGENT_TRANSITIONS) == set(AgentState)
    assert set().union(*AGENT_TRANSITIONS.values()) == set(AgentState)


def test_only_a_ready_agent_can_be_reserved() -> None:
    sources = {state for state, row in AGENT_TRANSITIONS.items() if AgentState.RESERVED in row}
    assert sources == {AgentState.READY}
