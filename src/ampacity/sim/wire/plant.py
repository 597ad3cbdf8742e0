"""A building that runs in real time and speaks the wire formats of real devices: a meter, four chargers, their cars.

As a program (`python -m ampacity.sim.wire.plant`) it serves one demo: lines of JSON on standard output, first
`{"meter_port": 40123}`, then `{"event": "kettle on"}` whenever something happens, and at the end `{"summary": {...}}`.
It ends when its standard input does, or at SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from ampacity.sim.wire import LOOPBACK
from ampacity.sim.wire.charger import Model, SimulatedCharger
from ampacity.sim.wire.charger2 import SimulatedCharger2
from ampacity.sim.wire.house import HOUSE, building_a
from ampacity.sim.wire.meter import Em340, Sample
from ampacity.sim.wire.visits import Visit, visits

LIMIT_A = 32.0
NOMINAL_V = 230.0
STEP_S = 0.2
METER_S = 0.6
"""How often the meter has new figures."""

NOISE_A = 0.02
LINES = ("L1", "L2", "L3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A parking spot with a charger."""

    name: str
    wiring: tuple[int, ...]
    """Line of each of the charger's own phases."""
    max_a: float
    first_car_s: float
    first_car_phases: int
    version: str = "1.6"
    """Of OCPP."""


SPOTS = (
    Spot(name="garage-left", wiring=(0, 1, 2), max_a=32.0, first_car_s=3.0, first_car_phases=3),
    Spot(name="garage-right", wiring=(1, 2, 0), max_a=32.0, first_car_s=24.0, first_car_phases=1),
    Spot(name="yard", wiring=(0,), max_a=32.0, first_car_s=11.0, first_car_phases=1, version="2.0.1"),
    Spot(name="street", wiring=(2,), max_a=20.0, first_car_s=70.0, first_car_phases=1, version="2.1"),
)
"""Two of three phases, in different orders, the second first visited by a single-phase car; two of one phase."""


def write_site(folder: Path, *, meter_port: int, ocpp_port: int) -> Path:
    """The site.toml that describes this plant; returns its path."""
    text = f"""\
[site]
name = "Demo house"
supply = "three-phase"
turn_s = 600

[circuits.main]
limit_a = {LIMIT_A:g}
meter = "main"
worst_load_a = [16, 16, 8]

[meters.main]
device = "carlo-gavazzi-em3xx"
host = "{LOOPBACK}"
port = {meter_port}

[ocpp]
listen = "{LOOPBACK}"
port = {ocpp_port}

[app]
listen = "{LOOPBACK}"
port = 0
tls = false
"""
    for spot in SPOTS:
        lines = ", ".join(f'"{LINES[line]}"' for line in spot.wiring)
        text += f"\n[chargers.{spot.name}]\nlines = [{lines}]\nmax_a = {spot.max_a:g}\n"
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(slots=True)
class _Parked:
    spot: Spot
    charger: SimulatedCharger
    to_come: Iterator[Visit]
    visit: Visit
    full_told: bool = False


@dataclass(slots=True)
class Summary:
    """What the building saw, by its own reckoning."""

    seconds: float = 0.0
    fullest_a: float = 0.0
    over_s: float = 0.0
    """Time in which any line was above the limit."""
    longest_over_s: float = 0.0
    charged_wh: float = 0.0
    cars: int = 0


class Plant:
    """The building, its meter and its chargers. `run` plays it in real time."""

    def __init__(self, ocpp_url: str, *, seed: int, tell: Callable[[str], None]) -> None:
        """`tell` is called with a few words whenever something happens."""
        self._seed = seed
        self._tell = tell
        self._noise = random.Random(seed)
        self._at_s = 0.0
        self._on: set[str] = set()
        self._over_s = 0.0
        self.summary = Summary()
        self._parked = [self._park(spot, ocpp_url) for spot in SPOTS]
        self._amps = building_a(0.0, seed)
        self._import_wh = 5_432_100.0
        self.meter = Em340(self._sample())

    def _park(self, spot: Spot, ocpp_url: str) -> _Parked:
        model = Model(
            identity=spot.name,
            phases=len(spot.wiring),
            max_a=spot.max_a,
            volts=NOMINAL_V,
            version=spot.version,
        )
        kind = SimulatedCharger if spot.version == "1.6" else SimulatedCharger2
        to_come = visits(
            spot.name, len(spot.wiring), self._seed, first_s=spot.first_car_s, first_phases=spot.first_car_phases
        )
        return _Parked(spot, kind(model, ocpp_url, seed=self._seed), to_come, next(to_come))

    @property
    def amps(self) -> tuple[float, float, float]:
        """What flows into the building on each line now."""
        return self._amps

    @property
    def chargers(self) -> list[SimulatedCharger]:
        return [parked.charger for parked in self._parked]

    async def run(self) -> None:
        """Plays in real time until cancelled. The meter must be open."""
        clock = asyncio.get_running_loop().time
        links = [asyncio.create_task(charger.run()) for charger in self.chargers]
        begin_s, shown_s = clock(), 0.0
        try:
            while True:
                await asyncio.sleep(STEP_S / 2)
                # After a stall of the machine, time goes on in steps that a car can follow.
                while clock() - begin_s - self._at_s >= STEP_S:
                    self.step(STEP_S)
                if self._at_s - shown_s >= METER_S:
                    shown_s = self._at_s
                    self.meter.show(self._sample())
        finally:
            for link in links:
                link.cancel()
            await asyncio.gather(*links, return_exceptions=True)

    def step(self, dt_s: float) -> None:
        """Goes on by `dt_s` seconds."""
        self._at_s += dt_s
        for parked in self._parked:
            self._let_come_and_go(parked)
            parked.charger.step(dt_s, NOMINAL_V)
        amps = list(building_a(self._at_s, self._seed))
        for parked in self._parked:
            for line, one_a in zip(parked.spot.wiring, parked.charger.currents_a, strict=True):
                amps[line] += one_a
        self._amps = amps[0], amps[1], amps[2]
        self._import_wh += NOMINAL_V * sum(amps) * dt_s / 3600
        self._switch()
        self._sum_up(dt_s)

    def _let_come_and_go(self, parked: _Parked) -> None:
        visit, car = parked.visit, parked.visit.car
        where = parked.spot.name
        if parked.charger.car is None and self._at_s >= visit.from_s:
            kind = "single-phase" if car.phases == 1 else "three-phase"
            self._tell(f"{car.name} plugs in at {where} ({kind}, {car.max_a:g} A)")
            self.summary.cars += 1
            parked.full_told = False
            parked.charger.plug_in(car)
        elif parked.charger.car is not None and self._at_s >= visit.to_s:
            self._tell(f"{car.name} leaves {where} with {car.drawn_wh:.0f} Wh")
            parked.charger.unplug()
            parked.visit = next(parked.to_come)
        elif car.full and not parked.full_told:
            parked.full_told = True
            self._tell(f"{car.name} at {where} is full")

    def _switch(self) -> None:
        on = {one.name for one in HOUSE if one.noticed and one.is_on(self._at_s, self._seed)}
        for one in HOUSE:
            if (one.name in on) != (one.name in self._on):
                state = "on" if one.name in on else "off"
                self._tell(f"{one.name} {state} ({one.amps:g} A on {LINES[one.line]})")
        self._on = on

    def _sum_up(self, dt_s: float) -> None:
        summary = self.summary
        summary.seconds = self._at_s
        summary.fullest_a = max(summary.fullest_a, *self._amps)
        self._over_s = self._over_s + dt_s if max(self._amps) > LIMIT_A + 0.05 else 0.0
        summary.over_s += dt_s if self._over_s else 0.0
        summary.longest_over_s = max(summary.longest_over_s, self._over_s)
        summary.charged_wh = sum(charger.energy_wh for charger in self.chargers)

    def _sample(self) -> Sample:
        amps = [one_a + self._noise.uniform(-NOISE_A, NOISE_A) for one_a in self._amps]
        volts = [NOMINAL_V + 1.5 - 0.05 * one_a for one_a in amps]
        watts = [0.98 * one_v * one_a for one_v, one_a in zip(volts, amps, strict=True)]
        return Sample(
            volts=(volts[0], volts[1], volts[2]),
            amps=(amps[0], amps[1], amps[2]),
            watts=(watts[0], watts[1], watts[2]),
            import_wh=self._import_wh,
        )


async def _play(ocpp_port: int, seed: int) -> None:
    def say(line: dict[str, object]) -> None:
        # Whoever reads may be gone; then standard input has ended as well.
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    plant = Plant(f"ws://{LOOPBACK}:{ocpp_port}", seed=seed, tell=lambda what: say({"event": what}))
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ended.set)
    loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1024) else _end(loop, ended))
    say({"meter_port": await plant.meter.open()})
    playing = asyncio.create_task(plant.run())
    stop = asyncio.create_task(ended.wait())
    done, _ = await asyncio.wait([playing, stop], return_when=asyncio.FIRST_COMPLETED)
    playing.cancel()
    stop.cancel()
    await asyncio.gather(playing, stop, return_exceptions=True)
    await plant.meter.close()
    summary = plant.summary
    say({"summary": {name: round(getattr(summary, name), 2) for name in Summary.__slots__}})
    for task in done:
        task.result()


def _end(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    loop.remove_reader(sys.stdin.fileno())
    ended.set()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m ampacity.sim.wire.plant", description=__doc__)
    parser.add_argument("--ocpp-port", type=int, required=True, help="where the controller listens, on loopback")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(_play(options.ocpp_port, options.seed))


if __name__ == "__main__":
    main()
