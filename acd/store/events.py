"""The event log: one row for every change of a lead, an attempt, an agent, a campaign, a list.

A lead that an import adds has none of its own: its row is its first event. An attempt's event
that names its lead stands for both. Prolonging a lease, and keeping what a BYE would need, are no
change.
`detail` holds no phone numbers, so the log survives the erasure of a lead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from acd.store.schema import events


class Subject(StrEnum):
    """What changed."""

    CAMPAIGN = "campaign"
    LEAD = "lead"
    ATTEMPT = "attempt"
    AGENT = "agent"
    DNC_LIST = "dnc_list"
    NODE = "node"


def record(
    conn: sa.Connection,
    *,
    at: datetime,
    subject: Subject,
    subject_id: int | str,
    what: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one event."""
    record_all(conn, at=at, subject=subject, subject_ids=[subject_id], what=what, detail=detail)


def record_all(
    conn: sa.Connection,
    *,
    at: datetime,
    subject: Subject,
    subject_ids: Iterable[int | str],
    what: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write the same event for each subject."""
    rows = [
        {
            "at": at,
            "subject": subject.value,
            "subject_id": str(subject_id),
            "what": what,
            "detail": dict(detail or {}),
        }
        for subject_id in subject_ids
    ]
    if rows:
        conn.execute(sa.insert(events), rows)


def events_of(conn: sa.Connection, subject: Subject, subject_id: int | str) -> list[sa.Row[Any]]:
    """Rows (at, what, detail), oldest first."""
    return list(
        conn.execute(
            sa.select(events.c.at, events.c.what, events.c.detail)
            .where(events.c.subject == subject.value, events.c.subject_id == str(subject_id))
            .order_by(events.c.event_id)
        )
    )
