"""What agents did between two moments, from the event log and the attempts' rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from acd.agents import AgentState
from acd.rules.agent_times import StateChange
from acd.store.events import Subject
from acd.store.schema import attempts, events

_STATES = [state.value for state in AgentState]


def agent_changes(
    conn: sa.Connection, *, since: datetime, until: datetime
) -> Mapping[str, list[StateChange]]:
    """By agent's name their changes of state, oldest first: the last one before, and all since."""
    of_agents = sa.and_(events.c.subject == Subject.AGENT.value, events.c.what.in_(_STATES))
    before = (
        sa.select(sa.func.max(events.c.event_id))
        .where(of_agents, events.c.at < since)
        .group_by(events.c.subject_id)
    )
    inside = sa.and_(events.c.at >= since, events.c.at < until)
    rows = conn.execute(
        sa.select(events.c.subject_id, events.c.at, events.c.what, events.c.detail)
        .where(of_agents, sa.or_(inside, events.c.event_id.in_(before)))
        .order_by(events.c.event_id)
    )
    found: defaultdict[str, list[StateChange]] = defaultdict(list)
    for name, at, what, detail in rows:
        change = StateChange(at=at, state=AgentState(what), reason=detail.get("reason", ""))
        found[name].append(change)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonsOf:
    """The people whom one agent was given."""

    persons: int
    """Whom they had: transferred to them, as far as anybody knows."""
    talk_seconds: float
    """Of those whose talk a feed has seen."""
    talks: int
    """How many those were."""


def persons_by_extension(
    conn: sa.Connection, *, since: datetime, until: datetime
) -> Mapping[str, PersonsOf]:
    """By extension the people whom an agent joined between two moments."""
    c = attempts.c
    joined = sa.func.coalesce(c.agent_answered_at, c.transferred_at)
    rows = conn.execute(
        sa.select(
            c.agent, sa.func.count(), sa.func.sum(c.talk_seconds), sa.func.count(c.talk_seconds)
        )
        .where(c.agent.is_not(None), joined >= since, joined < until)
        .group_by(c.agent)
    )
    return {
        agent: PersonsOf(persons=persons, talk_seconds=talked or 0.0, talks=talks)
        for agent, persons, talked, talks in rows
    }
