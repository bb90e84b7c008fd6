"""How many calls to start now: pure, a snapshot in, a number out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingSnapshot:
    """What one campaign looks like at this moment; every field is a count."""

    ready_agents: int
    """Agents of this campaign who could take a person now."""
    unanswered_calls: int
    """Calls started and not yet answered or over, leads taken for them included."""
    waiting_persons: int
    """Answered people who have no agent yet."""
    free_lines: int
    leads_at_hand: int


def calls_to_start(snapshot: PacingSnapshot) -> int:
    """Progressive: one call for each ready agent, so that whoever answers has somebody.

    Returns:
        How many calls to start now, 0 or more; never more than lines and leads allow.
    """
    without_a_call = (
        snapshot.ready_agents - snapshot.unanswered_calls - snapshot.waiting_persons
    )
    return max(0, min(without_a_call, snapshot.free_lines, snapshot.leads_at_hand))
