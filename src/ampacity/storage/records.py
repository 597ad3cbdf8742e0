"""What must not be lost once it is acknowledged: finished sessions and settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, case, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from ampacity.core.observations import SessionEnded
from ampacity.storage.database import writing
from ampacity.storage.errors import StorageError
from ampacity.storage.schema import audit, sessions, settings

MOST_WH = 2**63 - 1
"""What a column holds. Only a faulty register shows more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A car's charging. Times are UTC seconds since 1970."""

    charger: str
    session: str
    started_s: float | None
    """None: its begin was not seen."""
    ended_s: float | None
    """None: it goes on, or its end was not seen."""
    energy_wh: int | None
    reason: str | None
    """Why it ended, in the charger's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A line of the audit."""

    at_s: float
    """UTC seconds since 1970."""
    who: str
    key: str
    old: str | None
    """None: it was not set."""
    new: str | None
    """None: it was removed."""


def finish_session(engine: Engine, ended: SessionEnded, wall_s: float) -> None:
    """Durable when it returns; sent again, it changes nothing but itself.

    Raises:
        StorageError: it could not be written.
    """
    with _durably(engine) as connection:
        write_end(connection, ended, wall_s)


def write_end(connection: Connection, ended: SessionEnded, wall_s: float) -> None:
    """Its end, once; sent again, it completes what was not known. The energy of a session whose begin an earlier run of
    the controller saw is the difference of the charger's register."""
    end = {"ended_s": wall_s, "energy_wh": stored_wh(ended.energy_wh), "reason": ended.reason}
    new = upsert(sessions).values(charger=ended.charger, session=ended.session, **end)
    kept = {name: func.coalesce(sessions.c[name], new.excluded[name]) for name in end}
    if ended.energy_wh is None and (stop_wh := stored_wh(ended.meter_wh)) is not None:
        counted = stop_wh - sessions.c.begin_wh
        kept["energy_wh"] = func.coalesce(sessions.c.energy_wh, case((counted >= 0, counted), else_=None))
    connection.execute(new.on_conflict_do_update(index_elements=["charger", "session"], set_=kept))


def stored_wh(energy_wh: int | None) -> int | None:
    return energy_wh if energy_wh is None or abs(energy_wh) <= MOST_WH else None


def sessions_between(engine: Engine, from_s: float, to_s: float) -> list[Session]:
    """Sessions that began in this time, or, where that was not seen, ended in it; oldest first. `to_s` is excluded.

    Raises:
        StorageError: they can't be read.
    """
    when = func.coalesce(sessions.c.started_s, sessions.c.ended_s)
    told = [sessions.c[name] for name in ("charger", "session", "started_s", "ended_s", "energy_wh", "reason")]
    query = select(*told).where(when >= from_s, when < to_s).order_by(when, sessions.c.charger)
    with _told(), engine.connect() as connection:
        return [Session(**row) for row in connection.execute(query).mappings()]


def setting(engine: Engine, key: str) -> str | None:
    """None: it is not set.

    Raises:
        StorageError: it can't be read.
    """
    with _told(), engine.connect() as connection:
        return _setting(connection, key)


def set_setting(engine: Engine, key: str, value: str | None, *, who: str, wall_s: float) -> None:
    """Durable when it returns, with a line in the audit. `value` None removes it.

    Raises:
        StorageError: it could not be written.
    """
    with _durably(engine) as connection:
        old = _setting(connection, key)
        if value is None:
            connection.execute(delete(settings).where(settings.c.key == key))
        else:
            row = upsert(settings).values(key=key, value=value)
            connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
        connection.execute(insert(audit).values(at_s=wall_s, who=who, key=key, old=old, new=value))


def changes(engine: Engine, key: str | None = None) -> list[Change]:
    """The audit, oldest first; of one key, or of all.

    Raises:
        StorageError: it can't be read.
    """
    lines = audit.c
    query = select(lines.at_s, lines.who, lines.key, lines.old, lines.new).order_by(lines.id)
    if key is not None:
        query = query.where(lines.key == key)
    with _told(), engine.connect() as connection:
        return [Change(**row) for row in connection.execute(query).mappings()]


def _setting(connection: Connection, key: str) -> str | None:
    return connection.execute(select(settings.c.value).where(settings.c.key == key)).scalar()


@contextmanager
def _durably(engine: Engine) -> Iterator[Connection]:
    with _told(), writing(engine, durable=True) as connection:
        yield connection


@contextmanager
def _told() -> Iterator[None]:
    """Errors of the database as our own."""
    try:
        yield
    except (SQLAlchemyError, ValueError, OverflowError) as error:
        raise StorageError(f"The database refused ({getattr(error, 'orig', None) or error}).") from error
