"""What a disposition means for leads: `Settling`, many at a time, and `settle_lead`.

Everything that the decisions look at is read together, they are taken one by one and in order,
and what they say is written together: a batch of outcomes costs a handful of statements, however
many attempts have ended. The constructs stand at the module's level, because building one costs
more than running it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from acd.frozen import frozen
from acd.rules.definition import CampaignDefinition
from acd.rules.dispositions import (
    Disposition,
    RetryAction,
    RetryDecision,
    RetryHistory,
    decide_retry,
)
from acd.rules.eligibility import LeadState
from acd.store import schema as t
from acd.store.among import among
from acd.store.campaigns import campaign_by_id
from acd.store.each import execute_each
from acd.store.events import Journal, Subject
from acd.store.lanes import lane_for

_AGENT_WILL_SAY = (Disposition.HANDED_OVER, Disposition.HANDED_OVER_UNCONFIRMED)
_STATES = {
    RetryAction.RETRY: LeadState.WAITING,
    RetryAction.CLOSE: LeadState.CLOSED,
    RetryAction.REVIEW: LeadState.REVIEW,
}

_LEADS = (
    sa.select(
        t.leads.c.lead_id,
        t.leads.c.campaign_id,
        t.leads.c.attempts_before,
        t.leads.c.priority,
        t.lead_numbers.c.number_id,
        t.lead_numbers.c.position,
        t.lead_numbers.c.zones,
        t.lead_numbers.c.dead,
    )
    .outerjoin(t.lead_numbers, t.lead_numbers.c.lead_id == t.leads.c.lead_id)
    .where(among(t.leads.c.lead_id, "lead_ids"))
    # Whoever locks leads of several attempts does it in this order: none waits for another's.
    .order_by(t.leads.c.lead_id, t.lead_numbers.c.position)
    .with_for_update(of=t.leads)
)
_PAST = sa.select(t.attempts.c.lead_id, t.attempts.c.attempt_id, t.attempts.c.disposition).where(
    among(t.attempts.c.lead_id, "lead_ids"),
    t.attempts.c.disposition.is_not(None),
)
_THIS_LEAD = t.leads.c.lead_id == sa.bindparam("this_lead")
_SETTLED: dict[str, Any] = {
    "state": sa.bindparam("new_state"),
    "reason": sa.bindparam("new_reason"),
    "next_position": sa.bindparam("new_position"),
    "claimed_by": None,
    "lease_until": None,
    # The promise was kept or broken; a new one is a new callback.
    "callback_at": None,
    "callback_agent": None,
    "changed_at": sa.bindparam("now"),
}
_SETTLE = sa.update(t.leads).where(_THIS_LEAD).values(_SETTLED)
_RETRY = (
    sa.update(t.leads)
    .where(_THIS_LEAD)
    .values(
        **_SETTLED,
        next_attempt_at=sa.bindparam("new_attempt_at"),
        lane_id=sa.bindparam("new_lane"),
    )
)
_WAIT_FOR_AGENT = (
    sa.update(t.leads)
    .where(_THIS_LEAD)
    .values(
        state=LeadState.WITH_AGENT.value,
        reason="",
        claimed_by=None,
        lease_until=sa.bindparam("until"),
        changed_at=sa.bindparam("now"),
    )
)
_BURY = (
    sa.update(t.lead_numbers)
    .where(t.lead_numbers.c.number_id == sa.bindparam("this_number"))
    .values(dead=True)
)


@frozen(kw_only=True)
class Ended:
    """A lead's last attempt, which has its disposition."""

    attempt_id: int
    lead_id: int
    campaign_id: int
    number_id: int | None
    """None: the person was erased since."""
    attempt_no: int
    disposition: Disposition
    at: datetime
    """From when a retry waits."""


@frozen()
class _Number:
    number_id: int
    position: int
    zones: str
    dead: bool


@dataclass(slots=True)
class _Lead:
    """What a decision looks at."""

    campaign_id: int
    attempts_before: int
    priority: int
    numbers: list[_Number] = field(default_factory=list)
    past: dict[int, str] = field(default_factory=dict)
    """Dispositions of its attempts."""

    def history(self, ended: Ended) -> RetryHistory:
        tried = [each.position for each in self.numbers if each.number_id == ended.number_id]
        past = {**self.past, ended.attempt_id: ended.disposition.value}
        return RetryHistory(
            attempts=ended.attempt_no - self.attempts_before,
            times_this_disposition=list(past.values()).count(ended.disposition.value),
            position=tried[0] if tried else 0,
            usable_positions=[each.position for each in self.numbers if not each.dead],
        )

    def zones_at(self, position: int) -> str:
        return next((each.zones for each in self.numbers if each.position == position), "")


class Settling:
    """The leads of attempts that end in one transaction."""

    def __init__(
        self,
        conn: sa.Connection,
        ends: Iterable[tuple[int, int]],
        *,
        journal: Journal,
        now: datetime,
    ) -> None:
        """Read the leads, and lock them.

        Args:
            conn: in the transaction that writes the dispositions.
            ends: (lead, number of its attempt) of all that `settle` or `after_call` are told.
            journal: gets the leads' events, in order.
            now: dates them.
        """
        self._conn = conn
        self._journal = journal
        self._now = now
        self._leads = _read_leads(conn, dict(ends))
        self._definitions: dict[int, CampaignDefinition] = {}
        self._lanes: dict[tuple[int, str, int], int] = {}
        self._settled: list[dict[str, Any]] = []
        self._retried: list[dict[str, Any]] = []
        self._with_agent: list[dict[str, Any]] = []
        self._dead: list[dict[str, Any]] = []

    def after_call(self, ended: Ended) -> None:
        """Free the lead, or let it wait for its agent's word where the campaign wants that."""
        wait_seconds = self._definition(ended.campaign_id).agents.disposition_seconds
        if ended.disposition not in _AGENT_WILL_SAY or not wait_seconds:
            self.settle(ended)
            return
        until = ended.at + timedelta(seconds=wait_seconds)
        self._with_agent.append({"this_lead": ended.lead_id, "until": until, "now": self._now})
        self._note(ended.lead_id, LeadState.WITH_AGENT)

    def settle(self, ended: Ended) -> None:
        """Do what the disposition means for the lead, by its campaign's rules."""
        lead = self._leads[ended.lead_id]
        definition = self._definition(ended.campaign_id)
        decision = decide_retry(
            definition.rule_for(ended.disposition),
            disposition=ended.disposition,
            history=lead.history(ended),
            max_attempts=definition.max_attempts,
            now=ended.at,
        )
        if decision.number_is_dead:
            self._dead.append({"this_number": ended.number_id})
        self._free(ended.lead_id, lead, decision)
        self._note(
            ended.lead_id,
            _STATES[decision.action],
            reason=decision.reason,
            next_attempt_at=decision.next_attempt_at and decision.next_attempt_at.isoformat(),
            number_is_dead=decision.number_is_dead,
        )

    def _free(self, lead_id: int, lead: _Lead, decision: RetryDecision) -> None:
        values: dict[str, Any] = {
            "this_lead": lead_id,
            "new_state": _STATES[decision.action].value,
            "new_reason": decision.reason,
            "new_position": decision.next_position,
            "now": self._now,
        }
        if decision.next_attempt_at is None:
            self._settled.append(values)
            return
        values["new_attempt_at"] = decision.next_attempt_at
        values["new_lane"] = self._lane(lead, decision.next_position)
        self._retried.append(values)

    def _lane(self, lead: _Lead, position: int) -> int:
        key = (lead.campaign_id, lead.zones_at(position), lead.priority)
        if key not in self._lanes:
            self._lanes[key] = lane_for(self._conn, *key)
        return self._lanes[key]

    def _definition(self, campaign_id: int) -> CampaignDefinition:
        if campaign_id not in self._definitions:
            self._definitions[campaign_id] = campaign_by_id(self._conn, campaign_id).definition
        return self._definitions[campaign_id]

    def _note(self, lead_id: int, state: LeadState, **detail: Any) -> None:
        self._journal.note(
            at=self._now, subject=Subject.LEAD, subject_id=lead_id, what=state.value, detail=detail
        )

    def write(self) -> None:
        """Write what was decided."""
        _write_leads(self._conn, self._settled, self._retried, self._with_agent)
        _bury_numbers(self._conn, self._dead)


def settle_lead(conn: sa.Connection, ended: Ended, *, now: datetime) -> None:
    """`Settling.settle` for one lead, written at once."""
    journal = Journal()
    settling = Settling(conn, [(ended.lead_id, ended.attempt_no)], journal=journal, now=now)
    settling.settle(ended)
    settling.write()
    journal.write(conn)


def _read_leads(conn: sa.Connection, attempt_no: dict[int, int]) -> dict[int, _Lead]:
    leads: dict[int, _Lead] = {}
    if not attempt_no:
        return leads
    for row in conn.execute(_LEADS, {"lead_ids": list(attempt_no)}):
        if row.lead_id not in leads:
            leads[row.lead_id] = _Lead(row.campaign_id, row.attempts_before, row.priority)
        if row.number_id is not None:
            number = _Number(row.number_id, row.position, row.zones, row.dead)
            leads[row.lead_id].numbers.append(number)
    # A first attempt has no past.
    tried = [lead_id for lead_id, number in attempt_no.items() if number > 1]
    for lead_id, attempt_id, disposition in (
        conn.execute(_PAST, {"lead_ids": tried}) if tried else ()
    ):
        leads[lead_id].past[attempt_id] = disposition
    return leads


def _write_leads(
    conn: sa.Connection,
    settled: list[dict[str, Any]],
    retried: list[dict[str, Any]],
    with_agent: list[dict[str, Any]],
) -> None:
    execute_each(conn, _SETTLE, settled)
    execute_each(conn, _RETRY, retried)
    execute_each(conn, _WAIT_FOR_AGENT, with_agent)


def _bury_numbers(conn: sa.Connection, dead: list[dict[str, Any]]) -> None:
    execute_each(conn, _BURY, dead)
