"""What agents did with their time, from the event rows that engines and commands write."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from acd.agents import AgentState
from acd.calls import DisconnectCause
from acd.dialer.agent_report import AgentReport, agents_report, report_window
from acd.errors import BadInput
from acd.store import Store
from acd.store import schema as t
from acd.store.agents import AgentMoved, Teller, ask_agent
from acd.store.outcomes import write_outcomes
from tests.contract.store.test_agents import bring
from tests.contract.store.world import NOON, World, later

READY, NOT_READY, RESERVED = AgentState.READY, AgentState.NOT_READY, AgentState.RESERVED
ON_CALL, WRAP_UP = AgentState.ON_CALL, AgentState.WRAP_UP


def moved(store: Store, state: AgentState, at: datetime, *, reason: str = "") -> None:
    teller = Teller.FEED if reason else Teller.ENGINE
    seen = AgentMoved(extension="201", state=state, at=at, told_by=teller, reason=reason)
    store.run_sync(write_outcomes, [seen], node="a", now=NOON)


def report(store: Store, since: datetime, until: datetime) -> AgentReport:
    anna, ben = store.read_sync(agents_report, since=since, until=until)
    assert (anna.agent, ben.agent) == ("anna", "ben")
    return anna


@pytest.fixture
def worked(world: World, store: Store, tmp_path: Path) -> int:
    """Anna from noon on: 10 min ready, a call of 4 min, 1 min wrap-up, a pause of 5 min, ready."""
    campaign = world.campaign()
    bring(store, tmp_path, "name,extension\nanna,201\nben,202\n")
    store.run_sync(ask_agent, "anna", wanted=READY, reason="", now=NOON)
    moved(store, RESERVED, later(minutes=10))
    moved(store, ON_CALL, later(minutes=10))
    moved(store, WRAP_UP, later(minutes=14))
    moved(store, NOT_READY, later(minutes=15), reason="lunch")
    moved(store, READY, later(minutes=20))
    return campaign


def test_the_time_in_each_state_and_the_pauses_reasons_are_told(store: Store, worked: int) -> None:
    anna = report(store, NOON, later(minutes=30))
    assert anna.ready_seconds == 20 * 60
    assert (anna.on_call_seconds, anna.wrap_up_seconds) == (4 * 60, 60)
    assert (anna.not_ready_seconds, anna.pauses) == (5 * 60, {"lunch": 5 * 60})
    assert anna.staffed_seconds == 25 * 60
    assert anna.occupancy == pytest.approx(5 / 25)


def test_a_window_begins_with_the_state_of_before(store: Store, worked: int) -> None:
    anna = report(store, later(minutes=12), later(minutes=17))
    assert (anna.ready_seconds, anna.on_call_seconds, anna.wrap_up_seconds) == (0, 120, 60)
    assert anna.pauses == {"lunch": 120}
    assert anna.occupancy == 1


def test_who_was_never_there_has_no_occupancy(store: Store, worked: int) -> None:
    _, ben = store.read_sync(agents_report, since=NOON, until=later(minutes=30))
    assert (ben.staffed_seconds, ben.occupancy, ben.pauses) == (0, None, {})


def test_people_and_their_talks_are_counted_from_the_attempts(
    world: World, store: Store, worked: int
) -> None:
    world.leads(worked, 3)
    for claimed, talk_seconds in zip(world.claim(worked, limit=3), (60.0, 30.0, None), strict=True):
        attempt = world.dial(claimed)
        world.close(
            attempt,
            DisconnectCause.TRANSFERRED,
            answered_at=NOON,
            transferred_at=later(minutes=10),
            transfer_result="answered",
            agent="201",
        )
        talked = sa.update(t.attempts).where(t.attempts.c.attempt_id == attempt)
        with store.transaction() as conn:
            conn.execute(talked.values(talk_seconds=talk_seconds))
    anna = report(store, NOON, later(minutes=30))
    assert (anna.persons, anna.talk_seconds, anna.mean_talk_seconds) == (3, 90.0, 45.0)
    assert report(store, later(minutes=15), later(minutes=30)).persons == 0


def test_a_window_is_never_longer_than_until_now() -> None:
    later_today = NOON + timedelta(hours=1)
    assert report_window(NOON, later_today, now=later(minutes=1)) == (NOON, later(minutes=1))
    begin, end = report_window(None, None, now=NOON)
    assert (begin.astimezone().hour, begin.astimezone().minute, end) == (0, 0, NOON)
    with pytest.raises(BadInput, match="nothing lies between"):
        report_window(NOON, NOON, now=later_today)
