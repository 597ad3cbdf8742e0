"""The watch beside the loop: what it takes, what it keeps, and what it tells."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ampacity.commission.basis import Basis
from ampacity.commission.dossier import Dossier, Step
from ampacity.commission.steptest.mounting import Wiring, wirings
from ampacity.commission.watch.explanations import Kind
from ampacity.commission.watch.watcher import Watch
from ampacity.config.installation import Installation
from ampacity.config.site_toml import load
from ampacity.core.decision import Decision
from ampacity.core.memory import Memory
from ampacity.core.observations import Observed
from ampacity.core.phases import Line, Supply
from ampacity.core.site import ChargerId, MeterId
from ampacity.runtime.happenings import CODES, Event
from ampacity.sim.daily import DAY_S, Daily, Now, Stay
from ampacity.sim.mounted import CarAtCharger, MountedMeter, line_volts

LEFT = ChargerId("left")
TOML = """
[site]
name = "House"
supply = "three-phase"
voltage_v = 230

[circuits.main]
name = "Main"
limit_a = 63
meter = "main"

[meters.main]
device = "carlo-gavazzi-em3xx"
host = "127.0.0.1"

[chargers.left]
name = "Left"
circuit = "main"
ocpp_id = "LEFT"
{lines}
"""


class Kept:
    """A record in memory."""

    def __init__(self, dossier: Dossier | None = None) -> None:
        self.text: str | None = None
        self.kept = 0
        self.of = Dossier() if dossier is None else dossier

    def read(self) -> str | None:
        return self.text

    def keep(self, kept: str) -> None:
        self.text = kept
        self.kept += 1

    def dossier(self) -> Dossier:
        return self.of

    def learn(self, charger: ChargerId, orders: Sequence[Wiring]) -> None:
        self.of = self.of.with_wirings(charger, orders)


class House:
    """A watched house, its time going on as it is told to."""

    def __init__(self, installation: Installation, kept: Kept) -> None:
        self.installation, self.kept = installation, kept
        self.told: list[Event] = []
        self.testing = False
        self.now_s = 0.0
        self.daily = _daily(installation)
        self.watch = self.begun()

    def begun(self) -> Watch:
        """Another run of the controller."""
        return Watch(
            self.kept,
            lambda: self.installation,
            self._tell,
            lambda: 1e9 + self.now_s,
            is_testing=lambda: self.testing,
            every_s=3600.0,
        )

    def _tell(self, events: Collection[Event]) -> None:
        self.told += events

    def live(self, days: float) -> None:
        begin_s = self.now_s
        for count, now in enumerate(self.daily.live(begin_s + days * DAY_S, begin_s)):
            self.now_s = now.at_s
            self.pass_(now)
            if count % 10 == 9:
                self.watch.work()
        self.now_s = begin_s + days * DAY_S

    def pass_(self, now: Now) -> None:
        decision = Decision(at_s=now.at_s, setpoints=(), commands=tuple(now.commands), circuits=(), memory=Memory())
        self.watch(self.installation.site, Observed(), now.seen, decision)


def _daily(installation: Installation) -> Daily:
    draw = random.Random(7)
    stays = []
    for number in range(60):
        car = CarAtCharger(charger=LEFT, wiring=(0, 1, 2), uses=1 + number % 2, most_a=16.0, displacement=0.05)
        arrives_s = number * 8000.0 + round(draw.uniform(0.0, 2000.0))
        stays.append(Stay(car=car, arrives_s=arrives_s, leaves_s=arrives_s + 4000.0, takes_s=3000.0))
    volts = line_volts(Supply.THREE_PHASE)

    def load(_: float) -> list[complex]:
        return [(2.0 + draw.gauss(0.0, 0.1)) * volt for volt in volts]

    meter = MountedMeter(id=MeterId("main"), order=(0, 1, 2), turned=(False,) * 3, ratios=(1.0,) * 3, period_s=2.0)
    return Daily(installation.site, load, meter, stays, seed=7, after_s=140.0)


def installed(tmp_path: Path, lines: str = 'lines = ["L1", "L2", "L3"]') -> Installation:
    path = tmp_path / "site.toml"
    path.write_text(TOML.replace("{lines}", lines))
    return load(path)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(installed(tmp_path), Kept())


def test_a_clamp_that_came_off_is_told_once_with_what_shows_it(house: House) -> None:
    house.daily.meter = replace(house.daily.meter, ratios=(0.0, 1.0, 1.0))
    house.live(0.8)
    (event,) = house.told
    assert event.code == "clamp-lost"
    assert (event.params["circuit"], event.params["lines"]) == ("Main", "L1")
    assert event.evidence is not None
    shown = json.loads(event.evidence)["steps"]
    assert all(abs(one["expected_a"][0]) > 10 and abs(one["shown_a"][0]) < 0.5 for one in shown)


def test_a_start_of_the_controller_tells_nothing_again_and_forgets_nothing(house: House) -> None:
    house.daily.meter = replace(house.daily.meter, ratios=(0.0, 1.0, 1.0))
    house.live(0.8)
    house.watch.work(last=True)
    house.watch = house.begun()
    house.live(0.5)
    assert [one.code for one in house.told] == ["clamp-lost"]
    house.daily.meter = replace(house.daily.meter, ratios=(1.0, 1.0, 1.0))
    house.live(1.0)
    assert [one.code for one in house.told] == ["clamp-lost", "clamps-fit"]


def test_what_is_known_is_kept_seldom(house: House) -> None:
    house.live(0.3)
    assert house.kept.kept == 0  # not half an hour has gone by on the machine's clock
    house.watch.work(last=True)
    assert house.kept.kept == 1


def test_a_record_that_is_damaged_is_begun_anew(house: House) -> None:
    house.kept.text = '{"life": {"marks": 3}}'
    house.daily.meter = replace(house.daily.meter, ratios=(0.0, 1.0, 1.0))
    house.live(0.8)
    assert [one.code for one in house.told] == ["clamp-lost"]


def test_while_a_test_is_under_way_nothing_counts(house: House) -> None:
    house.testing = True
    house.daily.meter = replace(house.daily.meter, ratios=(0.0, 1.0, 1.0))
    house.live(0.8)
    assert house.told == []


def test_a_phase_that_moved_is_told_with_where_it_was_and_is(house: House) -> None:
    house.daily.wired[LEFT] = (1, 2, 0)
    house.live(1.0)
    assert house.told[0].code == "wiring-moved"
    assert house.told[0].params["before"] == "L1, L2, L3"
    assert house.told[0].params["found"] in ("L2, L3, L1", "L2, ?, ?", "?, ?, L1")
    assert [one.code for one in house.told] == ["wiring-moved"]


def test_what_site_toml_says_by_now_is_no_fault_any_more(house: House, tmp_path: Path) -> None:
    house.daily.wired[LEFT] = (1, 2, 0)
    house.live(1.0)
    house.installation = installed(tmp_path, 'lines = ["L2", "L3", "L1"]')
    house.live(1.0)
    assert [one.code for one in house.told] == ["wiring-moved"]


def test_the_order_that_a_step_test_left_open_is_learned_into_the_dossier(tmp_path: Path) -> None:
    every = tuple(tuple(int(line) for line in one) for one in wirings(Supply.THREE_PHASE, 3))
    step = Step(at_s=1.0, by="Ann", findings=(), wirings=every, mountings={}, quantities={})
    kept = Kept(Dossier(steps={LEFT: step}))
    house = House(installed(tmp_path, 'lines = "unknown"'), kept)
    house.live(1.0)
    assert [(one.code, one.params["found"]) for one in house.told] == [("wiring-learned", "L1, L2, L3")]
    assert kept.of.wiring_of(LEFT, Basis()) == (Line.L1, Line.L2, Line.L3)


def test_every_code_that_the_watch_can_tell_is_an_event() -> None:
    assert {kind.value for kind in Kind} <= set(CODES)
