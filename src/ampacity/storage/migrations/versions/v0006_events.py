"""What happened, and whose sessions are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ampacity.storage.schema import BIG

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("at_s", sa.Float, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("params", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("event_by_time", "event", ["at_s"])
    op.add_column("session", sa.Column("tag", sa.String))
    op.add_column("session", sa.Column("account", BIG))
    op.create_index("session_by_account", "session", ["account"])


def downgrade() -> None:
    op.drop_index("session_by_account", "session")
    op.drop_column("session", "account")
    op.drop_column("session", "tag")
    op.drop_table("event")
