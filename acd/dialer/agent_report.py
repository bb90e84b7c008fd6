"""What each agent did with their time: counted from the event log, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.agents import AgentState
from acd.clock import local_midnight
from acd.errors import BadInput, Problem
from acd.rules.agent_times import STAFFED, state_times
from acd.store.agent_times import PersonsOf, agent_changes, persons_by_extension
from acd.store.agents import all_agents

_NOBODY = PersonsOf(persons=0, talk_seconds=0.0, talks=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """One agent between two moments; durations in seconds, rates 0 to 1."""

    agent: str
    extension: str
    ready_seconds: float
    reserved_seconds: float
    on_call_seconds: float
    """On the phone with anybody, also with people whom they called themselves."""
    wrap_up_seconds: float
    not_ready_seconds: float
    staffed_seconds: float
    """Ready, reserved, on a call or wrapping up."""
    occupancy: float | None
    """On a call and wrapping up ÷ staffed; None without staffed time."""
    pauses: Mapping[str, float]
    """Seconds not ready by reason; without one under the empty text."""
    persons: int
    """Whom the engine gave them."""
    talk_seconds: float
    """With those, as far as a feed has seen it."""
    mean_talk_seconds: float | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def agents_report(conn: sa.Connection, *, since: datetime, until: datetime) -> list[AgentReport]:
    """Every agent, by name, between two moments."""
    changes = agent_changes(conn, since=since, until=until)
    persons = persons_by_extension(conn, since=since, until=until)
    found = []
    for row in all_agents(conn):
        times = state_times(changes.get(row.name, ()), since=since, until=until)
        had = persons.get(row.extension, _NOBODY)
        found.append(
            AgentReport(
                agent=row.name,
                extension=row.extension,
                ready_seconds=times.in_states(AgentState.READY),
                reserved_seconds=times.in_states(AgentState.RESERVED),
                on_call_seconds=times.in_states(AgentState.ON_CALL),
                wrap_up_seconds=times.in_states(AgentState.WRAP_UP),
                not_ready_seconds=times.in_states(AgentState.NOT_READY),
                staffed_seconds=times.in_states(*STAFFED),
                occupancy=times.occupancy,
                pauses=times.pauses,
                persons=had.persons,
                talk_seconds=had.talk_seconds,
                mean_talk_seconds=had.talk_seconds / had.talks if had.talks else None,
            )
        )
    return found


def report_window(
    since: datetime | None, until: datetime | None, *, now: datetime
) -> tuple[datetime, datetime]:
    """From midnight by this machine's clock, unless told, to now, unless told an earlier moment.

    Raises:
        BadInput: it ends before it begins.
    """
    begin = since or local_midnight(now)
    end = now if until is None else min(until, now)
    if end <= begin:
        raise BadInput(
            Problem(
                "until",
                f"nothing lies between {begin.isoformat(timespec='minutes')} and "
                f"{end.isoformat(timespec='minutes')}",
                "name a later end, or an earlier beginning that is over",
            )
        )
    return begin, end
