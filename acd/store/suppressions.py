"""Numbers of people who had themselves erased: hashed, so that they are known again.

A hash of a phone number hides it from a reader, not from somebody who tries all numbers: what is
kept is as little as the duty never to call again allows (GDPR article 17(3)(b)), not nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from acd.store import schema as t
from acd.store.dnc import listed_numbers
from acd.store.locks import lock_name, share_name

_NAME = "suppressions"


def number_hash(e164: str) -> str:
    """What stands for a number in `suppressions`."""
    return hashlib.sha256(f"acd suppression {e164}".encode()).hexdigest()


def erased_hashes(conn: sa.Connection) -> set[str]:
    """Every hash."""
    return set(conn.scalars(sa.select(t.suppressions.c.number_hash)))


def is_erased(conn: sa.Connection, e164: str) -> bool:
    """Whether the number belongs to somebody who was erased."""
    query = sa.select(t.suppressions.c.erased_at)
    return conn.scalar(query.where(t.suppressions.c.number_hash == number_hash(e164))) is not None


class Barred(StrEnum):
    """Why a number that is no lead's must not be dialed."""

    DNC = "dnc"
    ERASED = "erased"


def why_barred(conn: sa.Connection, e164: str, *, campaign_id: int | None) -> Barred | None:
    """What stands against dialing a number; None: nothing.

    Args:
        conn: may be one that only reads.
        e164: the number.
        campaign_id: whose lists count beside those for every campaign; None: a TAPI client's call.
    """
    if listed_numbers(conn, [e164], campaign_id):
        return Barred.DNC
    return Barred.ERASED if is_erased(conn, e164) else None


def begin_erasure(conn: sa.Connection) -> None:
    """Wait for imports that are just adding leads, and keep others waiting until we are done.

    What they add is seen by whoever looks for a person's leads after this.
    """
    lock_name(conn, _NAME)


def hold_erasures(conn: sa.Connection) -> None:
    """Keep erasures waiting until this transaction, which adds leads, is over."""
    share_name(conn, _NAME)


def suppress(conn: sa.Connection, numbers: Iterable[str], now: datetime) -> None:
    """Keep the hashes of numbers; the caller has asked `begin_erasure`."""
    new = {number_hash(e164) for e164 in numbers} - erased_hashes(conn)
    if new:
        rows = [{"number_hash": value, "erased_at": now} for value in sorted(new)]
        conn.execute(sa.insert(t.suppressions), rows)
