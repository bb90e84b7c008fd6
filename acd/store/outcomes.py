"""What became of attempts and agents, written many at a time: `write_outcomes`.

Every outcome may be written twice with the same effect as once: when the answer to a COMMIT is
lost, nobody knows whether it happened, and the whole batch is written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from acd.frozen import frozen
from acd.rules.dispositions import Disposition
from acd.store.agents import AgentBenched, AgentMoved, MovingAgents, note_agent_benched
from acd.store.attempts import AgentTimes, AttemptClosed, OpenAttempts, withdraw_attempt
from acd.store.events import Journal, Subject, record
from acd.store.leads import ClaimedLead, skip_lead, unclaim_leads
from acd.store.turned_away import turn_away


@frozen(kw_only=True)
class DialogSeen:
    """The other side has answered with anything that makes a dialog (RFC 3261 12.1)."""

    attempt_id: int
    sip_call_id: str
    dialog: Mapping[str, Any]


@frozen(kw_only=True)
class AttemptAnswered:
    """The 2xx."""

    attempt_id: int
    at: datetime


@frozen(kw_only=True)
class NotDialed:
    """Nothing was sent for this lead; whether its attempt's row exists is not known."""

    lead: ClaimedLead


@frozen(kw_only=True)
class GivenBack:
    """Leads that were claimed and not dialed."""

    lead_ids: tuple[int, ...]


@frozen(kw_only=True)
class LeadSkipped:
    """An agent has looked at a claimed lead and does not want it called now."""

    lead_id: int
    agent: str
    until: datetime


@frozen(kw_only=True)
class TurnedAway:
    """The door did not let the number of a claimed lead through."""

    lead: ClaimedLead
    rule: str
    """The door's."""


News = DialogSeen | AttemptAnswered | AgentTimes | AttemptClosed | AgentMoved
"""What is written of many attempts and agents together."""
Outcome = News | NotDialed | GivenBack | LeadSkipped | TurnedAway | AgentBenched


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
    dispositions: list[Disposition | None] = []
    for together, some in groupby(outcomes, key=lambda outcome: isinstance(outcome, News)):
        if together:
            news = [outcome for outcome in some if isinstance(outcome, News)]
            dispositions += _write_together(conn, news, now)
        else:
            # What says that a lead is free must not overtake the end of its attempt.
            for outcome in some:
                _write_alone(conn, outcome, node, now)
                dispositions.append(None)
    return dispositions


def _write_together(
    conn: sa.Connection, news: Sequence[News], now: datetime
) -> list[Disposition | None]:
    journal = Journal()
    attempts = OpenAttempts(
        conn,
        {each.attempt_id for each in news if not isinstance(each, AgentMoved)},
        ending={each.attempt_id for each in news if isinstance(each, AttemptClosed)},
        journal=journal,
        now=now,
    )
    extensions = {each.extension for each in news if isinstance(each, AgentMoved)}
    agents = MovingAgents(conn, extensions, journal=journal)
    dispositions = [_tell(attempts, agents, each) for each in news]
    attempts.write()
    agents.write()
    journal.write(conn)
    return dispositions


def _tell(attempts: OpenAttempts, agents: MovingAgents, news: News) -> Disposition | None:
    match news:
        case DialogSeen():
            attempts.saw_dialog(news.attempt_id, sip_call_id=news.sip_call_id, dialog=news.dialog)
        case AttemptAnswered():
            attempts.answered(news.attempt_id, at=news.at)
        case AgentTimes():
            attempts.agent_times(news)
        case AttemptClosed():
            return attempts.close(news)
        case AgentMoved():
            agents.move(news)
    return None


def _write_alone(conn: sa.Connection, outcome: Outcome, node: str, now: datetime) -> None:
    match outcome:
        case NotDialed(lead=lead):
            withdraw_attempt(conn, lead=lead, node=node, now=now)
        case GivenBack(lead_ids=lead_ids):
            unclaim_leads(conn, node=node, lead_ids=lead_ids, now=now)
        case TurnedAway(lead=lead, rule=rule):
            turn_away(conn, node=node, lead=lead, rule=rule, now=now)
        case LeadSkipped():
            skip_lead(
                conn,
                node=node,
                lead_id=outcome.lead_id,
                agent=outcome.agent,
                until=outcome.until,
                now=now,
            )
        case AgentBenched():
            note_agent_benched(conn, outcome, now=now)
