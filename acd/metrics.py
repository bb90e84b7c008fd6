"""Every collector in one object on a registry of its own: base units, closed label sets.

Children are created up front, so that a rate over a series that never moved is 0, not absent.
No phone number, name or token is ever a label; an exemplar carries a call's id, which leads to
its log lines and its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from acd import __version__
from acd.agents import AgentState
from acd.calls import DisconnectCause
from acd.lines import TrunkStatus
from acd.read_metrics import (
    NO_TAPI,
    CountedLines,
    ReadCounter,
    TapiCounts,
    TapiSessions,
    TrunkLines,
)
from acd.rules.dispositions import Disposition, TransferOutcome
from acd.rules.eligibility import LeadState, Rule
from acd.rules.hold import Hold
from acd.rules.preview import PreviewEnd

__all__ = [
    "Access",
    "CallSeries",
    "CountedLines",
    "Metrics",
    "ResponseClass",
    "TapiCounts",
    "call_exemplar",
    "response_class",
]

SECONDS_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
RING_SECONDS_BUCKETS = (*SECONDS_BUCKETS, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0)


class ResponseClass(StrEnum):
    """The first digit of the final response to an INVITE of ours."""

    SUCCESS = "2xx"
    REDIRECTION = "3xx"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    GLOBAL_FAILURE = "6xx"
    NONE = "none"
    """There was none: silence, a broken transport, or we hung up first."""


class Access(StrEnum):
    """Ways in which the dialer goes to the database."""

    READ = "read"
    WRITE = "write"
    OUTCOMES = "outcomes"
    """Batches of what became of calls."""


def response_class(sip_status: int | None) -> ResponseClass:
    """The class of a final SIP status; None, 0 or a provisional one: there was no final one."""
    if sip_status is None or not 200 <= sip_status < 700:
        return ResponseClass.NONE
    return ResponseClass(f"{sip_status // 100}xx")


def call_exemplar(attempt_id: int) -> dict[str, str]:
    """What leads from a point in a graph to one call: the `call` of its log lines."""
    return {"call": f"a{attempt_id}"}


class CallSeries:
    """The series that calls of one campaign move, looked up once: ten of them a call."""

    def __init__(self, metrics: Metrics, campaign: str) -> None:
        self.originates = metrics.originates.labels(campaign)
        self.live_answers = metrics.live_answers.labels(campaign)
        self.abandoned = metrics.abandoned.labels(campaign)
        self.setup_seconds = metrics.setup_seconds.labels(campaign)
        self.ring_seconds = metrics.ring_seconds.labels(campaign)
        self.answer_to_refer_seconds = metrics.answer_to_refer_seconds.labels(campaign)
        self.answer_to_ring_seconds = metrics.answer_to_ring_seconds.labels(campaign)
        self.answer_to_agent_seconds = metrics.answer_to_agent_seconds.labels(campaign)
        self.ended = {cause: metrics.ended.labels(campaign, cause) for cause in DisconnectCause}
        self.responses = {
            response: metrics.responses.labels(campaign, response) for response in ResponseClass
        }
        self.transfers = {
            result: metrics.transfers.labels(campaign, result) for result in TransferOutcome
        }
        self.dispositions = {
            disposition: metrics.dispositions.labels(campaign, disposition)
            for disposition in Disposition
        }


class Metrics:
    """What `/metrics` shows."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("acd_build", "Version of this program.", registry=self.registry).info(
            {"version": __version__}
        )
        self._series: dict[str, CallSeries] = {}
        self._make_trunk()
        self._make_calls()
        self._make_call_times()
        self._make_pacing()
        self._make_leads()
        self._make_tapi()
        self._make_machine()

    def _make_trunk(self) -> None:
        self._lines = TrunkLines()
        self.registry.register(self._lines)
        self.trunk_challenges = ReadCounter(
            "acd_trunk_challenges", "INVITEs answered 401 or 407.", self.registry
        )
        self.trunk_up = self._gauge("acd_trunk_up", "1 while the trunk may dial.", "trunk")
        self.trunk_status = self._gauge(
            "acd_trunk_status", "1 for the status the trunk is in.", "trunk", "status"
        )
        self.trunk_changes = self._counter(
            "acd_trunk_changes", "Times that a trunk came into a status.", "trunk", "status"
        )

    def _make_calls(self) -> None:
        self.originates = self._counter("acd_originates", "INVITEs sent.", "campaign")
        self.responses = self._counter(
            "acd_responses", "Final responses to INVITEs, by class.", "campaign", "class"
        )
        self.ended = self._counter(
            "acd_calls_ended", "Legs ended, by disconnect cause.", "campaign", "cause"
        )
        self.dispositions = self._counter(
            "acd_dispositions",
            "Attempts closed, by what the engine saw; agents' words are in acd report.",
            "campaign",
            "disposition",
        )
        self.live_answers = self._counter(
            "acd_live_answers",
            "People joined or abandoned; of a TAPI client's calls: who answered.",
            "campaign",
        )
        self.abandoned = self._counter(
            "acd_abandoned", "Live answers not joined to an agent in time.", "campaign"
        )
        self.transfers = self._counter(
            "acd_transfers", "Blind transfers, by result.", "campaign", "result"
        )
        self.transfer_retries = self._counter(
            "acd_transfer_retries", "People referred to another agent after one failed.", "campaign"
        )
        self.previews = self._counter(
            "acd_previews", "Leads shown to agents, by how that ended.", "campaign", "result"
        )
        self.overflows = self._counter(
            "acd_overflows", "People referred to the overflow, by result.", "campaign", "result"
        )
        self.agents_benched = self._counter(
            "acd_agents_benched", "Agents set not ready: they took nobody.", "campaign"
        )
        self.agents = self._gauge("acd_agents", "Agents by state.", "state")
        self.feed_up = self._gauge(
            "acd_feed_up", "1 while the feed tells what its agents do.", "feed"
        )

    def _make_call_times(self) -> None:
        self.setup_seconds = self._histogram(
            "acd_setup_seconds", "INVITE to the first 18x.", SECONDS_BUCKETS, "campaign"
        )
        self.ring_seconds = self._histogram(
            "acd_ring_seconds", "INVITE to answer.", RING_SECONDS_BUCKETS, "campaign"
        )
        self.answer_to_refer_seconds = self._histogram(
            "acd_answer_to_refer_seconds",
            "200 OK to the order of a REFER.",
            SECONDS_BUCKETS,
            "campaign",
        )
        self.answer_to_ring_seconds = self._histogram(
            "acd_answer_to_ring_seconds",
            "200 OK to the ringing of the agent's phone, where a feed sees it.",
            SECONDS_BUCKETS,
            "campaign",
        )
        self.answer_to_agent_seconds = self._histogram(
            "acd_answer_to_agent_seconds",
            "200 OK to the agent's answer.",
            SECONDS_BUCKETS,
            "campaign",
        )

    def _make_pacing(self) -> None:
        self.hopper_leads = self._gauge("acd_hopper_leads", "Leads claimed ahead.", "campaign")
        self.pacing_ready_agents = self._gauge(
            "acd_pacing_ready_agents", "Agents that the pacing found ready.", "campaign"
        )
        self.pacing_unanswered_calls = self._gauge(
            "acd_pacing_unanswered_calls", "Calls that the pacing found unanswered.", "campaign"
        )
        self.pacing_waiting_persons = self._gauge(
            "acd_pacing_waiting_persons", "Answered people whom no agent had yet.", "campaign"
        )
        self.pacing_free_lines = self._gauge(
            "acd_pacing_free_lines", "Lines that the pacing could use.", "campaign"
        )
        self.pacing_calls_per_agent = self._gauge(
            "acd_pacing_calls_per_agent", "Calls aimed for per ready agent.", "campaign"
        )
        self.pacing_decisions = self._counter(
            "acd_pacing_decisions", "Times that the pacing decided.", "campaign"
        )
        self.pacing_calls = self._counter(
            "acd_pacing_calls", "Calls that the pacing started.", "campaign"
        )
        self.campaign_hold = self._gauge(
            "acd_campaign_hold", "1 for what keeps calls from starting.", "campaign", "reason"
        )
        self.waiting_persons = self._gauge(
            "acd_waiting_persons", "Answered people whom no agent has, now.", "campaign"
        )

    def _make_leads(self) -> None:
        self.leads = self._gauge("acd_leads", "Leads by state, as SQL says.", "campaign", "state")
        self.leads_blocked = self._gauge(
            "acd_leads_blocked", "Leads that a rule keeps from being dialed.", "campaign", "rule"
        )
        self.leads_left_seconds = self._gauge(
            "acd_leads_left_seconds",
            "Until no lead is left at the present speed; NaN: nobody knows.",
            "campaign",
        )
        self.ledger_live_answers = self._gauge(
            "acd_ledger_live_answers", "People joined or abandoned, in the window.", "campaign"
        )
        self.ledger_abandoned = self._gauge(
            "acd_ledger_abandoned", "People abandoned, in the window.", "campaign"
        )
        self.ledger_headroom = self._gauge(
            "acd_ledger_headroom", "Abandoned calls that the limit still bears.", "campaign"
        )
        self.abandon_limit = self._gauge(
            "acd_abandon_limit_ratio", "Highest abandon rate allowed.", "campaign"
        )
        self.stale_dnc_lists = self._gauge(
            "acd_stale_dnc_lists", "Required do-not-call lists missing or too old.", "campaign"
        )

    def _make_tapi(self) -> None:
        self.tapi_requests = self._counter(
            "acd_tapi_requests", "Requests of TAPI clients.", "client", "request"
        )
        self.tapi_errors = self._counter(
            "acd_tapi_errors", "Requests that were answered LINEERR.", "client", "error"
        )
        self.tapi_reply_seconds = self._histogram(
            "acd_tapi_reply_seconds",
            "A request to its LINE_REPLY: a call's wait for its turn, a transfer's for the agent.",
            SECONDS_BUCKETS,
            "client",
            "request",
        )

    def _make_machine(self) -> None:
        self.store_up = self._gauge("acd_store_up", "1 while the database answers.")
        self.store_queue = self._gauge("acd_store_queue", "Outcomes not yet in the database.")
        self.store_statements = self._gauge("acd_store_statements", "Transactions under way.")
        self.store_seconds = self._histogram(
            "acd_store_seconds",
            "One transaction, the wait for its turn included.",
            SECONDS_BUCKETS,
            "access",
        )
        self.store_failures = self._counter(
            "acd_store_failures", "Transactions that found no database.", "access"
        )
        self.scheduler_lag_seconds = self._histogram(
            "acd_scheduler_lag_seconds", "How late a sleeping task is woken.", SECONDS_BUCKETS
        )
        for agent_state in AgentState:
            self.agents.labels(agent_state)
        for access in Access:
            self.store_seconds.labels(access)
            self.store_failures.labels(access)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=tuple(buckets), registry=self.registry)

    def know_trunk(
        self, trunk: str, lines: CountedLines, *, challenges: Callable[[], int] = int
    ) -> None:
        """Create every series of a trunk; its lines are counted when somebody looks.

        Args:
            trunk: the `name` of its `[[trunk]]`.
            lines: what it can carry.
            challenges: how many of its INVITEs were answered 401 or 407.
        """
        self.trunk_up.labels(trunk)
        self.trunk_challenges.read(trunk, challenges)
        for status in TrunkStatus:
            self.trunk_status.labels(trunk, status)
            self.trunk_changes.labels(trunk, status)
        self._lines.know_trunk(trunk, lines)

    def know_holder(self, holder: str) -> None:
        """Create the series of one who leases lines: a campaign, or a TAPI client's name."""
        self._lines.know_holder(holder)

    def know_campaign(self, campaign: str) -> None:
        """Create every series of a campaign."""
        self.know_calls(campaign)
        for child in (
            self.transfer_retries,
            self.agents_benched,
            self.pacing_decisions,
            self.pacing_calls,
            self.hopper_leads,
            self.pacing_ready_agents,
            self.pacing_unanswered_calls,
            self.pacing_waiting_persons,
            self.pacing_free_lines,
            self.pacing_calls_per_agent,
            self.leads_left_seconds,
            self.ledger_live_answers,
            self.ledger_abandoned,
            self.ledger_headroom,
            self.abandon_limit,
            self.stale_dnc_lists,
            self.answer_to_ring_seconds,
        ):
            child.labels(campaign)
        for family, values in (
            (self.overflows, TransferOutcome),
            (self.previews, PreviewEnd),
            (self.campaign_hold, Hold),
            (self.leads, LeadState),
            (self.leads_blocked, Rule),
        ):
            for value in values:
                family.labels(campaign, value)

    def rest_campaign(self, campaign: str) -> None:
        """Show nothing any more that only a campaign knows that runs: it has left this engine.

        What it counted stays. A ledger that nobody reads on, a list that nobody dials and a reason
        that holds nobody back would otherwise stand there, and in alerts, until the engine ends.
        """
        for gauge in (
            self.hopper_leads,
            self.pacing_ready_agents,
            self.pacing_unanswered_calls,
            self.pacing_waiting_persons,
            self.pacing_free_lines,
            self.pacing_calls_per_agent,
        ):
            gauge.labels(campaign).set(0)
        for family, values in ((self.campaign_hold, Hold), (self.leads_blocked, Rule)):
            for value in values:
                family.labels(campaign, value).set(0)
        for unknown in (
            self.leads_left_seconds,
            self.ledger_live_answers,
            self.ledger_abandoned,
            self.ledger_headroom,
            self.abandon_limit,
        ):
            unknown.remove(campaign)

    def of_calls(self, campaign: str) -> CallSeries:
        """What calls of a campaign are counted in."""
        series = self._series.get(campaign)
        if series is None:
            series = self._series[campaign] = CallSeries(self, campaign)
        return series

    def know_calls(self, holder: str) -> None:
        """Create the series that calls have, whoever asks for them: a campaign, a TAPI client."""
        self.know_holder(holder)
        for child in (
            self.originates,
            self.live_answers,
            self.abandoned,
            self.waiting_persons,
            self.setup_seconds,
            self.ring_seconds,
            self.answer_to_refer_seconds,
            self.answer_to_agent_seconds,
        ):
            child.labels(holder)
        for family, values in (
            (self.ended, DisconnectCause),
            (self.dispositions, Disposition),
            (self.transfers, TransferOutcome),
            (self.responses, ResponseClass),
        ):
            for value in values:
                family.labels(holder, value)

    def know_tapi(
        self,
        clients: Mapping[str, str],
        look: Callable[[], Mapping[str, TapiCounts]],
        *,
        requests: Iterable[str],
        errors: Iterable[str],
        states: Iterable[str],
    ) -> None:
        """Create every series of the TAPI gateway; its sessions are counted when somebody looks.

        Args:
            clients: their names, and what their calls are counted under.
            look: client → how it stands; those without a session may be missing.
            requests: what a client may ask.
            errors: what it may be answered.
            states: what its calls may be in.
        """
        asked, answered = tuple(requests), tuple(errors)
        for client, holder in clients.items():
            self.know_calls(holder)
            for request in asked:
                self.tapi_requests.labels(client, request)
                self.tapi_reply_seconds.labels(client, request)
            for error in answered:
                self.tapi_errors.labels(client, error)
            self.waiting_persons.labels(holder).set_function(partial(_waiting_at, look, client))
        self.registry.register(TapiSessions(tuple(clients), look, tuple(states)))


def _waiting_at(look: Callable[[], Mapping[str, TapiCounts]], client: str) -> float:
    return look().get(client, NO_TAPI).waiting_persons
