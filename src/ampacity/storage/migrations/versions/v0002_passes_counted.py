"""Batches know their place in the run, so that a missing one shows; snapshots are found by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ampacity.storage.schema import BIG

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batch", sa.Column("first_pass", BIG))
    op.create_index("snapshot_by_time", "snapshot", ["run", "before_s"])


def downgrade() -> None:
    op.drop_index("snapshot_by_time", "snapshot")
    with op.batch_alter_table("batch") as batch:
        batch.drop_column("first_pass")
