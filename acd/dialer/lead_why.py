"""Why a lead is not being dialed now, and when it will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.errors import BadInput, Problem, UnknownName
from acd.numbers import NumberRefused, read_number
from acd.rules.eligibility import Check, LeadState, Verdict
from acd.store.campaigns import CampaignState, campaign_by_id
from acd.store.lead_changes import FoundLead, find_leads
from acd.store.snapshots import judge_leads

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
    return Explanation(
        lead_id=lead.lead_id,
        campaign=lead.campaign,
        campaign_state=campaign.state.value,
        eligible=verdict.eligible and campaign.state is CampaignState.RUNNING,
        checks=verdict.checks,
        dialable_at=_dialable_at(conn, lead, verdict, now),
    )


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
