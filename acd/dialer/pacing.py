"""How many calls to start now: pure, a snapshot in, a number out.

progressive  one call for each ready agent
ratio        k calls for each ready agent, as far as the abandon ledger allows
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingSnapshot:
    """What one campaign looks like at this moment."""

    ready_agents: int
    """Agents of this campaign who could take a person now."""
    unanswered_calls: int
    """Calls started and not yet answered or over, leads taken for them included."""
    waiting_persons: int
    """Answered people who have no agent yet."""
    free_lines: int
    leads_at_hand: int
    calls_per_agent: Decimal = Decimal(1)
    """1 is progressive dialing; more is ratio dialing."""
    ledger_headroom: int = 0
    """How many more abandoned calls the campaign's window could bear."""


def calls_to_start(snapshot: PacingSnapshot) -> int:
    """How many calls to start now, 0 or more; never more than lines and leads allow.

    Calls beyond the ready agents never exceed the ledger's headroom: should everyone of them
    be answered and abandoned, the window would still hold. Without a ready agent nothing
    is started.
    """
    if snapshot.ready_agents == 0:
        return 0
    committed = snapshot.unanswered_calls + snapshot.waiting_persons
    aimed_for = snapshot.ready_agents * snapshot.calls_per_agent
    allowed = snapshot.ready_agents + snapshot.ledger_headroom
    level = min(int(aimed_for.to_integral_value(ROUND_FLOOR)), allowed)
    return max(0, min(level - committed, snapshot.free_lines, snapshot.leads_at_hand))
