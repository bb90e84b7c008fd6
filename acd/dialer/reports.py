"""A campaign's report: counted from its attempts, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from acd.store import counts
from acd.store.campaigns import campaign_by_name

PERCENTILES = (50, 90, 99)


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
    """abandoned ÷ live answers; None before the first live answer."""
    transfers: Mapping[str, int]
    ring_seconds: Mapping[str, float | None]
    wait_seconds: Mapping[str, float | None]
    talk_seconds: Mapping[str, float | None]
    """As far as an agent feed has told it."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def campaign_report(conn: sa.Connection, name: str) -> CampaignReport:
    """Count one campaign.

    Raises:
        UnknownName: there is none of that name.
    """
    campaign = campaign_by_name(conn, name)
    campaign_id = campaign.campaign_id
    dispositions = counts.attempts_by_disposition(conn, campaign_id)
    live_answers, abandoned = counts.live_answers_and_abandoned(conn, campaign_id)
    return CampaignReport(
        campaign=name,
        state=campaign.state.value,
        leads=counts.leads_by_state(conn, campaign_id),
        closed_because=counts.closed_leads_by_reason(conn, campaign_id),
        attempts=sum(dispositions.values()),
        dispositions=dispositions,
        live_answers=live_answers,
        abandoned=abandoned,
        abandon_rate=abandoned / live_answers if live_answers else None,
        transfers=counts.transfers_by_result(conn, campaign_id),
        ring_seconds=_percentiles(counts.ring_seconds(conn, campaign_id)),
        wait_seconds=_percentiles(counts.wait_seconds(conn, campaign_id)),
        talk_seconds=_percentiles(counts.talk_seconds(conn, campaign_id)),
    )


def _percentiles(ascending: Sequence[float]) -> dict[str, float | None]:
    """Nearest rank: a value that was really measured."""
    return {
        f"p{share}": ascending[math.ceil(share / 100 * len(ascending)) - 1] if ascending else None
        for share in PERCENTILES
    }
