"""What people do with leads: find, reset, promise a callback, erase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.errors import BadInput, Problem, UnknownName
from acd.rules.callbacks import FARTHEST, too_far
from acd.rules.definition import CALLBACK_PRIORITY
from acd.rules.eligibility import LeadState
from acd.store import schema as t
from acd.store.agents import agent_named
from acd.store.campaigns import campaign_by_id, dnc_listed, take_up_again
from acd.store.events import Subject, record, record_all
from acd.store.lanes import lane_of_lead
from acd.store.suppressions import begin_erasure, suppress
from acd.store.tapi import forget_tapi_numbers

ERASED = "erased"
"""The reason of a lead that is closed because the person had themselves erased."""

LONGEST_NAME = 32
"""Signs of an agent's name or extension, as the tables have them."""
_FIRST_ALIVE = (
    sa.select(sa.func.min(t.lead_numbers.c.position))
    .where(t.lead_numbers.c.lead_id == t.leads.c.lead_id, ~t.lead_numbers.c.dead)
    .scalar_subquery()
)
"""Of a lead: where the first number stands that may be dialed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLead:
    """A lead as a person finds it."""

    lead_id: int
    campaign_id: int
    campaign: str
    state: LeadState


def find_leads(
    conn: sa.Connection, *, lead_id: int | None = None, e164: str | None = None
) -> list[FoundLead]:
    """The lead of an id, or those of every campaign with a number."""
    query = (
        sa.select(
            t.leads.c.lead_id,
            t.leads.c.campaign_id,
            t.campaigns.c.name.label("campaign"),
            t.leads.c.state,
        )
        .join(t.campaigns, t.campaigns.c.campaign_id == t.leads.c.campaign_id)
        .order_by(t.leads.c.lead_id)
    )
    if e164 is not None:
        having = sa.select(t.lead_numbers.c.lead_id).where(t.lead_numbers.c.e164 == e164)
        query = query.where(t.leads.c.lead_id.in_(having))
    else:
        query = query.where(t.leads.c.lead_id == lead_id)
    return [
        FoundLead(
            lead_id=row.lead_id,
            campaign_id=row.campaign_id,
            campaign=row.campaign,
            state=LeadState(row.state),
        )
        for row in conn.execute(query)
    ]


def closed_reasons(conn: sa.Connection, campaign_id: int) -> list[str]:
    """What leads of a campaign were closed, or put under review, for."""
    closed = t.leads.c.state.in_([LeadState.CLOSED.value, LeadState.REVIEW.value])
    return sorted(
        conn.scalars(
            sa.select(t.leads.c.reason)
            .where(t.leads.c.campaign_id == campaign_id, closed, t.leads.c.reason != ERASED)
            .distinct()
        )
    )


def reset_leads(
    conn: sa.Connection,
    *,
    campaign_id: int,
    lead_ids: Sequence[int] | None = None,
    reason: str = "",
    now: datetime,
) -> int:
    """Let closed leads and those under review wait again, their attempts forgiven; how many.

    Leads without a usable number stay as they are, and so do erased ones. Gaps, the attempts of
    the last 24 hours and the lock-out after an abandoned call hold all the same.

    Raises:
        UnknownName: one of `lead_ids` is none of the campaign's; nothing was changed.
    """
    _check_all_there(conn, campaign_id, lead_ids or ())
    which = [
        t.leads.c.campaign_id == campaign_id,
        t.leads.c.state.in_([LeadState.CLOSED.value, LeadState.REVIEW.value]),
        t.leads.c.reason != ERASED,
        _FIRST_ALIVE.is_not(None),
    ]
    if lead_ids is not None:
        which.append(t.leads.c.lead_id.in_(lead_ids))
    if reason:
        which.append(t.leads.c.reason == reason)
    reset = sorted(
        conn.scalars(
            sa.update(t.leads)
            .where(*which)
            .values(
                state=LeadState.WAITING.value,
                reason="",
                attempts_before=t.leads.c.attempts,
                next_position=_FIRST_ALIVE,
                next_attempt_at=now,
                changed_at=now,
            )
            .returning(t.leads.c.lead_id)
        )
    )
    for lead_id in reset:
        _put_in_lane(conn, lead_id)
    record_all(conn, at=now, subject=Subject.LEAD, subject_ids=reset, what="reset")
    return len(reset)


def _check_all_there(conn: sa.Connection, campaign_id: int, lead_ids: Sequence[int]) -> None:
    there = conn.scalars(
        sa.select(t.leads.c.lead_id).where(
            t.leads.c.campaign_id == campaign_id, t.leads.c.lead_id.in_(lead_ids)
        )
    )
    if unknown := sorted(set(lead_ids) - set(there)):
        raise UnknownName(f"lead {', '.join(map(str, unknown))}: the campaign has none of that id")


def owner_of_callback(conn: sa.Connection, campaign_id: int, text: str) -> str:
    """How a callback knows the agent who promised it, named by name or extension.

    Raises:
        UnknownName: neither SQL nor the campaign's own extensions have such an agent.
        BadInput: it is longer than any name.
    """
    if len(text) > LONGEST_NAME:
        raise BadInput(
            Problem(
                f"agent {text[:LONGEST_NAME]}…",
                "no agent has so long a name",
                f"allowed: at most {LONGEST_NAME} signs",
            )
        )
    try:
        return agent_named(conn, text).name
    except UnknownName:
        if text in campaign_by_id(conn, campaign_id).definition.agents.extensions:
            return text
        raise


def promise_callback(
    conn: sa.Connection, *, lead_id: int, at: datetime, agent: str | None, now: datetime
) -> None:
    """Call a lead at a time, before others; a closed one too, for the person asked for it.

    A campaign that is finished runs again.

    Raises:
        BadInput: the lead is being dialed, was erased, must not or cannot be called, or the time
            is further ahead than anybody means.
    """
    if too_far(at, now):
        raise BadInput(
            Problem(
                f"lead {lead_id}",
                f"a callback on {at:%Y-%m-%d} is too far ahead",
                f"allowed: at most {FARTHEST.days} days from now",
            )
        )
    row = _changeable(conn, lead_id)
    if row.listed:
        raise BadInput(f"lead {lead_id}: it is on a do-not-call list; no callback can be promised")
    if row.first_alive is None:
        raise BadInput(
            f"lead {lead_id}: none of its numbers can be dialed; no callback can be promised"
        )
    conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == lead_id)
        .values(
            state=LeadState.WAITING.value,
            reason="callback",
            attempts_before=t.leads.c.attempts,
            next_position=row.first_alive if row.next_is_dead else t.leads.c.next_position,
            callback_at=at,
            callback_agent=agent,
            next_attempt_at=at,
            lease_until=None,
            changed_at=now,
        )
    )
    _put_in_lane(conn, lead_id, priority=CALLBACK_PRIORITY)
    take_up_again(conn, row.campaign_id, now)
    record(
        conn,
        at=now,
        subject=Subject.LEAD,
        subject_id=lead_id,
        what="callback_promised",
        detail={"at": at.isoformat(), "agent": agent},
    )


def promise_for(
    conn: sa.Connection, *, lead_id: int, at: datetime, owner: str | None, now: datetime
) -> None:
    """`promise_callback` by an agent whom somebody names.

    Raises:
        UnknownName: there is no such lead or agent.
        BadInput: as `promise_callback`.
    """
    campaign_id = _changeable(conn, lead_id).campaign_id
    agent = None if owner is None else owner_of_callback(conn, campaign_id, owner)
    promise_callback(conn, lead_id=lead_id, at=at, agent=agent, now=now)


def erase_lead(conn: sa.Connection, *, lead_id: int, now: datetime) -> list[int]:
    """Forget a person in every campaign; the leads that were theirs.

    What stays: a hash of each number, so that no import brings the person back, and attempts
    and events, which name nobody.

    Raises:
        BadInput: one of their leads is being dialed, or they were erased before.
    """
    if conn.dialect.name == "sqlite":
        # Deleted text would stay in the file's free pages.
        conn.exec_driver_sql("PRAGMA secure_delete=ON")
    begin_erasure(conn)
    _changeable(conn, lead_id)
    numbers = conn.scalars(
        sa.select(t.lead_numbers.c.e164).where(t.lead_numbers.c.lead_id == lead_id)
    ).all()
    theirs = {lead_id}
    for e164 in numbers:
        theirs |= {found.lead_id for found in find_leads(conn, e164=e164)}
    for each in sorted(theirs):
        _forget(conn, each, now)
    return sorted(theirs)


def _forget(conn: sa.Connection, lead_id: int, now: datetime) -> None:
    _changeable(conn, lead_id)
    of_lead = t.lead_numbers.c.lead_id == lead_id
    numbers = conn.scalars(sa.select(t.lead_numbers.c.e164).where(of_lead)).all()
    suppress(conn, numbers, now)
    attempts = forget_tapi_numbers(conn, numbers)
    attempts += conn.scalars(
        sa.update(t.attempts)
        .where(t.attempts.c.lead_id == lead_id)
        .values(number_id=None)
        .returning(t.attempts.c.attempt_id)
    )
    conn.execute(sa.delete(t.lead_numbers).where(of_lead))
    conn.execute(
        sa.update(t.leads)
        .where(t.leads.c.lead_id == lead_id)
        .values(
            state=LeadState.CLOSED.value,
            reason=ERASED,
            columns={},
            callback_at=None,
            callback_agent=None,
            changed_at=now,
        )
    )
    record(conn, at=now, subject=Subject.LEAD, subject_id=lead_id, what=ERASED)
    record_all(
        conn, at=now, subject=Subject.ATTEMPT, subject_ids=sorted(attempts), what="number_erased"
    )


def _changeable(conn: sa.Connection, lead_id: int) -> sa.Row[Any]:
    """The lead, locked; nobody changes one that is in an engine's hands.

    Raises:
        UnknownName: there is none.
        BadInput: it is claimed, or erased.
    """
    row = conn.execute(
        sa.select(
            t.leads.c.campaign_id,
            t.leads.c.state,
            t.leads.c.reason,
            dnc_listed(t.leads.c.lead_id, t.leads.c.campaign_id).label("listed"),
            _FIRST_ALIVE.label("first_alive"),
            sa.exists()
            .where(
                t.lead_numbers.c.lead_id == t.leads.c.lead_id,
                t.lead_numbers.c.position == t.leads.c.next_position,
                t.lead_numbers.c.dead,
            )
            .label("next_is_dead"),
        )
        .where(t.leads.c.lead_id == lead_id)
        .with_for_update(of=t.leads)
    ).first()
    if row is None:
        raise UnknownName(f"lead {lead_id}: there is none")
    if row.state == LeadState.CLAIMED.value:
        raise BadInput(f"lead {lead_id}: an engine is about to dial it or is; try again later")
    if row.reason == ERASED:
        raise BadInput(f"lead {lead_id}: it was erased")
    return row


def _put_in_lane(conn: sa.Connection, lead_id: int, *, priority: int | None = None) -> None:
    position = sa.select(t.leads.c.next_position).where(t.leads.c.lead_id == lead_id)
    lane_id = lane_of_lead(conn, lead_id, position=conn.scalar(position) or 0, priority=priority)
    conn.execute(sa.update(t.leads).where(t.leads.c.lead_id == lead_id).values(lane_id=lane_id))
