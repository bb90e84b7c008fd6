"""Attempts of TAPI clients, in the same table as the campaigns' and closed the same way.

They have no lead: nothing is retried by us, and nothing but the attempt is written. What a
campaign asks of its lead is asked of the number itself, in the transaction that begins the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from acd.store import schema as t
from acd.store.events import Subject, record
from acd.store.suppressions import Barred, why_barred


def begin_tapi_attempt(
    conn: sa.Connection,
    *,
    client: str,
    e164: str | None,
    node: str,
    trunk: str,
    line: int,
    now: datetime,
) -> int | Barred:
    """Commit that a number is about to be dialed; the attempt's id, or why it must not be.

    Args:
        conn: in a transaction.
        client: the `name` of its `[[tapi_client]]`.
        e164: the number; None for an extension that the door let through.
        node: this engine.
        trunk: the trunk dialed on.
        line: the TAPI line device, 1 to 999.
        now: the start.
    """
    barred = None if e164 is None else why_barred(conn, e164, campaign_id=None)
    if barred is not None:
        return barred
    attempt_id: int = conn.execute(
        sa.insert(t.attempts)
        .values(
            tapi_client=client,
            tapi_number=e164,
            attempt_no=1,
            state="dialing",
            node=node,
            trunk=trunk,
            line=line,
            started_at=now,
        )
        .returning(t.attempts.c.attempt_id)
    ).scalar_one()
    record(
        conn,
        at=now,
        subject=Subject.ATTEMPT,
        subject_id=attempt_id,
        what="dialing",
        detail={"tapi_client": client, "node": node, "line": line},
    )
    return attempt_id


def forget_tapi_numbers(conn: sa.Connection, numbers: Sequence[str]) -> list[int]:
    """Take the numbers of an erased person out of the attempts; which had one."""
    return list(
        conn.scalars(
            sa.update(t.attempts)
            .where(t.attempts.c.tapi_number.in_(numbers))
            .values(tapi_number=None)
            .returning(t.attempts.c.attempt_id)
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TapiCounts:
    """One client's attempts."""

    client: str
    attempts: int
    live_answers: int
    transferred: int
    abandoned: int
    """Live answers that nobody was handed in time."""


def tapi_counts(conn: sa.Connection) -> list[TapiCounts]:
    """Every client that ever dialed, by name."""
    rows = conn.execute(
        sa.select(
            t.attempts.c.tapi_client.label("client"),
            sa.func.count().label("attempts"),
            sa.func.count(t.attempts.c.answered_at).label("live_answers"),
            sa.func.count(t.attempts.c.transferred_at).label("transferred"),
            sa.func.count(sa.case((t.attempts.c.abandoned, 1))).label("abandoned"),
        )
        .where(t.attempts.c.tapi_client.is_not(None))
        .group_by(t.attempts.c.tapi_client)
        .order_by(t.attempts.c.tapi_client)
    )
    return [TapiCounts(**row._asdict()) for row in rows]
