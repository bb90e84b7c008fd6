"""What /metrics costs: counting one call and scraping, beside the engine's CPU."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Gauge
from prometheus_client.openmetrics.exposition import generate_latest

from acd.agents import AgentState
from acd.calls import CallState, DisconnectCause
from acd.clock import SystemClock
from acd.dialer.campaign_watch import CampaignWatch
from acd.dialer.pacing import PacingSnapshot
from acd.metrics import Access, Metrics, call_exemplar, response_class
from acd.rules.dispositions import Disposition, TransferOutcome
from bench import sides
from bench.peer import common_peer
from bench.protocol import Effort, Figure, Measured

RATE_PER_SECOND = 100.0
CALLS = 1000
COUNTED = 20_000
SCRAPES = 20
SCRAPE_SECONDS = 5.0
"""As in dashboards/prometheus/prometheus.yml."""
LOOKS_A_CALL = 2
"""A campaign looks at its leads when a call ends and when an agent is free again."""
CAMPAIGNS = tuple(f"campaign-{number}" for number in range(4))


class _Pool:
    """999 lines, all of them in use."""

    size, expired_leases = 999, 0
    _states = (CallState.RINGBACK, CallState.CONNECTED)

    def states(self) -> Mapping[CallState, int]:
        return Counter(self._states[number % 2] for number in range(self.size))

    def holders(self) -> Mapping[str, int]:
        return Counter(CAMPAIGNS[number % len(CAMPAIGNS)] for number in range(self.size))

    def oldest_ended_seconds(self) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class MetricsCost:
    name: str = "metrics"
    title: str = f"/metrics at {RATE_PER_SECOND:.0f} calls/s"
    figures: tuple[Figure, ...] = (
        Figure(key="call.us", title="counting one call", unit="µs", decimals=0),
        Figure(
            key="scrape.ms", title="one scrape with exemplars, 4 campaigns, 999 lines", unit="ms"
        ),
        Figure(key="engine.ms", title="CPU a call of the whole engine", unit="ms"),
        Figure(
            key="share.percent",
            title=f"counting, and a scrape each {SCRAPE_SECONDS:.0f} s, of that CPU",
            unit="%",
            target=3.0,
        ),
    )

    def run(self, effort: Effort) -> Measured:
        metrics = _metrics()
        call_seconds = _counting_seconds(metrics, effort.calls(COUNTED))
        scrape_seconds = _scrape_seconds(metrics)
        calls = effort.calls(CALLS)
        order = sides.order_for("acd", calls=calls, rate_per_second=RATE_PER_SECOND)
        with common_peer():
            used = sides.engine(order)
        engine_ms = used.ms_a_call(used.cpu_seconds)
        ours = call_seconds + scrape_seconds / SCRAPE_SECONDS / RATE_PER_SECOND
        return {
            "call.us": call_seconds * 1e6,
            "scrape.ms": scrape_seconds * 1e3,
            "engine.ms": engine_ms,
            "share.percent": ours * 1e3 / engine_ms * 100,
        }


def _metrics() -> Metrics:
    metrics = Metrics()
    metrics.know_trunk("main", _Pool())
    for campaign in CAMPAIGNS:
        metrics.know_campaign(campaign)
        metrics.waiting_persons.labels(campaign).set_function(lambda: 3)
    return metrics


def _counting_seconds(metrics: Metrics, calls: int) -> float:
    watches = {campaign: _watch(metrics, campaign) for campaign in CAMPAIGNS}
    agents = [metrics.agents.labels(state) for state in AgentState]
    began = time.process_time()
    for number in range(calls):
        campaign = CAMPAIGNS[number % len(CAMPAIGNS)]
        _count_one(metrics, watches[campaign], agents, campaign, number)
    return (time.process_time() - began) / calls


def _watch(metrics: Metrics, campaign: str) -> CampaignWatch:
    return CampaignWatch(
        campaign,
        store=None,  # type: ignore[arg-type] # SQL is not asked
        ledger=None,  # type: ignore[arg-type] # nor here
        metrics=metrics,
        clock=SystemClock(),
    )


def _count_one(
    metrics: Metrics, watch: CampaignWatch, agents: Sequence[Gauge], campaign: str, number: int
) -> None:
    """All that the engine counts of a call that is answered and handed over."""
    exemplar = call_exemplar(number)
    series = metrics.of_calls(campaign)
    series.originates.inc(exemplar=exemplar)
    series.live_answers.inc(exemplar=exemplar)
    for histogram in (
        series.setup_seconds,
        series.ring_seconds,
        series.answer_to_refer_seconds,
        series.answer_to_agent_seconds,
    ):
        histogram.observe(0.3, exemplar)
    series.transfers[TransferOutcome.ANSWERED].inc(exemplar=exemplar)
    series.ended[DisconnectCause.TRANSFERRED].inc(exemplar=exemplar)
    series.responses[response_class(200)].inc(exemplar=exemplar)
    series.dispositions[Disposition.HANDED_OVER].inc(exemplar=exemplar)
    for access in Access:
        metrics.store_seconds.labels(access).observe(0.004)
    for _ in range(4):
        metrics.store_queue.set(3)
    # The roster is shown some times a second, whatever the rate: less than once a call.
    for shown in agents:
        shown.set(number)
    for started in range(LOOKS_A_CALL):
        watch.looked(_SNAPSHOT, started=started)


_SNAPSHOT = PacingSnapshot(
    ready_agents=3,
    certain_agents=3,
    unanswered_calls=2,
    waiting_persons=0,
    free_lines=80,
    lines_to_ask_for=8,
    leads_at_hand=20,
)


def _scrape_seconds(metrics: Metrics) -> float:
    began = time.process_time()
    for _ in range(SCRAPES):
        generate_latest(metrics.registry)  # type: ignore[no-untyped-call] # theirs
    return (time.process_time() - began) / SCRAPES
