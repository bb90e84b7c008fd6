"""What happens to outcomes, and to leads about to be dialed, while the database is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import pytest
import sqlalchemy as sa
import trio
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from acd.calls import DisconnectCause
from acd.clock import SystemClock
from acd.dialer import outcomes as module
from acd.dialer.outcomes import Outcomes, open_outcomes
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.metrics import Metrics
from acd.rules.dispositions import Disposition
from acd.store import Store, open_store_sync
from acd.store.beginning import NewAttempt, begin_attempts
from acd.store.events import Subject, events_of
from acd.store.leads import ClaimedLead
from acd.store.outcomes import AttemptAnswered, DialogSeen, NotDialed
from tests.contract.store.world import NOON, World, closed

P = ParamSpec("P")
T = TypeVar("T")


class AwayStore(Store):
    """A real SQLite that can be away, or take a COMMIT and not say so."""

    away = False
    answer_gets_lost = False

    def run_sync(
        self,
        statement: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        if self.away:
            raise StoreUnavailable("away")
        result = super().run_sync(statement, *args, **kwargs)
        if self.answer_gets_lost:
            raise StoreUnavailable("the answer was lost")
        return result


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AwayStore]:
    with open_store_sync(f"sqlite:///{tmp_path / 'acd.sqlite'}", create=True) as opened:
        yield AwayStore(opened._engine)


@pytest.fixture
def world(store: AwayStore) -> World:
    return World(store)


@pytest.fixture
def lead(world: World) -> ClaimedLead:
    campaign = world.campaign()
    world.leads(campaign)
    return world.claim(campaign)[0]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def watch(store: AwayStore, metrics: Metrics) -> StoreWatch:
    return StoreWatch(store, metrics)


@pytest.fixture
def outcomes(watch: StoreWatch, metrics: Metrics) -> Outcomes:
    return Outcomes(store=watch, metrics=metrics, clock=SystemClock(), node="a")


def shown(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name)


async def test_outcomes_wait_in_order_until_the_database_is_back(
    store: AwayStore,
    world: World,
    lead: ClaimedLead,
    outcomes: Outcomes,
    metrics: Metrics,
    nursery: trio.Nursery,
    watch: StoreWatch,
) -> None:
    attempt = world.dial(lead)
    dispositions: list[Disposition] = []
    store.away = True
    nursery.start_soon(outcomes.write)
    outcomes.put(AttemptAnswered(attempt_id=attempt, at=NOON))
    outcomes.put(closed(attempt, DisconnectCause.NORMAL, NOON), settled=dispositions.append)
    await watch.wait_change()
    assert (shown(metrics, "acd_store_up"), shown(metrics, "acd_store_queue")) == (0, 2)
    assert dispositions == []
    store.away = False
    await outcomes.wait_written()
    assert (shown(metrics, "acd_store_up"), shown(metrics, "acd_store_queue")) == (1, 0)
    assert dispositions == [Disposition.LEAD_HUNG_UP]
    events = store.read_sync(events_of, Subject.ATTEMPT, attempt)
    assert [event.what for event in events] == ["dialing", "answered", "closed"]
    (back,) = store.read_sync(events_of, Subject.NODE, "a")
    assert back.detail["outcomes"] == 2


async def test_a_batch_whose_answer_was_lost_is_written_again_without_harm(
    store: AwayStore,
    world: World,
    lead: ClaimedLead,
    outcomes: Outcomes,
    nursery: trio.Nursery,
    watch: StoreWatch,
) -> None:
    attempt = world.dial(lead)
    dispositions: list[Disposition] = []
    store.answer_gets_lost = True
    outcomes.put(closed(attempt, DisconnectCause.BUSY, NOON), settled=dispositions.append)
    nursery.start_soon(outcomes.write)
    await watch.wait_change()
    store.answer_gets_lost = False
    await outcomes.wait_written()
    assert dispositions == [Disposition.BUSY]
    events = store.read_sync(events_of, Subject.ATTEMPT, attempt)
    assert [event.what for event in events] == ["dialing", "closed"]


@pytest.mark.parametrize("committed", [False, True])
async def test_a_lead_whose_row_may_not_be_there_is_free_again_undialed(
    store: AwayStore,
    world: World,
    lead: ClaimedLead,
    outcomes: Outcomes,
    watch: StoreWatch,
    nursery: trio.Nursery,
    committed: bool,
) -> None:
    store.away, store.answer_gets_lost = not committed, committed
    wanted = NewAttempt(lead=lead, trunk="main", line=1)
    with pytest.raises(StoreUnavailable):
        await watch.run(begin_attempts, [wanted], node="a", now=NOON)
    assert not watch.up
    outcomes.put(NotDialed(lead=lead))
    store.away = store.answer_gets_lost = False
    nursery.start_soon(outcomes.write)
    await outcomes.wait_written()
    assert world.lead(lead.lead_id).state == "waiting"
    assert world.lead(lead.lead_id).claimed_by is None
    assert world.lead(lead.lead_id).reason == ("stopped" if committed else "")


async def test_an_outcome_that_sql_cannot_hold_costs_no_other_one(
    world: World,
    lead: ClaimedLead,
    outcomes: Outcomes,
    nursery: trio.Nursery,
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempt = world.dial(lead)
    dispositions: list[Disposition] = []
    outcomes.put(AttemptAnswered(attempt_id=attempt, at=NOON))
    outcomes.put(DialogSeen(attempt_id=attempt, sip_call_id="\ud800", dialog={}))
    outcomes.put(closed(attempt, DisconnectCause.NORMAL, NOON), settled=dispositions.append)
    nursery.start_soon(outcomes.write)
    await outcomes.wait_written()
    assert dispositions == [Disposition.LEAD_HUNG_UP]
    told = capsys.readouterr().out
    assert told.count("outcome.unwritable") == 1
    assert "DialogSeen" in told


async def test_the_writer_finds_out_by_itself_that_the_database_is_back(
    store: AwayStore, outcomes: Outcomes, watch: StoreWatch, nursery: trio.Nursery
) -> None:
    store.away = True
    nursery.start_soon(outcomes.write)
    with pytest.raises(StoreUnavailable):
        await watch.run(lambda conn: conn.execute(sa.text("SELECT 1")).scalar())
    assert not watch.up
    store.away = False
    with trio.fail_after(10):
        await watch.wait_change()
    assert watch.up


async def test_a_stopping_engine_waits_for_its_outcomes(
    world: World, lead: ClaimedLead, watch: StoreWatch, metrics: Metrics
) -> None:
    attempt = world.dial(lead)
    with trio.CancelScope() as ended_at_once:
        async with open_outcomes(
            store=watch, metrics=metrics, clock=SystemClock(), node="a"
        ) as outcomes:
            outcomes.put(closed(attempt, DisconnectCause.BUSY, NOON))
            ended_at_once.cancel()
            await trio.sleep_forever()
    assert world.attempt(attempt).disposition == "busy"


async def test_a_stopping_engine_does_not_wait_for_ever(
    store: AwayStore,
    world: World,
    lead: ClaimedLead,
    watch: StoreWatch,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.1)
    attempt = world.dial(lead)
    store.away = True
    with trio.fail_after(10), capture_logs() as lines:
        async with open_outcomes(
            store=watch, metrics=metrics, clock=SystemClock(), node="a"
        ) as outcomes:
            with bound_contextvars(campaign="c", lead=lead.lead_id, call=f"a{attempt}"):
                outcomes.put(closed(attempt, DisconnectCause.BUSY, NOON))
    (told,) = (line for line in lines if line["action"] == "outcome.unwritten")
    assert (told["campaign"], told["lead"]) == ("c", lead.lead_id)
    assert (told["attempt"], told["call"]) == (attempt, f"a{attempt}")
    assert world.attempt(attempt).state == "dialing"
