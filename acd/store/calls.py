"""One call's story as SQL knows it: the attempt, whose it was, and its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.errors import UnknownName
from acd.store import schema as t
from acd.store.events import Subject, events_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEventRow:
    """One change of the attempt."""

    at: datetime
    what: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """An attempt with names for numbers; durations in seconds, times in UTC."""

    attempt_id: int
    campaign: str | None
    """None: a TAPI client's call."""
    tapi_client: str | None
    lead_id: int | None
    number: str | None
    """None: an extension, or the person has been erased."""
    state: str
    node: str
    trunk: str
    line: int
    started_at: datetime
    answered_at: datetime | None
    referred_at: datetime | None
    agent_rang_at: datetime | None
    agent_answered_at: datetime | None
    transferred_at: datetime | None
    ended_at: datetime | None
    cause: str | None
    sip_status: int | None
    q850_cause: int | None
    ring_seconds: float | None
    wait_seconds: float | None
    talk_seconds: float | None
    transfer_result: str | None
    transfer_target: str | None
    transfer_sip_status: int | None
    abandoned: bool
    disposition: str | None
    agent: str | None
    sip_call_id: str | None

    @property
    def call(self) -> str:
        """The call's id in logs, metrics' exemplars and the SIP trace."""
        return f"a{self.attempt_id}"

    @property
    def owner(self) -> str:
        """Whose call it was: `campaign spring` or `TAPI client overdialer`."""
        if self.campaign is not None:
            return f"campaign {self.campaign}"
        return f"TAPI client {self.tapi_client}"


_COLUMNS = (
    *(t.attempts.c.attempt_id, t.attempts.c.tapi_client, t.attempts.c.lead_id),
    t.campaigns.c.name.label("campaign"),
    sa.func.coalesce(t.lead_numbers.c.e164, t.attempts.c.tapi_number).label("number"),
    *(t.attempts.c.state, t.attempts.c.node, t.attempts.c.trunk, t.attempts.c.line),
    *(t.attempts.c.started_at, t.attempts.c.answered_at, t.attempts.c.transferred_at),
    *(t.attempts.c.ended_at, t.attempts.c.cause, t.attempts.c.sip_status),
    *(t.attempts.c.q850_cause, t.attempts.c.ring_seconds, t.attempts.c.wait_seconds),
    *(t.attempts.c.talk_seconds, t.attempts.c.transfer_result, t.attempts.c.transfer_target),
    *(t.attempts.c.transfer_sip_status, t.attempts.c.abandoned, t.attempts.c.disposition),
    *(t.attempts.c.agent, t.attempts.c.sip_call_id, t.attempts.c.referred_at),
    *(t.attempts.c.agent_rang_at, t.attempts.c.agent_answered_at),
)
_FROM = t.attempts.outerjoin(
    t.campaigns, t.campaigns.c.campaign_id == t.attempts.c.campaign_id
).outerjoin(t.lead_numbers, t.lead_numbers.c.number_id == t.attempts.c.number_id)


def call_of(conn: sa.Connection, attempt_id: int) -> tuple[CallRow, list[CallEventRow]]:
    """One call, and what happened to it, oldest first.

    Raises:
        UnknownName: there is no such attempt.
    """
    row = conn.execute(
        sa.select(*_COLUMNS).select_from(_FROM).where(t.attempts.c.attempt_id == attempt_id)
    ).one_or_none()
    if row is None:
        raise UnknownName(
            f"attempt {attempt_id}: there is none; acd calls list shows the last ones"
        )
    happened = events_of(conn, Subject.ATTEMPT, attempt_id)
    return CallRow(**row._asdict()), [CallEventRow(**event._asdict()) for event in happened]


def last_calls(
    conn: sa.Connection, *, limit: int, campaign: str = "", tapi_client: str = ""
) -> Sequence[CallRow]:
    """The newest calls first, of everybody or of one campaign or client."""
    chosen = sa.select(*_COLUMNS).select_from(_FROM)
    if campaign:
        chosen = chosen.where(t.campaigns.c.name == campaign)
    if tapi_client:
        chosen = chosen.where(t.attempts.c.tapi_client == tapi_client)
    rows = conn.execute(chosen.order_by(t.attempts.c.attempt_id.desc()).limit(limit))
    return [CallRow(**row._asdict()) for row in rows]
