"""What /metrics shows of a campaign that no single call counts: `CampaignWatch`, and the lag.

Leads by state, the abandon ledger's window and how long the list will last are read from SQL, as
often as that is cheap; the pacing's inputs and decisions are told here by the campaign's task.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
import trio

from acd.clock import WallClock
from acd.dialer.holding import why_held
from acd.dialer.ledger_watch import LedgerWatch
from acd.dialer.pacing import PacingSnapshot
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.logs import debugging
from acd.metrics import Metrics
from acd.rules.eligibility import LeadState
from acd.rules.hold import Hold
from acd.rules.ledger import LedgerCounts, headroom
from acd.store.campaigns import CampaignRow
from acd.store.counts import CampaignCounts, campaign_counts

log: structlog.stdlib.BoundLogger = structlog.get_logger()

COUNT_SECONDS = 5.0
"""How often SQL is asked at most."""
COUNT_SHARE = 0.02
"""Largest share of one reader's time: counting a million leads takes a while."""
LEAD_WINDOW = timedelta(minutes=15)
"""The time left is judged by what was closed within this."""
LAG_SECONDS = 0.25
"""How often the scheduler's lag is measured."""


class CampaignWatch:
    """One campaign on this node, as /metrics shows it.

    Its series are looked up once: a campaign is looked at several times a call.
    """

    def __init__(
        self,
        campaign: str,
        *,
        store: StoreWatch,
        ledger: LedgerWatch,
        metrics: Metrics,
        clock: WallClock,
    ) -> None:
        self._campaign = campaign
        self._store = store
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._hold: Hold | None = None
        self._holds = {hold: metrics.campaign_hold.labels(campaign, hold) for hold in Hold}
        self._ready_agents = metrics.pacing_ready_agents.labels(campaign)
        self._unanswered_calls = metrics.pacing_unanswered_calls.labels(campaign)
        self._waiting_persons = metrics.pacing_waiting_persons.labels(campaign)
        self._free_lines = metrics.pacing_free_lines.labels(campaign)
        self._calls_per_agent = metrics.pacing_calls_per_agent.labels(campaign)
        self._decisions = metrics.pacing_decisions.labels(campaign)
        self._calls = metrics.pacing_calls.labels(campaign)
        self._hopper_leads = metrics.hopper_leads.labels(campaign)

    async def count(self, campaign: Callable[[], CampaignRow]) -> None:
        """Read what only SQL knows, for as long as the campaign runs here; cancel to end.

        Args:
            campaign: its present version.
        """
        while True:
            row = campaign()
            asked_at = trio.current_time()
            try:
                # At leisure: counting a million leads may take longer than any other read may.
                counts = await self._store.read_at_leisure(
                    campaign_counts,
                    campaign_id=row.campaign_id,
                    since=self._clock.now() - LEAD_WINDOW,
                )
                ledger = await self._ledger.read(row.definition.abandon_window)
            except StoreUnavailable:
                pass  # the last figures stay; acd_store_up says why
            else:
                self._show(row, counts, ledger)
            took_seconds = trio.current_time() - asked_at
            await trio.sleep(max(COUNT_SECONDS, took_seconds / COUNT_SHARE))

    def _show(self, row: CampaignRow, counts: CampaignCounts, ledger: LedgerCounts) -> None:
        metrics, name = self._metrics, row.name
        for state in LeadState:
            metrics.leads.labels(name, state).set(counts.leads.get(state, 0))
        metrics.leads_left_seconds.labels(name).set(seconds_left(counts, now=self._clock.now()))
        limit_percent = row.definition.abandon_limit_percent
        metrics.ledger_live_answers.labels(name).set(ledger.live_answers)
        metrics.ledger_abandoned.labels(name).set(ledger.abandoned)
        metrics.ledger_headroom.labels(name).set(headroom(ledger, limit_percent=limit_percent))
        metrics.abandon_limit.labels(name).set(float(limit_percent) / 100)

    def looked(self, snapshot: PacingSnapshot, *, started: int) -> None:
        """The pacing has decided."""
        self._ready_agents.set(snapshot.ready_agents)
        self._unanswered_calls.set(snapshot.unanswered_calls)
        self._waiting_persons.set(snapshot.waiting_persons)
        self._free_lines.set(snapshot.free_lines)
        self._calls_per_agent.set(float(snapshot.calls_per_agent))
        self._decisions.inc()
        self._calls.inc(started)
        self._hopper_leads.set(snapshot.leads_at_hand - started)
        self.held(why_held(snapshot, started=started))

    def held(self, hold: Hold) -> None:
        """What keeps the campaign from starting calls."""
        if hold is not self._hold:
            self._hold = hold
            if debugging():
                log.debug("held", action="campaign.held", campaign=self._campaign, reason=hold)
            for other, gauge in self._holds.items():
                gauge.set(other is hold)


def seconds_left(counts: CampaignCounts, *, now: datetime) -> float:
    """Until no lead is left, at the speed at which leads were closed lately; NaN: nobody knows.

    Speed: leads dialed and closed since the first attempt within `LEAD_WINDOW`, over that time.
    """
    left = counts.leads.get(LeadState.WAITING, 0) + counts.leads.get(LeadState.CLAIMED, 0)
    if left == 0:
        return 0.0
    if counts.closed_lately == 0 or counts.first_attempt_at is None:
        return math.nan
    return left * (now - counts.first_attempt_at).total_seconds() / counts.closed_lately


async def watch_lag(metrics: Metrics) -> None:
    """Measure for ever how late this run's tasks are woken."""
    while True:
        due = trio.current_time() + LAG_SECONDS
        await trio.sleep_until(due)
        metrics.scheduler_lag_seconds.observe(max(0.0, trio.current_time() - due))
