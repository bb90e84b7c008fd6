"""Priorities, callbacks, resets, talk times, suppressed numbers, engines' leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Leads from before have priority 0 and no callback."""
    with op.batch_alter_table("lanes") as lanes:
        lanes.add_column(sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
        lanes.drop_constraint(op.f("uq_lanes_campaign_id_zones"), type_="unique")
        lanes.create_unique_constraint(
            op.f("uq_lanes_campaign_id_zones_priority"), ["campaign_id", "zones", "priority"]
        )
    op.add_column("leads", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "leads", sa.Column("attempts_before", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column("attempts", sa.Column("talk_seconds", sa.Float(), nullable=True))
    op.add_column("leads", sa.Column("callback_at", MOMENT, nullable=True))
    op.add_column("leads", sa.Column("callback_agent", sa.String(length=32), nullable=True))
    op.create_table(
        "suppressions",
        sa.Column("number_hash", sa.String(length=64), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number_hash", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "nodes",
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_nodes")),
    )
