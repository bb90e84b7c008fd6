"""When a person was referred, and when an agent's wrap-up time is over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nothing is known of attempts from before, and nobody's time runs."""
    for table, name in (("attempts", "referred_at"), ("agents", "wraps_up_until")):
        op.add_column(table, sa.Column(name, sa.DateTime(timezone=True), nullable=True))
