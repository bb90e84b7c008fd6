"""Attempts in SQL, from the row that was committed before the INVITE to the one that is closed.

A row is open (`dialing`, `answered`) until it is `closed`; one open attempt a lead, held by a
partial unique index. What was open when an engine died ends as `unknown` and its lead waits
for a person: it is never redialed by itself.

What becomes of attempts comes in batches. `OpenAttempts` reads all rows of a batch together and
locks them, changes them in memory in the batch's order, and writes each kind of change with one
statement for all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from acd.calls import DisconnectCause
from acd.frozen import frozen
from acd.rules.dispositions import Disposition, TransferOutcome, disposition_of
from acd.store import schema as t
from acd.store.among import among
from acd.store.each import execute_each
from acd.store.events import Journal, Subject
from acd.store.leads import ClaimedLead, release_claims_of, unclaim_leads
from acd.store.settling import Ended, Settling

_ROWS = (
    sa.select(
        t.attempts.c.attempt_id,
        t.attempts.c.lead_id,
        t.attempts.c.campaign_id,
        t.attempts.c.number_id,
        t.attempts.c.attempt_no,
        t.attempts.c.state,
        t.attempts.c.answered_at,
        t.attempts.c.disposition,
        t.attempts.c.sip_call_id,
        t.attempts.c.agent_rang_at,
        t.attempts.c.agent_answered_at,
        t.attempts.c.talk_seconds,
        t.attempts.c.agent,
    )
    .where(among(t.attempts.c.attempt_id, "attempt_ids"))
    # Attempts before leads, each by their ids: whoever locks several waits for nobody in a circle.
    .order_by(t.attempts.c.attempt_id)
    .with_for_update()
)
_THIS_ATTEMPT = t.attempts.c.attempt_id == sa.bindparam("this_attempt")
_DIALOG = (
    sa.update(t.attempts)
    .where(_THIS_ATTEMPT)
    .values(sip_call_id=sa.bindparam("new_call_id"), dialog=sa.bindparam("new_dialog"))
)
_ANSWER = (
    sa.update(t.attempts)
    .where(_THIS_ATTEMPT)
    .values(state="answered", answered_at=sa.bindparam("at"))
)
_TIMES = (
    sa.update(t.attempts)
    .where(_THIS_ATTEMPT)
    .values(
        agent_rang_at=sa.bindparam("rang_at"),
        agent_answered_at=sa.bindparam("agent_at"),
        talk_seconds=sa.bindparam("seconds"),
        agent=sa.bindparam("told_agent"),
    )
)
_END_COLUMNS = (
    "disposition",
    "cause",
    "sip_status",
    "q850_cause",
    "ring_seconds",
    "wait_seconds",
    "transfer_result",
    "transfer_target",
    "transfer_sip_status",
    "answered_at",
    "referred_at",
    "transferred_at",
    "ended_at",
    "abandoned",
    "agent",
    "sip_call_id",
)
_CLOSE = (
    sa.update(t.attempts)
    .where(_THIS_ATTEMPT)
    .values(
        state="closed",
        dialog=None,
        **{name: sa.bindparam(f"end_{name}") for name in _END_COLUMNS},
    )
)


@frozen(kw_only=True)
class AttemptClosed:
    """How an attempt ended."""

    attempt_id: int
    cause: DisconnectCause | None
    """None: nobody saw the end; the disposition is then `unknown`."""
    sip_status: int | None
    q850_cause: int | None
    ring_seconds: float | None
    wait_seconds: float | None
    """From the answer until an agent had the person, or they were lost."""
    transfer_result: str | None
    """A value of `TransferOutcome`."""
    transfer_target: str | None
    transfer_sip_status: int | None
    answered_at: datetime | None
    transferred_at: datetime | None
    ended_at: datetime
    abandoned: bool
    referred_at: datetime | None = None
    """When the last REFER left."""
    agent: str | None = None
    """Who has the person, or was offered them last: an extension, or a place in a queue."""
    not_followed: str = ""
    """Why the number that a 3xx named was not called, without any whole number."""


@frozen(kw_only=True)
class AgentTimes:
    """All that a feed has seen so far of the agent's phone and this attempt's person."""

    attempt_id: int
    rang_at: datetime | None
    answered_at: datetime | None
    talk_seconds: float | None
    agent: str | None = None
    """Whose phone that is; None: nobody knows."""


@frozen(kw_only=True)
class Leftover:
    """A dialog that nobody ended, because the engine that held it died."""

    attempt_id: int
    trunk: str
    dialog: Mapping[str, Any]
    """As `OpenAttempts.saw_dialog` was given it."""
    campaign: str | None = None
    """None: a TAPI client's."""
    lead_id: int | None = None
    tapi_client: str | None = None


@dataclass(slots=True)
class _Row:
    """What counts of an attempt, as it is after what the batch has said so far; as in `_ROWS`."""

    attempt_id: int
    lead_id: int | None
    campaign_id: int | None
    number_id: int | None
    attempt_no: int
    state: str
    answered_at: datetime | None
    disposition: str | None
    sip_call_id: str | None
    agent_rang_at: datetime | None
    agent_answered_at: datetime | None
    talk_seconds: float | None
    agent: str | None

    @property
    def is_open(self) -> bool:
        return self.state != "closed"


class OpenAttempts:
    """The attempts that one transaction writes about; also those that are closed already."""

    def __init__(
        self,
        conn: sa.Connection,
        attempt_ids: Collection[int],
        *,
        ending: Collection[int],
        journal: Journal,
        now: datetime,
    ) -> None:
        """Read the attempts, and lock them.

        Args:
            conn: in a transaction.
            attempt_ids: of all that is told; an id that is not there is passed over.
            ending: those that `close` is told of; their leads are read and locked too.
            journal: gets the events, in order.
            now: dates them.
        """
        self._conn = conn
        self._journal = journal
        self._now = now
        self._rows = _read_rows(conn, attempt_ids)
        ends = [row for row in map(self._rows.get, sorted(set(ending))) if row and row.is_open]
        self._settling = Settling(
            conn,
            [(row.lead_id, row.attempt_no) for row in ends if row.lead_id is not None],
            journal=journal,
            now=now,
        )
        self._dialogs: dict[int, dict[str, Any]] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._times: dict[int, dict[str, Any]] = {}
        self._ends: list[dict[str, Any]] = []

    def saw_dialog(self, attempt_id: int, *, sip_call_id: str, dialog: Mapping[str, Any]) -> None:
        """Keep what a BYE would need, as long as the attempt is open."""
        row = self._rows.get(attempt_id)
        if row is None or not row.is_open:
            return
        row.sip_call_id = sip_call_id
        self._dialogs[attempt_id] = {
            "this_attempt": attempt_id,
            "new_call_id": sip_call_id,
            "new_dialog": dict(dialog),
        }

    def answered(self, attempt_id: int, *, at: datetime) -> None:
        """Note the 2xx; an attempt that is answered or closed already stays as it is."""
        row = self._rows.get(attempt_id)
        if row is None or row.state != "dialing":
            return
        row.state, row.answered_at = "answered", at
        self._answers[attempt_id] = {"this_attempt": attempt_id, "at": at}
        self._note(attempt_id, "answered", at)

    def agent_times(self, seen: AgentTimes) -> None:
        """Keep what a feed has seen of the agent's phone; also of an attempt that is closed."""
        row = self._rows.get(seen.attempt_id)
        if row is None:
            return
        agent = seen.agent or row.agent
        news = (seen.rang_at, seen.answered_at, seen.talk_seconds, agent)
        if news == (row.agent_rang_at, row.agent_answered_at, row.talk_seconds, row.agent):
            return
        row.agent_rang_at, row.agent_answered_at, row.talk_seconds, row.agent = news
        self._times[seen.attempt_id] = {
            "this_attempt": seen.attempt_id,
            "rang_at": seen.rang_at,
            "agent_at": seen.answered_at,
            "seconds": seen.talk_seconds,
            "told_agent": agent,
        }
        self._note(seen.attempt_id, "agent_times", self._now)

    def close(self, closed: AttemptClosed) -> Disposition:
        """The end of an attempt, and what follows for its lead.

        The first close wins: a second one changes nothing and gives the disposition that stands.
        """
        row = self._rows[closed.attempt_id]
        if not row.is_open:
            return Disposition(row.disposition or "")
        row.answered_at = closed.answered_at or row.answered_at
        disposition = disposition_of(
            cause=closed.cause,
            answered=row.answered_at is not None,
            abandoned=closed.abandoned,
            transfer=TransferOutcome(closed.transfer_result) if closed.transfer_result else None,
        )
        row.state, row.disposition = "closed", disposition.value
        row.agent = closed.agent
        if row.attempt_id in self._times:
            self._times[row.attempt_id]["told_agent"] = closed.agent
        self._ends.append(_end(row, closed))
        # What the close says as well, or takes away again.
        self._dialogs.pop(row.attempt_id, None)
        self._answers.pop(row.attempt_id, None)
        detail = {"disposition": disposition.value, "cause": closed.cause}
        if closed.not_followed:
            detail["not_followed"] = closed.not_followed
        self._note(row.attempt_id, "closed", self._now, detail)
        if row.lead_id is not None and row.campaign_id is not None:
            ended = Ended(
                attempt_id=row.attempt_id,
                lead_id=row.lead_id,
                campaign_id=row.campaign_id,
                number_id=row.number_id,
                attempt_no=row.attempt_no,
                disposition=disposition,
                at=closed.ended_at,
            )
            self._settling.after_call(ended)
        return disposition

    def _note(
        self, attempt_id: int, what: str, at: datetime, detail: Mapping[str, Any] | None = None
    ) -> None:
        self._journal.note(
            at=at, subject=Subject.ATTEMPT, subject_id=attempt_id, what=what, detail=detail
        )

    def write(self) -> None:
        """Write what was told."""
        _keep_dialogs(self._conn, list(self._dialogs.values()))
        _mark_answered(self._conn, list(self._answers.values()))
        _close(self._conn, self._ends)
        _keep_times(self._conn, list(self._times.values()))
        self._settling.write()


def close_attempts(
    conn: sa.Connection, ends: Sequence[AttemptClosed], *, now: datetime
) -> list[Disposition]:
    """`OpenAttempts.close` for each, written at once."""
    journal = Journal()
    ids = [end.attempt_id for end in ends]
    attempts = OpenAttempts(conn, ids, ending=ids, journal=journal, now=now)
    dispositions = [attempts.close(end) for end in ends]
    attempts.write()
    journal.write(conn)
    return dispositions


def withdraw_attempt(conn: sa.Connection, *, lead: ClaimedLead, node: str, now: datetime) -> None:
    """Free a lead whose `begin_attempts` failed, so that nothing was sent.

    The row may be there all the same: an answer to its COMMIT that got lost looks like failure.
    """
    begun = conn.scalar(
        sa.select(t.attempts.c.attempt_id).where(
            t.attempts.c.lead_id == lead.lead_id,
            t.attempts.c.attempt_no == lead.attempt_no,
            t.attempts.c.node == node,
            t.attempts.c.state != "closed",
        )
    )
    if begun is not None:
        close_attempts(conn, [_ended(begun, now, cause=DisconnectCause.HUNG_UP)], now=now)
    unclaim_leads(conn, node=node, lead_ids=[lead.lead_id], now=now)


def leftover_dialogs(conn: sa.Connection, *, node: str) -> list[Leftover]:
    """The dialogs of a node's open attempts; right only while it dials nobody."""
    rows = conn.execute(
        sa.select(
            t.attempts.c.attempt_id,
            t.attempts.c.trunk,
            t.attempts.c.dialog,
            t.campaigns.c.name.label("campaign"),
            t.attempts.c.lead_id,
            t.attempts.c.tapi_client,
        )
        .outerjoin(t.campaigns, t.campaigns.c.campaign_id == t.attempts.c.campaign_id)
        .where(t.attempts.c.node == node, t.attempts.c.state != "closed")
        .order_by(t.attempts.c.attempt_id)
    )
    return [Leftover(**row._asdict()) for row in rows if row.dialog]


def close_orphans(conn: sa.Connection, *, node: str, now: datetime) -> list[int]:
    """Clean up after a node that died, at its start; the attempts that were open.

    Their disposition is `unknown` and their leads wait for a review: nobody knows whether a
    phone rang, so the engine never redials them. Leads that it had claimed and not yet dialed
    are free again.
    """
    orphans = list(
        conn.scalars(
            sa.select(t.attempts.c.attempt_id)
            .where(t.attempts.c.node == node, t.attempts.c.state != "closed")
            .order_by(t.attempts.c.attempt_id)
        )
    )
    close_attempts(conn, [_ended(each, now, cause=None) for each in orphans], now=now)
    release_claims_of(conn, node=node, now=now)
    return orphans


def _read_rows(conn: sa.Connection, attempt_ids: Collection[int]) -> dict[int, _Row]:
    if not attempt_ids:
        return {}
    rows: Iterable[Any] = conn.execute(_ROWS, {"attempt_ids": sorted(set(attempt_ids))})
    return {row.attempt_id: _Row(*row) for row in rows}


def _end(row: _Row, closed: AttemptClosed) -> dict[str, Any]:
    """The values of `_CLOSE`."""
    return {
        "this_attempt": row.attempt_id,
        "end_disposition": row.disposition,
        "end_cause": closed.cause.value if closed.cause else None,
        "end_sip_status": closed.sip_status,
        "end_q850_cause": closed.q850_cause,
        "end_ring_seconds": closed.ring_seconds,
        "end_wait_seconds": closed.wait_seconds,
        "end_transfer_result": closed.transfer_result or None,
        "end_transfer_target": closed.transfer_target,
        "end_transfer_sip_status": closed.transfer_sip_status,
        "end_answered_at": row.answered_at,
        "end_referred_at": closed.referred_at,
        "end_transferred_at": closed.transferred_at,
        "end_ended_at": closed.ended_at,
        "end_abandoned": closed.abandoned,
        "end_agent": closed.agent,
        "end_sip_call_id": row.sip_call_id,
    }


def _keep_dialogs(conn: sa.Connection, rows: list[dict[str, Any]]) -> None:
    execute_each(conn, _DIALOG, rows)


def _mark_answered(conn: sa.Connection, rows: list[dict[str, Any]]) -> None:
    execute_each(conn, _ANSWER, rows)


def _keep_times(conn: sa.Connection, rows: list[dict[str, Any]]) -> None:
    execute_each(conn, _TIMES, rows)


def _close(conn: sa.Connection, rows: list[dict[str, Any]]) -> None:
    execute_each(conn, _CLOSE, rows)


def _ended(attempt_id: int, now: datetime, *, cause: DisconnectCause | None) -> AttemptClosed:
    """The end of an attempt of which nothing else is known."""
    return AttemptClosed(
        attempt_id=attempt_id,
        cause=cause,
        sip_status=None,
        q850_cause=None,
        ring_seconds=None,
        wait_seconds=None,
        transfer_result=None,
        transfer_target=None,
        transfer_sip_status=None,
        answered_at=None,
        transferred_at=None,
        ended_at=now,
        abandoned=False,
    )
