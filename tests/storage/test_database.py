"""The database opens at the newest schema, or says why not; it never overwrites what is not its own."""

from __future__ import annotations

import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from tests.storage.conftest import IN_A_FILE

from ampacity.storage.database import Place, open_database, writing
from ampacity.storage.errors import StorageError, StorageForeign, StorageNewer
from ampacity.storage.schema import metadata


def version_of(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def taken_down(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "ampacity.storage:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        downgrade(config, revision)


def test_a_new_file_gets_the_tables_of_the_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_older_database_is_brought_up_and_keeps_its_rows(engine: Engine, place: Place) -> None:
    newest = version_of(engine)
    taken_down(engine, "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO run VALUES (7, 1.0, 2.0, 'old')")
        body = text("INSERT INTO batch VALUES (1, 7, 1.0, 2.0, 3.0, 4, :body)")
        connection.execute(body, {"body": b"\0"})
    assert version_of(engine) == "0001"
    engine.dispose()
    again = open_database(place)
    assert version_of(again) == newest
    with again.connect() as connection:
        assert connection.exec_driver_sql("SELECT passes, first_pass FROM batch").one() == (4, None)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    again.dispose()


def test_every_migration_can_be_taken_back(engine: Engine) -> None:
    taken_down(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]


def test_a_newer_database_is_refused_and_left_alone(engine: Engine, place: Place) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StorageNewer, match="newer version") as caught:
        open_database(place)
    assert caught.value.code == "storage-newer"
    assert version_of(engine) == "9999"


def test_starts_at_the_same_moment_do_not_disturb_each_other(empty: Place) -> None:
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(open_database, [empty] * 4))
    assert len({version_of(engine) for engine in engines}) == 1
    for engine in engines:
        engine.dispose()


def test_opening_leaves_the_logging_as_it_was(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("alembic").level)
    open_database(tmp_path / "a.db").dispose()
    assert (root.level, list(root.handlers), logging.getLogger("alembic").level) == before
    assert not logging.getLogger("ampacity").disabled


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_text("not a database " * 100)
    with pytest.raises(StorageError, match="can't be opened"):
        open_database(file)
    assert file.read_text() == "not a database " * 100
    assert [one.name for one in tmp_path.iterdir()] == ["x.db"]


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("CREATE TABLE states (id INTEGER)")
        raw.commit()
    before = file.read_bytes()
    with pytest.raises(StorageForeign, match="another program"):
        open_database(file)
    assert file.read_bytes() == before


@IN_A_FILE
def test_a_damaged_database_is_refused_and_left_alone(engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    file = tmp_path / "a.db"
    damaged = file.read_bytes()[:100] + b"\xff" * 4000 + file.read_bytes()[4100:]
    file.write_bytes(damaged)
    with pytest.raises(StorageError, match="can't be opened"):
        open_database(file)
    assert file.read_bytes() == damaged


def test_a_folder_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't be opened") as caught:
        open_database(tmp_path / "no" / "a.db")
    assert "permissions" in caught.value.remedy


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't be opened"):
        open_database(tmp_path)


def test_a_database_that_stays_locked_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="locked"):
            open_database(file, busy_s=0.05)


@IN_A_FILE
def test_only_a_durable_transaction_waits_for_the_disk(engine: Engine) -> None:
    with writing(engine, durable=True) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    with writing(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_what_a_failed_transaction_wrote_is_undone(engine: Engine) -> None:
    with suppress(ZeroDivisionError), writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO setting VALUES ('k', 'v')")
        _ = 1 / 0
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM setting").scalar() == 0
