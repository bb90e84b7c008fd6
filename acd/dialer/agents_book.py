"""Keeps the roster and the agents' rows in SQL in step: `AgentBook`.

What people ask of agents is read when the engine is told to look, and twice a second unasked.
What agents do is written with the attempts' outcomes, in their order and off the SIP path.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import structlog
import trio

from acd.agents import AgentFeed, AgentId, AgentState
from acd.clock import WallClock
from acd.dialer.no_answers import REASON
from acd.dialer.outcomes import Outcomes
from acd.dialer.places import EnrolledAgent
from acd.dialer.routing import Roster
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.store.agent_dispositions import Undisposed, any_undisposed, close_undisposed
from acd.store.agents import AgentBenched, AgentMoved, AgentRow, Teller, agents_version, all_agents

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CLOSING_SECONDS = 2.0
"""How often it is looked whose closing timer has run out."""


class AgentBook:
    """One engine's roster, and the rows behind it."""

    def __init__(self, store: StoreWatch, clock: WallClock, feed: AgentFeed) -> None:
        self.roster = Roster(self._write, feed.state_of, self._bench)
        self._feed = feed
        self._store = store
        self._clock = clock
        self._outcomes: Outcomes | None = None
        self._version: tuple[int, int] | None = None

    def write_to(self, outcomes: Outcomes) -> None:
        """Where changes go from now on."""
        self._outcomes = outcomes

    async def read(self) -> None:
        """Take up what people have changed about agents since the last time.

        Raises:
            StoreUnavailable: the database is away.
        """
        version = await self._store.read(agents_version)
        if version == self._version:
            return
        self.roster.enrol(map(self._enrolled, await self._store.read(all_agents)))
        self._version = version

    async def close_undisposed(self) -> None:
        """For ever: go on with leads whose agents have said nothing in time."""
        while True:
            with suppress(StoreUnavailable):
                now = self._clock.now()
                if await self._store.read(any_undisposed, now=now):
                    for lead in await self._store.run(close_undisposed, now=now):
                        _tell_undisposed(lead)
            await trio.sleep(CLOSING_SECONDS)

    def _write(self, agent: EnrolledAgent, state: AgentState, told_by: Teller) -> None:
        if self._outcomes is not None:
            fed = told_by is Teller.FEED and state is AgentState.NOT_READY
            until = self.roster.wraps_up_until(agent.agent)
            now = self._clock.now()
            left = None if until is None else timedelta(seconds=until - trio.current_time())
            moved = AgentMoved(
                extension=agent.agent,
                state=state,
                at=now,
                told_by=told_by,
                reason=self._feed.reason_of(agent.agent) if fed else "",
                wraps_up_until=None if left is None else now + left,
            )
            self._outcomes.put(moved)

    def _bench(self, agent: EnrolledAgent) -> None:
        if self._outcomes is not None:
            benched = AgentBenched(extension=agent.agent, reason=REASON)
            self._outcomes.put(benched)

    def _enrolled(self, row: AgentRow) -> EnrolledAgent:
        until = row.wraps_up_until
        left_seconds = 0.0 if until is None else (until - self._clock.now()).total_seconds()
        return EnrolledAgent(
            agent=AgentId(row.extension),
            name=row.name,
            skills=row.skills,
            campaigns=row.campaign_ids,
            wanted=row.wanted,
            version=row.version,
            priority=row.priority,
            wraps_up_until=trio.current_time() + left_seconds,
        )


def _tell_undisposed(lead: Undisposed) -> None:
    log.info(
        "no word from the agent",
        action="lead.undisposed",
        campaign=lead.campaign,
        lead=lead.lead_id,
        attempt=lead.attempt_id,
        call=f"a{lead.attempt_id}",
    )
