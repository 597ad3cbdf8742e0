"""Opens the database, at the newest schema: a file of SQLite, or a PostgreSQL server by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, Table
from sqlalchemy.dialects import postgresql as pg_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import SQLAlchemyError

from ampacity.storage import postgresql, sqlite
from ampacity.storage.errors import StorageError, StorageForeign, StorageNewer, cause_of
from ampacity.storage.sqlite import BUSY_S

__all__ = [
    "BUSY_S",
    "Place",
    "StorageError",
    "StorageForeign",
    "StorageNewer",
    "at_one_moment",
    "copied",
    "free_pages",
    "open_database",
    "shown",
    "upsert",
    "writing",
]

Place = Path | URL
"""Where the record is."""


def open_database(place: Place, *, busy_s: float = BUSY_S) -> Engine:
    """An engine whose database is at the newest schema. `busy_s`: how long it waits for another program that writes.

    Raises:
        StorageError: it can't be opened, or it is no database of ours; what is there is left as it is.
    """
    engine = sqlite.engine_of(place, busy_s) if isinstance(place, Path) else postgresql.engine_of(place, busy_s)
    try:
        with engine.begin() as connection:
            _migrate(connection, place)
    except (SQLAlchemyError, ValueError) as error:  # a damaged schema may be no text
        engine.dispose()
        unopened = sqlite.unopened if isinstance(place, Path) else postgresql.unopened
        raise unopened(shown(place), cause_of(error)) from error
    except StorageError:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine, *, durable: bool = False) -> Iterator[Connection]:
    """A transaction that has the right to write from its beginning: it waits for its turn, and then does not fail for
    want of it. Committed at the end of the block, undone by an exception.

    `durable`: what is committed survives a power cut; else the last commits may be lost in one, never the rest.
    """
    if not _is_sqlite(engine):
        with engine.begin() as connection:
            postgresql.begin(connection)
            postgresql.sync(connection, durable=durable)
            yield connection
        return
    with engine.connect() as connection:
        if durable:
            sqlite.sync(connection, "FULL")
        try:
            sqlite.begin(connection)
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            if durable:
                sqlite.sync(connection, "NORMAL")


@contextmanager
def at_one_moment(engine: Engine) -> Iterator[Connection]:
    """All that is read in the block is as it was at its beginning."""
    with engine.connect() as connection:
        if _is_sqlite(engine):
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        try:
            yield connection
        finally:
            connection.rollback()


def upsert(connection: Connection, table: Table, **values: Any) -> Any:
    """An INSERT that has `on_conflict_do_update` and `excluded`."""
    dialect = sqlite_dialect if connection.dialect.name == "sqlite" else pg_dialect
    return dialect.insert(table).values(**values)


def copied(connection: Connection) -> None:
    """Rows were copied with their ids; new ones go on after them."""
    if connection.dialect.name != "sqlite":
        postgresql.count_on(connection)


def free_pages(engine: Engine, most: int) -> None:
    """Gives space that holds nothing any more back to the disk, where the engine does not do so by itself."""
    if _is_sqlite(engine):
        sqlite.free_pages(engine, most)


def shown(place: Place) -> str:
    """For people: without a password."""
    return str(place) if isinstance(place, Path) else postgresql.shown(place)


def _is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _migrate(connection: Connection, place: Place) -> None:
    config = Config()
    config.set_main_option("script_location", "ampacity.storage:migrations")
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    head = known.get_current_head()
    if not isinstance(place, Path):
        postgresql.look(connection, place)
    if MigrationContext.configure(connection).get_current_revision() == head:
        return
    # All of the migration or nothing, by one process.
    if isinstance(place, Path):
        sqlite.begin(connection)
    else:
        postgresql.begin(connection)
    at = MigrationContext.configure(connection).get_current_revision()
    if at == head:
        return
    if at is not None and at not in {script.revision for script in known.walk_revisions()}:
        raise StorageNewer(f"{shown(place)} was written by a newer version (schema {at}).")
    if isinstance(place, Path):
        sqlite.mark(connection)
    upgrade(config, "head")
