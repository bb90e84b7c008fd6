"""A campaign's report: counted from its attempts, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.store import counts
from acd.store.campaigns import CampaignRow, campaign_by_name

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReport:
    """What the abandon limit looks at; rates 0 to 1."""

    window: str
    start: str
    """ISO 8601."""
    live_answers: int
    """Joined to an agent or abandoned."""
    abandoned: int
    abandon_rate: float | None
    """None before the first live answer."""
    abandon_limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReport:
    """Everything that `acd report` shows; durations in seconds, rates 0 to 1."""

    campaign: str
    state: str
    leads: Mapping[str, int]
    closed_because: Mapping[str, int]
    attempts: int
    dispositions: Mapping[str, int]
    live_answers: int
    abandoned: int
    abandon_rate: float | None
    """abandoned ÷ live answers of the whole campaign; None before the first live answer."""
    abandon_window: WindowReport
    transfers: Mapping[str, int]
    overflows: Mapping[str, int]
    """Of those: to the campaign's present overflow."""
    ring_seconds: Mapping[str, float | None]
    wait_seconds: Mapping[str, float | None]
    talk_seconds: Mapping[str, float | None]
    """As far as an agent feed has told it."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def campaign_report(conn: sa.Connection, name: str, *, now: datetime) -> CampaignReport:
    """Count one campaign; its abandon window ends at `now`.

    Raises:
        UnknownName: there is none of that name.
    """
    campaign = campaign_by_name(conn, name)
    campaign_id = campaign.campaign_id
    dispositions = counts.attempts_by_disposition(conn, campaign_id)
    found = counts.ledger_counts(conn, campaign_id=campaign_id)
    return CampaignReport(
        campaign=name,
        state=campaign.state.value,
        leads=counts.leads_by_state(conn, campaign_id),
        closed_because=counts.closed_leads_by_reason(conn, campaign_id),
        attempts=sum(dispositions.values()),
        dispositions=dispositions,
        live_answers=found.live_answers,
        abandoned=found.abandoned,
        abandon_rate=found.rate,
        abandon_window=_window_report(conn, campaign, now),
        transfers=counts.transfers_by_result(conn, campaign_id),
        overflows=counts.overflows_by_result(
            conn, campaign_id, campaign.definition.agents.overflow
        ),
        ring_seconds=_percentiles(counts.ring_seconds(conn, campaign_id)),
        wait_seconds=_percentiles(counts.wait_seconds(conn, campaign_id)),
        talk_seconds=_percentiles(counts.talk_seconds(conn, campaign_id)),
    )


def _window_report(conn: sa.Connection, campaign: CampaignRow, now: datetime) -> WindowReport:
    window = campaign.definition.abandon_window
    start = window.start(now)
    found = counts.ledger_counts(conn, campaign_id=campaign.campaign_id, since=start)
    return WindowReport(
        window=str(window),
        start=start.isoformat(timespec="seconds"),
        live_answers=found.live_answers,
        abandoned=found.abandoned,
        abandon_rate=found.rate,
        abandon_limit=float(campaign.definition.abandon_limit_percent) / 100,
    )


def _percentiles(ascending: Sequence[float]) -> dict[str, float | None]:
    """Nearest rank: a value that was really measured."""
    return {
        f"p{share}": ascending[math.ceil(share / 100 * len(ascending)) - 1] if ascending else None
        for share in PERCENTILES
    }
