"""The alarm for do-not-call lists that are missing or too old."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import trio
from structlog.testing import capture_logs

from acd.agents_feed.fixed import FixedFeed
from acd.clock import SystemClock
from acd.dialer.list_watch import ListWatch
from acd.dialer.scheduler import Scheduler
from acd.dialer.store_watch import StoreWatch
from acd.dialer.surroundings import Surroundings
from acd.metrics import Metrics
from acd.settings import Settings, TrunkSettings
from acd.store import Store
from acd.store.campaigns import campaign_by_id
from acd.store.dnc import open_list
from tests.contract.store.world import World
from tests.fakes.lines import FakePool, FakeTrunk, Script

REQUIRED = {"required_lists": ["robinson", "own"], "max_age_days": 31}
BOUND_SECONDS = 20.0


def made(store: Store, name: str, *, days_ago: int) -> None:
    now = SystemClock().now()
    day: date = (now - timedelta(days=days_ago)).date()
    store.run_sync(open_list, name=name, campaign_id=None, made_on=day, now=now)


def gauge(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("acd_stale_dnc_lists", {"campaign": "campaign-1"})


async def test_the_alarm_is_told_once_and_its_end_too(store: Store) -> None:
    campaign_id = World(store).campaign(dnc=REQUIRED)
    campaign = store.read_sync(campaign_by_id, campaign_id)
    metrics = Metrics()
    watch = ListWatch(StoreWatch(store, metrics), metrics, SystemClock())
    made(store, "own", days_ago=0)
    with capture_logs() as told:
        for days_ago, stale in ((31, 0), (32, 1), (32, 1), (0, 0)):
            made(store, "robinson", days_ago=days_ago)
            await watch.look([campaign])
            assert gauge(metrics) == stale
    assert [line["action"] for line in told] == ["dnc.lists_stale", "dnc.lists_fresh"]
    assert (told[0]["campaign"], told[0]["lists"]) == ("campaign-1", ["robinson"])
    assert told[0]["blocks"] is True


async def test_a_campaign_that_no_longer_runs_raises_no_alarm(store: Store) -> None:
    campaign = store.read_sync(campaign_by_id, World(store).campaign(dnc=REQUIRED))
    metrics = Metrics()
    watch = ListWatch(StoreWatch(store, metrics), metrics, SystemClock())
    await watch.look([campaign])
    assert gauge(metrics) == 2
    await watch.look([])
    assert gauge(metrics) == 0


@pytest.mark.parametrize(("when_stale", "dials"), [("block", False), ("alarm", True)])
async def test_an_engine_raises_the_alarm_and_blocks_where_it_is_told_to(
    store: Store, nursery: trio.Nursery, when_stale: str, dials: bool
) -> None:
    world, metrics = World(store), Metrics()
    campaign_id = world.campaign(dnc={**REQUIRED, "when_stale": when_stale})
    world.leads(campaign_id, 1)
    trunk = FakeTrunk(FakePool(nursery, 5, (Script(),)))
    metrics.know_trunk("main", trunk.lines)
    scheduler = Scheduler(
        Surroundings(
            settings=Settings(trunk=(TrunkSettings(domain="127.0.0.1", user="dialer"),)),
            trunks={"main": trunk},
            store=store,
            feed=FixedFeed(nursery),
            metrics=metrics,
            clock=SystemClock(),
            node="node",
        )
    )
    with trio.fail_after(BOUND_SECONDS):
        async with trio.open_nursery() as engine:
            engine.start_soon(scheduler.run)
            while gauge(metrics) != 2:  # noqa: ASYNC110 - a gauge raises no event
                await trio.sleep(0.01)
            asked = trunk.asked
            # A campaign that is done asks no more.
            while not trunk.lines.used if dials else trunk.asked < asked + 3:  # noqa: ASYNC110 - nor do lines
                await trio.sleep(0.01)
            scheduler.stop()
    assert bool(trunk.lines.used) is dials
