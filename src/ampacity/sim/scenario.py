"""Scenarios: a site, what its building does, its cars, and figures that a run must reach, in one TOML file."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ampacity.config.site_toml import LARGEST_FILE_BYTES, LONGEST_LINE, parse
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.core.phases import Line
from ampacity.core.site import ChargerId, Site
from ampacity.sim.simulate import Story
from ampacity.sim.tables import FLOOR_A, LATEST_S, MOST_A, Building, Session, read_building

UNLIMITED_WH = 1e9
LONGEST_S = 31 * 86_400
MOST_PARTS = 100
"""Each is worked in second by second."""
MOST_LAGS = 20
LONGEST_LAG_S = 60


class ScenarioError(AmpacityError):
    """A scenario file can't be used."""

    code = "scenario-invalid"
    remedy = "Correct the file; docs/explanation/simulator.md has the keys."

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path.name}: {what}")


class TraceMissing(AmpacityError):
    """A scenario's trace is not part of the project."""

    code = "trace-missing"
    remedy = "Name the folder that holds it, or leave the scenario out."


class Level(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One line of the building draws this much for a while."""

    line: str
    amps: float
    from_s: int
    until_s: int


class Pulse(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One line of the building draws this much, again and again to the end."""

    line: str
    amps: float
    from_s: int
    lasts_s: int
    every_s: int


class Load(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The building: either built from levels and pulses over a base, later ones over earlier ones, or a file."""

    base_a: tuple[float, ...] | None = None
    levels: tuple[Level, ...] = ()
    pulses: tuple[Pulse, ...] = ()
    trace: str | None = None
    """Name of a CSV, which lies elsewhere."""


class Stay(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A car at a charger; by default there all the time, and never full."""

    charger: str
    max_a: float
    lines: int
    arrival_s: int = 0
    departure_s: int | None = None
    energy_wh: float = UNLIMITED_WH


class Expected(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Bounds for figures of the summary: one for all dead times, or a list with one for each."""

    most: dict[str, float | tuple[float, ...]] = msgspec.field(default_factory=dict)
    least: dict[str, float | tuple[float, ...]] = msgspec.field(default_factory=dict)


class Scenario(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the file says."""

    about: str
    site: str
    """The text of a site.toml."""

    building: Load
    cars: tuple[Stay, ...]
    seconds: int | None = None
    """Needed unless the building is a file."""

    lag_s: tuple[int, ...] = (1,)
    """A run for each of these dead times."""

    report_every_s: int = 10
    expected: Expected = Expected()

    def shortfalls(self, summary: Mapping[str, Any]) -> list[str]:
        """In which figures a run is not as good as it must be; empty: in none."""
        missing = [
            f"{key} has no figure in this run"
            for key in {**self.expected.most, **self.expected.least}
            if not isinstance(summary.get(key), int | float)
        ]
        return missing or self._out_of_bounds(summary)

    def _out_of_bounds(self, summary: Mapping[str, Any]) -> list[str]:
        out = []
        for key, bounds in self.expected.most.items():
            if not summary[key] <= (most := self._bound(bounds, summary)):
                out.append(f"{key} is {summary[key]:g}, more than {most:g}")
        for key, bounds in self.expected.least.items():
            if not summary[key] >= (least := self._bound(bounds, summary)):
                out.append(f"{key} is {summary[key]:g}, less than {least:g}")
        return out

    def _bound(self, bounds: float | tuple[float, ...], summary: Mapping[str, Any]) -> float:
        return bounds[self.lag_s.index(summary["lag_s"])] if isinstance(bounds, tuple) else bounds


def load_scenario(path: Path) -> Scenario:
    """Reads the file.

    Raises:
        ScenarioError: it is not TOML, or not a scenario.
    """
    try:
        scenario = msgspec.convert(tomllib.loads(_text(path)), Scenario)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ScenarioError(path, f"{error}.") from error
    except RecursionError as error:
        raise ScenarioError(path, "it is nested too deeply.") from error
    except (ValueError, OverflowError) as error:  # Python reads no decimal number of more than 4300 digits
        raise ScenarioError(path, "it has a number of very many digits.") from error
    _check(path, scenario)
    return scenario


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ScenarioError(path, f"it can't be read ({reason}).") from error
    if len(raw) > LARGEST_FILE_BYTES:
        raise ScenarioError(path, "it is larger than 1 MB. Put a long trace into a CSV, and name it as building.trace.")
    text = raw.decode()
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > LONGEST_LINE:
            raise ScenarioError(path, f"line {number} has more than {LONGEST_LINE} characters. Break it up.")
    return text


def _check(path: Path, scenario: Scenario) -> None:
    """What holds without knowing the site."""
    load = scenario.building
    parts: tuple[Level | Pulse, ...] = (*load.levels, *load.pulses)
    amps = (*(load.base_a or ()), *(one.amps for one in parts))
    wrong = None
    if scenario.seconds is not None and not 1 <= scenario.seconds <= LONGEST_S:
        wrong = f"seconds: {_short(scenario.seconds)} can't be. Give 1 to {LONGEST_S}, or a longer trace as a CSV."
    elif not 1 <= len(scenario.lag_s) <= MOST_LAGS or not all(0 <= lag <= LONGEST_LAG_S for lag in scenario.lag_s):
        wrong = f"lag_s: give 1 to {MOST_LAGS} dead times of 0 to {LONGEST_LAG_S} s."
    elif not 1 <= scenario.report_every_s <= 3600:
        wrong = f"report_every_s: {_short(scenario.report_every_s)} can't be. Give 1 to 3600."
    elif len(parts) > MOST_PARTS:
        wrong = f"building: {len(parts)} levels and pulses are too many. Give {MOST_PARTS} at the most, or a trace."
    elif not all(math.isfinite(one) and abs(one) <= MOST_A for one in amps):
        wrong = f"building: a current is not a number, or above {MOST_A} A. Give amperes."
    elif not all(one.every_s >= 1 and one.from_s >= 0 for one in load.pulses):
        wrong = "building.pulses: every_s is below 1, or from_s below 0. Correct it."
    if wrong is not None:
        raise ScenarioError(path, wrong)
    for key, bounds in (*scenario.expected.most.items(), *scenario.expected.least.items()):
        if isinstance(bounds, tuple) and len(bounds) != len(scenario.lag_s):
            raise ScenarioError(path, f"expected.{key}: {len(bounds)} bounds for {len(scenario.lag_s)} dead times.")


def _short(number: int) -> str:
    """For people: Python writes no number of more than 4300 digits."""
    return str(number) if abs(number) < 10**18 else "a number of very many digits"


def stories(path: Path, scenario: Scenario, *, traces: Path | None = None, seed: int = 1) -> list[Story]:
    """One for each of its dead times. `traces`: the folder with the file that the scenario names.

    Raises:
        ScenarioError: line, charger or time doesn't fit.
        TraceMissing: its trace is not there.
        TableError: its trace is no good.
        SiteFileError: its site is no good.
    """
    site = effective(parse(scenario.site, path))
    building = _building(path, scenario, site, traces)
    sessions = [_session(path, site, building, number, stay) for number, stay in enumerate(scenario.cars)]
    _check_apart(path, sessions)
    return [
        Story(
            site=site,
            building=building,
            sessions=sessions,
            lag_s=lag_s,
            report_every_s=scenario.report_every_s,
            seed=seed,
        )
        for lag_s in scenario.lag_s
    ]


def _session(path: Path, site: Site, building: Building, number: int, stay: Stay) -> Session:
    place = f"cars, number {number + 1}"
    charger = next((one for one in site.chargers if one.id == stay.charger), None)
    if charger is None:
        raise ScenarioError(path, f"{place}: there is no charger {stay.charger[:60]!r} on the site.")
    departure_s = building.seconds if stay.departure_s is None else stay.departure_s
    if not -LATEST_S <= stay.arrival_s < departure_s <= LATEST_S:
        raise ScenarioError(path, f"{place}: departure_s is not after arrival_s. Correct one.")
    if not 1 <= stay.lines <= charger.phases:
        raise ScenarioError(path, f"{place}: lines can't be so; {charger.id} has {charger.phases}.")
    if not FLOOR_A <= stay.max_a <= MOST_A:
        raise ScenarioError(path, f"{place}: max_a {stay.max_a:g} can't be. Give {FLOOR_A:g} A or more.")
    if not 0 <= stay.energy_wh < math.inf:
        raise ScenarioError(path, f"{place}: energy_wh {stay.energy_wh:g} can't be. Give what the car can take, in Wh.")
    return Session(
        id=f"car{number + 1}",
        charger=charger.id,
        arrival_s=building.start_s + stay.arrival_s,
        departure_s=building.start_s + departure_s,
        energy_wh=stay.energy_wh,
        max_a=stay.max_a,
        lines=stay.lines,
    )


def _check_apart(path: Path, sessions: Sequence[Session]) -> None:
    """One car after another at each charger."""
    there: dict[ChargerId, Session] = {}
    for one in sorted(sessions, key=lambda session: session.arrival_s):
        before = there.setdefault(one.charger, one)
        if before is not one and one.arrival_s < before.departure_s:
            raise ScenarioError(path, f"cars: {one.charger} is taken by {before.id} when {one.id} arrives. Move one.")
        there[one.charger] = one


def _building(path: Path, scenario: Scenario, site: Site, traces: Path | None) -> Building:
    load, names = scenario.building, [line.name for line in site.supply.lines]
    if load.trace is not None:
        if Path(load.trace).is_absolute() or ".." in Path(load.trace).parts or not load.trace.isprintable():
            raise ScenarioError(path, "building.trace: give the name of a file in the folder of the traces.")
        if traces is None or not (traces / load.trace).is_file():
            raise TraceMissing(f"{path.name} needs {load.trace}, which is not part of the project.")
        return read_building(traces / load.trace, len(names))
    if scenario.seconds is None:
        raise ScenarioError(path, "seconds is missing.")
    if load.base_a is None or len(load.base_a) != len(names):
        raise ScenarioError(path, f"building.base_a needs {len(names)} values, or building.trace the name of a file.")
    unknown = ({one.line for one in load.levels} | {one.line for one in load.pulses}) - set(names)
    if unknown:
        raise ScenarioError(path, f"building: there is no line {min(unknown)!r}. Use one of: {', '.join(names)}.")
    return built(scenario.seconds, load.base_a, load.levels, load.pulses)


def built(seconds: int, base_a: Sequence[float], levels: Sequence[Level], pulses: Sequence[Pulse]) -> Building:
    """A trace of one row a second; levels lie over the base, pulses over both, later ones over earlier ones."""
    rows = [list(base_a) for _ in range(seconds)]
    for level in levels:
        for second in range(max(0, level.from_s), min(seconds, level.until_s)):
            rows[second][Line[level.line]] = level.amps
    for pulse in pulses:
        for second in range(pulse.from_s, seconds):
            if (second - pulse.from_s) % pulse.every_s < pulse.lasts_s:
                rows[second][Line[pulse.line]] = pulse.amps
    return Building(tuple(range(seconds)), tuple(tuple(row) for row in rows))
