"""A database that can't be opened yet costs nothing but the wait; what it keeps is nobody else's."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from structlog.testing import capture_logs
from tests.storage.conftest import IN_A_FILE
from tests.storage.test_database import taken_down
from tests.storage.test_journal import FOREVER, START_S, Live, all_same, recorded, site_of, until

from ampacity.core.observations import SessionEnded, SessionStarted
from ampacity.core.site import ChargerId
from ampacity.storage.database import open_database
from ampacity.storage.journal import JournalWriter
from ampacity.storage.recording import recorded_runs
from ampacity.storage.records import finish_session, sessions_between
from ampacity.storage.schema import sites
from ampacity.storage.secrets import without_secrets
from ampacity.storage.store import Store

LEFT = ChargerId("left")


def journal(store: Store, live: Live, toml: str = "") -> JournalWriter:
    one = JournalWriter(
        store.engine,
        live.site,
        toml,
        version="test",
        retention=FOREVER,
        started_wall_s=START_S,
        started_s=0.0,
        wall_s=live.wall_s,
        flush_s=0.05,
        block_s=5.0,
    )
    live.append = one.append
    return one


def test_passes_from_before_the_database_could_be_opened_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "disk" / "a.db", busy_s=0.1)
    live = Live(site_of(2))
    with capture_logs() as logs:
        one = journal(store, live)
        live.play(30)
        until(lambda: bool(logs))
        (tmp_path / "disk").mkdir()
        live.play(30)
        one.close()
    assert [log["event"] for log in logs] == ["storage", "storage-back"]
    assert recorded_runs(store.engine())[0].passes == 60
    assert all_same(store.engine()) == 60
    store.close()


def test_a_database_that_another_program_holds_from_the_start_is_opened_when_it_is_free(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db", busy_s=0.05)
    live = Live(site_of(2))
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other, capture_logs() as logs:
        other.execute("BEGIN EXCLUSIVE")
        one = journal(store, live)
        live.play(30)
        until(lambda: bool(logs))
        other.execute("ROLLBACK")
        one.close()
    assert all_same(store.engine()) == 30
    store.close()


def test_a_database_of_another_program_is_said_once_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    store = Store(tmp_path / "a.db", busy_s=0.05)
    live = Live(site_of(2))
    with capture_logs() as logs:
        one = journal(store, live)
        live.play(30)
        until(lambda: bool(logs))
        one.close()
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["storage-foreign", "journal-lost"]
    with closing(sqlite3.connect(tmp_path / "a.db")) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_new_database_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    recorded(store.engine(), 20)
    for file in tmp_path.glob("a.db*"):
        assert file.stat().st_mode & 0o077 == 0, file
    store.close()


def test_a_database_that_others_can_read_is_told_of_with_the_remedy(tmp_path: Path) -> None:
    open_database(tmp_path / "a.db").dispose()
    (tmp_path / "a.db").chmod(0o644)
    store = Store(tmp_path / "a.db")
    with capture_logs() as logs:
        store.engine()
    store.close()
    assert [log["event"] for log in logs] == ["storage-open-to-others"]
    assert "chmod 600" in logs[0]["remedy"]


# --- secrets ---------------------------------------------------------------------------------------------------------

TOML = """\
[chargers.a]  # the password = "is not" here
ocpp_id = "CP1"
password = "tab\\"le"
password_hash = '$argon2id$v=19$x'
password_file = "kept.txt"
[app]
smtp_password='x' # note
"api_token" = \"\"\"two
lines\"\"\"
inline = { secret = "s", name = "n" }
"""


def test_only_the_values_of_secrets_are_blanked() -> None:
    kept = without_secrets(TOML)
    for secret in ('tab\\"le', "argon2id", "'x'", "two", '"s"'):
        assert secret not in kept
    for rest in ('password_file = "kept.txt"', "# note", 'ocpp_id = "CP1"', 'name = "n"'):
        assert rest in kept


def test_a_journal_keeps_no_password_of_the_site_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    live = Live(site_of(2))
    one = journal(store, live, 'password = "hunter2hunter2"\n')
    live.play(5)
    one.site_changed(site_of(2), 'password = "hunter3hunter3"\n')
    live.play(5)
    one.close()
    store.close()
    assert b"hunter" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


@IN_A_FILE
def test_passwords_in_an_older_database_are_gone_after_it_is_opened(engine: Engine, tmp_path: Path) -> None:
    recorded(engine, 5)
    taken_down(engine, "0002")
    with engine.begin() as connection:
        connection.execute(sites.update().values(toml='password = "hunter2hunter2"\nx = 1'))
    engine.dispose()
    again = open_database(tmp_path / "a.db")
    with again.connect() as connection:
        assert connection.execute(select(sites.c.toml)).scalars().all() == ['password = "***"\nx = 1']
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    again.dispose()
    assert b"hunter" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


# --- sessions over a restart -----------------------------------------------------------------------------------------


def started(meter_wh: int | None) -> SessionStarted:
    return SessionStarted(charger=LEFT, at_s=1.0, session="7", meter_wh=meter_wh)


def after_restart(engine: Engine, begin_wh: int | None, stop_wh: int | None) -> int | None:
    """The energy of a session whose begin one run saw and whose end another."""
    live = Live(site_of(1))
    one = JournalWriter(
        lambda: engine,
        live.site,
        "",
        version="test",
        retention=FOREVER,
        started_wall_s=START_S,
        started_s=0.0,
        wall_s=live.wall_s,
        flush_s=0.05,
    )
    live.append = lambda seen, decision: one.append([*seen, started(begin_wh)], decision)
    live.play(1)
    one.close()
    finish_session(engine, SessionEnded(charger=LEFT, at_s=3.0, session="7", reason="Local", meter_wh=stop_wh), 99.0)
    return next(one.energy_wh for one in sessions_between(engine, 0.0, 1e12) if one.session == "7")


@pytest.mark.parametrize(
    ("begin_wh", "stop_wh", "energy_wh"),
    [(1000, 4500, 3500), (1000, None, None), (None, 4500, None), (5000, 4500, None), (0, 0, 0)],
)
def test_a_session_that_outlives_a_restart_has_its_energy(
    engine: Engine, begin_wh: int | None, stop_wh: int | None, energy_wh: int | None
) -> None:
    assert after_restart(engine, begin_wh, stop_wh) == energy_wh


# --- killed at any instant -------------------------------------------------------------------------------------------

WRITES = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from tests.storage.test_journal import Live, site_of
    from tests.storage.test_store import journal
    from ampacity.core.observations import SessionEnded
    from ampacity.core.site import ChargerId
    from ampacity.storage.records import finish_session, set_setting
    from ampacity.storage.store import Store

    store = Store(Path(sys.argv[1]))
    live = Live(site_of(2))
    journal(store, live)
    begin = int(sys.argv[2])
    for number in range(begin, begin + 10_000):
        live.play(3)
        ended = SessionEnded(charger=ChargerId("left"), at_s=1.0, session=str(number), energy_wh=number)
        finish_session(store.engine(), ended, 1.0 + number)
        set_setting(store.engine(), "limit", str(number), who="test", wall_s=1.0)
        print(number, flush=True)
    """
)


def test_what_was_acknowledged_is_there_whenever_the_program_is_killed(tmp_path: Path) -> None:
    file, chance = tmp_path / "a.db", random.Random(4)
    acknowledged: list[int] = []
    for start in range(6):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", WRITES, str(file), str(10_000 * start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as writes:
            assert writes.stdout is not None
            acknowledged.append(int(writes.stdout.readline()))
            time.sleep(chance.uniform(0.0, 0.4))
            writes.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in writes.stdout.read().split("\n")[:-1]]
    engine = open_database(file)
    kept = {one.session for one in sessions_between(engine, 0.0, 1e12)}
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        latest = int(connection.exec_driver_sql("SELECT value FROM setting WHERE key = 'limit'").scalar_one())
    assert {str(number) for number in acknowledged} <= kept
    assert latest >= acknowledged[-1]
    for run in recorded_runs(engine):
        if run.passes:
            all_same(engine, run.id)
    engine.dispose()
