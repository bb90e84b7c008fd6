"""What /metrics shows of a campaign that no single call counts: `CampaignWatch`, and the lag.

Leads by state, the abandon ledger's window and how long the list will last are read from SQL, as
often as that is cheap; the pacing's inputs and decisions are told here by the campaign's task.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import trio

from acd.clock import WallClock
from acd.dialer.holding import why_held
from acd.dialer.pacing import PacingSnapshot
from acd.dialer.store_watch import StoreWatch
from acd.errors import StoreUnavailable
from acd.metrics import Metrics
from acd.rules.eligibility import LeadState
from acd.rules.hold import Hold
from acd.rules.ledger import headroom
from acd.store.campaigns import CampaignRow
from acd.store.counts import CampaignCounts, campaign_counts

COUNT_SECONDS = 5.0
"""How often SQL is asked at most."""
COUNT_SHARE = 0.02
"""Largest share of one reader's time: counting a million leads takes a while."""
LEAD_WINDOW = timedelta(minutes=15)
"""The time left is judged by what was closed within this."""
LAG_SECONDS = 0.25
"""How often the scheduler's lag is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignWatch:
    """One campaign on this node, as /metrics shows it."""

    store: StoreWatch
    metrics: Metrics
    clock: WallClock

    async def count(self, campaign: Callable[[], CampaignRow]) -> None:
        """Read what only SQL knows, for as long as the campaign runs here; cancel to end.

        Args:
            campaign: its present version.
        """
        while True:
            row = campaign()
            asked_at = trio.current_time()
            try:
                counts = await self.store.read(
                    campaign_counts,
                    campaign_id=row.campaign_id,
                    midnight=local_midnight(self.clock),
                    since=self.clock.now() - LEAD_WINDOW,
                )
            except StoreUnavailable:
                pass  # the last figures stay; acd_store_up says why
            else:
                self._show(row, counts)
            took_seconds = trio.current_time() - asked_at
            await trio.sleep(max(COUNT_SECONDS, took_seconds / COUNT_SHARE))

    def _show(self, row: CampaignRow, counts: CampaignCounts) -> None:
        metrics, name = self.metrics, row.name
        for state in LeadState:
            metrics.leads.labels(name, state).set(counts.leads.get(state, 0))
        metrics.leads_left_seconds.labels(name).set(seconds_left(counts, now=self.clock.now()))
        limit_percent = row.definition.abandon_limit_percent
        metrics.ledger_live_answers.labels(name).set(counts.ledger.live_answers)
        metrics.ledger_abandoned.labels(name).set(counts.ledger.abandoned)
        metrics.ledger_headroom.labels(name).set(
            headroom(counts.ledger, limit_percent=limit_percent)
        )
        metrics.abandon_limit.labels(name).set(float(limit_percent) / 100)

    def looked(self, name: str, snapshot: PacingSnapshot, *, started: int) -> None:
        """The pacing has decided."""
        metrics = self.metrics
        for gauge, value in (
            (metrics.pacing_ready_agents, snapshot.ready_agents),
            (metrics.pacing_unanswered_calls, snapshot.unanswered_calls),
            (metrics.pacing_waiting_persons, snapshot.waiting_persons),
            (metrics.pacing_free_lines, snapshot.free_lines),
            (metrics.pacing_calls_per_agent, snapshot.calls_per_agent),
        ):
            gauge.labels(name).set(float(value))
        metrics.pacing_decisions.labels(name).inc()
        metrics.pacing_calls.labels(name).inc(started)
        self.held(name, why_held(snapshot, started=started))

    def held(self, name: str, hold: Hold) -> None:
        """What keeps the campaign from starting calls."""
        for other in Hold:
            self.metrics.campaign_hold.labels(name, other).set(other is hold)


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


def local_midnight(clock: WallClock) -> datetime:
    """Where the abandon ledger's window begins."""
    return clock.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


async def watch_lag(metrics: Metrics) -> None:
    """Measure for ever how late this run's tasks are woken."""
    while True:
        due = trio.current_time() + LAG_SECONDS
        await trio.sleep_until(due)
        metrics.scheduler_lag_seconds.observe(max(0.0, trio.current_time() - due))
