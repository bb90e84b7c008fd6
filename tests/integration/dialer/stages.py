"""One campaign with one lead on a scripted line, and a real SQLite underneath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import trio

from acd.agents import AgentId
from acd.agents_feed.fixed import FixedFeed
from acd.clock import SystemClock
from acd.dialer.attempts import run_attempt
from acd.dialer.beginnings import Beginnings
from acd.dialer.dialing import CallsInFlight, Dialing
from acd.dialer.outcomes import Outcomes
from acd.dialer.places import agent_places
from acd.dialer.routing import Roster
from acd.dialer.store_watch import StoreWatch
from acd.lines import Door, Trunk
from acd.metrics import Metrics
from acd.settings import DestinationSettings, TrunkSettings
from acd.store import Store
from acd.store import schema as t
from acd.store.campaigns import campaign_by_id
from acd.store.leads import claim_leads
from tests.contract.store.world import World
from tests.fakes.lines import FakeLine, FakePool, FakeTrunk, Script

WAIT_LIMIT_SECONDS = 0.2
TRUNK = TrunkSettings(domain="127.0.0.1", user="dialer")


@dataclass
class Stage:
    """One campaign with one lead and its agents."""

    dialing: Dialing
    stop: trio.Event

    async def run(self, in_flight: CallsInFlight | None = None) -> dict[str, Any]:
        """Dial the lead; the attempt's row, empty when none was written."""
        claimed = await self.dialing.store.run(
            claim_leads,
            campaign_id=self.dialing.campaign.campaign_id,
            node="node",
            limit=1,
            now=self.dialing.clock.now(),
        )
        await run_attempt(self.dialing, claimed[0], in_flight or CallsInFlight(), self.stop)
        return await self.row()

    async def row(self) -> dict[str, Any]:
        await self.dialing.outcomes.wait_written()

        def first(conn: sa.Connection) -> dict[str, Any]:
            row = conn.execute(sa.select(t.attempts)).mappings().first()
            return dict(row) if row else {}

        return await self.dialing.store.run(first)

    async def lead_state(self) -> str:
        await self.dialing.outcomes.wait_written()

        def state(conn: sa.Connection) -> str:
            return str(conn.execute(sa.select(t.leads.c.state)).scalar_one())

        return await self.dialing.store.run(state)

    def count(self, name: str, **labels: str) -> float:
        labels = {"campaign": self.dialing.campaign.name, **labels}
        value = self.dialing.metrics.registry.get_sample_value(f"{name}_total", labels)
        assert value is not None
        return value


@dataclass
class ScriptedStage(Stage):
    """Its trunk follows scripts."""

    trunk: FakeTrunk

    @property
    def line(self) -> FakeLine:
        return self.trunk.lines.used[-1]


class SeeingFeed(FixedFeed):
    """A feed that sees phones, whose updates the test itself gives to the roster."""

    def sees_phone(self, agent: AgentId) -> bool:
        return True


class StageMaker:
    """Builds a stage in a test's own nursery and folder."""

    def __init__(self, store: Store, nursery: trio.Nursery) -> None:
        self._store = store
        self.nursery = nursery

    async def make(self, script: Script, **definition: Any) -> ScriptedStage:
        trunk = FakeTrunk(FakePool(self.nursery, 5, [script]))
        dialing = await self.dialing(trunk, FixedFeed(self.nursery), **definition)
        return ScriptedStage(dialing, trio.Event(), trunk)

    async def dialing(self, trunk: Trunk, feed: FixedFeed, **definition: Any) -> Dialing:
        """A campaign with one lead."""
        store = self._store
        world = World(store)
        limit = {"wait_limit_seconds": WAIT_LIMIT_SECONDS}
        campaign_id = world.campaign(**{**limit, **definition})
        world.leads(campaign_id)
        campaign = await store.run(campaign_by_id, campaign_id)
        roster = Roster()
        roster.seat(campaign_id, agent_places(campaign.definition))
        metrics = Metrics()
        metrics.know_campaign(campaign.name)
        watch, clock = StoreWatch(store, metrics), SystemClock()
        outcomes = Outcomes(store=watch, metrics=metrics, clock=clock, node="node")
        beginnings = Beginnings(store=watch, clock=clock, node="node")
        self.nursery.start_soon(outcomes.write)
        self.nursery.start_soon(beginnings.write)
        return Dialing(
            campaign=campaign,
            trunk=trunk,
            trunk_settings=TRUNK,
            door=Door(DestinationSettings(), TRUNK),
            roster=roster,
            feed=feed,
            store=watch,
            beginnings=beginnings,
            outcomes=outcomes,
            metrics=metrics,
            clock=clock,
            node="node",
        )
