"""Cards and tags that may charge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ampacity.storage.schema import BIG

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tag",
        sa.Column("tag", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("account", BIG),
        sa.Column("seen_s", sa.Float),
    )


def downgrade() -> None:
    op.drop_table("tag")
