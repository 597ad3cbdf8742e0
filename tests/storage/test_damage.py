"""A damaged file is told as damage: SQLite gives back any type from any column of a damaged file."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ampacity.core.decide import decide
from ampacity.storage.database import open_database
from ampacity.storage.errors import StorageError
from ampacity.storage.recording import recorded_runs, replay

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus" / "recording"


@pytest.mark.parametrize(
    "damage",
    [
        "update run set started_s = 'x'",
        "update run set started_s = 1e300",
        "update batch set passes = 'x'",
        "update batch set body = 'text'",
        "update batch set first_pass = 'x'",
        "update site set from_s = 'x'",
        "delete from site",
        "drop table gap",
    ],
)
def test_a_damaged_column_is_told_as_damage(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.db"
    shutil.copy(CORPUS / "twelve-passes", path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(damage)
        raw.commit()
    with pytest.raises(StorageError):
        read_all(path)


def read_all(path: Path) -> None:
    engine = open_database(path)
    try:
        for run in recorded_runs(engine):
            list(replay(engine, run.id, decide))
    finally:
        engine.dispose()


def test_a_damaged_schema_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    shutil.copy(CORPUS / "damaged-word-of-the-schema", path)
    with pytest.raises(StorageError):
        open_database(path)
