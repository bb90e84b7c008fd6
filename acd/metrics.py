"""Every collector in one object on a registry of its own: base units, closed label sets.

Children are created up front, so that a rate over a series that never moved is 0, not absent.
No phone number, name or token is ever a label.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from acd import __version__
from acd.agents import AgentState
from acd.calls import CallState, DisconnectCause
from acd.lines import LinePool, TrunkStatus
from acd.rules.dispositions import Disposition, TransferOutcome

SECONDS_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
RING_SECONDS_BUCKETS = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0)


class Metrics:
    """What `/metrics` shows."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        # This process's CPU, memory and open files are the platform collectors' business.
        Info("acd_build", "Version of this program.", registry=self.registry).info(
            {"version": __version__}
        )
        self.lines = self._gauge("acd_lines", "Lines by call state.", "trunk", "state")
        # The pool counts; a Counter of this client could not read it at the scrape.
        self.expired_leases = self._gauge(
            "acd_expired_leases", "Leases hung up at their deadline since the start.", "trunk"
        )
        self.trunk_up = self._gauge("acd_trunk_up", "1 while the trunk may dial.", "trunk")
        self.trunk_status = self._gauge(
            "acd_trunk_status", "1 for the status the trunk is in.", "trunk", "status"
        )
        self.originates = self._counter("acd_originates", "INVITEs sent.", "campaign")
        self.ended = self._counter(
            "acd_calls_ended", "Legs ended, by disconnect cause.", "campaign", "cause"
        )
        self.dispositions = self._counter(
            "acd_dispositions", "Attempts closed, by disposition.", "campaign", "disposition"
        )
        self.live_answers = self._counter("acd_live_answers", "People who answered.", "campaign")
        self.abandoned = self._counter(
            "acd_abandoned", "Live answers not joined to an agent in time.", "campaign"
        )
        self.transfers = self._counter(
            "acd_transfers", "Blind transfers, by result.", "campaign", "result"
        )
        self.agents = self._gauge("acd_agents", "Agents by state.", "state")
        self.store_up = Gauge(
            "acd_store_up", "1 while the database answers.", registry=self.registry
        )
        self.store_queue = Gauge(
            "acd_store_queue", "Outcomes not yet in the database.", registry=self.registry
        )
        self.hopper_leads = self._gauge("acd_hopper_leads", "Leads claimed ahead.", "campaign")
        self.stale_dnc_lists = self._gauge(
            "acd_stale_dnc_lists", "Required do-not-call lists missing or too old.", "campaign"
        )
        self.ring_seconds = self._histogram(
            "acd_ring_seconds", "INVITE to answer.", RING_SECONDS_BUCKETS
        )
        self.answer_to_refer_seconds = self._histogram(
            "acd_answer_to_refer_seconds", "200 OK to the order of a REFER.", SECONDS_BUCKETS
        )
        self.answer_to_agent_seconds = self._histogram(
            "acd_answer_to_agent_seconds", "200 OK to the agent's answer.", SECONDS_BUCKETS
        )
        for agent_state in AgentState:
            self.agents.labels(agent_state)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(name, text, ("campaign",), buckets=tuple(buckets), registry=self.registry)

    def know_trunk(self, trunk: str, lines: LinePool) -> None:
        """Create every series of a trunk; its lines are counted when somebody looks."""
        self.trunk_up.labels(trunk)
        self.expired_leases.labels(trunk).set_function(lambda: lines.expired_leases)
        for state in CallState:
            self.lines.labels(trunk, state).set_function(partial(_lines_in, lines, state))
        for status in TrunkStatus:
            self.trunk_status.labels(trunk, status)

    def know_campaign(self, campaign: str) -> None:
        """Create every series of a campaign."""
        for counter in (self.originates, self.live_answers, self.abandoned):
            counter.labels(campaign)
        for cause in DisconnectCause:
            self.ended.labels(campaign, cause)
        for disposition in Disposition:
            self.dispositions.labels(campaign, disposition)
        for result in TransferOutcome:
            self.transfers.labels(campaign, result)
        self.hopper_leads.labels(campaign)
        self.stale_dnc_lists.labels(campaign)
        for histogram in (
            self.ring_seconds,
            self.answer_to_refer_seconds,
            self.answer_to_agent_seconds,
        ):
            histogram.labels(campaign)


def _lines_in(lines: LinePool, state: CallState) -> float:
    return lines.states().get(state, 0)
