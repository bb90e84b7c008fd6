"""May this lead be dialed now, and if not, why and when: pure, the only judge of it.

The store narrows candidates down in SQL, for speed; what it finds still passes here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from acd.frozen import frozen
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


@frozen(kw_only=True)
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
    """One rule's word on one lead."""

    rule: Rule
    passed: bool
    detail: str
    passes_at: datetime | None = None
    """When the rule stops blocking by itself; None: it does not, or it passes already."""


@frozen()
class Verdict:
    """All rules' words, and the earliest moment at which none of them blocks.

    Worked out when asked for: of most leads nobody wants to know more than that they may be dialed.
    """

    _lead: LeadSnapshot
    _definition: CampaignDefinition
    _now: datetime

    @property
    def eligible(self) -> bool:
        """May be dialed now."""
        lead, definition, now = self._lead, self._definition, self._now
        for passes, _ in LASTING.values():
            if not passes(lead, definition):
                return False
        for over_at, _ in WAITS.values():
            at = over_at(lead, definition)
            if at is not None and at > now:
                return False
        return is_open(definition.calling_hours.hours, lead.zones, now)

    @property
    def checks(self) -> tuple[Check, ...]:
        """What each rule says."""
        return (*self._lasting, *self._waits, self._hours)

    @property
    def blocking(self) -> tuple[Check, ...]:
        """The rules that do not let the lead go."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def dialable_at(self) -> datetime | None:
        """When none of them blocks; None: never by itself."""
        lead, definition = self._lead, self._definition
        if not all(passes(lead, definition) for passes, _ in LASTING.values()):
            return None
        waits = (over_at(lead, definition) for over_at, _ in WAITS.values())
        earliest = max([self._now, *filter(None, waits)])
        # Where it is open at that moment, that is the next opening.
        return next_open(definition.calling_hours.hours, lead.zones, earliest)

    @property
    def _lasting(self) -> list[Check]:
        return [
            Check(rule, passes(self._lead, self._definition), told(self._lead, self._definition))
            for rule, (passes, told) in LASTING.items()
        ]

    @property
    def _waits(self) -> list[Check]:
        return [self._wait(rule, *asked) for rule, asked in WAITS.items()]

    def _wait(self, rule: Rule, over_at: _OverAt, told: _Told) -> Check:
        at, detail = over_at(self._lead, self._definition), told(self._lead, self._definition)
        if at is None or at <= self._now:
            return Check(rule, passed=True, detail=detail)
        return Check(rule, passed=False, detail=detail, passes_at=at)

    @property
    def _hours(self) -> Check:
        rule, lead, hours = Rule.CALLING_HOURS, self._lead, self._definition.calling_hours.hours
        if not lead.zones:
            return Check(rule, passed=False, detail="the number's time zone is unknown")
        zones = ", ".join(lead.zones)
        if is_open(hours, lead.zones, self._now):
            return Check(rule, passed=True, detail=f"open in {zones}")
        opens_at = next_open(hours, lead.zones, self._now)
        return Check(rule, passed=False, detail=f"closed in {zones}", passes_at=opens_at)


def judge(lead: LeadSnapshot, definition: CampaignDefinition, now: datetime) -> Verdict:
    """Ask every rule; nothing is decided anywhere else."""
    return Verdict(lead, definition, now)


_Passes = Callable[[LeadSnapshot, CampaignDefinition], bool]
_OverAt = Callable[[LeadSnapshot, CampaignDefinition], datetime | None]
_Told = Callable[[LeadSnapshot, CampaignDefinition], str]


def _is_waiting(lead: LeadSnapshot, _: CampaignDefinition) -> bool:
    return lead.state is LeadState.WAITING


def _state_told(lead: LeadSnapshot, _: CampaignDefinition) -> str:
    told = lead.state in (LeadState.CLOSED, LeadState.REVIEW) and lead.reason
    return f"the lead is {lead.state}{f': {lead.reason}' if told else ''}"


def _has_number(lead: LeadSnapshot, _: CampaignDefinition) -> bool:
    return lead.has_usable_number


def _number_told(lead: LeadSnapshot, _: CampaignDefinition) -> str:
    return "a number can be dialed" if lead.has_usable_number else "no usable number"


def _is_unlisted(lead: LeadSnapshot, _: CampaignDefinition) -> bool:
    return not lead.on_dnc


def _dnc_told(lead: LeadSnapshot, _: CampaignDefinition) -> str:
    return "on a do-not-call list" if lead.on_dnc else "on no do-not-call list"


def _lists_are_fresh(lead: LeadSnapshot, definition: CampaignDefinition) -> bool:
    return not lead.stale_dnc_lists or definition.dnc.when_stale == "alarm"


def _stale_told(lead: LeadSnapshot, definition: CampaignDefinition) -> str:
    names = ", ".join(lead.stale_dnc_lists)
    if not names:
        return "the required do-not-call lists are there and fresh"
    allowed = ", which the campaign lets pass" if definition.dnc.when_stale == "alarm" else ""
    return f"missing or older than {definition.dnc.max_age_days} days: {names}{allowed}"


def _attempts_are_left(lead: LeadSnapshot, definition: CampaignDefinition) -> bool:
    return lead.attempts < definition.max_attempts


def _attempts_told(lead: LeadSnapshot, definition: CampaignDefinition) -> str:
    return f"{lead.attempts} of {definition.max_attempts} attempts used"


def _passes_filter(lead: LeadSnapshot, definition: CampaignDefinition) -> bool:
    return not definition.filter or not _failed_filters(lead, definition)


def _filter_told(lead: LeadSnapshot, definition: CampaignDefinition) -> str:
    failed = _failed_filters(lead, definition)
    return "; ".join(failed) if failed else "passes every filter of the campaign"


def _failed_filters(lead: LeadSnapshot, definition: CampaignDefinition) -> list[str]:
    return [str(rule) for rule in definition.filter if not rule.passes(lead.columns)]


LASTING: Mapping[Rule, tuple[_Passes, _Told]] = {
    Rule.LEAD_STATE: (_is_waiting, _state_told),
    Rule.NUMBERS: (_has_number, _number_told),
    Rule.DNC: (_is_unlisted, _dnc_told),
    Rule.DNC_LIST_STALE: (_lists_are_fresh, _stale_told),
    Rule.ATTEMPTS: (_attempts_are_left, _attempts_told),
    Rule.FILTER: (_passes_filter, _filter_told),
}
"""Rules that no waiting satisfies: whether they pass, and what they say."""


def _callback_at(lead: LeadSnapshot, _: CampaignDefinition) -> datetime | None:
    return lead.callback_at


def _callback_told(lead: LeadSnapshot, definition: CampaignDefinition) -> str:
    if lead.callback_at is None:
        return "no callback was promised"
    if not lead.callback_agent:
        return "a callback was promised"
    kept = f"kept for them for {definition.callback_owner_seconds} s from then on"
    return f"a callback was promised by {lead.callback_agent} and is {kept}"


def _after(moment: datetime | None, seconds: float) -> datetime | None:
    return None if moment is None else moment + timedelta(seconds=seconds)


def _lock_out_over_at(lead: LeadSnapshot, definition: CampaignDefinition) -> datetime | None:
    return _after(lead.last_abandoned_at, definition.abandon_lock_out_seconds)


def _lock_out_told(_: LeadSnapshot, definition: CampaignDefinition) -> str:
    return f"{definition.abandon_lock_out_seconds} s after an abandoned call"


def _gap_over_at(lead: LeadSnapshot, definition: CampaignDefinition) -> datetime | None:
    return _after(lead.last_ended_at, definition.gap_seconds)


def _gap_told(_: LeadSnapshot, definition: CampaignDefinition) -> str:
    return f"{definition.gap_seconds} s between attempts"


def _day_frees_at(lead: LeadSnapshot, definition: CampaignDefinition) -> datetime | None:
    """When the last 24 hours will hold fewer attempts than a day may."""
    limit = definition.max_attempts_per_day
    if len(lead.recent_starts) < limit:
        return None
    return sorted(lead.recent_starts, reverse=True)[limit - 1] + DAY


def _day_told(_: LeadSnapshot, definition: CampaignDefinition) -> str:
    return f"{definition.max_attempts_per_day} attempts in 24 hours"


def _retry_at(lead: LeadSnapshot, _: CampaignDefinition) -> datetime | None:
    return lead.next_attempt_at


def _retry_told(_: LeadSnapshot, __: CampaignDefinition) -> str:
    return "the retry rule's wait"


WAITS: Mapping[Rule, tuple[_OverAt, _Told]] = {
    Rule.CALLBACK: (_callback_at, _callback_told),
    Rule.ABANDON_LOCK_OUT: (_lock_out_over_at, _lock_out_told),
    Rule.GAP: (_gap_over_at, _gap_told),
    Rule.ATTEMPTS_PER_DAY: (_day_frees_at, _day_told),
    # Last: it is as long as another rule's wait once a claim has found that one.
    Rule.RETRY_WAIT: (_retry_at, _retry_told),
}
"""Rules that pass once time has gone by: until when they block, and what they say."""
