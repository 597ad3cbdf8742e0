"""What shows that an event is so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_evidence",
        sa.Column(
            "event",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("body", sa.String, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("event_evidence")
