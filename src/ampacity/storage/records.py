"""What must not be lost once it is acknowledged: finished sessions and settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, case, delete, func, insert, or_, select

from ampacity.core.observations import SessionEnded, SessionStarted
from ampacity.links.ocpp.tags import normal_tag
from ampacity.storage.database import upsert
from ampacity.storage.schema import audit, sessions, settings, tags
from ampacity.storage.transactions import keeping, reading

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
    tag: str | None = None
    """What was held to the charger; None: nothing, or it was not told."""
    account: int | None = None
    """Whose it is; None: nobody's in particular."""


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
    id: int = field(default=0, compare=False)
    """Later ones are higher."""


def finish_session(engine: Engine, ended: SessionEnded, wall_s: float) -> None:
    """Durable when it returns; sent again, it changes nothing but itself.

    Raises:
        StorageError: it could not be written.
    """
    with keeping(engine) as connection:
        write_end(connection, ended, wall_s)


def write_end(connection: Connection, ended: SessionEnded, wall_s: float) -> None:
    """Its end, once; sent again, it completes what was not known. The energy of a session whose begin an earlier run of
    the controller saw is the difference of the charger's register."""
    end = {"ended_s": wall_s, "energy_wh": stored_wh(ended.energy_wh), "reason": _text(ended.reason)}
    new = upsert(connection, sessions, charger=ended.charger, session=_text(ended.session), **end)
    kept = {name: func.coalesce(sessions.c[name], new.excluded[name]) for name in end}
    if ended.energy_wh is None and (stop_wh := stored_wh(ended.meter_wh)) is not None:
        counted = stop_wh - sessions.c.begin_wh
        kept["energy_wh"] = func.coalesce(sessions.c.energy_wh, case((counted >= 0, counted), else_=None))
    connection.execute(new.on_conflict_do_update(index_elements=["charger", "session"], set_=kept))


def _text(told: str) -> str:
    """Without what no database takes."""
    return told.replace("\0", "")


def stored_wh(energy_wh: int | None) -> int | None:
    return energy_wh if energy_wh is None or abs(energy_wh) <= MOST_WH else None


def write_begin(connection: Connection, begun: SessionStarted, wall_s: float) -> None:
    """Its begin. What is stored of it already stays. It belongs to the account that the tag has now."""
    tag = None if begun.tag is None else normal_tag(_text(begun.tag)) or None
    owner = None if tag is None else connection.execute(select(tags.c.account).where(tags.c.tag == tag)).scalar()
    row = {"started_s": wall_s, "begin_wh": stored_wh(begun.meter_wh), "tag": tag, "account": owner}
    new = upsert(connection, sessions, charger=begun.charger, session=_text(begun.session), **row)
    kept = {name: func.coalesce(sessions.c[name], new.excluded[name]) for name in row}
    connection.execute(new.on_conflict_do_update(index_elements=["charger", "session"], set_=kept))


def sessions_between(engine: Engine, from_s: float, to_s: float, *, account: int | None = None) -> list[Session]:
    """Sessions that began in this time, or, where that was not seen, ended in it; oldest first. `to_s` is excluded.
    `account`: only those of this one.

    Raises:
        StorageError: they can't be read.
    """
    when = func.coalesce(sessions.c.started_s, sessions.c.ended_s)
    query = _SESSION.where(when >= from_s, when < to_s).order_by(when, sessions.c.charger)
    if account is not None:
        query = query.where(sessions.c.account == account)
    with reading(engine) as connection:
        return [Session(**row) for row in connection.execute(query).mappings()]


def open_sessions(engine: Engine) -> list[tuple[Session, int | None]]:
    """Those whose end was not seen, with the charger's register at their begin; oldest first.

    Raises:
        StorageError: they can't be read.
    """
    query = _SESSION.add_columns(sessions.c.begin_wh).where(sessions.c.ended_s.is_(None), sessions.c.started_s > 0)
    with reading(engine) as connection:
        rows = [dict(row) for row in connection.execute(query.order_by(sessions.c.started_s)).mappings()]
    return [(Session(**{name: row[name] for name in row if name != "begin_wh"}), row["begin_wh"]) for row in rows]


def session_of(engine: Engine, charger: str, session: str) -> Session | None:
    """None: there is no such.

    Raises:
        StorageError: it can't be read.
    """
    query = _SESSION.where(sessions.c.charger == charger, sessions.c.session == session)
    with reading(engine) as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else Session(**row)


def give_session(
    engine: Engine, charger: str, session: str, account: int | None, *, who: str, wall_s: float, free: bool
) -> bool:
    """From now on it is this account's, with a line in the audit. A session that is not in the record yet gets a row:
    its begin follows. `free`: only if it is nobody's yet. Returns whether it was done.

    Raises:
        StorageError: it could not be written.
    """
    one = (sessions.c.charger == charger) & (sessions.c.session == session)
    with keeping(engine) as connection:
        owner = connection.execute(select(sessions.c.account).where(one)).scalar()
        if free and owner is not None:
            return False
        new = upsert(connection, sessions, charger=charger, session=session, account=account)
        connection.execute(
            new.on_conflict_do_update(index_elements=["charger", "session"], set_={"account": new.excluded.account})
        )
        old, now = (None if id_ is None else str(id_) for id_ in (owner, account))
        key = f"sessions.{charger}.{session}.account"
        connection.execute(insert(audit).values(at_s=wall_s, who=who, key=key, old=old, new=now))
    return True


def setting(engine: Engine, key: str) -> str | None:
    """None: it is not set.

    Raises:
        StorageError: it can't be read.
    """
    with reading(engine) as connection:
        return _setting(connection, key)


def set_setting(engine: Engine, key: str, value: str | None, *, who: str, wall_s: float) -> None:
    """Durable when it returns, with a line in the audit. `value` None removes it.

    Raises:
        StorageError: it could not be written.
    """
    with keeping(engine) as connection:
        old = _setting(connection, key)
        put_setting(connection, key, value)
        connection.execute(insert(audit).values(at_s=wall_s, who=who, key=key, old=old, new=value))


def put_setting(connection: Connection, key: str, value: str | None) -> None:
    """Without a line in the audit. `value` None removes it."""
    if value is None:
        connection.execute(delete(settings).where(settings.c.key == key))
        return
    row = upsert(connection, settings, key=key, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def changes(engine: Engine, key: str | None = None) -> list[Change]:
    """The audit, oldest first; of one key, or of all.

    Raises:
        StorageError: it can't be read.
    """
    query = _CHANGE.order_by(audit.c.id)
    if key is not None:
        query = query.where(audit.c.key == key)
    with reading(engine) as connection:
        return [Change(**row) for row in connection.execute(query).mappings()]


def newest_changes(
    engine: Engine, limit: int, *, before: int | None = None, under: Collection[str] = ()
) -> list[Change]:
    """The audit, newest first. `before`: lines with a lower id; `under`: of keys that begin with one of these.

    Raises:
        StorageError: it can't be read.
    """
    query = _CHANGE.order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    if under:
        query = query.where(or_(*(audit.c.key.startswith(one, autoescape=True) for one in under)))
    with reading(engine) as connection:
        return [Change(**row) for row in connection.execute(query).mappings()]


def _setting(connection: Connection, key: str) -> str | None:
    return connection.execute(select(settings.c.value).where(settings.c.key == key)).scalar()


_CHANGE = select(audit.c.id, audit.c.at_s, audit.c.who, audit.c.key, audit.c.old, audit.c.new)
_SESSION = select(
    *(
        sessions.c[name]
        for name in ("charger", "session", "started_s", "ended_s", "energy_wh", "reason", "tag", "account")
    )
)
