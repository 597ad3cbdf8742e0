from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.core.site import ChargerId
from ampacity.sim.tables import MOST_MISTAKES, MOST_SHOWN, Building, TableError, read_building, read_sessions

CHARGERS = {ChargerId("a"): 3, ChargerId("b"): 1}
HEADING = "session_id,charger,arrival_s,departure_s,energy_wh,max_a,lines\n"


def file_with(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def building_mistakes(folder: Path, text: str, lines: int = 1) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read_building(file_with(folder, text), lines)
    return caught.value.mistakes


def session_mistakes(folder: Path, rows: str) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read_sessions(file_with(folder, HEADING + rows), CHARGERS)
    return caught.value.mistakes


def test_a_building_value_holds_until_the_next_one(tmp_path: Path) -> None:
    building = read_building(file_with(tmp_path, "time_s,l1_a\n10,1.5\n13,-2\n"), 1)
    assert building.by_second() == [(1.5,), (1.5,), (1.5,), (-2.0,)]
    assert building.start_s == 10
    assert building.seconds == 4


def test_a_gzip_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"time_s,l1_a,l2_a\n0,1,2\n"))
    assert read_building(path, 2) == Building((0,), ((1.0, 2.0),))


def test_columns_may_stand_in_any_order_and_beside_others(tmp_path: Path) -> None:
    assert read_building(file_with(tmp_path, "note,l1_a,time_s\nx,7,0\n"), 1).amps == ((7.0,),)


def test_a_byte_order_mark_does_not_hide_the_first_column(tmp_path: Path) -> None:
    assert read_building(file_with(tmp_path, "\ufefftime_s,l1_a\n0,7\n"), 1).amps == ((7.0,),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time_s,l1_a\n0,1\n0,2\n", "table.csv, line 3, time_s: 0 is not after 0."),
        ("time_s,l1_a\n0.5,1\n", "table.csv, line 2, time_s: 0.5 is no whole second."),
        ("time_s,l1_a\n0,nan\n", "table.csv, line 2, l1_a: 'nan' is not a number."),
        ("time_s,l1_a\n0,1_0\n", "table.csv, line 2, l1_a: '1_0' is not a number."),
        ("time_s,l1_a\n0,20000\n", "table.csv, line 2, l1_a: 20000 is above 10000 A."),
        ("time_s,l1_a\n0\n", "table.csv, line 2: 1 columns instead of 2."),
        ("time_s,l1_a\n", "table.csv, there is no line below the heading."),
        ("time_s\n0\n", "table.csv, line 1: column l1_a is missing."),
        ("time_s,l1_a,l1_a\n0,1,2\n", "table.csv, line 1: column l1_a is there twice."),
        ("", "table.csv, line 1: column time_s, l1_a is missing."),
    ],
)
def test_each_mistake_in_a_building_names_line_column_and_value(tmp_path: Path, text: str, expected: str) -> None:
    (mistake,) = building_mistakes(tmp_path, text)
    assert mistake.startswith(expected)


def test_all_mistakes_are_told_at_once_and_the_first_twenty_are_shown(tmp_path: Path) -> None:
    text = "time_s,l1_a\n" + "".join(f"{n},x\n" for n in range(25))
    with pytest.raises(TableError) as caught:
        read_building(file_with(tmp_path, text), 1)
    assert len(caught.value.mistakes) == MOST_SHOWN
    assert str(caught.value).endswith("table.csv: and 5 more.")


def test_a_missing_file_and_a_broken_gzip_are_mistakes_like_others(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="there is no such file"):
        read_building(tmp_path / "none.csv", 1)
    broken = tmp_path / "table.csv"
    broken.write_bytes(gzip.compress(b"time_s,l1_a\n" + b"0,1\n" * 1000)[:40])
    with pytest.raises(TableError, match="can't be read to the end"):
        read_building(broken, 1)


def test_sessions_come_in_the_order_of_arrival(tmp_path: Path) -> None:
    sessions = read_sessions(file_with(tmp_path, HEADING + "s2,a,50,90,1000,16,3\ns1,b,10,20,2000,32,1\n"), CHARGERS)
    assert [(s.id, s.charger, s.arrival_s, s.departure_s) for s in sessions] == [
        ("s1", "b", 10, 20),
        ("s2", "a", 50, 90),
    ]
    assert (sessions[1].energy_wh, sessions[1].max_a, sessions[1].lines) == (1000.0, 16.0, 3)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("s,c,0,9,1,16,1", "table.csv, line 2, charger: 'c' is not on the site. Use one of: a, b."),
        ("s,a,9,9,1,16,1", "table.csv, line 2, departure_s: 9 is not after arrival_s (9)."),
        ("s,a,0.5,9,1,16,1", "table.csv, line 2, arrival_s: 0.5 is no whole second."),
        ("s,a,0,9,-1,16,1", "table.csv, line 2, energy_wh: -1 is negative."),
        ("s,a,0,9,1,5,1", "table.csv, line 2, max_a: 5 can't be."),
        ("s,b,0,9,1,16,2", "table.csv, line 2, lines: 2 can't be; b has 1."),
        ("s,a,0,9,1,16,inf", "table.csv, line 2, lines: 'inf' is not a number."),
        (",a,0,9,1,16,1", "table.csv, line 2, session_id: '' is empty or there twice."),
    ],
)
def test_each_mistake_in_a_session_names_line_column_and_value(tmp_path: Path, row: str, expected: str) -> None:
    (mistake,) = session_mistakes(tmp_path, row + "\n")
    assert mistake.startswith(expected)


def test_two_cars_can_not_be_at_one_charger(tmp_path: Path) -> None:
    (mistake,) = session_mistakes(tmp_path, "s1,a,0,90,1,16,1\ns2,a,89,100,1,16,1\n")
    assert mistake.startswith("table.csv, session s2, arrival_s: 89, but a is taken by s1 until 90.")


def test_one_car_may_come_in_the_second_in_which_another_goes(tmp_path: Path) -> None:
    rows = "s1,a,0,90,1,16,1\ns2,a,90,100,1,16,1\n"
    assert len(read_sessions(file_with(tmp_path, HEADING + rows), CHARGERS)) == 2


_CELLS = st.one_of(
    st.sampled_from(["0", "1", "-3.5", "1e300", "nan", "a", "", "inf", '"', "9" * 400]), st.text(max_size=6)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(_CELLS, min_size=1, max_size=8), max_size=6), st.binary(max_size=40), st.booleans())
def test_any_bytes_are_a_table_or_a_clear_error(rows: list[list[str]], tail: bytes, as_building: bool) -> None:
    heading = "time_s,l1_a\n" if as_building else HEADING
    text = heading + "\n".join(",".join(row) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(text.encode("utf-8", errors="surrogatepass") + tail)
        try:
            if as_building:
                read_building(path, 1)
            else:
                read_sessions(path, CHARGERS)
        except TableError as error:
            assert error.mistakes


def test_a_small_gzip_file_of_an_endless_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(gzip.compress(b"0" * 20_000_000))
    with pytest.raises(TableError, match="line 1 has more than 10000 characters"):
        read_building(path, 1)


def test_reading_ends_where_only_mistakes_follow(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(gzip.compress(b"time_s,l1_a\n" + b"x,x\n" * 5_000))
    with pytest.raises(TableError) as caught:
        read_building(path, 1)
    assert str(caught.value).endswith(f"and {MOST_MISTAKES - MOST_SHOWN} more.")
