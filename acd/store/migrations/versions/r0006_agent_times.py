"""When the agent's phone rang and when the agent answered, as a feed has seen it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Nothing is known of attempts from before."""
    for name in ("agent_rang_at", "agent_answered_at"):
        op.add_column("attempts", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
