from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from ampacity.sim.scenario import (
    Expected,
    Level,
    Load,
    Pulse,
    Scenario,
    ScenarioError,
    TraceMissing,
    built,
    load_scenario,
    stories,
)
from ampacity.sim.simulate import simulate

FOLDER = Path(__file__).parent.parent / "scenarios"
TRACES = os.environ.get("AMPACITY_TRACES")
"""Folder with traces that are not part of the project."""

STEP = (FOLDER / "step.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_a_scenario_reaches_the_figures_it_expects(path: Path) -> None:
    scenario = load_scenario(path)
    try:
        runs = stories(path, scenario, traces=None if TRACES is None else Path(TRACES))
    except TraceMissing as error:
        pytest.skip(str(error))
    assert {story.lag_s: scenario.shortfalls(simulate(story)) for story in runs} == {lag: [] for lag in scenario.lag_s}


def test_a_building_is_made_of_a_base_levels_and_pulses() -> None:
    building = built(
        10,
        [1.0, 2.0],
        [Level(line="L1", amps=9.0, from_s=2, until_s=4)],
        [Pulse(line="L2", amps=7.0, from_s=5, lasts_s=1, every_s=3)],
    )
    assert [row[0] for row in building.by_second()] == [1.0, 1.0, 9.0, 9.0] + [1.0] * 6
    assert [row[1] for row in building.by_second()] == [2.0] * 5 + [7.0, 2.0, 2.0, 7.0, 2.0]


def test_the_step_scenario_is_the_published_one() -> None:
    (story, _) = stories(FOLDER / "step.toml", load_scenario(FOLDER / "step.toml"))
    rows = story.building.by_second()
    assert len(rows) == 3600
    assert [second for second in range(3600) if rows[second] == (30.0, 5.0, 5.0)] == list(range(600, 1200))
    pulses = [second for second in range(3600) if rows[second] == (22.0, 5.0, 5.0)]
    assert pulses == [second for second in range(1800, 3600) if (second - 1800) % 120 < 20]
    assert story.site.circuits[0].limit_a.values == (40.0, 40.0, 40.0)
    assert [(c.min_a, c.max_a, c.step_a, c.phases) for c in story.site.chargers] == [(6.0, 16.0, 0.1, 3)] * 4


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("seconds = 3600", "seconds = '3600'", "Expected `int | null`, got `str` - at `$.seconds`"),
        ("seconds = 3600", "second = 3600", "unknown field `second`"),
        ("seconds = 3600", "", "seconds is missing"),
        ('line = "L1"', 'line = "L4"', "there is no line 'L4'"),
        ('charger = "c1"', 'charger = "c9"', "there is no charger 'c9'"),
        ("base_a = [5.0, 5.0, 5.0]", "base_a = [5.0]", "building.base_a needs 3 values"),
        ("[building]", "[building", "Expected ']'"),
    ],
)
def test_a_mistake_in_a_scenario_is_named(tmp_path: Path, before: str, after: str, expected: str) -> None:
    path = tmp_path / "step.toml"
    path.write_text(STEP.replace(before, after), encoding="utf-8")
    with pytest.raises(ScenarioError, match=re.escape(expected)):
        stories(path, load_scenario(path))


def test_a_scenario_whose_trace_is_elsewhere_says_so() -> None:
    path = FOLDER / "home.toml"
    with pytest.raises(TraceMissing, match="home_132min_1s"):
        stories(path, load_scenario(path))


def test_a_figure_out_of_bounds_is_a_shortfall() -> None:
    scenario = load_scenario(FOLDER / "step.toml")
    good = {
        **dict.fromkeys(("trips", "budget_worst", "over_s", "over_as", "stops", "commands"), 0),
        "headroom_used": 1.0,
        "least_to_best": 1.0,
        "lag_s": 1,
    }
    assert scenario.shortfalls(good) == []
    assert scenario.shortfalls({**good, "trips": 2}) == ["trips is 2, more than 0"]
    assert scenario.shortfalls({**good, "least_to_best": 0.5}) == ["least_to_best is 0.5, less than 0.9"]
    assert scenario.shortfalls({**good, "over_s": 50}) == ["over_s is 50, more than 32"]
    assert scenario.shortfalls({**good, "over_s": 50, "lag_s": 4}) == []


def test_bounds_for_dead_times_that_are_not_there_are_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "step.toml"
    path.write_text(STEP.replace("lag_s = [1, 4]", "lag_s = [1, 2, 4]"), encoding="utf-8")
    with pytest.raises(ScenarioError, match="2 bounds for 3 dead times"):
        load_scenario(path)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("seconds = 3600", "seconds = 9999999999", "seconds: 9999999999 can't be"),
        ("lag_s = [1, 4]", "lag_s = []", "lag_s: give 1 to 20 dead times"),
        ("report_every_s = 10", "report_every_s = 0", "report_every_s: 0 can't be"),
        ("every_s = 120", "every_s = 0", "every_s is below 1"),
        ("amps = 30.0", "amps = nan", "a current is not a number"),
        ("lines = 3", "lines = 4", "c1 has 3"),
        ("lines = 3", "lines = 3\nenergy_wh = inf", "energy_wh inf can't be"),
        ("lines = 3", "lines = 3\narrival_s = 9000", "departure_s is not after arrival_s"),
        ('charger = "c2"', 'charger = "c1"', "c1 is taken by car1 when car2 arrives"),
        ("base_a = [5.0, 5.0, 5.0]", 'trace = "../x.csv"', "in the folder of the traces"),
    ],
)
def test_what_can_not_be_played_is_refused_with_its_place(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    path = tmp_path / "step.toml"
    path.write_text(STEP.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match=re.escape(expected)):
        stories(path, load_scenario(path))


def test_a_scenario_of_more_than_a_megabyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "step.toml"
    path.write_text(STEP + "#" * 1_000_000, encoding="utf-8")
    with pytest.raises(ScenarioError, match="larger than 1 MB"):
        load_scenario(path)


@pytest.mark.parametrize("figure", ["circuits", "no_such_figure", "headroom_used"])
def test_a_bound_on_a_figure_that_a_run_does_not_have_is_a_shortfall(figure: str) -> None:
    scenario = Scenario(about="", site="", building=Load(), cars=(), expected=Expected(most={figure: 1.0}))
    summary: dict[str, Any] = {"circuits": {}, "headroom_used": None, "lag_s": 1}
    assert scenario.shortfalls(summary) == [f"{figure} has no figure in this run"]
