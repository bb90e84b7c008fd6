"""What became of attempts, written many at a time: `write_outcomes`.

Every outcome may be written twice with the same effect as once: when the answer to a COMMIT is
lost, nobody knows whether it happened, and the whole batch is written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.rules.dispositions import Disposition
from acd.store.agents import AgentBenched, AgentMoved, note_agent_benched, note_agent_moved
from acd.store.attempts import (
    AttemptClosed,
    close_attempt,
    mark_answered,
    note_agent_times,
    note_dialog,
    withdraw_attempt,
)
from acd.store.events import Subject, record
from acd.store.leads import ClaimedLead, skip_lead, unclaim_leads


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogSeen:
    """The other side has answered with anything that makes a dialog (RFC 3261 12.1)."""

    attempt_id: int
    sip_call_id: str
    dialog: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptAnswered:
    """The 2xx."""

    attempt_id: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTimes:
    """All that a feed has seen so far of the agent's phone and this attempt's person."""

    attempt_id: int
    rang_at: datetime | None
    answered_at: datetime | None
    talk_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDialed:
    """Nothing was sent for this lead; whether its attempt's row exists is not known."""

    lead: ClaimedLead


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """Leads that were claimed and not dialed."""

    lead_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadSkipped:
    """An agent has looked at a claimed lead and does not want it called now."""

    lead_id: int
    agent: str
    until: datetime


Outcome = (
    DialogSeen
    | AttemptAnswered
    | AgentTimes
    | AttemptClosed
    | NotDialed
    | GivenBack
    | LeadSkipped
    | AgentMoved
    | AgentBenched
)


def write_outcomes(
    conn: sa.Connection,
    outcomes: Sequence[Outcome],
    *,
    node: str,
    now: datetime,
    down_seconds: float | None = None,
) -> list[Disposition | None]:
    """Write outcomes in their order, in one transaction.

    Args:
        conn: in a transaction.
        outcomes: may be none, to find out whether the database takes anything.
        node: whose attempts they are.
        now: dates the event rows.
        down_seconds: how long the database was away; noted in the event log.

    Returns:
        For each outcome that closed an attempt its disposition, None for the others.
    """
    if down_seconds is not None:
        record(
            conn,
            at=now,
            subject=Subject.NODE,
            subject_id=node,
            what="store_back",
            detail={"down_seconds": round(down_seconds, 1), "outcomes": len(outcomes)},
        )
    return [_write(conn, outcome, node, now) for outcome in outcomes]


def _write(conn: sa.Connection, outcome: Outcome, node: str, now: datetime) -> Disposition | None:
    match outcome:
        case DialogSeen():
            note_dialog(
                conn,
                attempt_id=outcome.attempt_id,
                sip_call_id=outcome.sip_call_id,
                dialog=outcome.dialog,
            )
        case AttemptAnswered():
            mark_answered(conn, attempt_id=outcome.attempt_id, at=outcome.at)
        case AgentTimes():
            note_agent_times(
                conn,
                attempt_id=outcome.attempt_id,
                rang_at=outcome.rang_at,
                answered_at=outcome.answered_at,
                talk_seconds=outcome.talk_seconds,
                now=now,
            )
        case AttemptClosed():
            return close_attempt(conn, outcome, now=now)
        case NotDialed(lead=lead):
            withdraw_attempt(conn, lead=lead, node=node, now=now)
        case GivenBack(lead_ids=lead_ids):
            unclaim_leads(conn, node=node, lead_ids=lead_ids, now=now)
        case LeadSkipped():
            skip_lead(
                conn,
                node=node,
                lead_id=outcome.lead_id,
                agent=outcome.agent,
                until=outcome.until,
                now=now,
            )
        case AgentMoved():
            note_agent_moved(conn, outcome)
        case AgentBenched():
            note_agent_benched(conn, outcome)
    return None
