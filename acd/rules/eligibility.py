"""May this lead be dialed now, and if not, why and when: pure, the only judge of it.

The store narrows candidates down in SQL, for speed; what it finds still passes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from acd.rules.definition import CampaignDefinition
from acd.rules.dispositions import DAY
from acd.rules.hours import is_open, next_open


class LeadState(StrEnum):
    """Where a lead stands in its campaign."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    """In an engine's hopper, or being dialed."""
    WITH_AGENT = "with_agent"
    """Handed over; the agent has not said yet what came of it."""
    REVIEW = "review"
    CLOSED = "closed"


class Rule(StrEnum):
    """What can keep a lead from being dialed; the ids appear in SQL, logs and answers."""

    LEAD_STATE = "lead_state"
    NUMBERS = "numbers"
    DNC = "dnc"
    DNC_LIST_STALE = "dnc_list_stale"
    ATTEMPTS = "attempts"
    FILTER = "filter"
    CALLBACK = "callback"
    ABANDON_LOCK_OUT = "abandon_lock_out"
    GAP = "gap"
    ATTEMPTS_PER_DAY = "attempts_per_day"
    RETRY_WAIT = "retry_wait"
    CALLING_HOURS = "calling_hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadSnapshot:
    """Everything that eligibility looks at; `recent_starts` covers the last 24 hours."""

    state: LeadState
    reason: str = ""
    """Why it is closed or under review."""
    zones: Sequence[str]
    """Of the number that is tried next."""
    has_usable_number: bool
    on_dnc: bool
    """Any of the lead's numbers is listed: the person asked, not the number."""
    stale_dnc_lists: Sequence[str]
    attempts: int
    next_attempt_at: datetime
    last_ended_at: datetime | None
    recent_starts: Sequence[datetime]
    columns: Mapping[str, str] = field(default_factory=dict)
    callback_at: datetime | None = None
    callback_agent: str | None = None
    last_abandoned_at: datetime | None = None


class Check(NamedTuple):
    """One rule's word on one lead; a dozen are made for each, and a tuple is made fastest."""

    rule: Rule
    passed: bool
    detail: str
    passes_at: datetime | None = None
    """When the rule stops blocking by itself; None: it does not, or it passes already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All rules' words, and the earliest moment at which none of them blocks."""

    checks: tuple[Check, ...]
    dialable_at: datetime | None

    @property
    def eligible(self) -> bool:
        """May be dialed now."""
        return all(check.passed for check in self.checks)

    @property
    def blocking(self) -> tuple[Check, ...]:
        """The rules that do not let the lead go."""
        return tuple(check for check in self.checks if not check.passed)


def judge(lead: LeadSnapshot, definition: CampaignDefinition, now: datetime) -> Verdict:
    """Ask every rule; nothing is decided anywhere else."""
    lasting = _lasting_checks(lead, definition)
    waits = _waiting_checks(lead, definition, now)
    hours = _hours_check(lead, definition, now)
    dialable_at: datetime | None = None
    if all(check.passed for check in lasting):
        earliest = max([now, *(check.passes_at for check in waits if check.passes_at)])
        dialable_at = now
        if earliest > now or not hours.passed:
            dialable_at = next_open(definition.calling_hours.hours(), lead.zones, earliest)
    return Verdict(checks=(*lasting, *waits, hours), dialable_at=dialable_at)


def _lasting_checks(lead: LeadSnapshot, definition: CampaignDefinition) -> list[Check]:
    """Rules that no waiting satisfies."""
    return [
        Check(
            rule=Rule.LEAD_STATE,
            passed=lead.state is LeadState.WAITING,
            detail=_state_detail(lead),
        ),
        Check(
            rule=Rule.NUMBERS,
            passed=lead.has_usable_number,
            detail="a number can be dialed" if lead.has_usable_number else "no usable number",
        ),
        Check(
            rule=Rule.DNC,
            passed=not lead.on_dnc,
            detail="on a do-not-call list" if lead.on_dnc else "on no do-not-call list",
        ),
        Check(
            rule=Rule.DNC_LIST_STALE,
            passed=not lead.stale_dnc_lists or definition.dnc.when_stale == "alarm",
            detail=_stale_detail(lead.stale_dnc_lists, definition),
        ),
        Check(
            rule=Rule.ATTEMPTS,
            passed=lead.attempts < definition.max_attempts,
            detail=f"{lead.attempts} of {definition.max_attempts} attempts used",
        ),
        _filter_check(lead, definition),
    ]


def _state_detail(lead: LeadSnapshot) -> str:
    told = lead.state in (LeadState.CLOSED, LeadState.REVIEW) and lead.reason
    return f"the lead is {lead.state}{f': {lead.reason}' if told else ''}"


def _filter_check(lead: LeadSnapshot, definition: CampaignDefinition) -> Check:
    failed = [str(rule) for rule in definition.filter if not rule.passes(lead.columns)]
    detail = "; ".join(failed) if failed else "passes every filter of the campaign"
    return Check(rule=Rule.FILTER, passed=not failed, detail=detail)


def _stale_detail(names: Sequence[str], definition: CampaignDefinition) -> str:
    if not names:
        return "the required do-not-call lists are there and fresh"
    allowed = ", which the campaign lets pass" if definition.dnc.when_stale == "alarm" else ""
    return f"missing or older than {definition.dnc.max_age_days} days: {', '.join(names)}{allowed}"


def _waiting_checks(
    lead: LeadSnapshot, definition: CampaignDefinition, now: datetime
) -> list[Check]:
    """Rules that pass once time has gone by."""
    lock_out = timedelta(seconds=definition.abandon_lock_out_seconds)
    gap_over = None
    if lead.last_ended_at is not None:
        gap_over = lead.last_ended_at + timedelta(seconds=definition.gap_seconds)
    return [
        _wait(Rule.CALLBACK, lead.callback_at, now, _callback_detail(lead, definition)),
        _wait(
            Rule.ABANDON_LOCK_OUT,
            lead.last_abandoned_at and lead.last_abandoned_at + lock_out,
            now,
            f"{definition.abandon_lock_out_seconds} s after an abandoned call",
        ),
        _wait(Rule.GAP, gap_over, now, f"{definition.gap_seconds} s between attempts"),
        _wait(
            Rule.ATTEMPTS_PER_DAY,
            _day_frees_at(lead.recent_starts, definition.max_attempts_per_day),
            now,
            f"{definition.max_attempts_per_day} attempts in 24 hours",
        ),
        # Last: it is as long as another rule's wait once a claim has found that one.
        _wait(Rule.RETRY_WAIT, lead.next_attempt_at, now, "the retry rule's wait"),
    ]


def _callback_detail(lead: LeadSnapshot, definition: CampaignDefinition) -> str:
    if lead.callback_at is None:
        return "no callback was promised"
    if not lead.callback_agent:
        return "a callback was promised"
    kept = f"kept for them for {definition.callback_owner_seconds} s from then on"
    return f"a callback was promised by {lead.callback_agent} and is {kept}"


def _day_frees_at(starts: Sequence[datetime], limit: int) -> datetime | None:
    """When the last 24 hours will hold fewer than `limit` attempts."""
    newest_first = sorted(starts, reverse=True)
    return newest_first[limit - 1] + DAY if len(newest_first) >= limit else None


def _wait(rule: Rule, until: datetime | None, now: datetime, what: str) -> Check:
    if until is None or until <= now:
        return Check(rule=rule, passed=True, detail=what)
    return Check(rule=rule, passed=False, detail=what, passes_at=until)


def _hours_check(lead: LeadSnapshot, definition: CampaignDefinition, now: datetime) -> Check:
    hours = definition.calling_hours.hours()
    if not lead.zones:
        return Check(
            rule=Rule.CALLING_HOURS, passed=False, detail="the number's time zone is unknown"
        )
    zones = ", ".join(lead.zones)
    if is_open(hours, lead.zones, now):
        return Check(rule=Rule.CALLING_HOURS, passed=True, detail=f"open in {zones}")
    return Check(
        rule=Rule.CALLING_HOURS,
        passed=False,
        detail=f"closed in {zones}",
        passes_at=next_open(hours, lead.zones, now),
    )
