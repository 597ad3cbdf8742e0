"""A record in a file of SQLite: the default."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from ampacity.storage.errors import StorageError, StorageForeign

BUSY_S = 5.0

OURS = 0x416D7063
"""`PRAGMA application_id` of a database of ours: "Ampc"."""

WAL_LEFT_BYTES = 8_000_000
"""The write-ahead log is cut back to this after it has grown."""


def engine_of(file: Path, busy_s: float) -> Engine:
    """In WAL mode. `busy_s`: how long it waits for another program that writes.

    Raises:
        StorageError: it can't be opened, or it is no database of ours; the file is left as it is.
    """
    _look(file)
    _make_private(file)
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": busy_s, "check_same_thread": False})
    event.listen(engine, "connect", _tune)
    return engine


def begin(connection: Connection) -> None:
    """A transaction that has the right to write. Explicit: the driver begins none by itself for DDL."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def mark(connection: Connection) -> None:
    """It is ours."""
    connection.exec_driver_sql(f"PRAGMA application_id = {OURS}")


def sync(connection: Connection, level: str) -> None:
    """FULL: a commit waits for the disk. NORMAL: the last ones may be lost in a power cut, never the file."""
    connection.exec_driver_sql(f"PRAGMA synchronous={level}")


def free_pages(engine: Engine, most: int) -> None:
    """Gives pages that hold nothing any more back to the disk."""
    with engine.connect() as connection:
        # A script is stepped to its end, which frees all; a statement would be stepped once, which frees one page.
        connection.connection.cursor().executescript(f"PRAGMA incremental_vacuum({most})")


def unopened(place: object, cause: object) -> StorageError:
    return StorageError(f"{place} can't be opened ({cause}).")


def _look(file: Path) -> None:
    """Reads what is there before anything is changed in it."""
    try:
        if not file.exists() or file.stat().st_size == 0:
            return
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as raw:
            found = raw.execute("PRAGMA application_id").fetchone()[0]
            tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except (sqlite3.Error, OSError, ValueError) as error:
        raise unopened(file, error) from error
    if tables and found != OURS and not {"alembic_version", "batch"} <= tables:
        raise StorageForeign(f"{file} is a database of another program.")


def _make_private(file: Path) -> None:
    """A new file is its owner's alone; the write-ahead log beside it gets the same rights."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise unopened(file, error) from error


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
