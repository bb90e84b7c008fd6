from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import pytest
from prometheus_client.openmetrics.exposition import generate_latest

from acd.calls import CallState
from acd.metrics import Metrics, ResponseClass, call_exemplar, response_class


class Lines:
    """A pool that is looked at."""

    size, free, expired_leases = 5, 3, 1

    def states(self) -> Mapping[CallState, int]:
        return {CallState.CONNECTED: 2, CallState.IDLE: 3}

    def holders(self) -> Counter[str]:
        return Counter(spring=2)

    def lease(self, *, holder: str, deadline_seconds: float) -> object:
        raise AssertionError


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.know_campaign("spring")
    made.know_trunk("main", Lines(), challenges=lambda: 7)
    return made


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        (200, ResponseClass.SUCCESS),
        (302, ResponseClass.REDIRECTION),
        (486, ResponseClass.CLIENT_ERROR),
        (503, ResponseClass.SERVER_ERROR),
        (603, ResponseClass.GLOBAL_FAILURE),
        (None, ResponseClass.NONE),
        (0, ResponseClass.NONE),
        (180, ResponseClass.NONE),
    ],
)
def test_a_response_has_one_class(status: int | None, seen: ResponseClass) -> None:
    assert response_class(status) is seen


def test_every_series_of_a_campaign_and_a_trunk_is_there_before_anything_happened(
    metrics: Metrics,
) -> None:
    before = series(metrics)
    metrics.responses.labels("spring", ResponseClass.NONE).inc()
    metrics.transfer_retries.labels("spring").inc()
    metrics.store_failures.labels("read").inc()
    assert series(metrics) == before
    families = {family.name for family in metrics.registry.collect()}
    # A feed that is not configured is none that could be lost.
    with_series = {family.name for family in metrics.registry.collect() if family.samples}
    with_series.add("acd_feed_up")
    assert families == with_series


def test_what_the_pool_and_the_trunk_count_is_read_at_the_scrape(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value
    assert value("acd_leased_lines", {"trunk": "main", "holder": "spring"}) == 2
    assert value("acd_lines", {"trunk": "main", "state": "connected"}) == 2
    assert value("acd_expired_leases_total", {"trunk": "main"}) == 1
    assert value("acd_trunk_challenges_total", {"trunk": "main"}) == 7


def test_an_exemplar_leads_to_the_call(metrics: Metrics) -> None:
    metrics.answer_to_agent_seconds.labels("spring").observe(0.4, call_exemplar(17))
    page = generate_latest(metrics.registry).decode()  # type: ignore[no-untyped-call] # theirs
    assert '# {call="a17"} 0.4' in page


def test_names_and_labels_keep_to_prometheus_rules(metrics: Metrics) -> None:
    for family in metrics.registry.collect():
        assert re.fullmatch(r"acd_[a-z_]+", family.name), family.name
        assert family.documentation.endswith("."), family.name
        if family.type == "histogram":
            assert family.name.endswith("_seconds"), family.name
        assert not re.search(r"percent|milli|minutes|hours", family.name), family.name


def series(metrics: Metrics) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {
        (sample.name, frozenset(sample.labels.items()))
        for family in metrics.registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
