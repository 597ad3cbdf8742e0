"""History: every second, its spreads by minute and quarter of an hour, and how they end."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from tests.storage.conftest import IN_A_FILE

from ampacity.storage.database import writing
from ampacity.storage.export import write_csv
from ampacity.storage.history import Retention, forget, history, series_names
from ampacity.storage.rollup import Roller, merged, spreads_of
from ampacity.storage.schema import batches, gaps, metadata, rollups, runs, seconds, sites, snapshots

START_S = 1_700_000_100
"""The start of a quarter of an hour."""

DAY_S = 86_400
FOREVER = Retention(seconds_days=1e4, minutes_days=1e4, quarters_days=1e4, journal_days=1e4)


def write(engine: Engine, roller: Roller, values: Sequence[float], start_s: int = START_S, every: int = 5) -> None:
    for place, value in enumerate(values):
        roller.add(start_s + place, {"x": value})
        if place % every == every - 1 or place == len(values) - 1:
            flush(engine, roller)


def flush(engine: Engine, roller: Roller) -> None:
    with writing(engine) as connection:
        roller.write(connection)
    roller.written()


def means(engine: Engine, span_s: int, series: str = "x") -> list[tuple[int, float]]:
    return [(at - START_S, mean) for at, _, mean, _ in history(engine, series, 0, START_S + 10 * DAY_S, span_s)]


def test_every_second_comes_back(engine: Engine) -> None:
    values = [0.1 * n for n in range(150)]
    write(engine, Roller(), values)
    assert means(engine, 1) == [(n, round(0.1 * n, 3)) for n in range(150)]


def test_a_minute_and_a_quarter_have_least_mean_and_most_of_their_seconds(engine: Engine) -> None:
    values = [math.sin(n / 50) * 30 for n in range(1861)]
    write(engine, Roller(), values, every=60)
    for span_s in (60, 900):
        rows = list(history(engine, "x", START_S, START_S + 1800, span_s))
        assert [at for at, *_ in rows] == list(range(START_S, START_S + 1800, span_s))
        for at, least, mean, most in rows:
            part = values[at - START_S : at - START_S + span_s]
            assert (least, mean, most) == pytest.approx((min(part), sum(part) / span_s, max(part)), abs=2e-3)


def test_a_quarter_weighs_its_minutes_by_what_was_seen_of_them(engine: Engine) -> None:
    roller = Roller()
    write(engine, roller, [10.0] * 60)
    write(engine, roller, [40.0] * 20, START_S + 60)
    write(engine, roller, [0.0], START_S + 900)
    assert means(engine, 900) == [(0, 17.5)]


def test_a_minute_under_way_has_its_seconds_and_no_spread_yet(engine: Engine) -> None:
    write(engine, Roller(), [1.0] * 30)
    assert len(means(engine, 1)) == 30
    assert means(engine, 60) == []


def test_a_restart_in_the_middle_of_a_minute_loses_nothing_of_it(engine: Engine) -> None:
    write(engine, Roller(), [10.0] * 30)
    write(engine, Roller(), [20.0] * 31, START_S + 30)
    assert means(engine, 1)[:60] == [(n, 10.0 if n < 30 else 20.0) for n in range(60)]
    assert means(engine, 60) == [(0, 15.0)]


def test_a_minute_that_was_cut_off_gets_its_spread_at_the_next_start(engine: Engine) -> None:
    write(engine, Roller(), [10.0] * 30)
    write(engine, Roller(), [20.0], START_S + 7200)
    assert means(engine, 60) == [(0, 10.0)]
    assert means(engine, 900) == [(0, 10.0)]


def test_a_clock_that_is_set_back_keeps_what_was_written_before(engine: Engine) -> None:
    roller = Roller()
    write(engine, roller, [1.0] * 120)
    write(engine, roller, [2.0] * 10, START_S + 50)
    assert [mean for _, mean in means(engine, 1)] == [1.0] * 50 + [2.0] * 10 + [1.0] * 60


def test_what_could_not_be_written_is_written_later(engine: Engine) -> None:
    roller = Roller()
    for second in range(200):
        roller.add(START_S + second, {"x": 1.0})
        if second % 20 == 0:
            with suppress(ZeroDivisionError), writing(engine) as connection:
                roller.write(connection)
                _ = 1 / 0
    flush(engine, roller)
    assert len(means(engine, 1)) == 200
    assert len(means(engine, 60)) == 3


def test_memory_is_bounded_while_nothing_can_be_written(engine: Engine) -> None:
    roller = Roller()
    for minute in range(1000):
        roller.add(START_S + 60 * minute, {"x": float(minute)})
    flush(engine, roller)
    assert means(engine, 1)[0] == (820 * 60, 820.0)


@given(st.lists(st.dictionaries(st.sampled_from("xyz"), st.floats(), max_size=3), min_size=1, max_size=70))
def test_only_measurements_are_kept(rows: list[dict[str, float]]) -> None:
    roller = Roller()
    for second, values in enumerate(rows):
        roller.add(START_S + second, values)
    for minute in roller._minutes.values():
        for spread in spreads_of(minute).values():
            assert spread.least <= spread.most < 2e9
            assert math.isfinite(spread.mean)


values_by_second = st.lists(st.floats(-1000, 1000) | st.just(math.nan), min_size=60, max_size=60)


@given(st.lists(values_by_second, min_size=1, max_size=4))
def test_spreads_side_by_side_make_the_spread_of_all(minutes: list[list[float]]) -> None:
    parts = [spread for minute in minutes for spread in spreads_of({"x": minute}).values()]
    all_of_them = spreads_of({"x": [value for minute in minutes for value in minute]})
    if not all_of_them:
        assert parts == []
        return
    whole, one = all_of_them["x"], merged(parts)
    assert (one.least, one.most, one.seconds) == (whole.least, whole.most, whole.seconds)
    assert one.mean == pytest.approx(whole.mean, abs=1e-6)


def test_another_span_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="7 s is none of"):
        list(history(engine, "x", 0, 1, 7))


def test_a_range_has_its_begin_and_not_its_end(engine: Engine) -> None:
    write(engine, Roller(), [float(n) for n in range(300)], every=300)
    rows = [at - START_S for at, *_ in history(engine, "x", START_S + 59, START_S + 121, 1)]
    assert rows == list(range(59, 121))
    assert [at - START_S for at, *_ in history(engine, "x", START_S + 60, START_S + 180, 60)] == [60, 120]


def test_a_long_range_is_read_page_by_page_and_whole(engine: Engine) -> None:
    write(engine, Roller(), [1.0] * 9000, every=3000)
    assert [second for second, _ in means(engine, 1)] == list(range(9000))
    assert len(means(engine, 60)) == 149


def test_a_damaged_row_of_before_does_not_stop_what_comes(engine: Engine) -> None:
    write(engine, Roller(), [1.0] * 90)
    with engine.begin() as connection:
        connection.execute(seconds.update().values(body=b"rubbish"))
        connection.execute(rollups.update().values(body=b"rubbish"))
    write(engine, Roller(), [2.0] * 60, START_S + 120)
    write(engine, Roller(), [3.0] * 60, START_S + 180)
    assert [mean for *_, mean, _ in history(engine, "x", START_S + 120, START_S + 180, 60)] == [2.0]


def test_old_records_go_level_by_level(engine: Engine) -> None:
    write(engine, Roller(), [1.0] * 899, every=100)
    levels = Retention(seconds_days=1, minutes_days=3, quarters_days=5, journal_days=1)
    write(engine, Roller(), [1.0], START_S + 900)
    counts = []
    for days in (0, 2, 4, 6):
        while forget(engine, levels, START_S + 1000 + days * DAY_S):
            pass
        counts.append([len(means(engine, span_s)) for span_s in (1, 60, 900)])
    assert counts == [[900, 15, 1], [0, 15, 1], [0, 0, 1], [0, 0, 0]]


def test_a_run_is_forgotten_with_the_last_of_its_passes(engine: Engine) -> None:
    with engine.begin() as connection:
        for run, wall_s in ((1, 0.0), (2, 10.0 * DAY_S)):
            connection.execute(runs.insert().values(id=run, started_s=0.0, monotonic_s=0.0, version=""))
            connection.execute(sites.insert().values(run=run, from_s=0.0, site=b"", toml=""))
            connection.execute(gaps.insert().values(run=run, first_s=0.0, last_s=0.0, passes=1, why=""))
            connection.execute(snapshots.insert().values(run=run, before_s=0.0, wall_s=wall_s, body=b""))
            connection.execute(
                batches.insert().values(run=run, first_s=0.0, last_s=0.0, wall_s=wall_s, passes=1, body=b"")
            )
    while forget(engine, Retention(seconds_days=9, minutes_days=9, quarters_days=9, journal_days=9), 10.0 * DAY_S):
        pass
    with engine.connect() as connection:
        for table, column in (
            (runs, runs.c.id),
            *((table, table.c.run) for table in (sites, gaps, snapshots, batches)),
        ):
            assert connection.execute(select(column)).scalars().all() == [2], table.name


def test_no_more_than_a_slice_is_deleted_at_once(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(seconds.insert(), [{"minute": minute, "body": b"-"} for minute in range(1200)])
    gone: list[int] = []
    while not gone or gone[-1]:
        gone.append(forget(engine, FOREVER, 2e4 * DAY_S))
    assert gone == [500, 500, 200, 0]


@IN_A_FILE
def test_the_file_gives_back_what_was_deleted(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(seconds.insert(), [{"minute": minute, "body": bytes(8000)} for minute in range(400)])
        before = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    while forget(engine, FOREVER, 2e4 * DAY_S):
        pass
    for _ in range(5):
        forget(engine, FOREVER, 2e4 * DAY_S)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA page_count").scalar_one() < before / 4
        assert connection.execute(select(func.count()).select_from(seconds)).scalar() == 0


def test_the_names_of_all_series_are_known(engine: Engine) -> None:
    roller = Roller()
    roller.add(START_S, {"b": 1.0})
    roller.add(START_S + 70, {"a": 1.0})
    flush(engine, roller)
    assert series_names(engine, START_S, START_S + 100, 1) == ["a", "b"]
    assert series_names(engine, START_S, START_S + 60, 1) == ["b"]
    assert series_names(engine, START_S, START_S + 100, 60) == ["b"]


def test_an_export_by_the_second_has_a_column_a_series(engine: Engine) -> None:
    roller = Roller()
    roller.add(START_S, {"main.l1.measured_a": 1.5, "left.setpoint_a": 6.0})
    roller.add(START_S + 2, {"main.l1.measured_a": 1.25})
    flush(engine, roller)
    out = io.StringIO()
    assert write_csv(engine, out, START_S, START_S + 60, 1) == 2
    assert out.getvalue().splitlines() == [
        "time,left.setpoint_a,main.l1.measured_a",
        "2023-11-14T22:15:00Z,6.0,1.5",
        "2023-11-14T22:15:02Z,,1.25",
    ]


def test_an_export_by_the_minute_has_least_mean_and_most_of_the_series_asked_for(engine: Engine) -> None:
    write(engine, Roller(), [1.0] * 30 + [2.0] * 31)
    out = io.StringIO()
    assert write_csv(engine, out, START_S, START_S + 900, 60, ["x"]) == 1
    assert out.getvalue() == "time,x min,x mean,x max\n2023-11-14T22:15:00Z,1.0,1.5,2.0\n"


def test_every_table_has_a_key() -> None:
    assert [table.name for table in metadata.sorted_tables if not list(table.primary_key)] == []
