"""How many calls to start now: pure, a snapshot in, a number out.

progressive  one call for each ready agent
ratio        k calls for each ready agent, as far as the abandon ledger allows

The ratio is reached over the ramp: with all agents ready at once, as at a start, everybody's
first call would otherwise be an over-dial, decided on figures of a day that has just begun.
When agents leave, nothing is added until the calls in flight fit again, and attempts that still
wait for a line are withdrawn. Phones that ring are left to ring (16 CFR 310.4(b)(4)(ii)), except
for progressive dialing, which promises each person an agent.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from math import ceil

from acd.frozen import frozen


@frozen(kw_only=True)
class PacingSnapshot:
    """What one campaign looks like at this moment."""

    ready_agents: int
    """Agents who could take a person now, less those whom other campaigns' calls need."""
    certain_agents: int
    """Of them: those who are left though every call of the others is answered."""
    unanswered_calls: int
    """Calls started and not yet answered or over, leads taken for them included."""
    waiting_persons: int
    """Answered people who have no agent yet."""
    queued_calls: int = 0
    """Of the unanswered: those that wait for a line."""
    free_lines: int = 0
    """Lines that the campaign could have without waiting; for whoever looks on."""
    lines_to_ask_for: int
    """How many more lines the campaign may want at this moment."""
    leads_at_hand: int
    calls_per_agent: Decimal = Decimal(1)
    """1 is progressive dialing; more is ratio dialing."""
    over_dial_room: int = 0
    """How many abandoned calls more each ledger bears whose agents they could have had."""


def calls_to_start(snapshot: PacingSnapshot) -> int:
    """How many calls to start now, 0 or more; never more than lines and leads allow.

    Calls beyond the certain agents never exceed the ledgers' headroom: should everyone of them
    be answered and abandoned, the windows would still hold. Without a ready agent nothing
    is started.
    """
    missing = _level(snapshot) - _committed(snapshot)
    return max(0, min(missing, snapshot.lines_to_ask_for, snapshot.leads_at_hand))


def calls_beyond(snapshot: PacingSnapshot) -> int:
    """How many calls there are beyond what the present agents and the ledger bear, 0 or more.

    As many of those whose INVITE has not left are withdrawn.
    """
    return max(0, _committed(snapshot) - _level(snapshot))


def each_has_an_agent(*, certain_agents: int, unanswered_calls: int, waiting_persons: int) -> bool:
    """Whether `calls_beyond` is 0 whatever the dial level and the ledgers: both only add to it."""
    return 0 < certain_agents >= unanswered_calls + waiting_persons


def calls_to_withdraw(snapshot: PacingSnapshot) -> int:
    """How many unanswered calls there are for which no ready agent is left, 0 or more.

    For progressive dialing, which promises each person an agent: people who wait are served
    first, and of the calls whose INVITE has left as many are hung up.
    """
    dialed = snapshot.unanswered_calls - snapshot.queued_calls
    return max(0, min(dialed, dialed + snapshot.waiting_persons - snapshot.ready_agents))


def agents_for(calls: int, *, calls_per_agent: Decimal, ledger_headroom: int) -> int:
    """How many ready agents so many calls need: the fewest with which they are not beyond them.

    The same bounds as of the calls that are started. A ratio that the ledger does not bear is
    none: each of its calls needs an agent, and one of another campaign must not count on them.
    """
    return max(0, ceil(calls / calls_per_agent), calls - ledger_headroom)


def _level(snapshot: PacingSnapshot) -> int:
    if snapshot.ready_agents == 0:
        return 0
    aimed_for = snapshot.ready_agents * snapshot.calls_per_agent
    allowed = snapshot.certain_agents + snapshot.over_dial_room
    return min(int(aimed_for.to_integral_value(ROUND_FLOOR)), allowed)


def _committed(snapshot: PacingSnapshot) -> int:
    return snapshot.unanswered_calls + snapshot.waiting_persons


def ramped(calls_per_agent: Decimal, *, staffed_seconds: float, ramp_seconds: float) -> Decimal:
    """The dial level after so long with agents: from 1 to `calls_per_agent` in a straight line."""
    if ramp_seconds <= 0 or staffed_seconds >= ramp_seconds:
        return calls_per_agent
    share = Decimal(max(0.0, staffed_seconds) / ramp_seconds)
    return 1 + (calls_per_agent - 1) * share


@frozen(kw_only=True)
class LineWants:
    """What one campaign has and may have of its trunk's lines."""

    attempts: int
    """Under way, those that wait for a line included."""
    queued: int
    """Attempts that wait for a line."""
    line_limit: int | None
    calls_per_second: float
    """The trunk's."""


AHEAD_SECONDS = 0.5
"""How long the attempts that wait for a line suffice at the trunk's rate."""
MIN_QUEUED = 8


def lines_to_ask_for(wants: LineWants) -> int:
    """How many more attempts may wait for a line, 0 or more.

    A few always wait, free lines or not: a campaign that asks only when a line is free would
    never be there when one comes back, and its weight would count for nothing. Not many: their
    leads are claimed, and the agents they are meant for may be gone when their turn comes.
    """
    most = max(MIN_QUEUED, int(wants.calls_per_second * AHEAD_SECONDS))
    more = most - wants.queued
    if wants.line_limit is not None:
        more = min(more, wants.line_limit - wants.attempts)
    return max(0, more)
