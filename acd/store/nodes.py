"""Engines at work on one database: each renews its lease, and takes over from those that died.

What a dead engine had open ends as `unknown`, and its leads wait for a person: nobody knows
whether a phone rang.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from acd.store import schema as t
from acd.store.attempts import close_orphans

NODE_LEASE = timedelta(seconds=60)
"""Longer than SQLite's one writer is ever waited for (30 s): a slow engine is not a dead one."""


def renew_node(conn: sa.Connection, *, node: str, now: datetime) -> None:
    """Say that this engine lives, every few seconds."""
    renewed = conn.execute(
        sa.update(t.nodes).where(t.nodes.c.node == node).values(lease_until=now + NODE_LEASE)
    )
    if not renewed.rowcount:
        conn.execute(sa.insert(t.nodes).values(node=node, lease_until=now + NODE_LEASE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """The other engines that are alive, as far as one campaign's ledger minds them."""

    engines: int = 0
    open_attempts: int = 0
    """Theirs of the campaign; any of them may become an abandoned call."""


# Each campaign asks once a second: building them costs more than asking.
_OTHERS = sa.select(sa.func.count()).where(
    t.nodes.c.node != sa.bindparam("this_node"), t.nodes.c.lease_until >= sa.bindparam("now")
)
_OPEN_THERE = sa.select(sa.func.count()).where(
    t.attempts.c.campaign_id == sa.bindparam("campaign"),
    t.attempts.c.node != sa.bindparam("this_node"),
    # As the partial index has it.
    t.attempts.c.state != sa.literal_column("'closed'"),
)


def others_at_work(conn: sa.Connection, *, node: str, campaign_id: int, now: datetime) -> Others:
    """Who else may be dialing a campaign."""
    if not (engines := conn.scalar(_OTHERS, {"this_node": node, "now": now})):
        return Others()
    open_attempts = conn.scalar(_OPEN_THERE, {"campaign": campaign_id, "this_node": node})
    return Others(engines=engines, open_attempts=open_attempts or 0)


def dead_nodes(conn: sa.Connection, *, but_not: str, now: datetime) -> Sequence[str]:
    """Other engines whose lease has run out, by name."""
    return conn.scalars(
        sa.select(t.nodes.c.node)
        .where(t.nodes.c.lease_until < now, t.nodes.c.node != but_not)
        .order_by(t.nodes.c.node)
    ).all()


def take_over(conn: sa.Connection, *, dead: str, now: datetime) -> list[int] | None:
    """Close what a dead engine has left open.

    Returns:
        The attempts; None: it lives again, or another engine is taking over.
    """
    locked = conn.scalar(
        sa.select(t.nodes.c.node)
        .where(t.nodes.c.node == dead, t.nodes.c.lease_until < now)
        .with_for_update(skip_locked=True)
    )
    if locked is None:
        return None
    taken_over = close_orphans(conn, node=dead, now=now)
    leave_node(conn, node=dead)
    return taken_over


def leave_node(conn: sa.Connection, *, node: str) -> None:
    """An engine that ends by itself has nothing to be taken over."""
    conn.execute(sa.delete(t.nodes).where(t.nodes.c.node == node))
