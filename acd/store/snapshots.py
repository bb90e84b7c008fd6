"""What eligibility looks at, read for many leads at once, and what it says about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from acd.clock import local_day
from acd.rules.dispositions import DAY
from acd.rules.eligibility import LeadSnapshot, LeadState, Verdict, judge
from acd.store import schema as t
from acd.store.abandoned import last_abandoned_elsewhere
from acd.store.among import among
from acd.store.campaigns import CampaignRow, dnc_listed
from acd.store.dnc import stale_lists
from acd.store.lanes import zones_of

_LEADS = (
    sa.select(
        t.leads.c.lead_id,
        t.leads.c.state,
        t.leads.c.reason,
        t.leads.c.attempts,
        t.leads.c.attempts_before,
        t.leads.c.next_attempt_at,
        t.leads.c.columns,
        t.leads.c.callback_at,
        t.leads.c.callback_agent,
        t.lead_numbers.c.zones,
        t.lead_numbers.c.dead,
        dnc_listed(t.leads.c.lead_id, t.leads.c.campaign_id).label("on_dnc"),
    )
    .outerjoin(
        t.lead_numbers,
        sa.and_(
            t.lead_numbers.c.lead_id == t.leads.c.lead_id,
            t.lead_numbers.c.position == t.leads.c.next_position,
        ),
    )
    .where(among(t.leads.c.lead_id, "lead_ids"))
)
_ATTEMPTS = (
    sa.select(
        t.attempts.c.lead_id,
        t.attempts.c.started_at,
        t.attempts.c.ended_at,
        t.attempts.c.abandoned,
    )
    .where(among(t.attempts.c.lead_id, "lead_ids"))
    .order_by(t.attempts.c.attempt_id)
)


def judge_leads(
    conn: sa.Connection, campaign: CampaignRow, lead_ids: Sequence[int], *, now: datetime
) -> dict[int, Verdict]:
    """What eligibility says about each lead."""
    snapshots = lead_snapshots(conn, campaign, lead_ids, now=now)
    return {
        lead_id: judge(snapshot, campaign.definition, now)
        for lead_id, snapshot in snapshots.items()
    }


def lead_snapshots(
    conn: sa.Connection,
    campaign: CampaignRow,
    lead_ids: Sequence[int],
    *,
    now: datetime,
    state: LeadState | None = None,
) -> dict[int, LeadSnapshot]:
    """Everything that eligibility looks at, for leads of one campaign.

    Args:
        conn: in a transaction.
        campaign: theirs.
        lead_ids: which.
        now: what the last 24 hours are counted back from.
        state: taken for theirs; None: as it is.
    """
    if not lead_ids:
        return {}
    dnc = campaign.definition.dnc
    stale = stale_lists(conn, dnc, campaign_id=campaign.campaign_id, today=local_day(now))
    rows = conn.execute(_LEADS, {"lead_ids": list(lead_ids)}).all()
    # Whoever was never dialed has no attempts to ask for: nearly all of a young campaign.
    times = _attempt_times(conn, [row.lead_id for row in rows if row.attempts], now)
    elsewhere = last_abandoned_elsewhere(conn, campaign.campaign_id, lead_ids)
    return {
        row.lead_id: LeadSnapshot(
            state=state or LeadState(row.state),
            reason=row.reason,
            zones=zones_of(row.zones or ""),
            has_usable_number=row.dead is False,
            on_dnc=bool(row.on_dnc),
            stale_dnc_lists=stale,
            attempts=row.attempts - row.attempts_before,
            next_attempt_at=row.next_attempt_at,
            last_ended_at=times.ended.get(row.lead_id),
            recent_starts=times.recent[row.lead_id],
            last_abandoned_at=_later(times.abandoned.get(row.lead_id), elsewhere.get(row.lead_id)),
            columns=row.columns,
            callback_at=row.callback_at,
            callback_agent=row.callback_agent,
        )
        for row in rows
    }


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


@dataclass(slots=True)
class _AttemptTimes:
    """By lead."""

    recent: dict[int, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """Starts within the last 24 hours."""
    ended: dict[int, datetime] = field(default_factory=dict)
    abandoned: dict[int, datetime] = field(default_factory=dict)


def _attempt_times(conn: sa.Connection, lead_ids: Sequence[int], now: datetime) -> _AttemptTimes:
    times = _AttemptTimes()
    rows = conn.execute(_ATTEMPTS, {"lead_ids": list(lead_ids)}) if lead_ids else ()
    for row in rows:
        if row.started_at > now - DAY:
            times.recent[row.lead_id].append(row.started_at)
        over_at = row.ended_at or row.started_at
        times.ended[row.lead_id] = max(over_at, times.ended.get(row.lead_id, over_at))
        if row.abandoned:
            times.abandoned[row.lead_id] = over_at
    return times
