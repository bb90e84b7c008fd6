"""Do-not-call lists that no publisher dated: numbers were added by hand, one by one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Lists from before keep their dates: nobody knows any more who made them."""
    with op.batch_alter_table("dnc_lists") as lists:
        lists.alter_column("made_on", existing_type=sa.Date(), nullable=True)
