"""A record in a PostgreSQL server, by URL."""

from __future__ import annotations

import ssl
from typing import Any

import pg8000.dbapi
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect, ExceptionContext
from sqlalchemy.exc import OperationalError

from ampacity.storage.errors import StorageError, StorageForeign
from ampacity.storage.schema import metadata

ANSWER_S = 15.0
"""For each answer of the server, the connection included."""
MOST_CONNECTIONS = 10
WRITING = 0x416D7063
"""Which advisory lock who writes holds: "Ampc". As in SQLite, one writes at a time, and nobody fails for want of it."""


def engine_of(url: URL, busy_s: float) -> Engine:
    """`busy_s`: how long it waits for another program that writes. It connects at the first use."""
    engine = create_engine(
        url.set(drivername="postgresql+pg8000", query={}),
        connect_args=_arguments(url),
        pool_pre_ping=True,
        pool_size=MOST_CONNECTIONS,
        max_overflow=MOST_CONNECTIONS,
        pool_timeout=ANSWER_S,
        execution_options={"busy_ms": round(1000 * busy_s)},
    )
    event.listen(engine, "do_connect", _connected)
    event.listen(engine, "handle_error", _told)
    return engine


def begin(connection: Connection) -> None:
    """A transaction that has the right to write."""
    busy_ms = connection.get_execution_options()["busy_ms"]
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {busy_ms}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITING})")


def sync(connection: Connection, *, durable: bool) -> None:
    """Of this transaction: whether its commit waits for the disk."""
    connection.exec_driver_sql(f"SET LOCAL synchronous_commit = {'on' if durable else 'off'}")


def look(connection: Connection, url: URL) -> None:
    """
    Raises:
        StorageForeign: there are tables, and they are not ours.
    """
    tables = set(inspect(connection).get_table_names())
    if tables and not {"alembic_version", "batch"} <= tables:
        raise StorageForeign(
            f"{shown(url)} is a database of another program.",
            remedy="Make a database for Ampacity alone, and name it under [storage] url in site.toml.",
        )


def unopened(place: str, cause: object) -> StorageError:
    return StorageError(
        f"{place} can't be opened ({cause}).",
        remedy="Check that the server runs and can be reached, that database and role are there, and the password. "
        "Control goes on without a record.",
    )


def count_on(connection: Connection) -> None:
    """Ids go on after the highest that is there: rows were copied with theirs."""
    for table in (table.name for table in metadata.sorted_tables if "id" in table.c):
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        newest = f'SELECT coalesce(max(id), 0) + 1 FROM "{table}"'
        connection.execute(text(f"SELECT setval({sequence}, ({newest}), false)"))


def shown(url: URL) -> str:
    """For people: without the password."""
    return url.render_as_string(hide_password=True)


def _arguments(url: URL) -> dict[str, Any]:
    arguments: dict[str, Any] = {"timeout": ANSWER_S, "application_name": "ampacity"}
    mode = url.query.get("sslmode", "disable" if url.host is None else "prefer")
    if (folder := url.query.get("host")) is not None:
        arguments["unix_sock"] = f"{folder}/.s.PGSQL.{url.port or 5432}"
    elif mode in ("require", "verify-full"):
        given = url.query.get("sslrootcert")
        try:
            context = ssl.create_default_context(cafile=given if isinstance(given, str) else None)
        except (OSError, ssl.SSLError) as error:
            raise StorageError(
                f"{given} can't be used ({error}).", remedy="Name the PEM file of the authority in sslrootcert."
            ) from error
        if mode == "require":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        arguments["ssl_context"] = context
    elif mode == "disable":
        arguments["ssl_context"] = False
    return arguments


def _connected(dialect: Dialect, _: object, given: tuple[Any, ...], named: dict[str, Any]) -> DBAPIConnection:
    """The driver lets some faults of the network through as they are."""
    try:
        return dialect.connect(*given, **named)
    except OSError as error:
        raise pg8000.dbapi.OperationalError(str(error) or "It does not answer.") from error


def _told(context: ExceptionContext) -> None:
    """As `_connected`, of a connection that was there."""
    if isinstance(context.original_exception, OSError) and context.sqlalchemy_exception is None:
        context.is_disconnect = True
        raise OperationalError(None, None, context.original_exception) from context.original_exception
