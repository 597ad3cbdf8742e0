"""Who may come in: accounts, sign-ins, one-time links, tokens of machines. Secrets are kept as hashes only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ampacity.storage.schema import BIG

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=False, unique=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("password_hash", sa.String, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("made_s", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sign_in",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("secret_hash", sa.String, nullable=False, unique=True),
        sa.Column("account", BIG),
        sa.Column("language", sa.String),
        sa.Column("device", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("begun_s", sa.Float, nullable=False),
        sa.Column("seen_s", sa.Float, nullable=False),
        sa.Column("unlocked_until_s", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_index("sign_in_by_account", "sign_in", ["account"])
    op.create_table(
        "invitation",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("key_hash", sa.String, nullable=False, unique=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("account", BIG),
        sa.Column("made_by", sa.String, nullable=False),
        sa.Column("made_s", sa.Float, nullable=False),
        sa.Column("until_s", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "token",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("secret_hash", sa.String, nullable=False, unique=True),
        sa.Column("account", BIG, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("made_s", sa.Float, nullable=False),
        sa.Column("seen_s", sa.Float),
        sa.Column("until_s", sa.Float),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    for name in ("token", "invitation", "sign_in", "account"):
        op.drop_table(name)
