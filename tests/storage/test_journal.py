"""The journal: written in batches off the control path, replayed to the last bit, and honest about gaps."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from ampacity.core.decide import decide
from ampacity.core.decision import Decision
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    SessionEnded,
    SessionStarted,
    SetpointAnswer,
)
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.storage import journal as journal_module
from ampacity.storage.codec import packed_observed, packed_site, unpacked_observed, unpacked_site
from ampacity.storage.database import StorageError, StorageNewer, open_database
from ampacity.storage.history import Retention, forget, history
from ampacity.storage.journal import JournalWriter
from ampacity.storage.recording import recorded_runs, replay
from ampacity.storage.records import finish_session, set_setting, setting
from ampacity.storage.schema import audit, batches, gaps, seconds, sessions

FOREVER = Retention(seconds_days=1e4, minutes_days=1e4, quarters_days=1e4, journal_days=1e4)
START_S = 1_700_000_000.0


def site_of(count: int = 2) -> Site:
    return Site(
        name="test",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((25.0, 25.0, 25.0)), meter=MeterId("main")),),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(
            Charger(id=ChargerId(f"c{n}"), circuit=CircuitId("main"), wiring=(Line.L1, Line.L2, Line.L3), max_a=16.0)
            for n in range(count)
        ),
    )


class Live:
    """A controller in fast time, that hands over to a journal what the loop would."""

    def __init__(self, site: Site, append: Callable[[list[Observation], Decision], None]) -> None:
        self.site, self.append = site, append
        self.observed = Observed()
        self.second = 0
        self.limits = [0.0] * len(site.chargers)
        self.answers: list[Observation] = []

    def play(self, passes: int) -> None:
        for _ in range(passes):
            at_s = float(self.second)
            seen = self.answers
            for number, charger in enumerate(self.site.chargers):
                if self.second == 0:
                    seen.append(ChargerLink(charger=charger.id, at_s=at_s, online=True))
                    seen.append(SessionStarted(charger=charger.id, at_s=at_s, session=f"s{number}"))
                if self.second % 10 == number:
                    amps = PhaseAmps((self.limits[number],) * 3)
                    state = ChargerState.CHARGING
                    seen.append(ChargerReport(charger=charger.id, at_s=at_s, currents=amps, state=state))
            total = sum(self.limits) + (5.0 if self.second % 60 < 40 else 15.0) + 0.1 * (self.second % 7)
            seen.append(MeterReading(meter=MeterId("main"), at_s=at_s, currents=PhaseAmps((total, total, 3.3))))
            self.observed = self.observed.with_(self.site, seen)
            decision = decide(self.site, self.observed, at_s)
            self.observed = self.observed.remembering(decision.memory)
            self.append(list(seen), decision)
            self.answers = []
            for command in decision.commands:
                self.limits[self.site.index_of_charger[command.charger]] = command.limit_a
                self.answers.append(
                    SetpointAnswer(charger=command.charger, at_s=at_s + 0.25, limit_a=command.limit_a, accepted=True)
                )
            self.second += 1


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "a.db")


def writer(engine: Engine, site: Site, live: list[Live], flush_s: float = 0.05) -> JournalWriter:
    return JournalWriter(
        engine,
        site,
        "toml",
        version="test",
        retention=FOREVER,
        started_wall_s=START_S,
        started_s=0.0,
        wall_s=lambda: START_S + (live[0].second if live else 0),
        flush_s=flush_s,
    )


def recorded(engine: Engine, passes: int, flush_s: float = 0.05) -> Live:
    lives: list[Live] = []
    site = site_of()
    one = writer(engine, site, lives, flush_s)
    live = Live(site, one.append)
    lives.append(live)
    live.play(passes)
    one.close()
    return live


def test_a_recording_replays_to_the_last_bit(engine: Engine) -> None:
    recorded(engine, 900)
    results = list(replay(engine, 1, decide))
    assert len(results) == 900
    assert all(result.same for result in results)


def test_a_replay_names_the_first_difference(engine: Engine) -> None:
    recorded(engine, 100)

    def other(site: Site, observed: Observed, now_s: float) -> Decision:
        decision = decide(site, observed, now_s)
        if now_s < 50:
            return decision
        changed = decision.setpoints[0]._replace(limit_a=7.5)
        return replace(decision, setpoints=(changed, *decision.setpoints[1:]))

    results = list(replay(engine, 1, other))
    first = next(result for result in results if not result.same)
    assert first.recorded.at_s == 50.0
    assert "c0" in first.difference
    assert "7.5 A now" in first.difference


def test_a_site_survives_the_journal() -> None:
    site = site_of()
    assert unpacked_site(packed_site(site)) == site


def test_what_was_observed_survives_the_journal_to_the_last_bit() -> None:
    live = Live(site_of(), lambda _seen, _decision: None)
    live.play(120)
    again = unpacked_observed(packed_observed(live.observed))
    assert again == live.observed
    assert decide(live.site, again, 120.0) == decide(live.site, live.observed, 120.0)


def test_a_changed_site_is_replayed_with_its_own_passes(engine: Engine) -> None:
    lives: list[Live] = []
    one = writer(engine, site_of(2), lives)
    live = Live(site_of(2), one.append)
    lives.append(live)
    live.play(50)
    wider = site_of(3)
    one.site_changed(wider, "toml 2")
    live.site = wider
    live.limits.append(0.0)
    live.play(50)
    one.close()
    results = list(replay(engine, 1, decide))
    assert len(results) == 100
    assert all(result.same for result in results)
    assert len(results[-1].recorded.site.chargers) == 3


def test_a_locked_database_leaves_a_recorded_gap_and_no_more(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MOST_WAITING", 20)
    engine.dispose()
    lives: list[Live] = []
    one = writer(engine, site_of(), lives)
    live = Live(site_of(), one.append)
    lives.append(live)
    lock = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    live.play(200)
    deadline = time.monotonic() + 20
    while not one._dropped and time.monotonic() < deadline:
        time.sleep(0.05)
    lock.execute("ROLLBACK")
    lock.close()
    live.play(30)
    one.close()
    with engine.connect() as connection:
        lost = connection.execute(select(func.sum(gaps.c.passes))).scalar()
        kept = connection.execute(select(func.sum(batches.c.passes))).scalar()
    assert lost
    assert kept
    assert lost + kept == 230
    results = list(replay(engine, 1, decide))
    assert results
    assert all(result.same for result in results)


def test_history_has_every_second_and_its_rollups(engine: Engine) -> None:
    recorded(engine, 1000)
    by_second = list(history(engine, "main.l3.measured_a", START_S, START_S + 1000, 1))
    assert by_second
    assert {round(value, 3) for _, _, value, _ in by_second} == {3.3}
    by_minute = list(history(engine, "main.l1.measured_a", START_S, START_S + 1000, 60))
    by_quarter = list(history(engine, "main.l1.measured_a", START_S - 900, START_S + 1000, 900))
    assert len(by_minute) >= 16
    assert all(least <= mean <= most for _, least, mean, most in [*by_minute, *by_quarter])
    assert max(most for *_, most in by_minute) == max(most for *_, most in by_quarter)


def test_old_records_go_level_by_level(engine: Engine) -> None:
    recorded(engine, 300)
    keep_minutes = Retention(seconds_days=1, minutes_days=1e4, quarters_days=1e4, journal_days=1)
    while forget(engine, keep_minutes, START_S + 10 * 86_400):
        pass
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(seconds)).scalar() == 0
        assert connection.execute(select(func.count()).select_from(batches)).scalar() == 0
    assert list(history(engine, "main.l1.measured_a", START_S, START_S + 300, 60))


def test_a_finished_session_is_there_when_it_is_acknowledged(engine: Engine) -> None:
    recorded(engine, 20)
    ended = SessionEnded(charger=ChargerId("c0"), at_s=20.0, session="s0", energy_wh=1234, reason="EVDisconnected")
    finish_session(engine, ended, START_S + 20)
    with engine.connect() as connection:
        row = connection.execute(select(sessions).where(sessions.c.session == "s0")).one()
    assert (row.energy_wh, row.started_s, row.ended_s) == (1234, START_S, START_S + 20)


def test_a_setting_is_there_when_it_is_acknowledged_and_audited(engine: Engine) -> None:
    set_setting(engine, "k", "1", who="anna", wall_s=1.0)
    set_setting(engine, "k", "2", who="ben", wall_s=2.0)
    assert setting(engine, "k") == "2"
    with engine.connect() as connection:
        rows = connection.execute(select(audit.c.who, audit.c.old, audit.c.new).order_by(audit.c.id)).all()
    assert [tuple(row) for row in rows] == [("anna", None, "1"), ("ben", "1", "2")]


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import test_journal as t
engine = t.open_database(Path(sys.argv[1]))
lives = []
one = t.writer(engine, t.site_of(), lives, 0.1)
live = t.Live(t.site_of(), one.append)
lives.append(live)
while True:
    live.play(5)
    print(live.second, flush=True)
    time.sleep(0.01)
"""


def test_a_kill_loses_at_most_the_batch_and_the_file_opens(tmp_path: Path) -> None:
    program = [sys.executable, "-c", KILLED, str(tmp_path / "k.db"), str(Path(__file__).parent)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 400:
                os.kill(child.pid, signal.SIGKILL)
                break
        child.stdout.read()
    engine = open_database(tmp_path / "k.db")
    assert recorded_runs(engine)[0].passes > 100
    assert all(result.same for result in replay(engine, 1, decide))


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_text("not a database " * 100)
    with pytest.raises(StorageError):
        open_database(file)
    assert file.read_text().startswith("not a database")


def test_a_newer_database_is_refused(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StorageNewer, match="newer version"):
        open_database(tmp_path / "a.db")


def test_a_folder_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't be opened"):
        open_database(tmp_path / "no" / "a.db")
