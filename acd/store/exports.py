"""Reading leads for a file, in order and without keeping many in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.store import schema as t


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedLead:
    """Everything about a lead that a file can hold."""

    lead_id: int
    state: str
    reason: str
    attempts: int
    next_attempt_at: datetime
    numbers: Sequence[str]
    columns: Mapping[str, str]


def exported_columns(conn: sa.Connection, campaign_id: int) -> list[str]:
    """Names of the leads' columns, in the order in which they first appear."""
    names: dict[str, None] = {}
    query = sa.select(t.leads.c.columns).where(t.leads.c.campaign_id == campaign_id)
    in_order = query.order_by(t.leads.c.lead_id).execution_options(yield_per=1000)
    for columns in conn.scalars(in_order):
        names.update(dict.fromkeys(columns))
    return list(names)


def exported_leads(conn: sa.Connection, campaign_id: int) -> Iterator[ExportedLead]:
    """Every lead of a campaign."""
    pairs = (
        sa.select(t.leads, t.lead_numbers.c.e164)
        .outerjoin(t.lead_numbers, t.lead_numbers.c.lead_id == t.leads.c.lead_id)
        .where(t.leads.c.campaign_id == campaign_id)
        .order_by(t.leads.c.lead_id, t.lead_numbers.c.position)
        .execution_options(yield_per=1000)
    )
    lead: sa.Row[Any] | None = None
    numbers: list[str] = []
    for row in conn.execute(pairs):
        if lead is not None and row.lead_id != lead.lead_id:
            yield _exported(lead, numbers)
            numbers = []
        lead = row
        if row.e164 is not None:
            numbers.append(row.e164)
    if lead is not None:
        yield _exported(lead, numbers)


def _exported(row: sa.Row[Any], numbers: Sequence[str]) -> ExportedLead:
    return ExportedLead(
        lead_id=row.lead_id,
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        numbers=tuple(numbers),
        columns=row.columns,
    )
