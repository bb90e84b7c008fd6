"""What a campaign does beside its calls, on a real SQLite."""

from __future__ import annotations

from itertools import groupby

import pytest
import sqlalchemy as sa
import trio

from acd.clock import SystemClock
from acd.dialer.store_watch import StoreWatch
from acd.dialer.upkeep import ask_put_off_again
from acd.metrics import Metrics
from acd.store import Store, asking_again
from acd.store import schema as t
from acd.store.asking_again import ask_again, next_slice, version_to_ask_by
from acd.store.campaigns import campaign_by_id
from acd.store.events import Subject, record
from tests.contract.store.world import World
from tests.integration.dialer.test_scheduler import until

BOUND_SECONDS = 20.0
SLICE, SLICES = 5, 4
LEADS = SLICE * SLICES - 2


class PutOff:
    """A campaign whose leads wait for a gap between attempts that it no longer has."""

    def __init__(self, store: Store) -> None:
        world, now = World(store), SystemClock().now()
        self.store = store
        at_once = {"busy": {"action": "retry", "after_seconds": 0}}
        self.campaign_id = world.campaign(gap_seconds=7200, retry=at_once)
        world.leads(self.campaign_id, LEADS)
        for lead in world.claim(self.campaign_id, limit=LEADS, now=now):
            world.close(world.dial(lead, now=now), now=now)
        assert world.claim(self.campaign_id, limit=LEADS, now=now) == []
        world.reload(self.campaign_id, gap_seconds=0, retry=at_once, now=now)

    async def ask(self) -> None:
        """For ever, as in an engine."""
        store, clock = StoreWatch(self.store, Metrics()), SystemClock()
        row = await self.store.read(campaign_by_id, self.campaign_id)
        await ask_put_off_again(store, clock, lambda: row)

    def told(self) -> list[str]:
        """What was written, in its order."""
        what = sa.select(t.events.c.what).order_by(t.events.c.event_id)
        return self.store.read_sync(lambda conn: list(conn.scalars(what)))

    @property
    def is_over(self) -> bool:
        return self.store.read_sync(version_to_ask_by, self.campaign_id) is None


@pytest.fixture
def put_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> PutOff:
    monkeypatch.setattr(asking_again, "AT_A_TIME", SLICE)
    return PutOff(store)


async def test_others_who_write_get_their_turn_between_two_slices(put_off: PutOff) -> None:
    store, now = put_off.store, SystemClock().now()

    async def write() -> None:
        while True:
            await store.run(record, at=now, subject=Subject.NODE, subject_id="x", what="mine")

    with trio.fail_after(BOUND_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            nursery.start_soon(put_off.ask)
            await until(lambda: put_off.is_over)
            nursery.cancel_scope.cancel()
    told = put_off.told()
    since = told[told.index("reloaded") :]
    slices = [len(list(same)) for what, same in groupby(since) if what == "asked_again"]
    assert sum(slices) == LEADS + 1, "each lead once, and the campaign at the end"
    assert max(slices) <= SLICE, "somebody else wrote between any two"


async def test_what_an_engine_that_died_has_left_is_asked_by_the_next(put_off: PutOff) -> None:
    store, now = put_off.store, SystemClock().now()
    first = store.read_sync(next_slice, campaign_id=put_off.campaign_id, after=0, now=now)
    store.run_sync(ask_again, lead_ids=first.put_off, now=now)
    assert put_off.told().count("asked_again") == SLICE
    assert not put_off.is_over
    with trio.fail_after(BOUND_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(put_off.ask)
            await until(lambda: put_off.is_over)
            nursery.cancel_scope.cancel()
    assert put_off.told().count("asked_again") == LEADS + 1
