"""Lanes: the leads of a campaign whose next number has the same time zones."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from acd.store import schema as t

SEPARATOR = "|"


def zones_text(zones: Sequence[str]) -> str:
    """Zones as one column."""
    return SEPARATOR.join(zones)


def zones_of(text: str) -> tuple[str, ...]:
    """`zones_text` read back."""
    return tuple(text.split(SEPARATOR)) if text else ()


def lane_for(conn: sa.Connection, campaign_id: int, zones: str) -> int:
    """The id of a lane, made where it is new."""
    query: sa.Select[int] = sa.select(t.lanes.c.lane_id).where(
        t.lanes.c.campaign_id == campaign_id, t.lanes.c.zones == zones
    )
    lane_id = conn.scalar(query)
    if lane_id is None:
        values = {"campaign_id": campaign_id, "zones": zones}
        if conn.dialect.name == "postgresql":
            # Another node may make the same lane at this moment.
            conn.execute(
                sa.dialects.postgresql.insert(t.lanes).values(values).on_conflict_do_nothing()
            )
        else:
            conn.execute(sa.insert(t.lanes).values(values))
        lane_id = conn.scalar(query)
    if lane_id is None:
        raise AssertionError("a lane that was just made is not there")
    return lane_id


def lanes_of(conn: sa.Connection, campaign_id: int) -> dict[int, tuple[str, ...]]:
    """Lane id → zones."""
    rows = conn.execute(
        sa.select(t.lanes.c.lane_id, t.lanes.c.zones).where(t.lanes.c.campaign_id == campaign_id)
    )
    return {row.lane_id: zones_of(row.zones) for row in rows}
