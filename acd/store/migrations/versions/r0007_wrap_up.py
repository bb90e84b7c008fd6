"""When an agent's wrap-up time is over, so that it outlives the engine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nobody's time runs."""
    column = sa.Column("wraps_up_until", sa.DateTime(timezone=True), nullable=True)
    op.add_column("agents", column)
