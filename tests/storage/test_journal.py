"""The journal: written in batches off the control path, replayed to the last bit, and honest about gaps."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select
from tests.storage.conftest import IN_A_FILE

from ampacity.core.decide import decide
from ampacity.core.decision import Decision, Setpoint
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
from ampacity.core.phases import Line, PhaseAmps, PhaseVolts, PhaseWatts, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.storage.blocks import Blocks, Described, Inbox, Pass
from ampacity.storage.database import open_database
from ampacity.storage.errors import StorageDamaged
from ampacity.storage.history import Retention, history
from ampacity.storage.journal import JournalWriter
from ampacity.storage.ledger import Ledger
from ampacity.storage.recording import Run, recorded_runs, recording, replay
from ampacity.storage.records import Session, finish_session, sessions_between
from ampacity.storage.rollup import Roller
from ampacity.storage.schema import batches, gaps, sites

FOREVER = Retention(seconds_days=1e4, minutes_days=1e4, quarters_days=1e4, journal_days=1e4)
START_S = 1_700_000_000.0


def site_of(count: int = 2, limit_a: float = 25.0) -> Site:
    return Site(
        name="test",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((limit_a,) * 3), meter=MeterId("main")),),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(
            Charger(id=ChargerId(f"c{n}"), circuit=CircuitId("main"), wiring=(Line.L1, Line.L2, Line.L3), max_a=16.0)
            for n in range(count)
        ),
    )


class Live:
    """A controller in fast time, that hands over to a journal what the loop would."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.append: Callable[[Sequence[Observation], Decision], None] = lambda _seen, _decision: None
        self.observed = Observed()
        self.second = 0
        self.limits = [0.0] * len(site.chargers)
        self.answers: list[Observation] = []
        self.noise = random.Random(3)

    def wall_s(self) -> float:
        return START_S + self.second

    def play(self, passes: int) -> None:
        for _ in range(passes):
            at_s = float(self.second)
            seen = self.answers
            for number, charger in enumerate(self.site.chargers):
                if self.second == 0:
                    seen.append(ChargerLink(charger=charger.id, at_s=at_s, online=True))
                    seen.append(SessionStarted(charger=charger.id, at_s=at_s, session=f"s{number}"))
                if self.second % 10 == number % 10:
                    seen.append(self._report(number, at_s))
            seen.append(self._reading(at_s))
            self.observed = self.observed.with_(self.site, seen)
            decision = decide(self.site, self.observed, at_s)
            self.observed = self.observed.remembering(decision.memory)
            self.append(seen, decision)
            self.answers = []
            for command in decision.commands:
                self.limits[self.site.index_of_charger[command.charger]] = command.limit_a
                self.answers.append(
                    SetpointAnswer(charger=command.charger, at_s=at_s + 0.25, limit_a=command.limit_a, accepted=True)
                )
            self.second += 1

    def use(self, site: Site) -> None:
        self.limits += [0.0] * (len(site.chargers) - len(self.site.chargers))
        self.site = site

    def _report(self, number: int, at_s: float) -> ChargerReport:
        amps = tuple(max(0.0, round(self.limits[number] + self.noise.gauss(0, 0.05), 2)) for _ in range(3))
        return ChargerReport(
            charger=self.site.chargers[number].id,
            at_s=at_s,
            currents=PhaseAmps(amps),
            power_w=round(230.0 * sum(amps), 1),
            energy_wh=3 * self.second,
            soc_pct=50.0,
            state=ChargerState.CHARGING,
        )

    def _reading(self, at_s: float) -> MeterReading:
        building = 5.0 if self.second % 60 < 40 else 15.0
        amps = [round(building + sum(self.limits) + self.noise.gauss(0, 0.3), 3) for _ in range(2)]
        volts = [round(230.0 + self.noise.gauss(0, 0.6), 1) for _ in range(3)]
        currents = (*amps, 3.3)
        return MeterReading(
            meter=MeterId("main"),
            at_s=at_s,
            currents=PhaseAmps(currents),
            powers=PhaseWatts(tuple(round(a * v, 1) for a, v in zip(currents, volts, strict=True))),
            voltages=PhaseVolts(tuple(volts)),
        )


def writer(engine: Engine, live: Live, *, block_s: float = 5.0, most_waiting_bytes: int = 10**8) -> JournalWriter:
    one = JournalWriter(
        lambda: engine,
        live.site,
        "toml",
        version="test",
        retention=FOREVER,
        started_wall_s=START_S,
        started_s=0.0,
        wall_s=live.wall_s,
        flush_s=0.05,
        block_s=block_s,
        most_queued=100_000,
        most_waiting_bytes=most_waiting_bytes,
    )
    live.append = one.append
    return one


def recorded(engine: Engine, passes: int) -> Live:
    live = Live(site_of())
    one = writer(engine, live)
    live.play(passes)
    one.close()
    return live


def until(reached: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def all_same(engine: Engine, run: int = 1) -> int:
    results = list(replay(engine, run, decide))
    assert all(result.same for result in results)
    return len(results)


def test_a_recording_replays_to_the_last_bit(engine: Engine) -> None:
    recorded(engine, 900)
    assert all_same(engine) == 900


def test_a_replay_names_the_first_difference(engine: Engine) -> None:
    recorded(engine, 100)

    def other(site: Site, observed: Observed, now_s: float) -> Decision:
        decision = decide(site, observed, now_s)
        if now_s < 50:
            return decision
        first = decision.setpoints[0]
        changed = Setpoint(charger=first.charger, limit_a=7.5, held_by=first.held_by, place=first.place)
        return replace(decision, setpoints=(changed, *decision.setpoints[1:]))

    first = next(result for result in replay(engine, 1, other) if not result.same)
    assert first.recorded.at_s == 50.0
    assert "c0" in first.difference
    assert "7.5 A now" in first.difference


def test_a_command_that_is_no_longer_sent_is_named(engine: Engine) -> None:
    recorded(engine, 60)

    def silent(site: Site, observed: Observed, now_s: float) -> Decision:
        return replace(decide(site, observed, now_s), commands=())

    first = next(result for result in replay(engine, 1, silent) if not result.same)
    assert "was sent, is not sent now" in first.difference


def test_a_replay_can_start_in_the_middle(engine: Engine) -> None:
    recorded(engine, 1400)
    results = list(replay(engine, 1, decide, 1250.0, 1300.0))
    assert [result.recorded.at_s for result in results] == [float(second) for second in range(1250, 1301)]
    assert all(result.same for result in results)


def test_a_recording_read_from_the_middle_begins_at_a_snapshot_with_every_setpoint(engine: Engine) -> None:
    live = recorded(engine, 700)
    first = next(recording(engine, 1, 690.0))
    assert 600.0 <= first.at_s <= 690.0
    assert first.start is not None
    assert set(first.start.limits) == {charger.id for charger in live.site.chargers}


def test_each_start_of_the_controller_is_a_run_of_its_own(engine: Engine) -> None:
    recorded(engine, 20)
    recorded(engine, 30)
    assert recorded_runs(engine) == [Run(1, START_S, "test", 20, 0), Run(2, START_S, "test", 30, 0)]
    assert all_same(engine, 2) == 30


def test_a_changed_site_is_replayed_with_its_own_passes(engine: Engine) -> None:
    live = Live(site_of(2))
    one = writer(engine, live)
    live.play(50)
    live.use(site_of(3))
    one.site_changed(live.site, "toml 2")
    live.play(50)
    one.close()
    results = list(replay(engine, 1, decide))
    assert [len(result.recorded.site.chargers) for result in results] == [2] * 50 + [3] * 50
    assert all(result.same for result in results)


def test_sites_that_change_while_nothing_can_be_written_are_kept(engine: Engine, lock: ExitStack) -> None:
    live = Live(site_of(2))
    one = writer(engine, live)
    for count in (3, 4):
        live.play(20)
        live.use(site_of(count))
        one.site_changed(live.site, f"{count}")
    live.play(20)
    lock.close()
    one.close()
    assert all_same(engine) == 60
    with engine.connect() as connection:
        assert connection.execute(select(sites.c.toml).order_by(sites.c.id)).scalars().all() == ["toml", "3", "4"]


def test_a_database_that_is_locked_at_the_start_is_written_later(engine: Engine, lock: ExitStack) -> None:
    live = Live(site_of())
    one = writer(engine, live)
    live.play(50)
    lock.close()
    one.close()
    assert recorded_runs(engine) == [Run(1, START_S, "test", 50, 0)]


def test_a_locked_database_leaves_a_recorded_gap_and_no_more(engine: Engine, lock: ExitStack) -> None:
    live = Live(site_of())
    one = writer(engine, live, most_waiting_bytes=10_000)
    live.play(200)
    until(lambda: one.lost > 0)
    lock.close()
    live.play(30)
    one.close()
    (run,) = recorded_runs(engine)
    assert run.gaps == one.lost
    assert run.passes + run.gaps == 230
    assert all_same(engine) == run.passes
    with engine.connect() as connection:
        first_s, last_s, why = connection.execute(select(gaps.c.first_s, gaps.c.last_s, gaps.c.why)).one()
    assert (first_s, last_s) == (0.0, run.gaps - 1.0)
    assert "lock" in why


@IN_A_FILE
def test_a_full_disk_leaves_a_gap_and_the_journal_goes_on_when_there_is_room(engine: Engine) -> None:
    most_pages = [60]
    event.listen(engine, "checkout", lambda raw, *_: raw.execute(f"PRAGMA max_page_count = {most_pages[0]}"))
    live = Live(site_of())
    one = writer(engine, live, most_waiting_bytes=10_000)
    live.play(100)

    def lost() -> bool:
        live.play(20)
        return one.lost > 0

    until(lost)
    most_pages[0] = 10**6
    live.play(20)
    one.close()
    (run,) = recorded_runs(engine)
    assert run.gaps == one.lost
    assert run.passes + run.gaps == live.second
    assert all_same(engine) == run.passes


def test_passes_that_come_faster_than_they_are_written_leave_a_gap(engine: Engine) -> None:
    live = Live(site_of())
    inbox, blocks = Inbox(20), Blocks(5.0)
    described = Described(live.site, "")

    def append(seen: Sequence[Observation], decision: Decision) -> None:
        inbox.put(Pass(live.wall_s(), described, seen, decision))

    live.append = append
    finished = []
    for passes in (10, 100, 10):
        live.play(passes)
        while (taken := inbox.take()) is not None:
            finished.append(blocks.add(taken))
    finished.append(blocks.finish())
    ledger = Ledger(engine, version="", started_wall_s=START_S, started_s=0.0)
    ledger.write([block for block in finished if block is not None], Roller())
    assert (inbox.lost, all_same(engine)) == (80, 40)
    assert recorded_runs(engine) == [Run(1, START_S, "", 40, 80)]
    results = list(recording(engine, 1))
    assert [one.at_s for one in results if one.after_gap] == [90.0]


def test_a_pass_that_cannot_be_encoded_is_a_gap_and_the_next_is_kept(engine: Engine) -> None:
    live = Live(site_of())
    one = writer(engine, live)
    live.play(7)
    live.answers.append(SessionEnded(charger=ChargerId("c0"), at_s=7.0, session="s", reason="\ud800", energy_wh=2**70))
    live.play(8)
    one.close()
    assert recorded_runs(engine) == [Run(1, START_S, "test", 14, 1)]
    assert all_same(engine) == 14


def test_a_replay_begins_anew_once_what_was_known_can_be_encoded_again(engine: Engine) -> None:
    live = Live(site_of())
    one = writer(engine, live)
    live.play(7)
    live.answers.append(ChargerReport(charger=ChargerId("c0"), at_s=7.0, energy_wh=2**70))
    live.play(23)
    one.close()
    assert recorded_runs(engine) == [Run(1, START_S, "test", 29, 1)]
    results = list(replay(engine, 1, decide))
    assert all(result.same for result in results)
    assert [result.recorded.at_s for result in results] == [float(s) for s in range(30) if not 7 <= s < 13]


def test_a_missing_row_is_seen_as_a_gap(engine: Engine) -> None:
    recorded(engine, 1400)
    with engine.begin() as connection:
        connection.execute(batches.delete().where(batches.c.first_s > 300, batches.c.last_s < 500))
    results = list(replay(engine, 1, decide))
    assert all(result.same for result in results)
    at_s = [result.recorded.at_s for result in results]
    ((before_s, after_s),) = [(a, b) for a, b in pairwise(at_s) if b != a + 1]
    assert before_s <= 305.0
    assert after_s >= 500.0


def test_a_damaged_row_is_an_error_with_a_remedy(engine: Engine) -> None:
    recorded(engine, 20)
    with engine.begin() as connection:
        connection.execute(batches.update().values(body=b"rubbish"))
    with pytest.raises(StorageDamaged, match="can't be read"):
        list(replay(engine, 1, decide))


def test_history_comes_with_the_journal(engine: Engine) -> None:
    recorded(engine, 130)
    rows = list(history(engine, "main.l3.measured_a", START_S, START_S + 130, 1))
    assert {mean for _, _, mean, _ in rows} == {3.3}
    assert [start_s for start_s, *_ in rows] == [int(START_S) + second for second in range(130)]


def test_a_session_is_recorded_from_its_begin_to_its_end(engine: Engine) -> None:
    live = recorded(engine, 20)
    ended = SessionEnded(charger=ChargerId("c0"), at_s=20.0, session="s0", energy_wh=1234, reason="EVDisconnected")
    finish_session(engine, ended, live.wall_s())
    assert sessions_between(engine, START_S, START_S + 1)[0] == Session(
        charger="c0",
        session="s0",
        started_s=START_S,
        ended_s=START_S + 20,
        energy_wh=1234,
        reason="EVDisconnected",
    )


def test_a_session_that_could_not_be_finished_at_once_is_finished_by_the_journal(engine: Engine) -> None:
    live = Live(site_of())
    one = writer(engine, live)
    live.play(20)
    live.answers.append(SessionEnded(charger=ChargerId("c1"), at_s=19.5, session="s1", energy_wh=7, reason="Local"))
    live.play(1)
    one.close()
    session = sessions_between(engine, START_S, START_S + 1)[1]
    assert (session.energy_wh, session.reason, session.ended_s) == (7, "Local", START_S + 19.5)


def test_the_begin_of_a_session_is_kept_when_its_end_was_stored_first(engine: Engine, lock: ExitStack) -> None:
    live = Live(site_of())
    one = writer(engine, live)
    live.play(5)
    lock.close()
    ended = SessionEnded(charger=ChargerId("c0"), at_s=5.0, session="s0", energy_wh=5, reason="Local")
    finish_session(engine, ended, live.wall_s())
    one.close()
    session = sessions_between(engine, START_S, START_S + 1)[0]
    assert (session.energy_wh, session.started_s, session.ended_s) == (5, START_S, START_S + 5)


@IN_A_FILE
def test_a_day_of_25_chargers_stays_within_50_megabytes(engine: Engine, tmp_path: Path) -> None:
    live = Live(site_of(25, limit_a=250.0))
    one = writer(engine, live)
    live.play(100)
    one.close()
    empty = _size(engine, tmp_path)
    again = writer(engine, live)
    live.play(900)
    again.close()
    assert (_size(engine, tmp_path) - empty) * 96 < 50_000_000


def _size(engine: Engine, folder: Path) -> int:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "a.db").stat().st_size


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import test_journal as t
live = t.Live(t.site_of())
one = t.writer(t.open_database(Path(sys.argv[1])), live)
while True:
    live.play(5)
    time.sleep(0.01)
"""


def test_a_kill_loses_nothing_that_was_written_and_the_file_opens(tmp_path: Path) -> None:
    file = tmp_path / "k.db"
    engine = open_database(file)
    program = [sys.executable, "-c", KILLED, str(file), str(Path(__file__).parent)]
    with subprocess.Popen(program) as child:
        try:
            until(lambda: child.poll() is None and sum(run.passes for run in recorded_runs(engine)) > 300)
            written = recorded_runs(engine)[0].passes
        finally:
            child.send_signal(signal.SIGKILL)
    engine.dispose()
    again = open_database(file)
    kept = all_same(again)
    assert kept >= written
    assert sum(1 for _ in history(again, "c0.setpoint_a", START_S, START_S + kept, 1)) == kept
    again.dispose()
