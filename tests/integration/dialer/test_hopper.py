"""How often SQL is asked for more leads, on a real SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from acd.clock import SystemClock
from acd.dialer import hopper as module
from acd.dialer.hopper import Hopper
from acd.dialer.store_watch import StoreWatch
from acd.metrics import Metrics
from acd.store import open_store_sync
from tests.contract.store.world import World
from tests.integration.dialer.test_beginnings import HeldStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HeldStore]:
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as opened:
        yield HeldStore(opened._engine)


def hopper_of(store: HeldStore, *, leads: int) -> Hopper:
    world = World(store)
    campaign = world.campaign()
    world.leads(campaign, leads)
    store.begun = 0
    watch = StoreWatch(store, Metrics())
    return Hopper(store=watch, clock=SystemClock(), campaign_id=campaign, node="a")


async def fill(hopper: Hopper) -> None:
    await hopper.fill(ready_agents=20, ready_names=list)


async def test_a_list_that_has_run_dry_is_not_asked_with_every_call(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_SECONDS", 3600.0)
    hopper = hopper_of(store, leads=5)
    for _ in range(4):
        await fill(hopper)
    assert (len(hopper), store.begun) == (5, 1)


async def test_a_list_that_has_enough_is_asked_as_soon_as_more_is_wanted(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_SECONDS", 3600.0)
    hopper = hopper_of(store, leads=100)
    for _ in range(2):
        await fill(hopper)
        assert len(hopper) == 40
        hopper.take(30)
    assert store.begun == 2


async def test_after_the_rest_the_list_is_asked_again(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)
    hopper = hopper_of(store, leads=5)
    for _ in range(2):
        await fill(hopper)
    assert store.begun == 2
