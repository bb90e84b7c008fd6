"""Why a lead is not being dialed now, and when it will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from acd.errors import BadInput, Problem, UnknownName
from acd.numbers import NumberRefused, read_number
from acd.rules.callbacks import owner_of
from acd.rules.eligibility import Check, LeadState, Verdict
from acd.store.campaigns import CampaignRow, CampaignState, campaign_by_id
from acd.store.lead_changes import FoundLead, find_leads
from acd.store.snapshots import judge_leads, lead_snapshots

_LONGEST_LEAD_ID = 9
"""Digits; a phone number has more, or begins with 0 or +."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One lead: every rule's word, and when all of them will let it go."""

    lead_id: int
    campaign: str
    campaign_state: str
    eligible: bool
    """Every rule lets it go now, and the campaign runs."""
    checks: Sequence[Check]
    dialable_at: datetime | None
    """None: not without somebody's doing."""
    kept_for: str | None
    """The agent who promised the call: then it is dialed while they are ready, and else waits."""
    anybody_at: datetime | None
    """When it is dialed whoever is ready; None where it is kept for nobody, or never."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def leads_named(conn: sa.Connection, text: str, default_region: str) -> list[FoundLead]:
    """The leads that a person means: an id, or a phone number as people write it.

    Raises:
        BadInput: it is neither.
        UnknownName: there is no such lead.
    """
    if text.isdecimal() and text.isascii() and len(text) <= _LONGEST_LEAD_ID and text[0] != "0":
        found = find_leads(conn, lead_id=int(text))
    else:
        number = read_number(text, default_region=default_region)
        if isinstance(number, NumberRefused):
            raise BadInput(
                Problem(f"lead {text!r}", f"it is no lead's id, and as a number it {number.why}")
            )
        found = find_leads(conn, e164=number.e164)
    if not found:
        raise UnknownName(f"lead {text!r}: no campaign has it")
    return found


def explain_lead(conn: sa.Connection, lead: FoundLead, now: datetime) -> Explanation:
    """What the rules say about a lead, and when it becomes dialable."""
    campaign = campaign_by_id(conn, lead.campaign_id)
    verdict = _verdict(conn, lead, now)
    dialable_at = _dialable_at(conn, lead, verdict, now)
    kept_for, anybody_at = _kept(conn, campaign, lead, dialable_at, now)
    return Explanation(
        lead_id=lead.lead_id,
        campaign=lead.campaign,
        campaign_state=campaign.state.value,
        eligible=verdict.eligible and campaign.state is CampaignState.RUNNING,
        checks=verdict.checks,
        dialable_at=dialable_at,
        kept_for=kept_for,
        anybody_at=anybody_at,
    )


def _kept(
    conn: sa.Connection,
    campaign: CampaignRow,
    lead: FoundLead,
    dialable_at: datetime | None,
    now: datetime,
) -> tuple[str | None, datetime | None]:
    """For whom a callback is kept when it becomes dialable, and when it no longer is."""
    snapshot = lead_snapshots(conn, campaign, [lead.lead_id], now=now)[lead.lead_id]
    seconds = campaign.definition.callback_owner_seconds
    promised_at, agent = snapshot.callback_at, snapshot.callback_agent
    if dialable_at is None or promised_at is None:
        return None, None
    owner = owner_of(promised_at, agent, owner_seconds=seconds, now=dialable_at)
    if owner is None:
        return None, None
    free_at = promised_at + timedelta(seconds=seconds)
    return owner, _dialable_at(conn, lead, _verdict(conn, lead, free_at), free_at)


def _verdict(conn: sa.Connection, lead: FoundLead, at: datetime) -> Verdict:
    campaign = campaign_by_id(conn, lead.campaign_id)
    return judge_leads(conn, campaign, [lead.lead_id], now=at)[lead.lead_id]


def _dialable_at(
    conn: sa.Connection, lead: FoundLead, verdict: Verdict, now: datetime
) -> datetime | None:
    """Asked again for the moment that was named: a list can be too old by then."""
    if lead.state is not LeadState.WAITING:
        return None
    moment = verdict.dialable_at
    while moment is not None and moment > now:
        then = _verdict(conn, lead, moment)
        if then.eligible:
            return moment
        now, moment = moment, then.dialable_at
    return moment
