"""A database of its own for each test: the same tests for both engines, but for those about SQLite's file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.postgres import Server

from ampacity.storage.database import Place, open_database, writing

IN_A_FILE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
"""A test about the file itself."""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a record is to be."""
    if request.param == "sqlite":
        yield tmp_path / "a.db"
        return
    postgres: Server = request.getfixturevalue("postgres")
    with postgres.database("ours") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where nothing is yet."""
    if request.param == "sqlite":
        yield tmp_path / "a.db"
        return
    postgres: Server = request.getfixturevalue("postgres")
    with postgres.database() as url:
        yield url


@pytest.fixture
def engine(place: Place) -> Iterator[Engine]:
    engine = open_database(place, busy_s=0.1)
    yield engine
    engine.dispose()


@pytest.fixture
def lock(engine: Engine, place: Place) -> Iterator[ExitStack]:
    """Another program writes into the database until this is closed."""
    with ExitStack() as held:
        other = open_database(place)
        held.callback(other.dispose)
        held.enter_context(writing(other))
        yield held
