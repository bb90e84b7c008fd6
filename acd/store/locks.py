"""Locks on what has no row yet: two that make the same thing at once must not both succeed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa


def lock_name(conn: sa.Connection, name: str) -> None:
    """Hold a name until the transaction ends; on SQLite the one writer is the lock."""
    _lock(conn, name, sa.func.pg_advisory_xact_lock)


def share_name(conn: sa.Connection, name: str) -> None:
    """Keep others from holding a name until the transaction ends, but not from sharing it."""
    _lock(conn, name, sa.func.pg_advisory_xact_lock_shared)


def _lock(conn: sa.Connection, name: str, how: Callable[..., sa.Function[Any]]) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(how(sa.func.hashtextextended(f"acd {name}", 0))))
