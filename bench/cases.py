"""The cases of bench/allocation.py: the four public scenarios, and days of real buildings with real sessions.

Cars' limits are in none of the data; they are drawn by seed: three lines of 16 A, one of 32 A, one of 16 A, two of
16 A.
A charger has the sessions of one real user on one real day. Chargers are wired in all six orders.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.scenario import load_scenario, stories
from ampacity.sim.simulate import Story
from ampacity.sim.tables import Building, Session, read_building

DATA = Path(__file__).parent / "data"
SCENARIOS = Path(__file__).parent.parent / "tests" / "scenarios"
LAGS_S = (1, 4)
SEED = 1
CARS = ((3, 16.0), (1, 32.0), (1, 16.0), (2, 16.0))
"""Lines and amperes."""
WIRINGS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2))
HOUR_S = 3600
DAY_S = 24 * HOUR_S
MAIN = CircuitId("main")


@dataclass(frozen=True, slots=True)
class Case:
    """A building with its chargers and cars."""

    name: str
    words: str
    story: Story
    """With the first dead time."""
    scarce: bool
    """Not all minimums fit, most of the time."""

    def with_lag(self, lag_s: int) -> Story:
        return replace(self.story, lag_s=lag_s)


def public(name: str, words: str, traces: Path | None) -> Case:
    """One of tests/scenarios.

    Raises:
        TraceMissing: its trace is not in that folder.
    """
    path = SCENARIOS / f"{name}.toml"
    story = stories(path, load_scenario(path), traces=traces)[0]
    return Case(name, words, story, scarce=name in ("scarce", "home25"))


def house() -> Case:
    """A day of a house, real sessions."""
    building = read_building(DATA / "house_day_1s.csv.gz", 3)
    site = _site("house", [("main", None, 25.0, True)], ["main"] * 4)
    return Case("house", "house, 25 A, 4 chargers, real sessions", _real(site, building, {}), scarce=False)


def house_full() -> Case:
    """An afternoon and evening of the same house; all cars are there all the time."""
    building = _cut(read_building(DATA / "house_day_1s.csv.gz", 3), 16 * HOUR_S, 20 * HOUR_S)
    site = _site("house-full", [("main", None, 40.0, True)], ["main"] * 4)
    return Case("house-full", "house, 40 A, 4 cars all the time", _always(site, building, CARS[:1]), scarce=False)


def apartments() -> Case:
    """24 homes, 25 chargers, a day."""
    building = read_building(DATA / "apartments8_day_1s.csv.gz", 3)
    site = _site("apartments", [("main", None, 125.0, True)], ["main"] * 25)
    return Case("apartments", "24 homes, 125 A, 25 chargers, real sessions", _real(site, building, {}), scarce=False)


def apartments_full() -> Case:
    """24 homes in the evening; 25 mixed cars are there all the time, and not all minimums fit at the peaks."""
    building = _cut(read_building(DATA / "apartments8_day_1s.csv.gz", 3), 17 * HOUR_S, 20 * HOUR_S)
    site = _site("apartments-full", [("main", None, 160.0, True)], ["main"] * 25)
    words = "24 homes, 160 A, 25 mixed cars all the time"
    return Case("apartments-full", words, _always(site, building, CARS), scarce=True)


def tree() -> Case:
    """60 homes, 100 chargers on a tree of three levels: main, four feeders with meters, five boards on each."""
    building = read_building(DATA / "apartments20_day_1s.csv.gz", 3)
    circuits: list[tuple[str, str | None, float, bool]] = [("main", None, 250.0, True)]
    boards = []
    for feeder in range(4):
        circuits.append((f"feeder{feeder}", "main", 80.0, True))
        for board in range(5):
            boards.append(f"board{feeder}{board}")
            circuits.append((boards[-1], f"feeder{feeder}", 32.0, False))
    site = _site("tree", circuits, [boards[n % len(boards)] for n in range(100)])
    pumps = _cut(read_building(DATA / "house_day_1s.csv.gz", 3), 0, DAY_S)
    story = _real(site, building, {CircuitId("feeder0"): pumps})
    return Case("tree", "60 homes, 250 A, 100 chargers on three levels, real sessions", story, scarce=False)


def _site(name: str, circuits: list[tuple[str, str | None, float, bool]], of: list[str]) -> Site:
    """`circuits`: name, parent, rating, has a meter. `of`: the circuit of each charger."""
    cars = _cars(len(of), CARS)
    return Site(
        name=name,
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        turn_s=1200.0,
        circuits=tuple(
            Circuit(
                id=CircuitId(circuit),
                parent=None if parent is None else CircuitId(parent),
                rating_a=PhaseAmps((amps,) * 3),
                meter=MeterId(circuit) if meter else None,
            )
            for circuit, parent, amps, meter in circuits
        ),
        meters=tuple(Meter(id=MeterId(circuit)) for circuit, _, _, meter in circuits if meter),
        chargers=tuple(
            Charger(
                id=ChargerId(f"c{n}"),
                circuit=CircuitId(circuit),
                wiring=tuple(Line(line) for line in WIRINGS[n % 6]),
                max_a=max(16.0, cars[n][1]),
            )
            for n, circuit in enumerate(of)
        ),
    )


def _cars(count: int, kinds: tuple[tuple[int, float], ...]) -> list[tuple[int, float]]:
    rng = random.Random(SEED)
    return [rng.choice(kinds) for _ in range(count)]


def _cut(building: Building, from_s: int, until_s: int) -> Building:
    rows = building.by_second()[from_s:until_s]
    return Building(tuple(range(len(rows))), tuple(rows))


def _always(site: Site, building: Building, kinds: tuple[tuple[int, float], ...]) -> Story:
    sessions = [
        Session(
            id=f"s-{charger.id}",
            charger=charger.id,
            arrival_s=building.start_s,
            departure_s=building.start_s + building.seconds,
            energy_wh=1e9,
            max_a=max_a,
            lines=lines,
        )
        for charger, (lines, max_a) in zip(site.chargers, _cars(len(site.chargers), kinds), strict=True)
    ]
    return Story(site=site, building=building, sessions=sessions)


def _real(site: Site, building: Building, below: dict[CircuitId, Building]) -> Story:
    """Each charger with the sessions of a real user on a real day; what begins after the trace's end is left out."""
    days = _days()
    rng = random.Random(SEED)
    sessions = []
    for charger, (lines, max_a), day in zip(
        site.chargers, _cars(len(site.chargers), CARS), rng.sample(days, len(site.chargers)), strict=True
    ):
        for number, (arrival_s, departure_s, energy_wh) in enumerate(day):
            sessions.append(
                Session(
                    id=f"{charger.id}-{number}",
                    charger=charger.id,
                    arrival_s=building.start_s + arrival_s,
                    departure_s=building.start_s + departure_s,
                    energy_wh=energy_wh,
                    max_a=max_a,
                    lines=lines,
                )
            )
    return Story(site=site, building=building, sessions=sessions, below=below)


@lru_cache(maxsize=1)
def _days() -> list[list[tuple[int, int, float]]]:
    """Sessions of each user on each day: second of the day it begins, and ends, and Wh; none overlap."""
    by_day: dict[tuple[str, str], list[tuple[int, int, float]]] = defaultdict(list)
    with gzip.open(DATA / "sessions_norway.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not row["plugout_time"]:
                continue
            begin, end = (datetime.fromisoformat(row[key]) for key in ("plugin_time", "plugout_time"))
            arrival_s = begin.hour * HOUR_S + begin.minute * 60 + begin.second
            stay_s = int((end - begin).total_seconds())
            if stay_s >= 600 and float(row["energy_session"]) >= 0.5:
                by_day[row["user_id"], row["plugin_time"][:10]].append(
                    (arrival_s, arrival_s + stay_s, 1000 * float(row["energy_session"]))
                )
    out = []
    for key in sorted(by_day):
        day: list[tuple[int, int, float]] = []
        for one in sorted(by_day[key]):
            if not day or one[0] >= day[-1][1]:
                day.append(one)
        out.append(day)
    return out
