"""Leads in SQL: claiming them for dialing, giving them back, and what eligibility looks at.

How a claim works: calling hours are asked once a lane, SQL takes waiting leads of the open
lanes whose time has come, `eligibility.judge` has the last word on each, and the UPDATE takes
only rows that are still free. On PostgreSQL the rows are locked with SKIP LOCKED, on SQLite
the one writer is the lock: two engines never claim one lead twice. A claim is a lease: when
the engine that holds it dies, it ends by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from acd.rules.callbacks import owner_of
from acd.rules.definition import FilterTable, LeadOrder
from acd.rules.dispositions import DAY
from acd.rules.eligibility import LeadSnapshot, LeadState, Rule, Verdict, judge
from acd.rules.hours import is_open
from acd.store import schema as t
from acd.store.campaigns import CampaignRow, CampaignState, campaign_by_id, dnc_listed
from acd.store.dnc import stale_lists
from acd.store.events import Subject, record_all
from acd.store.lanes import Lane, lanes_of, zones_of

LEASE = timedelta(minutes=5)
"""How long a claim holds without being dialed or renewed."""
MAX_CLAIM = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedLead:
    """A lead that this node may dial now, and nobody else."""

    lead_id: int
    campaign_id: int
    number_id: int
    e164: str
    attempt_no: int
    """1 for the first attempt."""
    columns: Mapping[str, str]
    callback_agent: str | None = None
    """The agent for whom this callback is kept now; None: anybody may have it."""
    callback_at: datetime | None = None


def claim_leads(
    conn: sa.Connection,
    *,
    campaign_id: int,
    node: str,
    limit: int,
    now: datetime,
    ready_names: Collection[str] | None = None,
) -> list[ClaimedLead]:
    """Claim up to `limit` (at most `MAX_CLAIM`) leads that may be dialed at `now`.

    Only a running campaign has any. The highest priority comes first, callbacks before all;
    then the campaign's `order`. Callbacks that are kept for an agent who is not among
    `ready_names` stay; None: whoever they are kept for is not asked.
    """
    campaign = campaign_by_id(conn, campaign_id)
    if campaign.state is not CampaignState.RUNNING or limit <= 0:
        return []
    release_expired_claims(conn, campaign_id=campaign_id, now=now)
    hours = campaign.definition.calling_hours.hours()
    open_lanes = [lane for lane in lanes_of(conn, campaign_id) if is_open(hours, lane.zones, now)]
    kept = _kept_for_others(campaign, ready_names, now)
    lead_ids = _candidates(conn, campaign, open_lanes, min(limit, MAX_CLAIM), now, kept)
    eligible = _sift(conn, campaign, lead_ids, now)
    return [
        replace(lead, callback_agent=_owner(campaign, lead, now))
        for lead in _take(conn, eligible, node, now)
    ]


def _owner(campaign: CampaignRow, lead: ClaimedLead, now: datetime) -> str | None:
    seconds = campaign.definition.callback_owner_seconds
    return owner_of(lead.callback_at, lead.callback_agent, owner_seconds=seconds, now=now)


def _kept_for_others(
    campaign: CampaignRow, ready_names: Collection[str] | None, now: datetime
) -> sa.ColumnElement[bool]:
    """SQL for `owner_of`: the lead is kept for an agent who is not ready."""
    if ready_names is None:
        return sa.false()
    kept_since = now - timedelta(seconds=campaign.definition.callback_owner_seconds)
    return sa.and_(
        t.leads.c.callback_at.is_not(None),
        t.leads.c.callback_at > kept_since,
        sa.func.coalesce(t.leads.c.callback_agent, "") != "",
        t.leads.c.callback_agent.not_in(list(ready_names)),
    )


def _candidates(
    conn: sa.Connection,
    campaign: CampaignRow,
    lanes: Sequence[Lane],
    limit: int,
    now: datetime,
    kept: sa.ColumnElement[bool],
) -> list[int]:
    """Waiting leads whose time has come, in the order in which they are to be dialed."""
    newest = campaign.definition.order is LeadOrder.NEWEST
    found: list[int] = []
    for _, alike in groupby(lanes, key=lambda lane: lane.priority):
        due = [
            pair
            for lane in alike
            for pair in _due_in(conn, campaign, lane, limit - len(found), now, kept)
        ]
        due.sort(reverse=newest)
        found.extend(lead_id for _, lead_id in due[: limit - len(found)])
        if len(found) == limit:
            break
    return found


def _due_in(
    conn: sa.Connection,
    campaign: CampaignRow,
    lane: Lane,
    limit: int,
    now: datetime,
    kept: sa.ColumnElement[bool],
) -> list[tuple[datetime, int]]:
    """(next attempt, lead) of one lane, locked where that exists."""
    newest = campaign.definition.order is LeadOrder.NEWEST
    columns = (t.leads.c.next_attempt_at, t.leads.c.lead_id)
    rows = conn.execute(
        sa.select(t.leads.c.next_attempt_at, t.leads.c.lead_id)
        .where(
            t.leads.c.lane_id == lane.lane_id,
            t.leads.c.state == sa.literal_column(f"'{LeadState.WAITING.value}'"),
            t.leads.c.next_attempt_at <= now,
            ~dnc_listed(t.leads.c.lead_id, t.leads.c.campaign_id),
            sa.not_(kept),
            *map(_passes, campaign.definition.filter),
        )
        .order_by(*(column.desc() if newest else column.asc() for column in columns))
        .limit(limit)
        .with_for_update(skip_locked=True, of=t.leads)
    )
    return [(row.next_attempt_at, row.lead_id) for row in rows]


def _passes(rule: FilterTable) -> sa.ColumnElement[bool]:
    """A filter in SQL, a little more lenient: the judge has the last word.

    SQL folds only ASCII capitals, so a value with others passes here.
    """
    value = sa.func.lower(sa.func.trim(t.leads.c.columns[rule.column].as_string()))
    wanted = [text.strip().lower() for text in (rule.one_of or rule.none_of)]
    if not all(text.isascii() for text in wanted):
        return sa.true()
    known = sa.func.coalesce(value, "")
    return known.in_(wanted) if rule.one_of else known.not_in(wanted)


def _sift(
    conn: sa.Connection, campaign: CampaignRow, lead_ids: Sequence[int], now: datetime
) -> list[int]:
    """Those whom eligibility lets go; the others are put where they belong.

    SQL and the judge differ after a changed definition: fewer attempts, a longer gap.
    """
    eligible = []
    verdicts = judge_leads(conn, campaign, lead_ids, now=now)
    for lead_id in lead_ids:
        verdict = verdicts[lead_id]
        if verdict.eligible:
            eligible.append(lead_id)
        elif verdict.dialable_at is not None:
            _put_off(conn, lead_id, verdict.dialable_at, verdict, now)
        elif any(check.rule in (Rule.ATTEMPTS, Rule.NUMBERS) for check in verdict.blocking):
            close_lead(conn, lead_id, reason=verdict.blocking[0].rule.value, now=now)
    return eligible


def _put_off(
    conn: sa.Connection, lead_id: int, until: datetime, verdict: Verdict, now: datetime
) -> None:
    conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == lead_id, t.leads.c.state == LeadState.WAITING.value)
        .values(next_attempt_at=until, changed_at=now)
    )
    record_all(
        conn,
        at=now,
        subject=Subject.LEAD,
        subject_ids=[lead_id],
        what="put_off",
        detail={
            "rules": [check.rule.value for check in verdict.blocking],
            "until": until.isoformat(),
        },
    )


def close_lead(conn: sa.Connection, lead_id: int, *, reason: str, now: datetime) -> None:
    """Close a waiting lead."""
    closed = conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == lead_id, t.leads.c.state == LeadState.WAITING.value)
        .values(state=LeadState.CLOSED.value, reason=reason, changed_at=now)
    )
    if closed.rowcount:
        record_all(
            conn,
            at=now,
            subject=Subject.LEAD,
            subject_ids=[lead_id],
            what="closed",
            detail={"reason": reason},
        )


def _take(
    conn: sa.Connection, lead_ids: Sequence[int], node: str, now: datetime
) -> list[ClaimedLead]:
    if not lead_ids:
        return []
    taken = set(
        conn.scalars(
            sa.update(t.leads)
            .where(t.leads.c.lead_id.in_(lead_ids), t.leads.c.state == LeadState.WAITING.value)
            .values(
                state=LeadState.CLAIMED.value,
                claimed_by=node,
                lease_until=now + LEASE,
                changed_at=now,
            )
            .returning(t.leads.c.lead_id)
        )
    )
    record_all(
        conn,
        at=now,
        subject=Subject.LEAD,
        subject_ids=sorted(taken),
        what="claimed",
        detail={"node": node},
    )
    found = {lead.lead_id: lead for lead in _claimed(conn, sorted(taken))}
    return [found[lead_id] for lead_id in lead_ids if lead_id in found]


def _claimed(conn: sa.Connection, lead_ids: Sequence[int]) -> list[ClaimedLead]:
    rows = conn.execute(
        sa.select(
            t.leads.c.lead_id,
            t.leads.c.campaign_id,
            t.lead_numbers.c.number_id,
            t.lead_numbers.c.e164,
            (t.leads.c.attempts + 1).label("attempt_no"),
            t.leads.c.columns,
            t.leads.c.callback_agent,
            t.leads.c.callback_at,
        )
        .join(
            t.lead_numbers,
            sa.and_(
                t.lead_numbers.c.lead_id == t.leads.c.lead_id,
                t.lead_numbers.c.position == t.leads.c.next_position,
            ),
        )
        .where(t.leads.c.lead_id.in_(lead_ids))
    )
    return [ClaimedLead(**row._asdict()) for row in rows]


def unclaim_leads(
    conn: sa.Connection, *, node: str, lead_ids: Sequence[int], now: datetime | None = None
) -> int:
    """Give claimed leads back undialed; how many this node still held.

    A lead with an open attempt stays: only the end of the attempt frees it. `now` dates the
    event rows; None: the machine's clock.
    """
    return _free(
        conn,
        sa.and_(t.leads.c.claimed_by == node, t.leads.c.lead_id.in_(lead_ids)),
        what="unclaimed",
        now=now or datetime.now(UTC),
    )


def skip_lead(
    conn: sa.Connection, *, node: str, lead_id: int, agent: str, until: datetime, now: datetime
) -> None:
    """Free a lead that this node holds, undialed; it waits until then, for everybody."""
    if not unclaim_leads(conn, node=node, lead_ids=[lead_id], now=now):
        return
    conn.execute(
        sa.update(t.leads).where(t.leads.c.lead_id == lead_id).values(next_attempt_at=until)
    )
    detail = {"agent": agent, "until": until.isoformat()}
    record_all(
        conn, at=now, subject=Subject.LEAD, subject_ids=[lead_id], what="skipped", detail=detail
    )


def renew_claims(
    conn: sa.Connection, *, node: str, lead_ids: Sequence[int], now: datetime
) -> set[int]:
    """Prolong leases; the leads that this node still holds."""
    return set(
        conn.scalars(
            sa.update(t.leads)
            .where(
                t.leads.c.lead_id.in_(lead_ids),
                t.leads.c.claimed_by == node,
                t.leads.c.state == LeadState.CLAIMED.value,
            )
            .values(lease_until=now + LEASE)
            .returning(t.leads.c.lead_id)
        )
    )


def release_expired_claims(conn: sa.Connection, *, campaign_id: int, now: datetime) -> int:
    """Free leads whose holder let the lease run out before any attempt began."""
    return _free(
        conn,
        sa.and_(t.leads.c.campaign_id == campaign_id, t.leads.c.lease_until < now),
        what="line.lease_expired",
        now=now,
    )


def release_claims_of(conn: sa.Connection, *, node: str, now: datetime) -> int:
    """Free everything that a node held and never dialed."""
    return _free(conn, t.leads.c.claimed_by == node, what="unclaimed", now=now)


def _free(conn: sa.Connection, which: sa.ColumnElement[bool], *, what: str, now: datetime) -> int:
    being_dialed = (
        sa.select(t.attempts.c.attempt_id)
        .where(t.attempts.c.lead_id == t.leads.c.lead_id, t.attempts.c.state != "closed")
        .exists()
    )
    freed = list(
        conn.scalars(
            sa.update(t.leads)
            .where(
                which,
                t.leads.c.state == sa.literal_column(f"'{LeadState.CLAIMED.value}'"),
                ~being_dialed,
            )
            .values(
                state=LeadState.WAITING.value, claimed_by=None, lease_until=None, changed_at=now
            )
            .returning(t.leads.c.lead_id)
        )
    )
    record_all(conn, at=now, subject=Subject.LEAD, subject_ids=sorted(freed), what=what)
    return len(freed)


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
    conn: sa.Connection, campaign: CampaignRow, lead_ids: Sequence[int], *, now: datetime
) -> dict[int, LeadSnapshot]:
    """Everything that eligibility looks at, for leads of one campaign."""
    dnc = campaign.definition.dnc
    stale = stale_lists(conn, dnc, campaign_id=campaign.campaign_id, today=now.date())
    times = _attempt_times(conn, lead_ids, now)
    return {
        row.lead_id: LeadSnapshot(
            state=LeadState(row.state),
            zones=zones_of(row.zones or ""),
            has_usable_number=row.dead is False,
            on_dnc=bool(row.on_dnc),
            stale_dnc_lists=stale,
            attempts=row.attempts - row.attempts_before,
            next_attempt_at=row.next_attempt_at,
            last_ended_at=times.ended.get(row.lead_id),
            recent_starts=times.recent[row.lead_id],
            last_abandoned_at=times.abandoned.get(row.lead_id),
            columns=row.columns,
            callback_at=row.callback_at,
            callback_agent=row.callback_agent,
        )
        for row in _snapshot_rows(conn, lead_ids)
    }


def _snapshot_rows(conn: sa.Connection, lead_ids: Sequence[int]) -> Sequence[sa.Row[Any]]:
    rows: Sequence[Any] = conn.execute(
        sa.select(
            t.leads.c.lead_id,
            t.leads.c.state,
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
        .where(t.leads.c.lead_id.in_(lead_ids))
    ).all()
    return rows


@dataclass(slots=True)
class _AttemptTimes:
    """By lead."""

    recent: dict[int, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """Starts within the last 24 hours."""
    ended: dict[int, datetime] = field(default_factory=dict)
    abandoned: dict[int, datetime] = field(default_factory=dict)


def _attempt_times(conn: sa.Connection, lead_ids: Sequence[int], now: datetime) -> _AttemptTimes:
    times = _AttemptTimes()
    rows = conn.execute(
        sa.select(
            t.attempts.c.lead_id,
            t.attempts.c.started_at,
            t.attempts.c.ended_at,
            t.attempts.c.abandoned,
        )
        .where(t.attempts.c.lead_id.in_(lead_ids))
        .order_by(t.attempts.c.attempt_id)
    )
    for row in rows:
        if row.started_at > now - DAY:
            times.recent[row.lead_id].append(row.started_at)
        over_at = row.ended_at or row.started_at
        times.ended[row.lead_id] = max(over_at, times.ended.get(row.lead_id, over_at))
        if row.abandoned:
            times.abandoned[row.lead_id] = over_at
    return times
