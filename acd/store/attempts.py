"""Attempts in SQL: begun before the INVITE, closed in the transaction that frees the lead.

A row is open (`dialing`, `answered`) until it is `closed`; one open attempt a lead, held by a
partial unique index. What was open when an engine died ends as `unknown` and its lead waits
for a person: it is never redialed by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.rules.dispositions import (
    Disposition,
    RetryAction,
    RetryDecision,
    RetryHistory,
    TransferOutcome,
    decide_retry,
    disposition_of,
)
from acd.rules.eligibility import LeadSnapshot, LeadState, Rule, judge
from acd.store import schema as t
from acd.store.campaigns import campaign_by_id
from acd.store.events import Subject, record
from acd.store.lanes import lane_of_lead
from acd.store.leads import ClaimedLead, lead_snapshots, release_claims_of, unclaim_leads


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why an attempt was not begun; the lead was given back."""

    rule: Rule
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptClosed:
    """How an attempt ended."""

    attempt_id: int
    cause: DisconnectCause | None
    """None: nobody saw the end; the disposition is then `unknown`."""
    sip_status: int | None
    q850_cause: int | None
    ring_seconds: float | None
    wait_seconds: float | None
    """From the answer until an agent had the person, or they were lost."""
    transfer_result: str | None
    """A value of `TransferOutcome`."""
    transfer_target: str | None
    transfer_sip_status: int | None
    answered_at: datetime | None
    transferred_at: datetime | None
    ended_at: datetime
    abandoned: bool
    agent: str | None = None
    """Who was offered the person last: an extension, or a place in a queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A dialog that nobody ended, because the engine that held it died."""

    attempt_id: int
    trunk: str
    dialog: Mapping[str, Any]
    """As `note_dialog` was given it."""


def begin_attempt(
    conn: sa.Connection,
    *,
    lead: ClaimedLead,
    node: str,
    trunk: str,
    line: int,
    now: datetime,
) -> int | Blocked:
    """Commit that a number is about to be dialed; the attempt's id, or why it must not be.

    Everything is asked once more (the lists, the hours, the claim itself): minutes may have
    gone by since the claim. A blocked lead is free again.
    """
    blocked = _why_not(conn, lead, node, now)
    if blocked is not None:
        unclaim_leads(conn, node=node, lead_ids=[lead.lead_id], now=now)
        return blocked
    attempt_id: int = conn.execute(
        sa.insert(t.attempts)
        .values(
            lead_id=lead.lead_id,
            campaign_id=lead.campaign_id,
            number_id=lead.number_id,
            attempt_no=lead.attempt_no,
            state="dialing",
            node=node,
            trunk=trunk,
            line=line,
            started_at=now,
        )
        .returning(t.attempts.c.attempt_id)
    ).scalar_one()
    conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == lead.lead_id)
        .values(attempts=lead.attempt_no, changed_at=now)
    )
    record(
        conn,
        at=now,
        subject=Subject.ATTEMPT,
        subject_id=attempt_id,
        what="dialing",
        detail={"lead": lead.lead_id, "attempt_no": lead.attempt_no, "node": node, "line": line},
    )
    return attempt_id


def _why_not(conn: sa.Connection, lead: ClaimedLead, node: str, now: datetime) -> Blocked | None:
    held = conn.execute(
        sa.select(t.leads.c.attempts, t.leads.c.claimed_by, t.leads.c.state)
        .where(t.leads.c.lead_id == lead.lead_id)
        .with_for_update()
    ).first()
    if (
        held is None
        or held.state != LeadState.CLAIMED.value
        or held.claimed_by != node
        or held.attempts != lead.attempt_no - 1
    ):
        return Blocked(rule=Rule.LEAD_STATE, sentence="this node no longer holds the lead")
    campaign = campaign_by_id(conn, lead.campaign_id)
    snapshot = lead_snapshots(conn, campaign, [lead.lead_id], now=now)[lead.lead_id]
    verdict = judge(_as_waiting(snapshot), campaign.definition, now)
    if verdict.eligible:
        return None
    first = verdict.blocking[0]
    return Blocked(rule=first.rule, sentence=first.detail)


def _as_waiting(snapshot: LeadSnapshot) -> LeadSnapshot:
    """The snapshot as the judge saw it before the claim."""
    return replace(snapshot, state=LeadState.WAITING)


def withdraw_attempt(conn: sa.Connection, *, lead: ClaimedLead, node: str, now: datetime) -> None:
    """Free a lead whose `begin_attempt` failed, so that nothing was sent.

    The row may be there all the same: an answer to its COMMIT that got lost looks like failure.
    """
    begun = conn.scalar(
        sa.select(t.attempts.c.attempt_id).where(
            t.attempts.c.lead_id == lead.lead_id,
            t.attempts.c.attempt_no == lead.attempt_no,
            t.attempts.c.node == node,
            t.attempts.c.state != "closed",
        )
    )
    if begun is not None:
        close_attempt(conn, _ended(begun, now, cause=DisconnectCause.HUNG_UP), now=now)
    unclaim_leads(conn, node=node, lead_ids=[lead.lead_id], now=now)


def note_dialog(
    conn: sa.Connection, *, attempt_id: int, sip_call_id: str, dialog: Mapping[str, Any]
) -> None:
    """Keep what a BYE would need, as long as the attempt is open."""
    conn.execute(
        sa.update(t.attempts)
        .where(t.attempts.c.attempt_id == attempt_id, t.attempts.c.state != "closed")
        .values(sip_call_id=sip_call_id, dialog=dict(dialog))
    )


def leftover_dialogs(conn: sa.Connection, *, node: str) -> list[Leftover]:
    """The dialogs of this node's open attempts; right only before it dials anybody."""
    rows = conn.execute(
        sa.select(t.attempts.c.attempt_id, t.attempts.c.trunk, t.attempts.c.dialog)
        .where(t.attempts.c.node == node, t.attempts.c.state != "closed")
        .order_by(t.attempts.c.attempt_id)
    )
    return [Leftover(**row._asdict()) for row in rows if row.dialog]


def mark_answered(conn: sa.Connection, *, attempt_id: int, at: datetime) -> None:
    """Note the 2xx; an attempt that is answered or closed already stays as it is."""
    marked = conn.execute(
        sa.update(t.attempts)
        .where(t.attempts.c.attempt_id == attempt_id, t.attempts.c.state == "dialing")
        .values(state="answered", answered_at=at)
    )
    if marked.rowcount:
        record(conn, at=at, subject=Subject.ATTEMPT, subject_id=attempt_id, what="answered")


def note_agent_times(
    conn: sa.Connection,
    *,
    attempt_id: int,
    rang_at: datetime | None,
    answered_at: datetime | None,
    talk_seconds: float | None,
    now: datetime,
) -> None:
    """Keep what a feed has seen of the agent's phone; also of an attempt that is closed."""
    columns = t.attempts.c
    seen = {
        columns.agent_rang_at: rang_at,
        columns.agent_answered_at: answered_at,
        columns.talk_seconds: talk_seconds,
    }
    news = sa.or_(*(column.is_distinct_from(value) for column, value in seen.items()))
    noted = conn.execute(
        sa.update(t.attempts).where(columns.attempt_id == attempt_id, news).values(seen)
    )
    if noted.rowcount:
        record(conn, at=now, subject=Subject.ATTEMPT, subject_id=attempt_id, what="agent_times")


def close_attempt(conn: sa.Connection, closed: AttemptClosed, *, now: datetime) -> Disposition:
    """Write the end of an attempt and what follows for its lead, in one transaction.

    The first close wins: a second one changes nothing and gives the disposition that stands.
    """
    attempt = conn.execute(
        sa.select(t.attempts).where(t.attempts.c.attempt_id == closed.attempt_id).with_for_update()
    ).one()
    if attempt.state == "closed":
        return Disposition(attempt.disposition)
    answered_at = closed.answered_at or attempt.answered_at
    transfer = TransferOutcome(closed.transfer_result) if closed.transfer_result else None
    disposition = disposition_of(
        cause=closed.cause,
        answered=answered_at is not None,
        abandoned=closed.abandoned,
        transfer=transfer,
    )
    conn.execute(
        sa.update(t.attempts)
        .where(t.attempts.c.attempt_id == closed.attempt_id)
        .values(
            state="closed",
            disposition=disposition.value,
            cause=closed.cause.value if closed.cause else None,
            sip_status=closed.sip_status,
            q850_cause=closed.q850_cause,
            ring_seconds=closed.ring_seconds,
            wait_seconds=closed.wait_seconds,
            transfer_result=transfer.value if transfer else None,
            transfer_target=closed.transfer_target,
            transfer_sip_status=closed.transfer_sip_status,
            answered_at=answered_at,
            transferred_at=closed.transferred_at,
            ended_at=closed.ended_at,
            abandoned=closed.abandoned,
            agent=closed.agent,
            dialog=None,
        )
    )
    record(
        conn,
        at=now,
        subject=Subject.ATTEMPT,
        subject_id=closed.attempt_id,
        what="closed",
        detail={"disposition": disposition.value, "cause": closed.cause},
    )
    if attempt.lead_id is not None:
        _after_call(conn, attempt, disposition, closed.ended_at, now)
    return disposition


_AGENT_WILL_SAY = (Disposition.HANDED_OVER, Disposition.HANDED_OVER_UNCONFIRMED)


def _after_call(
    conn: sa.Connection,
    attempt: sa.Row[Any],
    disposition: Disposition,
    ended_at: datetime,
    now: datetime,
) -> None:
    """Free the lead, or let it wait for its agent's word where the campaign wants that."""
    wait_seconds = campaign_by_id(conn, attempt.campaign_id).definition.agents.disposition_seconds
    if disposition not in _AGENT_WILL_SAY or not wait_seconds:
        settle_lead(conn, attempt, disposition, ended_at, now)
        return
    until = ended_at + timedelta(seconds=wait_seconds)
    state = LeadState.WITH_AGENT.value
    conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == attempt.lead_id)
        .values(state=state, reason="", claimed_by=None, lease_until=until, changed_at=now)
    )
    record(conn, at=now, subject=Subject.LEAD, subject_id=attempt.lead_id, what=state)


def settle_lead(
    conn: sa.Connection,
    attempt: sa.Row[Any],
    disposition: Disposition,
    ended_at: datetime,
    now: datetime,
) -> None:
    """Do what a disposition means for the lead of a closed attempt (a row of the table).

    Args:
        conn: in the transaction that writes the disposition.
        attempt: the lead's last one.
        disposition: of the attempt.
        ended_at: from when a retry waits.
        now: dates the event rows.
    """
    decision = _decide(conn, attempt, disposition, ended_at)
    if decision.number_is_dead:
        conn.execute(
            sa.update(t.lead_numbers)
            .where(t.lead_numbers.c.number_id == attempt.number_id)
            .values(dead=True)
        )
    states = {
        RetryAction.RETRY: LeadState.WAITING,
        RetryAction.CLOSE: LeadState.CLOSED,
        RetryAction.REVIEW: LeadState.REVIEW,
    }
    state = states[decision.action]
    values: dict[str, Any] = {
        "state": state.value,
        "reason": decision.reason,
        "next_position": decision.next_position,
        "claimed_by": None,
        "lease_until": None,
        # The promise was kept or broken; a new one is a new callback.
        "callback_at": None,
        "callback_agent": None,
        "changed_at": now,
    }
    if decision.next_attempt_at is not None:
        values["next_attempt_at"] = decision.next_attempt_at
        values["lane_id"] = _lane_of_position(conn, attempt, decision.next_position)
    conn.execute(sa.update(t.leads).where(t.leads.c.lead_id == attempt.lead_id).values(**values))
    record(
        conn,
        at=now,
        subject=Subject.LEAD,
        subject_id=attempt.lead_id,
        what=state.value,
        detail={
            "reason": decision.reason,
            "next_attempt_at": decision.next_attempt_at and decision.next_attempt_at.isoformat(),
            "number_is_dead": decision.number_is_dead,
        },
    )


def _decide(
    conn: sa.Connection, attempt: sa.Row[Any], disposition: Disposition, ended_at: datetime
) -> RetryDecision:
    definition = campaign_by_id(conn, attempt.campaign_id).definition
    numbers = conn.execute(
        sa.select(
            t.lead_numbers.c.number_id, t.lead_numbers.c.position, t.lead_numbers.c.dead
        ).where(t.lead_numbers.c.lead_id == attempt.lead_id)
    ).all()
    times = conn.scalar(
        sa.select(sa.func.count()).where(
            t.attempts.c.lead_id == attempt.lead_id,
            t.attempts.c.disposition == disposition.value,
        )
    )
    tried = [row.position for row in numbers if row.number_id == attempt.number_id]
    return decide_retry(
        definition.rule_for(disposition),
        disposition=disposition,
        history=RetryHistory(
            attempts=attempt.attempt_no - _forgiven(conn, attempt.lead_id),
            times_this_disposition=times or 0,
            position=tried[0] if tried else 0,
            usable_positions=sorted(row.position for row in numbers if not row.dead),
        ),
        max_attempts=definition.max_attempts,
        now=ended_at,
    )


def _forgiven(conn: sa.Connection, lead_id: int) -> int:
    query = sa.select(t.leads.c.attempts_before).where(t.leads.c.lead_id == lead_id)
    return conn.scalar(query) or 0


def _lane_of_position(conn: sa.Connection, attempt: sa.Row[Any], position: int) -> int:
    return lane_of_lead(conn, attempt.lead_id, position=position)


def close_orphans(conn: sa.Connection, *, node: str, now: datetime) -> list[int]:
    """Clean up after a node that died, at its start; the attempts that were open.

    Their disposition is `unknown` and their leads wait for a review: nobody knows whether a
    phone rang, so the engine never redials them. Leads that it had claimed and not yet dialed
    are free again.
    """
    orphans = list(
        conn.scalars(
            sa.select(t.attempts.c.attempt_id)
            .where(t.attempts.c.node == node, t.attempts.c.state != "closed")
            .order_by(t.attempts.c.attempt_id)
        )
    )
    for attempt_id in orphans:
        close_attempt(conn, _ended(attempt_id, now, cause=None), now=now)
    release_claims_of(conn, node=node, now=now)
    return orphans


def _ended(attempt_id: int, now: datetime, *, cause: DisconnectCause | None) -> AttemptClosed:
    """The end of an attempt of which nothing else is known."""
    return AttemptClosed(
        attempt_id=attempt_id,
        cause=cause,
        sip_status=None,
        q850_cause=None,
        ring_seconds=None,
        wait_seconds=None,
        transfer_result=None,
        transfer_target=None,
        transfer_sip_status=None,
        answered_at=None,
        transferred_at=None,
        ended_at=now,
        abandoned=False,
    )
