"""Leads that a claim has put off by a definition since reloaded: asked again, a few at a time.

A reload stores that leads are to be asked again, and whoever dials the campaign does it: in slices,
for SQLite has one writer, and while it rewrites every waiting lead no attempt could begin. What
the campaign's events say of the reload and of the end of it outlives an engine that dies between
two slices: the next one begins anew, and finds those that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from acd.rules.eligibility import LeadState
from acd.store import schema as t
from acd.store.among import among
from acd.store.events import Subject, events_of, record, record_all

AT_A_TIME = 1000
"""Waiting leads of one slice; put off all of them, SQLite's writer is held for less than 0.1 s."""

# The last event of a lead tells who moved its next attempt: another one means its own wait.
_last_event = (
    sa.select(t.events.c.what)
    .where(
        t.events.c.subject == Subject.LEAD.value,
        t.events.c.subject_id == sa.cast(t.leads.c.lead_id, sa.String(64)),
    )
    .order_by(t.events.c.event_id.desc())
    .limit(1)
    .scalar_subquery()
)
_WAITS = (
    t.leads.c.state == sa.literal_column(f"'{LeadState.WAITING.value}'"),
    t.leads.c.next_attempt_at > sa.bindparam("now"),
)
_NEXT = (
    sa.select(t.leads.c.lead_id)
    .where(
        t.leads.c.campaign_id == sa.bindparam("campaign"),
        t.leads.c.lead_id > sa.bindparam("after"),
        *_WAITS,
    )
    .order_by(t.leads.c.lead_id)
    .limit(sa.bindparam("most"))
)
_PUT_OFF = sa.select(t.leads.c.lead_id).where(
    among(t.leads.c.lead_id, "lead_ids"), *_WAITS, _last_event == "put_off"
)
_LOCK = (
    sa.select(t.leads.c.lead_id)
    .where(among(t.leads.c.lead_id, "lead_ids"))
    # As in `acd.store.settling`: whoever locks several leads does it in this order.
    .order_by(t.leads.c.lead_id)
    .with_for_update()
)
_LET_GO = (
    sa.update(t.leads)
    .where(among(t.leads.c.lead_id, "lead_ids"))
    .values(next_attempt_at=sa.bindparam("now"), changed_at=sa.bindparam("now"))
)


def version_to_ask_by(conn: sa.Connection, campaign_id: int) -> int | None:
    """The version by which leads are still to be asked again; None: they were, or need not be."""
    wanted: int | None = None
    for event in events_of(conn, Subject.CAMPAIGN, campaign_id):
        if event.what == "reloaded" and event.detail.get("asks_again"):
            wanted = event.detail["version"]
        elif event.what == "asked_again" and event.detail["version"] == wanted:
            wanted = None
    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Some of a campaign's waiting leads."""

    put_off: Sequence[int]
    """Those whom a claim has put off."""
    last: int | None
    """Where the next slice begins; None: this was the last."""


def next_slice(conn: sa.Connection, *, campaign_id: int, after: int, now: datetime) -> Slice:
    """The leads behind `after`, by their ids; it only reads."""
    wanted = {"campaign": campaign_id, "after": after, "now": now, "most": AT_A_TIME}
    waiting = conn.scalars(_NEXT, wanted).all()
    put_off = conn.scalars(_PUT_OFF, {"lead_ids": waiting, "now": now}).all()
    return Slice(put_off=put_off, last=waiting[-1] if len(waiting) == AT_A_TIME else None)


def ask_again(conn: sa.Connection, *, lead_ids: Sequence[int], now: datetime) -> None:
    """Let those of these leads be claimed now that are put off as yet."""
    conn.execute(_LOCK, {"lead_ids": lead_ids})
    # Read once they are locked: somebody may have promised one of them a call meanwhile.
    put_off = conn.scalars(_PUT_OFF, {"lead_ids": lead_ids, "now": now}).all()
    conn.execute(_LET_GO, {"lead_ids": put_off, "now": now})
    record_all(conn, at=now, subject=Subject.LEAD, subject_ids=put_off, what="asked_again")


def all_asked_again(conn: sa.Connection, *, campaign_id: int, version: int, now: datetime) -> None:
    """Store that no lead is left to be asked by this version."""
    record(
        conn,
        at=now,
        subject=Subject.CAMPAIGN,
        subject_id=campaign_id,
        what="asked_again",
        detail={"version": version},
    )
