"""Attempts of TAPI clients: no lead and no campaign, but a client and a number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Attempts from before are all a campaign's."""
    with op.batch_alter_table("attempts") as attempts:
        attempts.alter_column("lead_id", existing_type=sa.BigInteger(), nullable=True)
        attempts.alter_column("campaign_id", existing_type=sa.Integer(), nullable=True)
        attempts.add_column(sa.Column("tapi_client", sa.String(length=32), nullable=True))
        attempts.add_column(sa.Column("tapi_number", sa.String(length=16), nullable=True))
    for name, columns, set_one in (
        ("ix_attempts_tapi_client_started_at", ["tapi_client", "started_at"], "tapi_client"),
        ("ix_attempts_tapi_number", ["tapi_number"], "tapi_number"),
    ):
        where = sa.text(f"{set_one} IS NOT NULL")
        op.create_index(name, "attempts", columns, sqlite_where=where, postgresql_where=where)
