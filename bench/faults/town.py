"""A building on the wire: a meter, chargers with cars, a breaker on each line, all on loopback, each behind a wire.

The building follows a real trace. Time is real; the currents are worked out five times a second.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ampacity.sim.breaker import Breaker
from ampacity.sim.tables import Building, read_building
from ampacity.sim.wire.car import Car
from ampacity.sim.wire.charger import Model, SimulatedCharger
from ampacity.sim.wire.meter import Em340, Sample
from faults.controller import Controller
from faults.wire import LOOPBACK, Wire

DATA = Path(__file__).parent.parent / "data"
TRACES = ("house_day_1s.csv.gz", "apartments8_day_1s.csv.gz", "apartments20_day_1s.csv.gz")
WIRINGS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (0,), (1,), (2,))
LINES = ("L1", "L2", "L3")
NOMINAL_V = 230.0
STEP_S = 0.2
LATE_S = 1.5
"""When the plant itself comes so late, the machine has too much to do, and nothing that is measured counts."""

NEAR_A = 0.3


@dataclass(frozen=True, kw_only=True)
class Lot:
    """What is built."""

    chargers: int
    trace: str
    begin_s: int
    seconds: int
    safe_a: float = 0.0
    lease_s: float = 10.0
    period_s: float = 0.5
    deadline_s: float = 2.0
    log_level: str = "info"
    spare_a: float = 20.0
    """What the limit leaves beyond the building's worst load and the safe currents."""
    seed: int = 1


@dataclass(slots=True)
class Toll:
    """What the breakers and chargers saw."""

    trips: int = 0
    budget: float = 0.0
    """The worst share of a breaker's trip budget."""
    over_s: float = 0.0
    """Time in which any line was above the limit."""
    late_s: float = 0.0
    """The longest time by which the plant came late."""
    beyond: list[str] = field(default_factory=list)
    """Chargers above what they may have while the controller was away."""


class Town:
    """The plant and its controller. `open` first, `close` last; `run` it beside."""

    def __init__(self, lot: Lot, folder: Path) -> None:
        self.lot = lot
        self.chance = random.Random(lot.seed)
        self.rows = _rows(lot)
        self.toll = Toll()
        self.away_s: float | None = None
        """Since when the controller is away: from then on chargers are held to what they last acknowledged."""
        self.shows: list[Callable[[Sample], Sample]] = []
        """What the meter makes of the truth, one after the other."""
        self.meter_works = True
        self.now_a: list[float] = [0.0, 0.0, 0.0]
        self._begin = time.monotonic()
        self._import_wh = 1_000_000.0
        self._numbers = 0
        self.wirings = [self.chance.choice(WIRINGS) for _ in range(lot.chargers)]
        worst = [max(row[line] for row in self.rows) for line in range(3)]
        self.worst_a = [round(max(1.0, amps) + 0.5, 1) for amps in worst]
        safe = [lot.safe_a * sum(line in wiring for wiring in self.wirings) for line in range(3)]
        self.limit_a = float(max(16, round(max(a + b for a, b in zip(self.worst_a, safe, strict=True)) + lot.spare_a)))
        self._breakers = [Breaker(self.limit_a) for _ in range(3)]
        self._second: list[list[float]] = [[], [], []]
        self.ocpp_port, self.meter = _free_port(), self._new_meter()
        self.meter_wire = Wire(0)
        self.wires = [Wire(self.ocpp_port) for _ in range(lot.chargers)]
        self.chargers: list[SimulatedCharger] = []
        self.site = folder / "site.toml"
        self.controller = Controller(self.site, lot.log_level)
        self._confirmed: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []

    # --- building and tearing down ---

    async def open(self) -> None:
        """Everything stands and tries to connect; the controller is not started yet."""
        self.meter_wire.target_port = await self.meter.open()
        await self.meter_wire.open()
        for number, (wire, wiring) in enumerate(zip(self.wires, self.wirings, strict=True)):
            await wire.open()
            model = Model(identity=name_of(number), phases=len(wiring), max_a=self._max_a(number), volts=NOMINAL_V)
            self.chargers.append(SimulatedCharger(model, f"ws://{LOOPBACK}:{wire.port}", seed=self.lot.seed + number))
        self.site.write_text(self._site_text(), encoding="utf-8")
        self._begin = time.monotonic()
        self._tasks = [asyncio.create_task(charger.run()) for charger in self.chargers]
        self._tasks.append(asyncio.create_task(self._run()))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        for wire in [self.meter_wire, *self.wires]:
            await wire.close()
        await self.meter.close()
        for end in ends:
            if isinstance(end, Exception):
                raise end  # the plant itself failed

    def plug_in(self, number: int) -> None:
        """A car that charges for as long as it may."""
        charger = self.chargers[number]
        phases = len(self.wirings[number])
        car = Car(
            name=f"car {number}",
            max_a=self.chance.choice((16.0, 16.0, 32.0 if phases == 1 else 16.0)),
            phases=self.chance.choice((1, phases)),
            wanted_wh=1e9,
        )
        if charger.car is None:
            charger.plug_in(car)

    async def exchange_meter(self) -> None:
        """Another meter of the same kind, at the same address."""
        await self.meter.close()
        await asyncio.sleep(1.0)
        self._numbers += 1
        self.meter = self._new_meter()
        self.meter_wire.target_port = await self.meter.open()

    # --- what is asked of it ---

    def charging(self) -> set[int]:
        """Chargers whose cars draw."""
        return {n for n, charger in enumerate(self.chargers) if max(charger.currents_a) >= 5.5}

    def within(self) -> bool:
        return max(self.now_a) <= self.limit_a + NEAR_A

    def at_safe(self) -> bool:
        return all(max(charger.currents_a) <= self.lot.safe_a + NEAR_A for charger in self.chargers)

    def away(self) -> None:
        """The controller was killed just now."""
        self.away_s = time.monotonic()
        self._confirmed = [max(charger.confirmed_a or 0.0, self.lot.safe_a) for charger in self.chargers]

    def back(self) -> None:
        """It is started again."""
        self.away_s = None

    # --- its life ---

    async def _run(self) -> None:
        done_s = 0.0
        while True:
            await asyncio.sleep(STEP_S / 2)
            late_s = time.monotonic() - self._begin - done_s
            self.toll.late_s = max(self.toll.late_s, late_s - STEP_S)
            while time.monotonic() - self._begin - done_s >= STEP_S:
                done_s += STEP_S
                self._step(done_s)
            if self.meter_works:
                sample = self._sample()
                for shows in self.shows:
                    sample = shows(sample)
                self.meter.show(sample)

    def _step(self, at_s: float) -> None:
        for charger in self.chargers:
            charger.step(STEP_S, NOMINAL_V)
        amps = list(self.rows[min(int(at_s), len(self.rows) - 1)])
        for wiring, charger in zip(self.wirings, self.chargers, strict=True):
            for line, one_a in zip(wiring, charger.currents_a, strict=True):
                amps[line] += one_a
        self.now_a = amps
        self._import_wh += STEP_S * sum(amps) * NOMINAL_V / 3600
        if max(amps) > self.limit_a + NEAR_A:
            self.toll.over_s += STEP_S
        for line in range(3):
            second = self._second[line]
            second.append(amps[line])
            if len(second) * STEP_S >= 1.0 - 1e-9:
                mean = (sum(a * a for a in second) / len(second)) ** 0.5
                self.toll.trips += self._breakers[line].carry(mean)
                self.toll.budget = max(self.toll.budget, self._breakers[line].budget_worst)
                second.clear()
        if self.away_s is not None:
            self._check_away(time.monotonic() - self.away_s)

    def _check_away(self, for_s: float) -> None:
        for number, charger in enumerate(self.chargers):
            may_a = self._confirmed[number] if for_s <= self.lot.lease_s + 2.0 else self.lot.safe_a
            if charger.transaction is not None and charger.limit_a > may_a + 0.05:
                what = (
                    f"{name_of(number)} at {charger.limit_a:g} A instead of {may_a:g} A, {for_s:.1f} s after the kill"
                )
                if len(self.toll.beyond) < 20:
                    self.toll.beyond.append(what)

    def _sample(self) -> Sample:
        amps = [one_a + self.chance.uniform(-0.02, 0.02) for one_a in self.now_a]
        watts = [0.98 * NOMINAL_V * one_a for one_a in amps]
        volts = NOMINAL_V + 0.5
        return Sample(
            volts=(volts, volts, volts),
            amps=(amps[0], amps[1], amps[2]),
            watts=(watts[0], watts[1], watts[2]),
            import_wh=self._import_wh,
        )

    def _new_meter(self) -> Em340:
        none = (0.0, 0.0, 0.0)
        still = Sample(volts=(NOMINAL_V,) * 3, amps=none, watts=none, import_wh=self._import_wh)
        return Em340(still, number=f"AM3400000000{self._numbers:02}")

    def _max_a(self, number: int) -> float:
        return 32.0 if len(self.wirings[number]) == 1 else 16.0

    def _site_text(self) -> str:
        lot = self.lot
        text = f"""\
[site]
name = "{lot.trace}"
turn_s = 600
[circuits.main]
limit_a = {self.limit_a:g}
meter = "main"
worst_load_a = {self.worst_a}
[meters.main]
device = "carlo-gavazzi-em3xx"
host = "{LOOPBACK}"
port = {self.meter_wire.port}
period_s = {lot.period_s:g}
deadline_s = {lot.deadline_s:g}
[ocpp]
listen = "{LOOPBACK}"
port = {self.ocpp_port}
"""
        for number, wiring in enumerate(self.wirings):
            lines = ", ".join(f'"{LINES[line]}"' for line in wiring)
            text += f"[chargers.{name_of(number)}]\nlines = [{lines}]\nmax_a = {self._max_a(number):g}\n"
            text += f"safe_a = {lot.safe_a:g}\nlease_s = {lot.lease_s:g}\nmin_interval_s = 1\n"
        return text


def name_of(number: int) -> str:
    return f"c{number:02}"


_known: dict[str, Building] = {}


def _rows(lot: Lot) -> Sequence[tuple[float, ...]]:
    """A piece of the trace, by second."""
    if lot.trace not in _known:
        _known[lot.trace] = read_building(DATA / lot.trace, 3)
    return _known[lot.trace].by_second()[lot.begin_s : lot.begin_s + lot.seconds]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])
