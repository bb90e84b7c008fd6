from __future__ import annotations

from datetime import UTC, datetime, timedelta

from acd.dialer.node_lease import Tenure
from acd.store.nodes import NODE_LEASE

START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
STEP = NODE_LEASE / 6


def renewed(tenure: Tenure, *, since: datetime, until: datetime) -> None:
    at = since
    while at <= until:
        tenure.renewed(at)
        at += STEP


def test_an_engine_takes_over_once_its_own_lease_has_been_unbroken_for_one() -> None:
    tenure = Tenure()
    assert not tenure.may_take_over(START)
    renewed(tenure, since=START, until=START + NODE_LEASE)
    assert not tenure.may_take_over(START + NODE_LEASE - timedelta(seconds=1))
    assert tenure.may_take_over(START + NODE_LEASE)


def test_after_an_outage_as_long_as_a_lease_everybody_has_time_to_renew_theirs() -> None:
    tenure = Tenure()
    over = START + 2 * NODE_LEASE
    renewed(tenure, since=START, until=over)
    back = over + NODE_LEASE
    assert not tenure.may_take_over(back), "its own lease has run out"
    renewed(tenure, since=back, until=back + NODE_LEASE)
    assert not tenure.may_take_over(back + STEP)
    assert tenure.may_take_over(back + NODE_LEASE)


def test_an_outage_shorter_than_a_lease_breaks_nothing() -> None:
    tenure = Tenure()
    renewed(tenure, since=START, until=START + NODE_LEASE)
    back = START + 2 * NODE_LEASE - STEP
    tenure.renewed(back)
    assert tenure.may_take_over(back)


def test_a_clock_that_is_put_back_begins_a_new_tenure() -> None:
    tenure = Tenure()
    renewed(tenure, since=START, until=START + NODE_LEASE)
    earlier = START + NODE_LEASE / 2
    tenure.renewed(earlier)
    assert not tenure.may_take_over(earlier + STEP)
