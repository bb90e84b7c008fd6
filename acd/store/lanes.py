"""Lanes: the leads of a campaign with one priority whose next number has the same time zones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from acd.store import schema as t

SEPARATOR = "|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane."""

    lane_id: int
    zones: tuple[str, ...]
    priority: int


def zones_text(zones: Sequence[str]) -> str:
    """Zones as one column."""
    return SEPARATOR.join(zones)


def zones_of(text: str) -> tuple[str, ...]:
    """`zones_text` read back."""
    return tuple(text.split(SEPARATOR)) if text else ()


_LANE = sa.select(t.lanes.c.lane_id).where(
    t.lanes.c.campaign_id == sa.bindparam("campaign"),
    t.lanes.c.zones == sa.bindparam("zones_text"),
    t.lanes.c.priority == sa.bindparam("level"),
)


def lane_for(conn: sa.Connection, campaign_id: int, zones: str, priority: int = 0) -> int:
    """The id of a lane, made where it is new."""
    wanted = {"campaign": campaign_id, "zones_text": zones, "level": priority}
    lane_id: int | None = conn.scalar(_LANE, wanted)
    if lane_id is None:
        values = {"campaign_id": campaign_id, "zones": zones, "priority": priority}
        if conn.dialect.name == "postgresql":
            # Another node may make the same lane at this moment.
            conn.execute(
                sa.dialects.postgresql.insert(t.lanes).values(values).on_conflict_do_nothing()
            )
        else:
            conn.execute(sa.insert(t.lanes).values(values))
        lane_id = conn.scalar(_LANE, wanted)
    if lane_id is None:
        raise AssertionError("a lane that was just made is not there")
    return lane_id


def lane_of_lead(
    conn: sa.Connection, lead_id: int, *, position: int, priority: int | None = None
) -> int:
    """The lane of a lead whose number at `position` is tried next; None: its own priority."""
    row = conn.execute(
        sa.select(t.leads.c.campaign_id, t.leads.c.priority, t.lead_numbers.c.zones)
        .outerjoin(
            t.lead_numbers,
            sa.and_(
                t.lead_numbers.c.lead_id == t.leads.c.lead_id,
                t.lead_numbers.c.position == position,
            ),
        )
        .where(t.leads.c.lead_id == lead_id)
    ).one()
    return lane_for(
        conn,
        row.campaign_id,
        row.zones or "",
        row.priority if priority is None else priority,
    )


_LANES = (
    sa.select(t.lanes.c.lane_id, t.lanes.c.zones, t.lanes.c.priority)
    .where(t.lanes.c.campaign_id == sa.bindparam("campaign"))
    .order_by(t.lanes.c.priority.desc(), t.lanes.c.lane_id)
)


def lanes_of(conn: sa.Connection, campaign_id: int) -> list[Lane]:
    """Every lane of a campaign, the highest priority first."""
    rows = conn.execute(_LANES, {"campaign": campaign_id})
    return [
        Lane(lane_id=row.lane_id, zones=zones_of(row.zones), priority=row.priority) for row in rows
    ]
