"""The event log: one row for every change of a lead, an attempt, an agent, a campaign, a list.

A lead that an import adds has none of its own: its row is its first event. An attempt's event
that names its lead stands for both. Prolonging a lease, and keeping what a BYE would need, are no
change.
`detail` holds no phone numbers, so the log survives the erasure of a lead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from acd.store.each import execute_each
from acd.store.schema import attempts, campaigns, events


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
    journal = Journal()
    for subject_id in subject_ids:
        journal.note(at=at, subject=subject, subject_id=subject_id, what=what, detail=detail)
    journal.write(conn)


@dataclass(slots=True)
class Journal:
    """Events of one transaction, in their order, written with one statement at its end."""

    _rows: list[dict[str, Any]] = field(default_factory=list)

    def note(
        self,
        *,
        at: datetime,
        subject: Subject,
        subject_id: int | str,
        what: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one event."""
        self._rows.append(
            {
                "at": at,
                "subject": str(subject),
                "subject_id": str(subject_id),
                "what": what,
                "detail": dict(detail or {}),
            }
        )

    def write(self, conn: sa.Connection) -> None:
        """Write what was noted; nothing is left to write then."""
        rows, self._rows = self._rows, []
        execute_each(conn, _INSERT, rows)


_INSERT = sa.insert(events)


def events_of(conn: sa.Connection, subject: Subject, subject_id: int | str) -> list[sa.Row[Any]]:
    """Rows (at, what, detail), oldest first."""
    return list(
        conn.execute(
            sa.select(events.c.at, events.c.what, events.c.detail)
            .where(events.c.subject == subject.value, events.c.subject_id == str(subject_id))
            .order_by(events.c.event_id)
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One event, and for those of an attempt whose call it is."""

    event_id: int
    at: datetime
    subject: Subject
    subject_id: str
    what: str
    detail: Mapping[str, Any]
    campaign: str = ""
    lead_id: int | None = None
    agent: str = ""
    """The extension that had the person last."""


def last_event_id(conn: sa.Connection) -> int:
    """The newest event's id; 0 where nothing has happened yet."""
    return conn.scalar(sa.select(sa.func.max(events.c.event_id))) or 0


def changes_after(
    conn: sa.Connection, event_id: int, *, also: Collection[int] = (), limit: int
) -> list[Change]:
    """Events beyond this id, and those of `also`, oldest first, at most `limit`."""
    wanted = events.c.event_id > event_id
    rows = conn.execute(
        sa.select(events)
        .where(sa.or_(wanted, events.c.event_id.in_(also)) if also else wanted)
        .order_by(events.c.event_id)
        .limit(limit)
    ).all()
    calls = _calls(conn, {int(row.subject_id) for row in rows if row.subject == Subject.ATTEMPT})
    names = _names(conn, {int(row.subject_id) for row in rows if row.subject == Subject.CAMPAIGN})
    return [_change(row, calls.get(row.subject_id), names) for row in rows]


def _change(row: sa.Row[Any], call: Any, names: Mapping[str, str]) -> Change:
    of = call if row.subject == Subject.ATTEMPT else None
    campaign = _of(row, names) if of is None else of.campaign or ""
    return Change(
        event_id=row.event_id,
        at=row.at,
        subject=Subject(row.subject),
        subject_id=row.subject_id,
        what=row.what,
        detail=row.detail,
        campaign=campaign,
        lead_id=None if of is None else of.lead_id,
        agent="" if of is None else of.agent or "",
    )


def _of(row: sa.Row[Any], names: Mapping[str, str]) -> str:
    return names.get(row.subject_id, "") if row.subject == Subject.CAMPAIGN else ""


def _names(conn: sa.Connection, campaign_ids: Collection[int]) -> dict[str, str]:
    query = sa.select(campaigns.c.campaign_id, campaigns.c.name).where(
        campaigns.c.campaign_id.in_(campaign_ids)
    )
    return {str(row[0]): row[1] for row in conn.execute(query)} if campaign_ids else {}


def _calls(conn: sa.Connection, attempt_ids: Collection[int]) -> dict[str, Any]:
    query = (
        sa.select(
            attempts.c.attempt_id,
            attempts.c.lead_id,
            attempts.c.agent,
            campaigns.c.name.label("campaign"),
        )
        .outerjoin(campaigns, attempts.c.campaign_id == campaigns.c.campaign_id)
        .where(attempts.c.attempt_id.in_(attempt_ids))
    )
    return {str(row.attempt_id): row for row in conn.execute(query)} if attempt_ids else {}
