"""What agents say came of a person, and what follows for the lead, in one transaction.

A lead whose campaign waits for its agent's word is `with_agent` until it comes, or until the
closing timer (`[agents] disposition_seconds`) runs out; its deadline stands in SQL, so it
outlives the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.errors import BadInput, Problem, UnknownName
from acd.rules.definition import CampaignDefinition
from acd.rules.dispositions import AGENT_DISPOSITIONS, Disposition, TransferOutcome
from acd.rules.eligibility import LeadState
from acd.store import schema as t
from acd.store.campaigns import campaign_by_id, take_up_again
from acd.store.dnc import add_numbers, list_to_add_to
from acd.store.events import Subject, record
from acd.store.lead_changes import ERASED, owner_of_callback, promise_callback
from acd.store.settling import Ended, settle_lead

AGENTS_LIST = "agents"
"""The do-not-call list of those who told an agent; it holds for every campaign."""
_HAD_AN_AGENT = (TransferOutcome.ANSWERED, TransferOutcome.UNCONFIRMED, TransferOutcome.WITH_PBX)


def dispose_attempt(
    conn: sa.Connection,
    *,
    attempt_id: int,
    code: str,
    now: datetime,
    callback_at: datetime | None = None,
    callback_agent: str | None = None,
) -> Disposition:
    """Write an agent's disposition and do what it means for the lead; the same again is fine.

    A do-not-call is taken whatever has become of the lead since: the person asked for it.

    Args:
        conn: in a transaction: a do-not-call stands on the list if the disposition is written.
        attempt_id: whose person the agent had.
        code: a disposition, or one of the campaign's own codes.
        now: dates everything.
        callback_at: when to call again; for `callback` alone.
        callback_agent: who promised it, by name or extension; None: anybody may call.

    Raises:
        UnknownName: there is no such attempt or agent.
        BadInput: no agent had the person, the code is unknown, or the lead has moved on.
    """
    attempt = _disposable(conn, attempt_id)
    definition = campaign_by_id(conn, attempt.campaign_id).definition
    disposition = _named(definition, code)
    if (disposition is Disposition.CALLBACK) is (callback_at is None):
        raise BadInput(
            f"attempt {attempt_id}: a callback, and nothing else, needs a time to call again"
        )
    owner = (
        None
        if callback_agent is None
        else owner_of_callback(conn, attempt.campaign_id, callback_agent)
    )
    moved_on = _moved_on(conn, attempt)
    if moved_on and disposition is not Disposition.DO_NOT_CALL:
        raise BadInput(f"attempt {attempt_id}: its lead {attempt.lead_id} {moved_on} since")
    conn.execute(
        sa.update(t.attempts)
        .where(t.attempts.c.attempt_id == attempt_id)
        .values(disposition=disposition.value, disposed_at=now)
    )
    record(
        conn,
        at=now,
        subject=Subject.ATTEMPT,
        subject_id=attempt_id,
        what="disposed",
        detail={"disposition": disposition.value, "code": code},
    )
    if disposition is Disposition.DO_NOT_CALL:
        _never_again(conn, attempt.lead_id, now)
    if callback_at is not None:
        promise_callback(conn, lead_id=attempt.lead_id, at=callback_at, agent=owner, now=now)
    elif not moved_on:
        settle_lead(conn, _ended(attempt, disposition, now), now=now)
        if _waits(conn, attempt.lead_id):
            take_up_again(conn, attempt.campaign_id, now)
    return disposition


def _waits(conn: sa.Connection, lead_id: int) -> bool:
    state = conn.scalar(sa.select(t.leads.c.state).where(t.leads.c.lead_id == lead_id))
    return state == LeadState.WAITING.value


def _ended(attempt: sa.Row[Any], disposition: Disposition, at: datetime) -> Ended:
    return Ended(
        attempt_id=attempt.attempt_id,
        lead_id=attempt.lead_id,
        campaign_id=attempt.campaign_id,
        number_id=attempt.number_id,
        attempt_no=attempt.attempt_no,
        disposition=disposition,
        at=at,
    )


def _disposable(conn: sa.Connection, attempt_id: int) -> sa.Row[Any]:
    """The attempt, locked."""
    attempt = conn.execute(
        sa.select(t.attempts).where(t.attempts.c.attempt_id == attempt_id).with_for_update()
    ).first()
    where = f"attempt {attempt_id}"
    if attempt is None:
        raise UnknownName(f"{where}: there is none")
    if attempt.lead_id is None:
        raise BadInput(
            f"{where}: it is a TAPI client's, which has no lead and no agent of ours; "
            "`acd dnc add` puts a number on a do-not-call list"
        )
    if attempt.state != "closed":
        raise BadInput(f"{where}: its call is not over yet; say it again in a moment")
    if attempt.transfer_result not in [str(outcome) for outcome in _HAD_AN_AGENT]:
        raise BadInput(f"{where}: no agent had the person, so there is nothing to say about it")
    return attempt


def _moved_on(conn: sa.Connection, attempt: sa.Row[Any]) -> str:
    """What became of the lead after the attempt, empty: nothing; the lead is locked."""
    lead = conn.execute(
        sa.select(t.leads.c.attempts, t.leads.c.state, t.leads.c.reason)
        .where(t.leads.c.lead_id == attempt.lead_id)
        .with_for_update()
    ).one()
    if lead.reason == ERASED:
        return "was erased"
    if lead.attempts != attempt.attempt_no or lead.state == LeadState.CLAIMED.value:
        return "is being dialed again, or was"
    return ""


def _named(definition: CampaignDefinition, code: str) -> Disposition:
    found = definition.agents.disposition_of(code)
    if found is None:
        known = [*sorted(map(str, AGENT_DISPOSITIONS)), *sorted(definition.agents.codes)]
        raise BadInput(
            Problem(
                f"disposition {code!r}",
                "agents of this campaign have no such code",
                f"allowed: {', '.join(known)}",
            )
        )
    return found


def _never_again(conn: sa.Connection, lead_id: int, now: datetime) -> None:
    """Put every number of the lead on the agents' list: the person asked, not the number."""
    numbers = list(
        conn.scalars(sa.select(t.lead_numbers.c.e164).where(t.lead_numbers.c.lead_id == lead_id))
    )
    list_id = list_to_add_to(conn, name=AGENTS_LIST, campaign_id=None, now=now)
    add_numbers(conn, list_id=list_id, numbers=numbers, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPerson:
    """The person whom an agent has or had last."""

    attempt_id: int
    lead_id: int | None
    campaign: str
    state: str
    disposition: str | None
    columns: Mapping[str, str]
    """The lead's; empty once they were erased."""


def last_person(conn: sa.Connection, extension: str) -> LastPerson | None:
    """Whom the agent at this extension has or had last, among the last 20,000 attempts."""
    newest = conn.scalar(sa.select(sa.func.max(t.attempts.c.attempt_id))) or 0
    row = conn.execute(
        sa.select(t.attempts, t.campaigns.c.name, t.leads.c.columns)
        .join(t.leads, t.leads.c.lead_id == t.attempts.c.lead_id)
        .join(t.campaigns, t.campaigns.c.campaign_id == t.attempts.c.campaign_id)
        # Nothing indexes agents: whoever had nobody lately is not looked for in all the past.
        .where(t.attempts.c.agent == extension, t.attempts.c.attempt_id > newest - 20_000)
        .order_by(t.attempts.c.attempt_id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return LastPerson(
        attempt_id=row.attempt_id,
        lead_id=row.lead_id,
        campaign=row.name,
        state=row.state,
        disposition=row.disposition,
        columns=row.columns,
    )


def agent_of_attempt(conn: sa.Connection, attempt_id: int) -> str:
    """The extension that had the attempt's person; empty: nobody.

    Raises:
        UnknownName: there is no such attempt.
    """
    row = conn.execute(
        sa.select(t.attempts.c.agent).where(t.attempts.c.attempt_id == attempt_id)
    ).first()
    if row is None:
        raise UnknownName(f"attempt {attempt_id}: there is none")
    return row.agent or ""


def any_undisposed(conn: sa.Connection, *, now: datetime) -> bool:
    """Whether some lead's closing timer has run out."""
    return bool(conn.scalar(sa.select(_overdue(now).exists())))


@dataclass(frozen=True, slots=True)
class Undisposed:
    """A lead whose agent said nothing in time."""

    campaign: str
    lead_id: int
    attempt_id: int


def close_undisposed(conn: sa.Connection, *, now: datetime) -> list[Undisposed]:
    """Go on with leads whose agents said nothing in time, by the attempt's own rule."""
    closed = []
    lead_ids = list(
        conn.scalars(_overdue(now).limit(500).with_for_update(skip_locked=True, of=t.leads))
    )
    for lead_id in lead_ids:
        attempt = conn.execute(
            sa.select(t.attempts, t.campaigns.c.name.label("campaign"))
            .join(t.campaigns, t.campaigns.c.campaign_id == t.attempts.c.campaign_id)
            .where(t.attempts.c.lead_id == lead_id)
            .order_by(t.attempts.c.attempt_no.desc())
            .limit(1)
        ).one()
        ended = _ended(attempt, Disposition(attempt.disposition), now)
        settle_lead(conn, ended, now=now)
        closed.append(Undisposed(attempt.campaign, lead_id, attempt.attempt_id))
    return closed


def _overdue(now: datetime) -> sa.Select[int]:
    return sa.select(t.leads.c.lead_id).where(
        t.leads.c.state == sa.literal_column(f"'{LeadState.WITH_AGENT.value}'"),
        t.leads.c.lease_until <= now,
    )
