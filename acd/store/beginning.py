"""The row before the INVITE: `begin_attempts`, for all that are about to be dialed at once.

Everything is asked once more (the lists, the hours, the claim itself) in the transaction that
writes the rows: minutes may have gone by since the claims.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.frozen import frozen
from acd.rules.eligibility import LeadState, Rule, judge
from acd.store import schema as t
from acd.store.among import among
from acd.store.campaigns import campaign_by_id
from acd.store.each import execute_each
from acd.store.events import Journal, Subject
from acd.store.leads import ClaimedLead, unclaim_leads
from acd.store.snapshots import lead_snapshots

_HELD = (
    sa.select(t.leads.c.lead_id, t.leads.c.attempts, t.leads.c.claimed_by, t.leads.c.state)
    .where(among(t.leads.c.lead_id, "lead_ids"))
    # As in `acd.store.settling`: whoever locks several leads does it in this order.
    .order_by(t.leads.c.lead_id)
    .with_for_update()
)
_INSERT = sa.insert(t.attempts).returning(t.attempts.c.lead_id, t.attempts.c.attempt_id)
_COUNT = (
    sa.update(t.leads)
    .where(t.leads.c.lead_id == sa.bindparam("this_lead"))
    .values(attempts=sa.bindparam("new_attempts"), changed_at=sa.bindparam("now"))
)


@frozen(kw_only=True)
class NewAttempt:
    """A claimed lead that has got its line."""

    lead: ClaimedLead
    trunk: str
    line: int


@frozen(kw_only=True)
class Blocked:
    """Why an attempt was not begun; the lead was given back."""

    rule: Rule
    sentence: str


def begin_attempts(
    conn: sa.Connection, wanted: Sequence[NewAttempt], *, node: str, now: datetime
) -> list[int | Blocked]:
    """Commit that numbers are about to be dialed.

    Args:
        conn: in a transaction.
        wanted: a lead that stands among them twice is begun once at most.
        node: this engine.
        now: the start.

    Returns:
        For each of `wanted` the attempt's id, or why it must not be dialed; its lead is free
        again then.
    """
    begun: list[int | Blocked] = []
    for some in _no_lead_twice(wanted):
        begun += _begin(conn, some, node, now)
    return begun


def _no_lead_twice(wanted: Sequence[NewAttempt]) -> Iterator[list[NewAttempt]]:
    """`wanted` in parts: what a lead's second is told depends on what became of its first."""
    part: dict[int, NewAttempt] = {}
    for each in wanted:
        if each.lead.lead_id in part:
            yield list(part.values())
            part = {}
        part[each.lead.lead_id] = each
    if part:
        yield list(part.values())


def _begin(
    conn: sa.Connection, wanted: Sequence[NewAttempt], node: str, now: datetime
) -> list[int | Blocked]:
    blocked = _why_not(conn, [each.lead for each in wanted], node, now)
    if blocked:
        unclaim_leads(conn, node=node, lead_ids=sorted(blocked), now=now)
    free = [each for each in wanted if each.lead.lead_id not in blocked]
    begun: dict[int, int | Blocked] = {**blocked, **_insert(conn, free, node, now)}
    return [begun[each.lead.lead_id] for each in wanted]


def _why_not(
    conn: sa.Connection, leads: Sequence[ClaimedLead], node: str, now: datetime
) -> dict[int, Blocked]:
    """Those that must not be dialed, by lead."""
    rows = conn.execute(_HELD, {"lead_ids": [lead.lead_id for lead in leads]})
    held: dict[int, Any] = {row.lead_id: row for row in rows}
    blocked = {}
    by_campaign = defaultdict(list)
    for lead in leads:
        if _is_ours(held.get(lead.lead_id), lead, node):
            by_campaign[lead.campaign_id].append(lead.lead_id)
        else:
            why = "this node no longer holds the lead"
            blocked[lead.lead_id] = Blocked(rule=Rule.LEAD_STATE, sentence=why)
    for campaign_id, lead_ids in by_campaign.items():
        blocked |= _refused(conn, campaign_id, lead_ids, now)
    return blocked


def _is_ours(held: sa.Row[Any] | None, lead: ClaimedLead, node: str) -> bool:
    return (
        held is not None
        and held.state == LeadState.CLAIMED.value
        and held.claimed_by == node
        and held.attempts == lead.attempt_no - 1
    )


def _refused(
    conn: sa.Connection, campaign_id: int, lead_ids: Sequence[int], now: datetime
) -> dict[int, Blocked]:
    """Those of a campaign's leads that eligibility does not let go."""
    campaign = campaign_by_id(conn, campaign_id)
    refused = {}
    # As the judge saw them before the claim.
    snapshots = lead_snapshots(conn, campaign, lead_ids, now=now, state=LeadState.WAITING)
    for lead_id, snapshot in snapshots.items():
        verdict = judge(snapshot, campaign.definition, now)
        if not verdict.eligible:
            first = verdict.blocking[0]
            refused[lead_id] = Blocked(rule=first.rule, sentence=first.detail)
    return refused


def _insert(
    conn: sa.Connection, wanted: Sequence[NewAttempt], node: str, now: datetime
) -> dict[int, int]:
    """Write the rows and count the attempts; attempt ids by lead."""
    if not wanted:
        return {}
    rows = [
        {
            "lead_id": each.lead.lead_id,
            "campaign_id": each.lead.campaign_id,
            "number_id": each.lead.number_id,
            "attempt_no": each.lead.attempt_no,
            "state": "dialing",
            "node": node,
            "trunk": each.trunk,
            "line": each.line,
            "started_at": now,
        }
        for each in wanted
    ]
    begun = {row.lead_id: row.attempt_id for row in conn.execute(_INSERT, rows)}
    _count(conn, wanted, now)
    journal = Journal()
    for each in wanted:
        journal.note(
            at=now,
            subject=Subject.ATTEMPT,
            subject_id=begun[each.lead.lead_id],
            what="dialing",
            detail={
                "lead": each.lead.lead_id,
                "attempt_no": each.lead.attempt_no,
                "node": node,
                "line": each.line,
            },
        )
    journal.write(conn)
    return begun


def _count(conn: sa.Connection, wanted: Sequence[NewAttempt], now: datetime) -> None:
    execute_each(
        conn,
        _COUNT,
        [
            {"this_lead": each.lead.lead_id, "new_attempts": each.lead.attempt_no, "now": now}
            for each in wanted
        ],
    )
