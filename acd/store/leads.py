"""Leads in SQL: claiming them for dialing, and giving them back.

How a claim works: calling hours are asked once a lane, SQL takes waiting leads of the open
lanes whose time has come, `eligibility.judge` has the last word on each, and the UPDATE takes
only rows that are still free. On PostgreSQL the rows are locked with SKIP LOCKED, on SQLite
the one writer is the lock: two engines never claim one lead twice. A claim is a lease: when
the engine that holds it dies, it ends by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from acd.frozen import frozen
from acd.rules.callbacks import owner_of
from acd.rules.definition import CALLBACK_PRIORITY, FilterTable, LeadOrder
from acd.rules.eligibility import LeadState, Rule, Verdict
from acd.rules.hours import is_open
from acd.store import schema as t
from acd.store.among import among
from acd.store.campaigns import CampaignRow, CampaignState, campaign_by_id, dnc_listed
from acd.store.events import Subject, record_all
from acd.store.filters import passes
from acd.store.lanes import Lane, lanes_of
from acd.store.snapshots import judge_leads

LEASE = timedelta(minutes=5)
"""How long a claim holds without being dialed or renewed."""
MAX_CLAIM = 1000
_FINAL = (Rule.NUMBERS, Rule.ATTEMPTS)
"""What nobody but a person can change about a lead, whatever else blocks it at the moment."""


@frozen(kw_only=True)
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
    priority: int = 0

    @property
    def waits_before(self) -> int:
        """The greater, the earlier it is this person's turn, once they wait for an agent."""
        return self.priority if self.callback_at is None else CALLBACK_PRIORITY


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
    hours = campaign.definition.calling_hours.hours
    open_lanes = [lane for lane in lanes_of(conn, campaign_id) if is_open(hours, lane.zones, now)]
    search = _Search(campaign=campaign, now=now, ready_names=ready_names)
    lead_ids = _candidates(conn, search, open_lanes, min(limit, MAX_CLAIM))
    eligible = _sift(conn, campaign, lead_ids, now)
    return [_for_owner(campaign, lead, now) for lead in _take(conn, eligible, node, now)]


def _for_owner(campaign: CampaignRow, lead: ClaimedLead, now: datetime) -> ClaimedLead:
    """The lead with nobody's name on it any more once its callback is not kept for them."""
    if lead.callback_agent is None:
        return lead
    seconds = campaign.definition.callback_owner_seconds
    owner = owner_of(lead.callback_at, lead.callback_agent, owner_seconds=seconds, now=now)
    return replace(lead, callback_agent=owner)


@frozen(kw_only=True)
class _Search:
    """What the leads of a claim are looked for by; the same for all lanes."""

    campaign: CampaignRow
    now: datetime
    ready_names: Collection[str] | None

    def due_in(self, lane: Lane, limit: int) -> tuple[sa.Select[datetime, int], dict[str, Any]]:
        """The statement for one lane and its values."""
        definition = self.campaign.definition
        values: dict[str, Any] = {"lane": lane.lane_id, "now": self.now, "most": limit}
        if self.ready_names is not None:
            owned = timedelta(seconds=definition.callback_owner_seconds)
            values |= {"kept_since": self.now - owned, "ready_names": list(self.ready_names)}
        statement = _due(
            definition.filter,
            newest=definition.order is LeadOrder.NEWEST,
            ask_owners=self.ready_names is not None,
        )
        return statement, values


def _candidates(
    conn: sa.Connection, search: _Search, lanes: Sequence[Lane], limit: int
) -> list[int]:
    """Waiting leads whose time has come, in the order in which they are to be dialed."""
    newest = search.campaign.definition.order is LeadOrder.NEWEST
    found: list[int] = []
    for _, alike in groupby(lanes, key=lambda lane: lane.priority):
        due = [
            (row.next_attempt_at, row.lead_id)
            for lane in alike
            for row in conn.execute(*search.due_in(lane, limit - len(found)))
        ]
        due.sort(reverse=newest)
        found.extend(lead_id for _, lead_id in due[: limit - len(found)])
        if len(found) == limit:
            break
    return found


@lru_cache(maxsize=64)
def _due(
    filters: tuple[FilterTable, ...], *, newest: bool, ask_owners: bool
) -> sa.Select[datetime, int]:
    """(next attempt, lead) of one lane, locked where that exists; building it costs more."""
    columns = (t.leads.c.next_attempt_at, t.leads.c.lead_id)
    statement = (
        sa.select(*columns)
        .where(
            t.leads.c.lane_id == sa.bindparam("lane"),
            t.leads.c.state == sa.literal_column(f"'{LeadState.WAITING.value}'"),
            t.leads.c.next_attempt_at <= sa.bindparam("now"),
            ~dnc_listed(t.leads.c.lead_id, t.leads.c.campaign_id),
            *map(passes, filters),
        )
        .order_by(*(column.desc() if newest else column.asc() for column in columns))
        .limit(sa.bindparam("most"))
        .with_for_update(skip_locked=True, of=t.leads)
    )
    return statement.where(~_kept_for_others()) if ask_owners else statement


def _kept_for_others() -> sa.ColumnElement[bool]:
    """SQL for `owner_of`: the lead is kept for an agent who is not ready."""
    return sa.and_(
        t.leads.c.callback_at.is_not(None),
        t.leads.c.callback_at > sa.bindparam("kept_since"),
        sa.func.coalesce(t.leads.c.callback_agent, "") != "",
        ~among(t.leads.c.callback_agent, "ready_names"),
    )


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
        elif (dialable_at := verdict.dialable_at) is not None:
            _put_off(conn, lead_id, dialable_at, verdict, now)
        elif final := [each.rule for each in verdict.blocking if each.rule in _FINAL]:
            close_lead(conn, lead_id, reason=final[0].value, now=now)
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


_TAKE = (
    sa.update(t.leads)
    .where(
        among(t.leads.c.lead_id, "lead_ids"),
        t.leads.c.state == LeadState.WAITING.value,
    )
    .values(
        state=LeadState.CLAIMED.value,
        claimed_by=sa.bindparam("node"),
        lease_until=sa.bindparam("until"),
        changed_at=sa.bindparam("now"),
    )
    .returning(t.leads.c.lead_id)
)
_CLAIMED = (
    sa.select(
        t.leads.c.lead_id,
        t.leads.c.campaign_id,
        t.lead_numbers.c.number_id,
        t.lead_numbers.c.e164,
        (t.leads.c.attempts + 1).label("attempt_no"),
        t.leads.c.columns,
        t.leads.c.callback_agent,
        t.leads.c.callback_at,
        t.leads.c.priority,
    )
    .join(
        t.lead_numbers,
        sa.and_(
            t.lead_numbers.c.lead_id == t.leads.c.lead_id,
            t.lead_numbers.c.position == t.leads.c.next_position,
        ),
    )
    .where(among(t.leads.c.lead_id, "lead_ids"))
)


def _take(
    conn: sa.Connection, lead_ids: Sequence[int], node: str, now: datetime
) -> list[ClaimedLead]:
    if not lead_ids:
        return []
    values = {"lead_ids": list(lead_ids), "node": node, "until": now + LEASE, "now": now}
    taken = sorted(conn.scalars(_TAKE, values))
    record_all(
        conn,
        at=now,
        subject=Subject.LEAD,
        subject_ids=taken,
        what="claimed",
        detail={"node": node},
    )
    rows = conn.execute(_CLAIMED, {"lead_ids": taken})
    found = {row.lead_id: ClaimedLead(**row._asdict()) for row in rows}
    return [found[lead_id] for lead_id in lead_ids if lead_id in found]


def unclaim_leads(
    conn: sa.Connection, *, node: str, lead_ids: Sequence[int], now: datetime | None = None
) -> int:
    """Give claimed leads back undialed; how many this node still held.

    A lead with an open attempt stays: only the end of the attempt frees it. `now` dates the
    event rows; None: the machine's clock.
    """
    values = {"node": node, "lead_ids": list(lead_ids)}
    return _free(conn, _THESE_OF_NODE, values, what="unclaimed", now=now or datetime.now(UTC))


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
    held = [
        t.leads.c.lead_id.in_(lead_ids),
        t.leads.c.claimed_by == node,
        t.leads.c.state == LeadState.CLAIMED.value,
    ]
    # In the order in which others lock several leads.
    locked = sa.select(t.leads.c.lead_id).where(*held).order_by(t.leads.c.lead_id)
    renewed = conn.scalars(locked.with_for_update()).all()
    conn.execute(
        sa.update(t.leads).where(t.leads.c.lead_id.in_(renewed)).values(lease_until=now + LEASE)
    )
    return set(renewed)


def release_expired_claims(conn: sa.Connection, *, campaign_id: int, now: datetime) -> int:
    """Free leads whose holder let the lease run out before any attempt began."""
    return _free(conn, _EXPIRED, {"campaign": campaign_id}, what="line.lease_expired", now=now)


def release_claims_of(conn: sa.Connection, *, node: str, now: datetime) -> int:
    """Free everything that a node held and never dialed."""
    return _free(conn, _OF_NODE, {"node": node}, what="unclaimed", now=now)


_UNDIALED = (
    # The literal lets a partial index be used.
    t.leads.c.state == sa.literal_column(f"'{LeadState.CLAIMED.value}'"),
    ~(
        sa.select(t.attempts.c.attempt_id)
        .where(t.attempts.c.lead_id == t.leads.c.lead_id, t.attempts.c.state != "closed")
        .exists()
    ),
)
_HELD = (
    sa.select(t.leads.c.lead_id)
    .where(*_UNDIALED)
    # As in `acd.store.settling`: whoever locks several leads does it in this order.
    .order_by(t.leads.c.lead_id)
    .with_for_update()
)
_OF_NODE = _HELD.where(t.leads.c.claimed_by == sa.bindparam("node"))
_THESE_OF_NODE = _OF_NODE.where(among(t.leads.c.lead_id, "lead_ids"))
_EXPIRED = _HELD.where(
    t.leads.c.campaign_id == sa.bindparam("campaign"),
    t.leads.c.lease_until < sa.bindparam("now"),
)
_FREE = (
    sa.update(t.leads)
    .where(among(t.leads.c.lead_id, "lead_ids"), *_UNDIALED)
    .values(
        state=LeadState.WAITING.value,
        claimed_by=None,
        lease_until=None,
        changed_at=sa.bindparam("now"),
    )
    .returning(t.leads.c.lead_id)
)


def _free(
    conn: sa.Connection,
    which: sa.Select[int],
    values: Mapping[str, Any],
    *,
    what: str,
    now: datetime,
) -> int:
    """Free the leads that `which` finds.

    Locked first and asked again: PostgreSQL lets a statement that has waited for a lead see the
    lead as it is now, and attempts as they were before, so an attempt that was begun meanwhile
    would be overlooked.
    """
    held = conn.scalars(which, {**values, "now": now}).all()
    if not held:
        return 0
    freed = sorted(conn.scalars(_FREE, {"lead_ids": held, "now": now}))
    record_all(conn, at=now, subject=Subject.LEAD, subject_ids=freed, what=what)
    return len(freed)
