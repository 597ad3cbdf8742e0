"""A building as it may be found: clamps mounted in any way, chargers wired in any order, cars of all kinds. Its own
reckoning of currents and powers, in one frame for all lines, shared with nobody who judges them."""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ampacity.core.observations import ChargerReport, ChargerState, MeterReading
from ampacity.core.phases import PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts, Supply
from ampacity.core.site import ChargerId, MeterId

TICK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class MountedMeter:
    """A meter as somebody has mounted it."""

    id: MeterId
    order: tuple[int, ...]
    """By channel, the number of the line its clamp sits on."""
    turned: tuple[bool, ...]
    ratios: tuple[float, ...]
    """By channel, amperes shown for one that flows."""
    sees_chargers: bool = True
    sees_building: bool = True
    has_power: bool = True
    has_reactive: bool = True
    period_s: float = 1.0
    latency_s: float = 0.1
    noise: float = 0.002
    """Of a reading, relative."""
    step_a: float = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class CarAtCharger:
    """A car, and how its charger is wired."""

    charger: ChargerId
    wiring: tuple[int, ...]
    """The number of the line each of the charger's phases is on."""
    uses: int
    """Of the charger's phases, from the first."""
    most_a: float = 32.0
    dead_s: float = 1.0
    up_a_per_s: float = math.inf
    down_a_per_s: float = math.inf
    step_a: float = 0.0
    """It follows in steps of this; 0: evenly."""
    takes: float = 1.0
    """Of what it may, relative."""
    displacement: float = 0.05
    """Its current lags so many radians."""
    obeys: bool = True
    reports_s: float = 10.0
    """Between the charger's reports."""
    reports: str = "phases"
    """What they say: phases, current, power, nothing."""


class MountedCar:
    """Follows its setpoint."""

    def __init__(self, car: CarAtCharger, jitter: random.Random) -> None:
        self.car = car
        self.amps = 0.0
        self._jitter = jitter
        self._felt: list[tuple[float, float]] = []
        self._target_a = 0.0

    def order(self, at_s: float, limit_a: float) -> None:
        """A setpoint, accepted now."""
        felt_s = at_s + self.car.dead_s + self._jitter.uniform(0.0, 0.7)
        if not self.car.obeys:
            limit_a = self.car.most_a if limit_a > 0 else 0.0
        self._felt.append((felt_s, limit_a))

    def step(self, now_s: float) -> None:
        while self._felt and self._felt[0][0] <= now_s:
            limit_a = self._felt.pop(0)[1]
            asked = min(limit_a, self.car.most_a) * self.car.takes
            if self.car.step_a:
                asked = math.floor(asked / self.car.step_a) * self.car.step_a
            self._target_a = asked
        up, down = self.car.up_a_per_s * TICK_S, self.car.down_a_per_s * TICK_S
        self.amps = min(max(self._target_a, self.amps - down), self.amps + up)

    def report(self, now_s: float) -> ChargerReport:
        car, amps = self.car, round(self.amps, 1)
        state = ChargerState.CHARGING if amps > 0 else ChargerState.SUSPENDED_EVSE
        count = len(car.wiring)
        if car.reports == "phases":
            currents = PhaseAmps(tuple(amps if phase < car.uses else 0.0 for phase in range(count)))
            return ChargerReport(charger=car.charger, at_s=now_s, state=state, currents=currents)
        if car.reports == "current":
            return ChargerReport(charger=car.charger, at_s=now_s, state=state, current_a=amps)
        return ChargerReport(charger=car.charger, at_s=now_s, state=state)

    def on_lines(self, supply: Supply) -> list[complex]:
        """Its current on each line, in the frame of L1's voltage to neutral."""
        car = self.car
        lag = cmath.exp(-1j * car.displacement) * self.amps
        out = [0j] * len(supply.lines)
        volts = line_volts(supply)
        between = supply in (Supply.SPLIT_PHASE, Supply.LINE_TO_LINE) and len(car.wiring) > 1 and car.uses < 3
        if between:
            first, second = car.wiring[0], car.wiring[1]
            across = volts[first] - volts[second]
            current = lag * across / abs(across)
            out[first] += current
            out[second] -= current
        else:
            for line in car.wiring[: car.uses]:
                out[line] += lag * volts[line]
        return out


def line_volts(supply: Supply) -> list[complex]:
    """To neutral, of size 1."""
    if supply is Supply.SPLIT_PHASE:
        return [1 + 0j, -1 + 0j]
    return [cmath.exp(-2j * math.pi * line / 3) for line in range(len(supply.lines))]


def reading(
    meter: MountedMeter,
    supply: Supply,
    line_v: float,
    building: Sequence[complex],
    cars: Sequence[complex],
    now_s: float,
    noise: random.Random,
) -> MeterReading:
    """What the meter shows; currents in the frame of L1's voltage."""
    volts = line_volts(supply)
    amps, watts, reactive, seen_v = [], [], [], []
    for channel, volt in enumerate(volts):
        line = meter.order[channel]
        flows = (building[line] if meter.sees_building else 0j) + (cars[line] if meter.sees_chargers else 0j)
        flows *= meter.ratios[channel] * (-1 if meter.turned[channel] else 1)
        flows *= 1 + noise.gauss(0.0, meter.noise)
        power = volt * line_v * flows.conjugate()
        size = round(abs(flows) / meter.step_a) * meter.step_a
        amps.append(math.copysign(size, power.real) if meter.has_power else size)
        watts.append(round(power.real, 1))
        reactive.append(round(power.imag, 1))
        seen_v.append(round(line_v * (1 + noise.gauss(0.0, 0.003)), 1))
    return MeterReading(
        meter=meter.id,
        at_s=now_s,
        currents=PhaseAmps(tuple(amps)),
        powers=PhaseWatts(tuple(watts)) if meter.has_power else None,
        reactive=PhaseVars(tuple(reactive)) if meter.has_power and meter.has_reactive else None,
        voltages=PhaseVolts(tuple(seen_v)),
    )
