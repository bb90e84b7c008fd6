"""Counting for reports: everything comes from the attempts' rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from acd.rules.dispositions import Disposition
from acd.rules.ledger import LedgerCounts
from acd.store import schema as t


def leads_by_state(conn: sa.Connection, campaign_id: int) -> dict[str, int]:
    """Lead state → leads."""
    return _counted(
        conn,
        sa.select(t.leads.c.state, sa.func.count())
        .where(t.leads.c.campaign_id == campaign_id)
        .group_by(t.leads.c.state),
    )


def closed_leads_by_reason(conn: sa.Connection, campaign_id: int) -> dict[str, int]:
    """Why closed leads are closed → leads."""
    return _counted(
        conn,
        sa.select(t.leads.c.reason, sa.func.count())
        .where(t.leads.c.campaign_id == campaign_id, t.leads.c.state == "closed")
        .group_by(t.leads.c.reason),
    )


def attempts_by_disposition(conn: sa.Connection, campaign_id: int) -> dict[str, int]:
    """Disposition → closed attempts; open ones under `open`."""
    name = sa.func.coalesce(t.attempts.c.disposition, "open")
    return _counted(
        conn,
        sa.select(name, sa.func.count())
        .where(t.attempts.c.campaign_id == campaign_id)
        .group_by(name),
    )


def transfers_by_result(conn: sa.Connection, campaign_id: int) -> dict[str, int]:
    """Transfer result → attempts."""
    return _counted(
        conn,
        sa.select(t.attempts.c.transfer_result, sa.func.count())
        .where(t.attempts.c.campaign_id == campaign_id, t.attempts.c.transfer_result.is_not(None))
        .group_by(t.attempts.c.transfer_result),
    )


def overflows_by_result(conn: sa.Connection, campaign_id: int, target: str) -> dict[str, int]:
    """Transfer result → attempts whose person was last referred to `target`."""
    return _counted(
        conn,
        sa.select(t.attempts.c.transfer_result, sa.func.count())
        .where(t.attempts.c.campaign_id == campaign_id, t.attempts.c.transfer_target == target)
        .group_by(t.attempts.c.transfer_result),
    )


def ring_seconds(conn: sa.Connection, campaign_id: int) -> Sequence[float]:
    """Ring times, ascending."""
    return _ascending(conn, t.attempts.c.ring_seconds, campaign_id)


def wait_seconds(conn: sa.Connection, campaign_id: int) -> Sequence[float]:
    """Waits from the answer to the agent, ascending."""
    return _ascending(conn, t.attempts.c.wait_seconds, campaign_id)


def talk_seconds(conn: sa.Connection, campaign_id: int) -> Sequence[float]:
    """Talk times that a feed has told, ascending."""
    return _ascending(conn, t.attempts.c.talk_seconds, campaign_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignCounts:
    """What /metrics asks SQL about one campaign, of one moment."""

    leads: Mapping[str, int]
    """By lead state."""
    closed_lately: int
    """Leads closed among those dialed in the window."""
    first_attempt_at: datetime | None
    """In the window."""


def campaign_counts(conn: sa.Connection, *, campaign_id: int, since: datetime) -> CampaignCounts:
    """Leads by state, and the speed from `since`."""
    closed = sa.case((t.leads.c.state == "closed", t.attempts.c.lead_id))
    row = conn.execute(
        sa.select(sa.func.count(closed.distinct()), sa.func.min(t.attempts.c.started_at))
        .join_from(t.attempts, t.leads, t.leads.c.lead_id == t.attempts.c.lead_id)
        .where(t.attempts.c.campaign_id == campaign_id, t.attempts.c.started_at >= since)
    ).one()
    return CampaignCounts(
        leads=leads_by_state(conn, campaign_id),
        closed_lately=row[0],
        first_attempt_at=row[1],
    )


def _ascending(conn: sa.Connection, column: sa.Column[float], campaign_id: int) -> Sequence[float]:
    return conn.scalars(
        sa.select(column)
        .where(t.attempts.c.campaign_id == campaign_id, column.is_not(None))
        .order_by(column)
    ).all()


def _counted(conn: sa.Connection, query: sa.Select[str, int]) -> dict[str, int]:
    return {str(row[0]): int(row[1]) for row in conn.execute(query)}


def _no_machine() -> sa.ColumnElement[bool]:
    """SQL: no agent has said that a machine answered; an abandoned call counts all the same."""
    disposition = sa.func.coalesce(t.attempts.c.disposition, "")
    return sa.or_(t.attempts.c.abandoned, disposition != Disposition.MACHINE.value)


_REACHED = sa.and_(t.attempts.c.transferred_at.is_not(None), _no_machine())
# Each campaign that over-dials asks once a second: building it costs more than asking.
_LEDGER = sa.select(
    sa.func.count(sa.case((sa.or_(t.attempts.c.abandoned, _REACHED), 1))),
    sa.func.count(sa.case((t.attempts.c.abandoned, 1))),
)


def ledger_counts(
    conn: sa.Connection,
    *,
    campaign_id: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> LedgerCounts:
    """Live answers and abandoned calls of attempts begun at `since` or later, before `until`.

    None leaves that side open. A live answer reached an agent who did not say that it was a
    machine, or was abandoned; who hung up before that counts for neither.
    """
    query = _LEDGER.where(t.attempts.c.campaign_id == campaign_id)
    if since is not None:
        query = query.where(t.attempts.c.started_at >= since)
    if until is not None:
        query = query.where(t.attempts.c.started_at < until)
    row = conn.execute(query).one()
    return LedgerCounts(live_answers=row[0], abandoned=row[1])
