"""Sessions know the meter's count at their begin, so that an end after a restart has an energy; passwords that were
kept with the text of a site.toml are blanked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ampacity.storage.schema import BIG
from ampacity.storage.secrets import without_secrets

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("begin_wh", BIG))
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")  # what is overwritten is gone from the file as well
    for number, toml in connection.execute(sa.text("SELECT id, toml FROM site")).all():
        kept = without_secrets(toml)
        if kept != toml:
            connection.execute(sa.text("UPDATE site SET toml = :toml WHERE id = :id"), {"toml": kept, "id": number})


def downgrade() -> None:
    with op.batch_alter_table("session") as batch:
        batch.drop_column("begin_wh")
