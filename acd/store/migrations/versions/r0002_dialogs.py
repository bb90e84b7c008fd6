"""The SIP dialog of an attempt: its Call-ID, and what a BYE after a crash needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Two columns; attempts from before have neither."""
    op.add_column("attempts", sa.Column("sip_call_id", sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("dialog", sa.JSON(), nullable=True))
