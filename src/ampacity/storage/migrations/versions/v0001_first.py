"""The first tables: runs, journal, history, sessions, settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ampacity.storage.schema import BIG

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("started_s", sa.Float, nullable=False),
        sa.Column("monotonic_s", sa.Float, nullable=False),
        sa.Column("version", sa.String, nullable=False),
    )
    op.create_table(
        "site",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("run", BIG, nullable=False),
        sa.Column("from_s", sa.Float, nullable=False),
        sa.Column("site", sa.LargeBinary, nullable=False),
        sa.Column("toml", sa.String, nullable=False),
    )
    op.create_table(
        "batch",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("run", BIG, nullable=False),
        sa.Column("first_s", sa.Float, nullable=False),
        sa.Column("last_s", sa.Float, nullable=False),
        sa.Column("wall_s", sa.Float, nullable=False),
        sa.Column("passes", BIG, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("batch_by_time", "batch", ["run", "first_s"])
    op.create_table(
        "snapshot",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("run", BIG, nullable=False),
        sa.Column("before_s", sa.Float, nullable=False),
        sa.Column("wall_s", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "gap",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("run", BIG, nullable=False),
        sa.Column("first_s", sa.Float, nullable=False),
        sa.Column("last_s", sa.Float, nullable=False),
        sa.Column("passes", BIG, nullable=False),
        sa.Column("why", sa.String, nullable=False),
    )
    op.create_table(
        "second",
        sa.Column("minute", BIG, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "rollup",
        sa.Column("span_s", BIG, primary_key=True),
        sa.Column("start_s", BIG, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "session",
        sa.Column("charger", sa.String, primary_key=True),
        sa.Column("session", sa.String, primary_key=True),
        sa.Column("started_s", sa.Float),
        sa.Column("ended_s", sa.Float),
        sa.Column("energy_wh", BIG),
        sa.Column("reason", sa.String),
    )
    op.create_table(
        "setting",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("at_s", sa.Float, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("old", sa.String),
        sa.Column("new", sa.String),
    )


def downgrade() -> None:
    for name in ("audit", "setting", "session", "rollup", "second", "gap", "snapshot", "batch", "site", "run"):
        op.drop_table(name)
