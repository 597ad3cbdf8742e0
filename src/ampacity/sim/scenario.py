"""Scenarios: a site, what its building does, its cars, and figures that a run must reach, in one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ampacity.config.site_toml import parse
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.core.phases import Line
from ampacity.core.site import ChargerId, Site
from ampacity.sim.simulate import Story
from ampacity.sim.tables import Building, Session, read_building

UNLIMITED_WH = 1e9


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
        scenario = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Scenario)
    except OSError as error:
        raise ScenarioError(path, f"it can't be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ScenarioError(path, f"{error}.") from error
    for key, bounds in (*scenario.expected.most.items(), *scenario.expected.least.items()):
        if isinstance(bounds, tuple) and len(bounds) != len(scenario.lag_s):
            raise ScenarioError(path, f"expected.{key}: {len(bounds)} bounds for {len(scenario.lag_s)} dead times.")
    return scenario


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
    if stay.charger not in site.index_of_charger:
        raise ScenarioError(path, f"cars: there is no charger {stay.charger!r} on the site.")
    end_s = building.start_s + building.seconds
    return Session(
        id=f"car{number + 1}",
        charger=ChargerId(stay.charger),
        arrival_s=building.start_s + stay.arrival_s,
        departure_s=end_s if stay.departure_s is None else building.start_s + stay.departure_s,
        energy_wh=stay.energy_wh,
        max_a=stay.max_a,
        lines=stay.lines,
    )


def _building(path: Path, scenario: Scenario, site: Site, traces: Path | None) -> Building:
    load, names = scenario.building, [line.name for line in site.supply.lines]
    if load.trace is not None:
        if traces is None or not (traces / load.trace).is_file():
            raise TraceMissing(f"{path.name} needs {load.trace}, which is not part of the project.")
        return read_building(traces / load.trace, len(names))
    if scenario.seconds is None or scenario.seconds < 1:
        raise ScenarioError(path, "seconds is missing, or below 1.")
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
