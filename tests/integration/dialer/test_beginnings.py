"""Attempts that are begun together, on a real SQLite that can be away or slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as ThreadEvent
from typing import Concatenate, ParamSpec, TypeVar

import pytest
import sqlalchemy as sa
import trio
import trio.testing

from acd.beat import next_beat
from acd.clock import SystemClock
from acd.dialer import beginnings as module
from acd.dialer.beginnings import Beginnings
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.metrics import Metrics
from acd.store import Store, open_store_sync
from acd.store import schema as t
from acd.store.beginning import Blocked, NewAttempt
from acd.store.leads import ClaimedLead
from tests.contract.store.world import World

P = ParamSpec("P")
T = TypeVar("T")


class HeldStore(Store):
    """A real SQLite whose next transaction waits for the test, is lost, or breaks."""

    begun = 0
    lost = False
    broken = False

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self.entered, self.go_on = ThreadEvent(), ThreadEvent()
        self.go_on.set()

    def run_sync(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        self.begun += 1
        self.entered.set()
        assert self.go_on.wait(30)
        if self.lost:
            raise StoreUnavailable("lost")
        if self.broken:
            raise RuntimeError("broken")
        return super().run_sync(statement, *args, **kwargs)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HeldStore]:
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as opened:
        yield HeldStore(opened._engine)


@pytest.fixture
def leads(store: HeldStore) -> list[ClaimedLead]:
    world = World(store)
    campaign = world.campaign()
    world.leads(campaign, 10)
    claimed = world.claim(campaign)
    store.begun = 0
    store.entered.clear()
    return claimed


@pytest.fixture
def beginnings(store: HeldStore) -> Beginnings:
    return Beginnings(store=StoreWatch(store, Metrics()), clock=SystemClock(), node="a")


class Asker:
    """Tasks that each want one lead begun, and what they were told."""

    def __init__(self, beginnings: Beginnings) -> None:
        self._beginnings = beginnings
        self.asked: list[int] = []
        self.told: dict[int, int | Blocked | str] = {}
        self.told_at_seconds: list[float] = []

    async def ask(self, lead: ClaimedLead) -> None:
        self.asked.append(lead.lead_id)
        try:
            wanted = NewAttempt(lead=lead, trunk="main", line=1)
            self.told[lead.lead_id] = await self._beginnings.begin(wanted)
        except StoreUnavailable as exc:
            self.told[lead.lead_id] = str(exc)
        self.told_at_seconds.append(trio.current_time())

    async def ask_all(self, leads: list[ClaimedLead]) -> None:
        async with trio.open_nursery() as nursery:
            for lead in leads:
                nursery.start_soon(self.ask, lead)


@pytest.fixture
def asker(beginnings: Beginnings) -> Asker:
    return Asker(beginnings)


def rows(store: HeldStore) -> dict[int, int]:
    """Attempts that stand in SQL, by lead."""
    query = sa.select(t.attempts.c.lead_id, t.attempts.c.attempt_id)
    return store.read_sync(lambda conn: {row[0]: row[1] for row in conn.execute(query)})


async def entered(store: HeldStore) -> None:
    assert await trio.to_thread.run_sync(store.entered.wait, 30)


async def test_who_comes_meanwhile_is_begun_in_one_transaction(
    store: HeldStore,
    leads: list[ClaimedLead],
    beginnings: Beginnings,
    asker: Asker,
    nursery: trio.Nursery,
) -> None:
    nursery.start_soon(beginnings.write)
    store.go_on.clear()
    async with trio.open_nursery() as asking:
        asking.start_soon(asker.ask, leads[0])
        await entered(store)
        asking.start_soon(asker.ask_all, leads[1:])
        await trio.testing.wait_all_tasks_blocked()
        assert rows(store) == {}
        assert asker.told == {}, "nobody may dial before the row is committed"
        store.go_on.set()
    assert store.begun == 2
    assert asker.told == rows(store)
    assert list(asker.told) == asker.asked, "who came first goes first"
    assert len(asker.told) == len(leads)


async def test_those_who_were_begun_together_go_on_in_bunches(
    leads: list[ClaimedLead],
    beginnings: Beginnings,
    asker: Asker,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GATHER_BEATS", 50)
    nursery.start_soon(beginnings.write)
    until = next_beat(module.GATHER_BEATS)
    await asker.ask_all(leads)
    first, last = asker.told_at_seconds[0], asker.told_at_seconds[-1]
    # One goes with each beat, and there are more beats than calls.
    left = until - first
    assert last - first > 0.5 * left
    assert list(asker.told) == asker.asked, "who came first goes first"


async def test_who_comes_alone_waits_for_nobody(
    leads: list[ClaimedLead],
    beginnings: Beginnings,
    asker: Asker,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GATHER_BEATS", 180_000)
    nursery.start_soon(beginnings.write)
    with trio.fail_after(30):
        await asker.ask(leads[0])
    assert isinstance(asker.told[leads[0].lead_id], int)


async def test_a_blocked_lead_keeps_nobody_else_from_being_dialed(
    leads: list[ClaimedLead], beginnings: Beginnings, asker: Asker, nursery: trio.Nursery
) -> None:
    nursery.start_soon(beginnings.write)
    await asker.ask(leads[0])
    await asker.ask_all(leads)
    kinds = [isinstance(asker.told[lead.lead_id], Blocked) for lead in leads]
    assert kinds == [True, *[False] * (len(leads) - 1)]


async def test_a_database_that_is_away_is_told_to_each(
    store: HeldStore,
    leads: list[ClaimedLead],
    beginnings: Beginnings,
    asker: Asker,
    nursery: trio.Nursery,
) -> None:
    store.lost = True
    nursery.start_soon(beginnings.write)
    await asker.ask_all(leads)
    assert asker.told == dict.fromkeys([lead.lead_id for lead in leads], "lost")
    store.lost = False
    await asker.ask_all(leads)
    assert asker.told == rows(store)


async def test_a_cancelled_task_that_waits_is_not_begun(
    store: HeldStore,
    leads: list[ClaimedLead],
    beginnings: Beginnings,
    asker: Asker,
    nursery: trio.Nursery,
) -> None:
    nursery.start_soon(beginnings.write)
    store.go_on.clear()
    async with trio.open_nursery() as asking:
        asking.start_soon(asker.ask, leads[0])
        await entered(store)
        with trio.move_on_after(0):
            await asker.ask_all(leads[1:5])
        asking.start_soon(asker.ask, leads[5])
        await trio.testing.wait_all_tasks_blocked()
        store.go_on.set()
    assert set(rows(store)) == {leads[0].lead_id, leads[5].lead_id} == set(asker.told)


async def test_a_cancelled_task_whose_row_is_being_written_learns_of_it(
    store: HeldStore,
    leads: list[ClaimedLead],
    beginnings: Beginnings,
    asker: Asker,
    nursery: trio.Nursery,
) -> None:
    nursery.start_soon(beginnings.write)
    store.go_on.clear()
    async with trio.open_nursery() as asking:
        asking.start_soon(asker.ask, leads[0])
        await entered(store)
        asking.cancel_scope.cancel()
        store.go_on.set()
    assert asker.told == rows(store)
    assert len(asker.told) == 1


async def test_nobody_waits_for_a_transaction_that_broke(
    store: HeldStore, leads: list[ClaimedLead], beginnings: Beginnings, asker: Asker
) -> None:
    store.broken = True
    with pytest.RaisesGroup(RuntimeError):
        async with trio.open_nursery() as engine:
            engine.start_soon(beginnings.write)
            await asker.ask_all(leads)
    assert set(asker.told.values()) == {"the transaction was not ended"}
    assert rows(store) == {}
