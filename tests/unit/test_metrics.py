from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import pytest
from prometheus_client.openmetrics.exposition import generate_latest

from acd.calls import CallState
from acd.metrics import Metrics, ResponseClass, TapiCounts, call_exemplar, response_class
from acd.rules.eligibility import Rule
from acd.rules.hold import Hold


class Lines:
    """A pool that is looked at."""

    size, free, expired_leases = 5, 3, 1

    def states(self) -> Mapping[CallState, int]:
        return {CallState.CONNECTED: 2, CallState.IDLE: 3}

    def holders(self) -> Counter[str]:
        return Counter(spring=2)

    def oldest_ended_seconds(self) -> float:
        return 12.5

    def lease(self, *, holder: str, deadline_seconds: float) -> object:
        raise AssertionError


OFFICE = TapiCounts(
    connected=1, lost=2, open_lines=4, calls={"connected": 3, "onhold": 1}, waiting_persons=1
)


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.know_campaign("spring")
    made.know_trunk("main", Lines(), challenges=lambda: 7)
    made.know_tapi(
        {"office": "tapi:office", "branch": "tapi:branch"},
        lambda: {"office": OFFICE},
        requests=["call.make", "call.drop"],
        errors=["LINEERR_INUSE"],
        states=["placing", "connected"],
    )
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
    assert value("acd_oldest_ended_call_seconds", {"trunk": "main"}) == 12.5
    assert value("acd_trunk_challenges_total", {"trunk": "main"}) == 7


def test_what_tapi_clients_have_open_is_counted_at_the_scrape(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value
    assert value("acd_tapi_sessions", {"client": "office", "link": "connected"}) == 1
    assert value("acd_tapi_sessions", {"client": "office", "link": "lost"}) == 2
    assert value("acd_tapi_open_lines", {"client": "office"}) == 4
    assert value("acd_tapi_calls", {"client": "office", "state": "connected"}) == 3
    assert value("acd_tapi_calls", {"client": "office", "state": "placing"}) == 0
    assert value("acd_tapi_calls", {"client": "office", "state": "onhold"}) == 1
    assert value("acd_waiting_persons", {"campaign": "tapi:office"}) == 1
    assert value("acd_tapi_open_lines", {"client": "branch"}) == 0, "nobody is connected"


def test_a_tapi_client_has_no_list_that_could_run_dry(metrics: Metrics) -> None:
    """A 0 there would be the least of all campaigns' hours left, and alarm for nothing."""
    value = metrics.registry.get_sample_value
    for name in ("acd_leads_left_seconds", "acd_ledger_headroom", "acd_abandon_limit_ratio"):
        assert value(name, {"campaign": "spring"}) == 0, name
        assert value(name, {"campaign": "tapi:office"}) is None, name
    assert value("acd_originates_total", {"campaign": "tapi:office"}) == 0
    assert value("acd_leased_lines", {"trunk": "main", "holder": "tapi:office"}) == 0


def test_an_exemplar_leads_to_the_call(metrics: Metrics) -> None:
    metrics.answer_to_agent_seconds.labels("spring").observe(0.4, call_exemplar(17))
    page = generate_latest(metrics.registry).decode()  # type: ignore[no-untyped-call] # theirs
    assert '# {call="a17"} 0.4' in page


@pytest.mark.parametrize(
    "name",
    [
        "acd_setup_seconds",
        "acd_ring_seconds",
        "acd_answer_to_refer_seconds",
        "acd_answer_to_agent_seconds",
    ],
)
def test_waits_are_told_apart_from_5_ms_to_10_s(metrics: Metrics, name: str) -> None:
    limits = [
        float(sample.labels["le"])
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"{name}_bucket" and sample.labels["campaign"] == "spring"
    ]
    assert limits == sorted(limits)
    assert limits[0] == 0.005
    within = [limit for limit in limits if limit <= 10]
    assert within[-1] == 10
    assert all(upper <= 2.5 * lower for lower, upper in pairwise(within))


def test_names_and_labels_keep_to_prometheus_rules(metrics: Metrics) -> None:
    for family in metrics.registry.collect():
        assert re.fullmatch(r"(acd|process)_[a-z_]+", family.name), family.name
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


def test_a_campaign_that_has_left_holds_nobody_back_and_has_no_ledger() -> None:
    metrics = Metrics()
    metrics.know_campaign("c")
    metrics.campaign_hold.labels("c", Hold.NO_LEAD).set(1)
    metrics.leads_blocked.labels("c", Rule.CALLING_HOURS).set(7)
    metrics.hopper_leads.labels("c").set(5)
    metrics.leads_left_seconds.labels("c").set(0)
    metrics.ledger_abandoned.labels("c").set(9)
    metrics.originates.labels("c").inc(3)
    metrics.rest_campaign("c")
    shown = {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }
    assert shown["acd_originates_total", "c"] == 3
    assert shown["acd_hopper_leads", "c"] == 0
    assert not any(
        value
        for (name, *_), value in shown.items()
        if name in {"acd_campaign_hold", "acd_leads_blocked"}
    )
    gone = {name for name, *_ in shown} & {
        "acd_leads_left_seconds",
        "acd_ledger_live_answers",
        "acd_ledger_abandoned",
        "acd_ledger_headroom",
        "acd_abandon_limit_ratio",
    }
    assert gone == set()
    metrics.know_campaign("c")
    metrics.rest_campaign("c")
