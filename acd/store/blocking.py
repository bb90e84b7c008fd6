"""How many leads of a campaign each rule keeps from being dialed at this moment.

A lead counts once, under the first rule that blocks it. Leads without attempts, nearly all of a
young campaign, are counted by SQL a lane at a time; the others, and whoever another campaign has
abandoned, are asked one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from acd.clock import local_day
from acd.rules.eligibility import LeadSnapshot, LeadState, Verdict, judge
from acd.store import schema as t
from acd.store.abandoned import abandoned_elsewhere
from acd.store.campaigns import CampaignRow, dnc_listed
from acd.store.dnc import stale_lists
from acd.store.lanes import lanes_of
from acd.store.snapshots import judge_leads

DIALABLE = "dialable"
_AT_A_TIME = 1000


def leads_by_blocking_rule(
    conn: sa.Connection, campaign: CampaignRow, now: datetime
) -> Mapping[str, int]:
    """Rule id → leads; `dialable` for those that may go, else the state of those not waiting."""
    counted = _not_waiting(conn, campaign)
    alike = not campaign.definition.filter
    if alike:
        counted += _fresh_by_lane(conn, campaign, now)
    counted += _judged(conn, campaign, now, only_tried=alike)
    return dict(sorted(counted.items()))


def _not_waiting(conn: sa.Connection, campaign: CampaignRow) -> Counter[str]:
    rows = conn.execute(
        sa.select(t.leads.c.state, sa.func.count())
        .where(
            t.leads.c.campaign_id == campaign.campaign_id,
            t.leads.c.state != LeadState.WAITING.value,
        )
        .group_by(t.leads.c.state)
    )
    return Counter({str(row[0]): int(row[1]) for row in rows})


def _fresh_by_lane(conn: sa.Connection, campaign: CampaignRow, now: datetime) -> Counter[str]:
    """Waiting leads without attempts and callbacks: alike but for their lane, lists and time."""
    table = campaign.definition.dnc
    stale = stale_lists(conn, table, campaign_id=campaign.campaign_id, today=local_day(now))
    zones = {lane.lane_id: lane.zones for lane in lanes_of(conn, campaign.campaign_id)}
    listed = dnc_listed(t.leads.c.lead_id, t.leads.c.campaign_id).label("listed")
    groups = (
        sa.select(t.leads.c.lane_id, listed, t.leads.c.next_attempt_at)
        .where(
            t.leads.c.campaign_id == campaign.campaign_id,
            t.leads.c.state == LeadState.WAITING.value,
            ~_told_apart(campaign, now),
        )
        .subquery()
    )
    early = groups.c.next_attempt_at > now
    rows = conn.execute(
        sa.select(
            groups.c.lane_id,
            groups.c.listed,
            sa.func.min(groups.c.next_attempt_at).label("next"),
            sa.func.count().label("leads"),
        ).group_by(groups.c.lane_id, groups.c.listed, early)
    )
    counted: Counter[str] = Counter()
    for row in rows:
        lead = LeadSnapshot(
            state=LeadState.WAITING,
            zones=zones[row.lane_id],
            has_usable_number=True,
            on_dnc=bool(row.listed),
            stale_dnc_lists=stale,
            attempts=0,
            next_attempt_at=row.next,
            last_ended_at=None,
            recent_starts=(),
        )
        counted[_key(judge(lead, campaign.definition, now))] += row.leads
    return counted


def _told_apart(campaign: CampaignRow, now: datetime) -> sa.ColumnElement[bool]:
    """SQL: what is said about the lead does not hang on its lane, the lists and time alone."""
    since = now - timedelta(seconds=campaign.definition.abandon_lock_out_seconds)
    return sa.or_(
        t.leads.c.attempts > 0,
        t.leads.c.callback_at.is_not(None),
        t.leads.c.lead_id.in_(abandoned_elsewhere(campaign.campaign_id, since=since)),
    )


def _judged(
    conn: sa.Connection, campaign: CampaignRow, now: datetime, *, only_tried: bool
) -> Counter[str]:
    waiting = [
        t.leads.c.campaign_id == campaign.campaign_id,
        t.leads.c.state == LeadState.WAITING.value,
    ]
    if only_tried:
        waiting.append(_told_apart(campaign, now))
    counted: Counter[str] = Counter()
    last = 0
    while lead_ids := conn.scalars(
        sa.select(t.leads.c.lead_id)
        .where(*waiting, t.leads.c.lead_id > last)
        .order_by(t.leads.c.lead_id)
        .limit(_AT_A_TIME)
    ).all():
        counted.update(map(_key, judge_leads(conn, campaign, lead_ids, now=now).values()))
        last = lead_ids[-1]
    return counted


def _key(verdict: Verdict) -> str:
    return DIALABLE if verdict.eligible else verdict.blocking[0].rule.value
