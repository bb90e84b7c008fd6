"""The abandon ledger's window as an engine reads it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from acd.calls import DisconnectCause
from acd.dialer.dialing import CallsInFlight
from acd.dialer.ledger_watch import KEEP_FOR, LedgerRoom, LedgerWatch
from acd.dialer.store_watch import StoreWatch
from acd.metrics import Metrics
from acd.rules.ledger import AbandonWindow, LedgerCounts
from acd.store import Store
from acd.store.nodes import Others
from tests.contract.store.world import NOON, World, definition

HOUR = timedelta(hours=1)


class SetClock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


class Ledger:
    """A campaign whose people are abandoned at stated times."""

    def __init__(self, store: Store, clock: SetClock) -> None:
        self._world = World(store)
        self._campaign = self._world.campaign()
        watched = StoreWatch(store, Metrics())
        self._watch = LedgerWatch(self._campaign, store=watched, clock=clock, node="node")

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


class HeldWatch(LedgerWatch):
    """Answers when it is told to, with counts that leave room for one abandoned call."""

    def __init__(self, others: Others | None = None) -> None:
        self._others = others or Others()
        self.asked = trio.Event()
        self.answer = trio.Event()

    async def read(self, window: AbandonWindow) -> LedgerCounts:
        self.asked.set()
        await self.answer.wait()
        return LedgerCounts(live_answers=34, abandoned=0)

    async def others(self) -> Others:
        return self._others


async def test_what_is_written_while_sql_counts_is_not_given_out_twice(
    nursery: trio.Nursery,
) -> None:
    in_flight = CallsInFlight(abandoned={1})
    watch = HeldWatch()
    room = LedgerRoom(watch, in_flight)
    ratio = definition(dial_mode="ratio", calls_per_agent=2)
    nursery.start_soon(room.read, ratio)
    await watch.asked.wait()
    in_flight.written(1)
    watch.answer.set()
    await wait_all_tasks_blocked()
    assert room.left(ratio) == 0, "the counts may be from before the abandoned call was written"
    await room.read(ratio)
    assert room.left(ratio) == 1, "these are from after it: SQL has said what it left"


async def test_between_its_writing_and_the_next_read_an_abandoned_call_still_counts() -> None:
    in_flight = CallsInFlight()
    watch = HeldWatch()
    watch.answer.set()
    room = LedgerRoom(watch, in_flight)
    ratio = definition(dial_mode="ratio", calls_per_agent=2)
    assert room.left(ratio) == 0, "nobody has asked SQL yet"
    await room.read(ratio)
    assert room.left(ratio) == 1
    in_flight.abandoned.add(1)
    assert room.left(ratio) == 0
    in_flight.written(1)
    assert room.left(ratio) == 0


async def test_a_reload_during_the_read_leaves_no_room_by_the_old_limit(
    nursery: trio.Nursery,
) -> None:
    watch = HeldWatch()
    room = LedgerRoom(watch, CallsInFlight())
    before = definition(dial_mode="ratio", calls_per_agent=2, abandon_limit_percent=10)
    after = definition(dial_mode="ratio", calls_per_agent=2)
    nursery.start_soon(room.read, before)
    await watch.asked.wait()
    watch.answer.set()
    await wait_all_tasks_blocked()
    assert room.left(before) == 3
    assert room.left(after) == 0
    await room.read(after)
    assert room.left(after) == 1


async def test_another_engines_open_calls_may_all_be_abandoned() -> None:
    watch = HeldWatch(Others(engines=1, open_attempts=1))
    watch.answer.set()
    room = LedgerRoom(watch, CallsInFlight())
    ratio = definition(dial_mode="ratio", calls_per_agent=2)
    await room.read(ratio)
    assert room.left(ratio) == 0
