"""What must not be lost once it is acknowledged: finished sessions and settings."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from ampacity.core.observations import SessionEnded
from ampacity.storage.database import StorageError, durable
from ampacity.storage.schema import audit, sessions, settings


def finish_session(engine: Engine, ended: SessionEnded, wall_s: float) -> None:
    """Durable when it returns.

    Raises:
        StorageError: it could not be written.
    """
    values = {"ended_s": wall_s, "energy_wh": ended.energy_wh, "reason": ended.reason}
    statement = upsert(sessions).values(charger=ended.charger, session=ended.session, **values)
    _commit(engine, [statement.on_conflict_do_update(index_elements=["charger", "session"], set_=values)])


def setting(engine: Engine, key: str) -> str | None:
    with engine.connect() as connection:
        return connection.execute(select(settings.c.value).where(settings.c.key == key)).scalar()


def set_setting(engine: Engine, key: str, value: str, *, who: str, wall_s: float) -> None:
    """Durable when it returns, with a line in the audit.

    Raises:
        StorageError: it could not be written.
    """
    old = setting(engine, key)
    change = upsert(settings).values(key=key, value=value)
    _commit(
        engine,
        [
            change.on_conflict_do_update(index_elements=["key"], set_={"value": value}),
            insert(audit).values(at_s=wall_s, who=who, key=key, old=old, new=value),
        ],
    )


def _commit(engine: Engine, statements: list[object]) -> None:
    try:
        with engine.connect() as connection:
            durable(connection)
            try:
                for statement in statements:
                    connection.execute(statement)  # type: ignore[call-overload]
                connection.commit()
            finally:
                connection.rollback()
                connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
    except (SQLAlchemyError, OSError) as error:
        raise StorageError(f"It could not be written ({getattr(error, 'orig', None) or error}).") from error
