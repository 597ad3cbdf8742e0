"""Reading and keeping, with the database's errors as our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ampacity.storage.database import writing
from ampacity.storage.errors import StorageError, cause_of


@contextmanager
def keeping(engine: Engine, *, durable: bool = True) -> Iterator[Connection]:
    """A transaction; durable at its end, unless it need not be.

    Raises:
        StorageError: it could not be written.
    """
    with _told(), writing(engine, durable=durable) as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """
    Raises:
        StorageError: it can't be read.
    """
    with _told(), engine.connect() as connection:
        yield connection


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, UnicodeError, OverflowError) as error:
        raise StorageError(f"The database refused ({cause_of(error)}).") from error
