"""The abandon ledger's window as an engine reads it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from acd.calls import DisconnectCause
from acd.dialer.ledger_watch import KEEP_FOR, LedgerWatch
from acd.dialer.store_watch import StoreWatch
from acd.metrics import Metrics
from acd.rules.ledger import AbandonWindow, LedgerCounts
from acd.store import Store, open_store_sync
from tests.contract.store.world import NOON, World

HOUR = timedelta(hours=1)


class SetClock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as store:
        yield store


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


class Ledger:
    """A campaign whose people are abandoned at stated times."""

    def __init__(self, store: Store, clock: SetClock) -> None:
        self._world = World(store)
        self._campaign = self._world.campaign()
        watched = StoreWatch(store, Metrics())
        self._watch = LedgerWatch(self._campaign, store=watched, clock=clock)

    def abandon(self, at: datetime) -> None:
        self._world.leads(self._campaign, now=at)
        (lead,) = self._world.claim(self._campaign, limit=1, now=at)
        self._world.close(
            self._world.dial(lead, now=at),
            DisconnectCause.HUNG_UP,
            answered_at=at,
            abandoned=True,
        )

    async def abandoned(self, window: str) -> int:
        found = await self._watch.read(AbandonWindow.parse(window))
        assert found == LedgerCounts(live_answers=found.abandoned, abandoned=found.abandoned)
        return found.abandoned


@pytest.fixture
def ledger(store: Store, clock: SetClock) -> Ledger:
    return Ledger(store, clock)


async def test_a_rolling_window_has_everything_since_its_start(ledger: Ledger) -> None:
    for hours in (0, 2, 23, 25, 100):
        ledger.abandon(NOON - hours * HOUR)
    assert [await ledger.abandoned(text) for text in ("24h", "2d", "30d")] == [3, 4, 5]


async def test_what_has_just_happened_is_seen_at_once(ledger: Ledger, clock: SetClock) -> None:
    ledger.abandon(NOON - 5 * HOUR)
    assert await ledger.abandoned("24h") == 1
    clock.at += KEEP_FOR / 2
    ledger.abandon(clock.at)
    assert await ledger.abandoned("24h") == 2


async def test_what_is_older_than_an_hour_is_counted_again_after_a_minute(
    ledger: Ledger, clock: SetClock
) -> None:
    assert await ledger.abandoned("24h") == 0
    ledger.abandon(NOON - 5 * HOUR)
    clock.at += KEEP_FOR - timedelta(seconds=1)
    assert await ledger.abandoned("24h") == 0
    clock.at += timedelta(seconds=1)
    assert await ledger.abandoned("24h") == 1


async def test_midnight_empties_the_day(ledger: Ledger, clock: SetClock) -> None:
    today = AbandonWindow.parse("day").start(NOON)
    clock.at = today + timedelta(days=1) - timedelta(seconds=1)
    ledger.abandon(clock.at - 2 * HOUR)
    assert await ledger.abandoned("day") == 1
    clock.at += timedelta(seconds=1)
    assert await ledger.abandoned("day") == 0


async def test_a_clock_that_is_put_back_is_believed(ledger: Ledger, clock: SetClock) -> None:
    assert await ledger.abandoned("24h") == 0
    ledger.abandon(NOON - 26 * HOUR)
    clock.at -= 3 * HOUR
    assert await ledger.abandoned("24h") == 1
