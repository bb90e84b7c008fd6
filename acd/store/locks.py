"""Locks on what has no row yet: two that make the same thing at once must not both succeed."""

from __future__ import annotations

import sqlalchemy as sa


def lock_name(conn: sa.Connection, name: str) -> None:
    """Hold a name until the transaction ends; on SQLite the one writer is the lock."""
    if conn.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"acd {name}", 0)
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
