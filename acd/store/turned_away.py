"""A claimed lead whose number the door did not let through: the next number, or the end.

Given back as it is it would be claimed again at once, ahead of all others, for ever. Numbers take
turns as after an attempt, so one that was dialed before the refused one has its turn again; once
the door has refused all of them since the last attempt, the lead is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.rules.eligibility import LeadState
from acd.store import schema as t
from acd.store.events import Subject, record
from acd.store.lanes import lane_of_lead
from acd.store.leads import ClaimedLead

DESTINATION_REFUSED = "destination_refused"
"""The reason of a lead that is closed because none of its numbers may be dialed."""


def turn_away(
    conn: sa.Connection, *, node: str, lead: ClaimedLead, rule: str, now: datetime
) -> None:
    """Free a lead that this node holds for its next number; without one it is closed.

    The number is not dead: what the door lets through may be changed, and the lead be reset.

    Args:
        conn: in a transaction; what happens twice has the effect of once.
        node: this engine.
        lead: as it was claimed; nothing is done if it is no longer about this number.
        rule: the door's.
        now: dates the event row.
    """
    held = conn.execute(
        sa.select(
            t.lanes.c.priority,
            t.lead_numbers.c.position,
            t.leads.c.attempts,
            t.leads.c.attempts_before,
        )
        .join_from(t.leads, t.lanes, t.lanes.c.lane_id == t.leads.c.lane_id)
        .join(
            t.lead_numbers,
            sa.and_(
                t.lead_numbers.c.lead_id == t.leads.c.lead_id,
                t.lead_numbers.c.position == t.leads.c.next_position,
            ),
        )
        .where(
            t.leads.c.lead_id == lead.lead_id,
            t.leads.c.state == LeadState.CLAIMED.value,
            t.leads.c.claimed_by == node,
            t.lead_numbers.c.number_id == lead.number_id,
        )
        .with_for_update(of=t.leads)
    ).first()
    if held is None:
        return
    dialed = _last_dialed(conn, lead.lead_id) if held.attempts > held.attempts_before else None
    position = _next_position(conn, lead.lead_id, refused=held.position, dialed=dialed)
    state = LeadState.CLOSED if position is None else LeadState.WAITING
    values: dict[str, Any] = {"callback_at": None, "callback_agent": None}
    if position is not None:
        lane = lane_of_lead(conn, lead.lead_id, position=position, priority=held.priority)
        values = {"next_position": position, "lane_id": lane}
    conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == lead.lead_id)
        .values(
            state=state.value,
            reason=DESTINATION_REFUSED,
            claimed_by=None,
            lease_until=None,
            changed_at=now,
            **values,
        )
    )
    record(
        conn,
        at=now,
        subject=Subject.LEAD,
        subject_id=lead.lead_id,
        what=state.value,
        detail={"reason": DESTINATION_REFUSED, "rule": rule},
    )


def _next_position(
    conn: sa.Connection, lead_id: int, *, refused: int, dialed: int | None
) -> int | None:
    """Whose turn it is after the refused number; None: it has come round to where it began."""
    alive = conn.scalars(
        sa.select(t.lead_numbers.c.position)
        .where(t.lead_numbers.c.lead_id == lead_id, ~t.lead_numbers.c.dead)
        .order_by(t.lead_numbers.c.position)
    ).all()
    began_at = alive[0] if dialed is None else _after(dialed, alive)
    following = _after(refused, alive)
    return None if following == began_at else following


def _after(position: int, alive: Sequence[int]) -> int:
    """The next place, or the first again: as `acd.rules.dispositions.decide_retry` has it."""
    return next((each for each in alive if each > position), alive[0])


def _last_dialed(conn: sa.Connection, lead_id: int) -> int | None:
    return conn.scalar(
        sa.select(t.lead_numbers.c.position)
        .join(t.attempts, t.attempts.c.number_id == t.lead_numbers.c.number_id)
        .where(t.attempts.c.lead_id == lead_id)
        .order_by(t.attempts.c.attempt_no.desc())
        .limit(1)
    )
