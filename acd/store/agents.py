"""Agents in SQL: who they are, what people asked of them, and what they do now.

Two columns say what an agent does. `wanted` is what a person asked for (log off, not ready,
ready) and is changed by commands alone; `state` is what the agent does and follows `wanted` as
soon as no person is with them. Every change of `state` is a row in the event log; so is what is
asked of an agent, as `asked`, where no state follows at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from acd.agents import AgentState
from acd.errors import Problem, UnknownName
from acd.rules.agent_states import resting_steps
from acd.store import schema as t
from acd.store.among import among
from acd.store.each import execute_each
from acd.store.events import Journal, Subject, record


class Teller(StrEnum):
    """Who said that an agent is in a state."""

    COMMAND = "command"
    ENGINE = "engine"
    FEED = "feed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent:
    """One agent as a file describes them."""

    name: str
    extension: str
    display_name: str
    skills: frozenset[str]
    campaign_ids: frozenset[int]
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """One agent as SQL knows them."""

    agent_id: int
    name: str
    extension: str
    display_name: str
    skills: frozenset[str]
    campaign_ids: frozenset[int]
    priority: int
    wanted: AgentState
    state: AgentState
    reason: str
    since: datetime
    feed: str
    version: int
    wraps_up_until: datetime | None
    """When their wrap-up time is over; None: it does not run."""

    def described(self) -> NewAgent:
        """As a file would describe them."""
        return NewAgent(
            name=self.name,
            extension=self.extension,
            display_name=self.display_name,
            skills=self.skills,
            campaign_ids=self.campaign_ids,
            priority=self.priority,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMoved:
    """An agent came into a state, told by the engine that seats them."""

    extension: str
    state: AgentState
    at: datetime
    told_by: Teller
    reason: str = ""
    """Why they are not ready, where a feed knows."""
    wraps_up_until: datetime | None = None
    """When the wrap-up time is over that begins with this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBenched:
    """An engine lets an agent not be ready any more, though nobody has asked for that."""

    extension: str
    reason: str


def all_agents(conn: sa.Connection) -> list[AgentRow]:
    """Every agent, by name."""
    return _agents(conn, sa.true())


def _agents(conn: sa.Connection, which: sa.ColumnElement[bool]) -> list[AgentRow]:
    skills, campaigns = defaultdict(set), defaultdict(set)
    mine = sa.select(t.agents.c.agent_id).where(which)
    for agent_id, skill in conn.execute(
        sa.select(t.agent_skills).where(t.agent_skills.c.agent_id.in_(mine))
    ):
        skills[agent_id].add(skill)
    for agent_id, campaign_id in conn.execute(
        sa.select(t.agent_campaigns).where(t.agent_campaigns.c.agent_id.in_(mine))
    ):
        campaigns[agent_id].add(campaign_id)
    return [
        AgentRow(
            agent_id=row.agent_id,
            name=row.name,
            extension=row.extension,
            display_name=row.display_name,
            skills=frozenset(skills[row.agent_id]),
            campaign_ids=frozenset(campaigns[row.agent_id]),
            priority=row.priority,
            wanted=AgentState(row.wanted),
            state=AgentState(row.state),
            reason=row.reason,
            since=row.since,
            feed=row.feed,
            version=row.version,
            wraps_up_until=row.wraps_up_until,
        )
        for row in conn.execute(sa.select(t.agents).where(which).order_by(t.agents.c.name))
    ]


# Asked twice a second for good: building it costs more than asking.
_VERSION = sa.select(sa.func.count(), sa.func.sum(t.agents.c.version))


def agents_version(conn: sa.Connection) -> tuple[int, int]:
    """Another pair whenever a person has changed an agent; cheap to ask."""
    row = conn.execute(_VERSION).one()
    return int(row[0]), int(row[1] or 0)


def agent_named(conn: sa.Connection, text: str) -> AgentRow:
    """One agent by name or extension; a name goes before another agent's extension.

    Raises:
        UnknownName: there is none; the sentence names those that exist.
    """
    found = _agents(conn, sa.or_(t.agents.c.name == text, t.agents.c.extension == text))
    if found:
        return min(found, key=lambda agent: agent.name != text)
    agents = all_agents(conn)
    known = ", ".join(agent.name for agent in agents[:10])
    raise UnknownName(
        Problem(
            f"agent {text}",
            "there is no agent of that name or extension",
            f"there is {known}{' and more' if len(agents) > 10 else ''}"
            if agents
            else "`acd agents import` brings agents in",
        )
    )


def save_agents(
    conn: sa.Connection, agents: Sequence[NewAgent], *, now: datetime
) -> tuple[list[str], list[str]]:
    """Add agents and change those of the same name; (added, changed) by name.

    New ones are logged off. Whoever is not among `agents` stays as they are. Phones may change
    hands among them: the caller has seen to it that no phone ends up with two.
    """
    present = {agent.name: agent for agent in all_agents(conn)}
    changed = [
        agent
        for agent in agents
        if agent.name in present and present[agent.name].described() != agent
    ]
    added = [agent for agent in agents if agent.name not in present]
    for agent in changed:
        # Out of each other's way first: the extension is unique at every moment.
        agent_id = present[agent.name].agent_id
        _update(conn, agent_id, extension=f"#{agent_id}")
    for agent in changed:
        _change(conn, present[agent.name].agent_id, agent, now)
    for agent in added:
        _add(conn, agent, now)
    return [agent.name for agent in added], [agent.name for agent in changed]


def _add(conn: sa.Connection, agent: NewAgent, now: datetime) -> None:
    agent_id: int = conn.execute(
        sa.insert(t.agents)
        .values(
            name=agent.name,
            extension=agent.extension,
            display_name=agent.display_name,
            priority=agent.priority,
            wanted=AgentState.LOGGED_OFF.value,
            state=AgentState.LOGGED_OFF.value,
            reason="",
            since=now,
            feed=Teller.COMMAND.value,
            version=1,
        )
        .returning(t.agents.c.agent_id)
    ).scalar_one()
    _assign(conn, agent_id, agent)
    _record(conn, agent.name, "added", now, extension=agent.extension)


def _change(conn: sa.Connection, agent_id: int, agent: NewAgent, now: datetime) -> None:
    _update(
        conn,
        agent_id,
        extension=agent.extension,
        display_name=agent.display_name,
        priority=agent.priority,
        version=t.agents.c.version + 1,
    )
    _assign(conn, agent_id, agent)
    _record(conn, agent.name, "changed", now, extension=agent.extension)


def _assign(conn: sa.Connection, agent_id: int, agent: NewAgent) -> None:
    for table in (t.agent_skills, t.agent_campaigns):
        conn.execute(sa.delete(table).where(table.c.agent_id == agent_id))
    _insert(conn, t.agent_skills, agent_id, "skill", sorted(agent.skills))
    _insert(conn, t.agent_campaigns, agent_id, "campaign_id", sorted(agent.campaign_ids))


def _insert(
    conn: sa.Connection, table: sa.Table, agent_id: int, column: str, values: Iterable[object]
) -> None:
    rows = [{"agent_id": agent_id, column: value} for value in values]
    if rows:
        conn.execute(sa.insert(table), rows)


def ask_agent(
    conn: sa.Connection, text: str, *, wanted: AgentState, reason: str, now: datetime
) -> AgentRow:
    """Ask an agent to be logged off, not ready or ready; the agent as they are after it.

    Whoever has a person keeps them: their state follows when that call is wrapped up.

    Raises:
        UnknownName: there is no such agent.
    """
    agent = agent_named(conn, text)
    _update(conn, agent.agent_id, wanted=wanted.value, version=t.agents.c.version + 1)
    steps = resting_steps(agent.state, wanted)
    for step in steps:
        _move(conn, agent.name, step, now, told_by=Teller.COMMAND, reason=reason)
    if not steps:
        asked = {"wanted": wanted.value, "told_by": Teller.COMMAND.value, "reason": reason}
        _record(conn, agent.name, "asked", now, **asked)
    if agent.reason != reason:
        _update(conn, agent.agent_id, reason=reason)
    return agent_named(conn, agent.name)


_SEATED = (
    sa.select(
        t.agents.c.extension,
        t.agents.c.name,
        t.agents.c.state,
        t.agents.c.reason,
        t.agents.c.wanted,
    )
    .where(among(t.agents.c.extension, "extensions"))
    .order_by(t.agents.c.agent_id)
    .with_for_update()
)
_MOVE = (
    sa.update(t.agents)
    .where(t.agents.c.name == sa.bindparam("this_agent"))
    .values(
        state=sa.bindparam("new_state"),
        since=sa.bindparam("at"),
        feed=sa.bindparam("told_by"),
        wraps_up_until=sa.bindparam("until"),
    )
)


class MovingAgents:
    """The agents of whom one transaction writes what an engine saw them do."""

    def __init__(
        self, conn: sa.Connection, extensions: Collection[str], *, journal: Journal
    ) -> None:
        """Read and lock the agents at these extensions; `journal` gets the events, in order."""
        self._conn = conn
        self._journal = journal
        rows = conn.execute(_SEATED, {"extensions": sorted(extensions)}) if extensions else ()
        self._rows = {row.extension: row for row in rows}
        self._states = {extension: row.state for extension, row in self._rows.items()}
        self._moves: dict[str, dict[str, Any]] = {}

    def move(self, moved: AgentMoved) -> None:
        """An agent came into a state; who is in it already, or unknown, stays."""
        row, state = self._rows.get(moved.extension), moved.state.value
        if row is None or self._states[moved.extension] == state:
            return
        self._states[moved.extension] = state
        self._moves[row.name] = {
            "this_agent": row.name,
            "new_state": state,
            "at": moved.at,
            "told_by": moved.told_by.value,
            "until": moved.wraps_up_until,
        }
        reason = moved.reason or (row.reason if row.wanted == state else "")
        self._journal.note(
            at=moved.at,
            subject=Subject.AGENT,
            subject_id=row.name,
            what=state,
            detail={"told_by": moved.told_by.value, "reason": reason},
        )

    def write(self) -> None:
        """Write where they are now."""
        execute_each(self._conn, _MOVE, list(self._moves.values()))


def note_agent_benched(conn: sa.Connection, benched: AgentBenched, *, now: datetime) -> None:
    """Want an agent not ready, as a command would; one who shall not be ready anyway stays.

    The state follows by `note_agent_moved`.
    """
    wanted = AgentState.NOT_READY.value
    name = conn.scalar(
        sa.update(t.agents)
        .where(
            t.agents.c.extension == benched.extension, t.agents.c.wanted == AgentState.READY.value
        )
        .values(wanted=wanted, reason=benched.reason, version=t.agents.c.version + 1)
        .returning(t.agents.c.name)
    )
    if name is not None:
        asked = {"wanted": wanted, "told_by": Teller.ENGINE.value, "reason": benched.reason}
        _record(conn, name, "asked", now, **asked)


def _move(
    conn: sa.Connection,
    name: str,
    state: AgentState,
    at: datetime,
    *,
    told_by: Teller,
    reason: str = "",
) -> None:
    moved = {"this_agent": name, "new_state": state.value, "at": at, "told_by": told_by.value}
    conn.execute(_MOVE, {**moved, "until": None})
    _record(conn, name, state.value, at, told_by=told_by.value, reason=reason)


def _update(conn: sa.Connection, agent_id: int, **values: Any) -> None:
    conn.execute(sa.update(t.agents).where(t.agents.c.agent_id == agent_id).values(**values))


def _record(conn: sa.Connection, name: str, what: str, at: datetime, **detail: str) -> None:
    record(conn, at=at, subject=Subject.AGENT, subject_id=name, what=what, detail=detail)
