"""How many cars a night a supply can carry."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ampacity.core.phases import Supply
from ampacity.core.site import Site
from ampacity.sim.plan import PlanError, Wish, plan, supply_site
from ampacity.sim.tables import Building

DAY_S = 86_400


def supply(limit_a: float = 32.0) -> Site:
    return supply_site("test", Supply.SINGLE_PHASE, 230.0, limit_a, 1.0)


def building(by_hour: dict[int, float], days: int = 1, base_a: float = 2.0) -> Building:
    """A value an hour, on one line, and a last one at the end."""
    times = tuple(range(0, days * DAY_S + 1, 3600))
    return Building(times, tuple((by_hour.get(time // 3600, base_a),) for time in times))


def asked(energy_wh: float, hours: int = 3, most: int = 12) -> Wish:
    return Wish(energy_wh=energy_wh, from_s=22 * 3600, until_s=(22 + hours) % 24 * 3600, cars=((1, 16.0),), most=most)


def played(tmp_path: Path, wish: Wish, load: Building | None = None, limit_a: float = 32.0) -> dict[str, Any]:
    return plan(supply(limit_a), load or building({}), wish, tmp_path, lambda what, share: None)


def test_it_carries_as_many_as_the_energy_of_the_night_allows(tmp_path: Path) -> None:
    """30 A over 2.25 to 3 h are 15.5 to 20.7 kWh; every car wants 4."""
    found = played(tmp_path, asked(4000.0))
    assert found["carries"] in (3, 4, 5)
    rows = {row["cars"]: row for row in found["rows"]}
    assert rows[found["carries"]]["fits"]
    assert not rows[found["carries"] + 1]["fits"]
    assert rows[found["carries"] + 1]["least_share"] < 0.95


def test_a_supply_that_the_building_fills_carries_none(tmp_path: Path) -> None:
    found = played(tmp_path, asked(4000.0), building({}, base_a=28.0))
    assert found["carries"] == 0


def test_a_building_that_trips_the_breaker_alone_is_told_from_cars_that_do(tmp_path: Path) -> None:
    found = played(tmp_path, asked(1000.0, most=2), building({23: 70.0}), limit_a=32.0)
    assert found["trips_alone"] > 0
    assert found["carries"] == 2


def test_no_more_are_tried_than_was_said(tmp_path: Path) -> None:
    found = played(tmp_path, asked(500.0, most=3))
    assert (found["carries"], found["at_least"]) == (3, True)


def test_the_hardest_night_is_taken(tmp_path: Path) -> None:
    found = played(tmp_path, asked(1000.0, most=2), building({46: 20.0, 47: 20.0}, days=3))
    assert found["night_from_s"] == 46 * 3600


def test_a_day_is_taken_twice_for_its_night(tmp_path: Path) -> None:
    """The trace has no night after its only evening."""
    found = played(tmp_path, asked(1000.0, hours=6, most=2))
    assert found["seconds"] == 6 * 3600


def test_a_coarse_trace_is_named(tmp_path: Path) -> None:
    assert played(tmp_path, asked(1000.0, most=1))["coarse_s"] == 3600


def test_a_trace_that_is_shorter_than_a_day_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"lasts 5\.0 h"):
        played(tmp_path, asked(1000.0), Building((0, 5 * 3600 - 1), ((1.0,), (1.0,))))


def command(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    rows = "".join(f"{hour * 3600},{2 + hour % 3}\n" for hour in range(25))
    (folder / "day.csv").write_text("time_s,l1_a\n" + rows, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "ampacity.cli.main", "plan", "--building", "day.csv", "--out", "out", *more],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_the_command_answers_in_a_sentence_a_table_and_a_picture(tmp_path: Path) -> None:
    arguments = ["--supply", "single-phase", "--limit-a", "25", "--kwh", "3", "--mix", "1x16", "--cars", "3"]
    arguments += ["--from", "22:00", "--until", "01:00"]
    process = command(tmp_path, *arguments)
    assert process.returncode == 0, process.stderr
    found = json.loads((tmp_path / "out" / "plan.json").read_text(encoding="utf-8"))
    assert f"This supply carries {found['carries']} car" in process.stdout
    assert ("The 3 asked for fit." in process.stdout) == (found["carries"] >= 3)
    assert "Peaks in between are not seen" in process.stderr
    assert (tmp_path / "out" / "plan.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--kwh 3", "The main breaker is not known"),
        ("--kwh 3 --limit-a 25 --from 25:00", "--from '25:00' is no time of day"),
        ("--kwh 3 --limit-a 25 --mix 4x16", "'4x16' is no kind of car"),
        ("--kwh 3 --limit-a 25 --mix 1x5", "'1x5' is no kind of car"),
        ("--kwh 3 --limit-a 25 --site nowhere.toml", "both say what the breaker is"),
        ("--kwh 3 --site nowhere.toml", "nowhere.toml"),
        ("--kwh 3 --limit-a 25", "l2_a"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(tmp_path: Path, arguments: str, words: str) -> None:
    process = command(tmp_path, *arguments.split())
    assert process.returncode == 1
    assert words in process.stderr
