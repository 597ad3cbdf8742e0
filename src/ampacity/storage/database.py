"""Opens the database, at the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from ampacity.core.errors import AmpacityError

BUSY_S = 5.0


class StorageError(AmpacityError):
    """The database can't be used."""

    code = "storage"
    remedy = "Check the path, its permissions, and that the disk is not full. Control goes on without a record."


class StorageNewer(StorageError):
    """The database was written by a newer version."""

    code = "storage-newer"
    remedy = "Install that version again, or move the file away."


def open_database(file: Path) -> Engine:
    """An SQLite engine in WAL mode, its schema migrated.

    Raises:
        StorageError: it can't be opened, or it is no database of ours; the file is left as it is.
    """
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": BUSY_S, "check_same_thread": False})
    event.listen(engine, "connect", _tune)
    try:
        with engine.begin() as connection:
            _migrate(connection, file)
    except SQLAlchemyError as error:
        engine.dispose()
        cause = getattr(error, "orig", None) or error
        raise StorageError(f"{file} can't be opened ({cause}).") from error
    return engine


def durable(connection: Connection) -> None:
    """From here to the end of the transaction, what is committed survives a power cut."""
    connection.exec_driver_sql("PRAGMA synchronous=FULL")


def _tune(raw: object, _: object) -> None:
    cursor = raw.cursor()  # type: ignore[attr-defined]
    # WAL, and no sync at each commit: an SD card wears by syncs. A power cut loses the last commits, never the file.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "auto_vacuum=INCREMENTAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(connection: Connection, file: Path) -> None:
    config = Config()
    config.set_main_option("script_location", "ampacity.storage:migrations")
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    at = MigrationContext.configure(connection).get_current_revision()
    if at == known.get_current_head():
        return
    if at is not None and at not in {script.revision for script in known.walk_revisions()}:
        raise StorageNewer(f"{file} was written by a newer version (schema {at}).")
    upgrade(config, "head")
