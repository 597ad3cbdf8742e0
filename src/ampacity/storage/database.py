"""Opens the database, at the newest schema."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError

from ampacity.storage.errors import StorageError, StorageForeign, StorageNewer

__all__ = ["StorageError", "StorageForeign", "StorageNewer", "free_pages", "open_database", "writing"]

BUSY_S = 5.0

OURS = 0x416D7063
"""`PRAGMA application_id` of a database of ours: "Ampc"."""

WAL_LEFT_BYTES = 8_000_000
"""The write-ahead log is cut back to this after it has grown."""


def open_database(file: Path, *, busy_s: float = BUSY_S) -> Engine:
    """An SQLite engine in WAL mode, its schema migrated. `busy_s`: how long it waits for another program that writes.

    Raises:
        StorageError: it can't be opened, or it is no database of ours; the file is left as it is.
    """
    _look(file)
    _make_private(file)
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": busy_s, "check_same_thread": False})
    event.listen(engine, "connect", _tune)
    try:
        with engine.begin() as connection:
            _migrate(connection, file)
    except (SQLAlchemyError, ValueError) as error:  # a damaged schema may be no text
        engine.dispose()
        raise _unopened(file, getattr(error, "orig", None) or error) from error
    except StorageError:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine, *, durable: bool = False) -> Iterator[Connection]:
    """A transaction that has the right to write from its beginning: it waits for its turn, and then does not fail for
    want of it. Committed at the end of the block, undone by an exception.

    `durable`: what is committed survives a power cut; else the last commits may be lost in one, never the file.
    """
    with engine.connect() as connection:
        if durable:
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            if durable:
                connection.exec_driver_sql("PRAGMA synchronous=NORMAL")


def free_pages(engine: Engine, most: int) -> None:
    """Gives pages that hold nothing any more back to the disk."""
    with engine.connect() as connection:
        # A script is stepped to its end, which frees all; a statement would be stepped once, which frees one page.
        connection.connection.cursor().executescript(f"PRAGMA incremental_vacuum({most})")


def _unopened(file: Path, cause: object) -> StorageError:
    return StorageError(f"{file} can't be opened ({cause}).")


def _look(file: Path) -> None:
    """Reads what is there before anything is changed in it."""
    try:
        if not file.exists() or file.stat().st_size == 0:
            return
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as raw:
            mark = raw.execute("PRAGMA application_id").fetchone()[0]
            tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except (sqlite3.Error, OSError, ValueError) as error:
        raise _unopened(file, error) from error
    if tables and mark != OURS and not {"alembic_version", "batch"} <= tables:
        raise StorageForeign(f"{file} is a database of another program.")


def _make_private(file: Path) -> None:
    """A new file is its owner's alone; the write-ahead log beside it gets the same rights."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise _unopened(file, error) from error


def _tune(raw: DBAPIConnection, _: object) -> None:
    cursor = raw.cursor()
    # auto_vacuum only takes before the file's first page, which WAL writes.
    # WAL, and no sync at each commit: an SD card wears by syncs. A power cut loses the last commits, never the file.
    for pragma in (
        "auto_vacuum=INCREMENTAL",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"journal_size_limit={WAL_LEFT_BYTES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(connection: Connection, file: Path) -> None:
    config = Config()
    config.set_main_option("script_location", "ampacity.storage:migrations")
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    head = known.get_current_head()
    if MigrationContext.configure(connection).get_current_revision() == head:
        return
    # Explicit: the driver begins no transaction by itself for DDL. All of the migration or nothing, by one process.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    at = MigrationContext.configure(connection).get_current_revision()
    if at == head:
        return
    if at is not None and at not in {script.revision for script in known.walk_revisions()}:
        raise StorageNewer(f"{file} was written by a newer version (schema {at}).")
    connection.exec_driver_sql(f"PRAGMA application_id = {OURS}")
    upgrade(config, "head")
