"""When a person was referred, when an agent's wrap-up time is over, and who comes first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nothing is known of attempts from before, nobody's time runs, and all are alike."""
    for table, name in (("attempts", "referred_at"), ("agents", "wraps_up_until")):
        op.add_column(table, sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    priority = sa.Column("priority", sa.Integer(), nullable=False, server_default="0")
    op.add_column("agents", priority)
