"""Publishing an import: what is staged becomes leads, in one short transaction.

A lead's row names its import and its line: that is its first event. One event row of the
campaign tells of the whole import, instead of a million that would say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.rules.eligibility import LeadState
from acd.store import schema as t
from acd.store.events import Subject, record
from acd.store.lanes import lane_for
from acd.store.staging import staged_leads, staged_numbers


def publish(
    conn: sa.Connection,
    *,
    campaign_id: int,
    file_name: str,
    sha256: str,
    summary: Mapping[str, Any],
    now: datetime,
) -> int:
    """Copy what is staged on this connection into the tables; the new import's id."""
    import_id = int(
        conn.execute(
            sa.insert(t.imports)
            .values(
                campaign_id=campaign_id,
                file_name=file_name,
                sha256=sha256,
                summary=dict(summary),
                at=now,
            )
            .returning(t.imports.c.import_id)
        ).scalar_one()
    )
    lanes = sa.select(staged_leads.c.zones, staged_leads.c.priority).distinct()
    for zones, priority in conn.execute(lanes).all():
        lane_for(conn, campaign_id, zones, priority)
    if conn.dialect.name == "postgresql":
        _publish_on_postgres(conn, campaign_id, import_id, now)
    else:
        _publish_on_sqlite(conn, campaign_id, import_id, now)
    record(
        conn,
        at=now,
        subject=Subject.CAMPAIGN,
        subject_id=campaign_id,
        what="leads_imported",
        detail={"import": import_id, **summary},
    )
    return import_id


_LEAD_COLUMNS = (
    "campaign_id", "lane_id", "priority", "state", "next_attempt_at", "columns", "import_id",
    "source_line", "changed_at",
)  # fmt: skip
_NUMBER_COLUMNS = ("lead_id", "campaign_id", "position", "e164", "kind", "region", "zones")


def _lead_values(
    campaign_id: int, import_id: int, now: datetime, columns: sa.ColumnElement[Any]
) -> list[sa.ColumnElement[Any]]:
    """In the order of `_LEAD_COLUMNS`."""
    moment = sa.literal(now, t.UtcDateTime)
    return [
        sa.literal(campaign_id),
        t.lanes.c.lane_id,
        staged_leads.c.priority,
        sa.literal(LeadState.WAITING.value),
        moment,
        columns,
        sa.literal(import_id),
        staged_leads.c.line,
        moment,
    ]


def _in_its_lane(campaign_id: int) -> sa.FromClause:
    return staged_leads.join(
        t.lanes,
        sa.and_(
            t.lanes.c.campaign_id == campaign_id,
            t.lanes.c.zones == staged_leads.c.zones,
            t.lanes.c.priority == staged_leads.c.priority,
        ),
    )


def _number_values(lead_id: sa.ColumnElement[int], campaign_id: int) -> list[Any]:
    """In the order of `_NUMBER_COLUMNS`."""
    kept = (
        staged_numbers.c.position,
        staged_numbers.c.e164,
        staged_numbers.c.kind,
        staged_numbers.c.region,
    )
    return [lead_id, sa.literal(campaign_id), *kept, staged_numbers.c.zones]


def _publish_on_sqlite(
    conn: sa.Connection, campaign_id: int, import_id: int, now: datetime
) -> None:
    """The one writer may choose the ids: the largest so far plus the row's line."""
    largest = sa.select(sa.func.coalesce(sa.func.max(t.leads.c.lead_id), 0))
    base = int(conn.scalar(largest) or 0)
    values = _lead_values(campaign_id, import_id, now, staged_leads.c.columns)
    conn.execute(
        sa.insert(t.leads).from_select(
            ("lead_id", *_LEAD_COLUMNS),
            sa.select(base + staged_leads.c.line, *values)
            .select_from(_in_its_lane(campaign_id))
            .order_by(staged_leads.c.line),
        )
    )
    conn.execute(
        sa.insert(t.lead_numbers).from_select(
            _NUMBER_COLUMNS, sa.select(*_number_values(base + staged_numbers.c.line, campaign_id))
        )
    )


def _publish_on_postgres(
    conn: sa.Connection, campaign_id: int, import_id: int, now: datetime
) -> None:
    """The sequence gives the ids, since other campaigns import at the same time."""
    values = _lead_values(campaign_id, import_id, now, sa.cast(staged_leads.c.columns, sa.JSON))
    added = (
        sa.insert(t.leads)
        .from_select(
            _LEAD_COLUMNS,
            sa.select(*values).select_from(_in_its_lane(campaign_id)).order_by(staged_leads.c.line),
        )
        .returning(t.leads.c.lead_id, t.leads.c.source_line)
        .cte("added")
    )
    numbers = sa.select(*_number_values(added.c.lead_id, campaign_id)).join_from(
        staged_numbers, added, added.c.source_line == staged_numbers.c.line
    )
    conn.execute(sa.insert(t.lead_numbers).from_select(_NUMBER_COLUMNS, numbers))
