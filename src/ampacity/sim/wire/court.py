"""A courtyard with chargers of many makers under one breaker: they connect over OCPP, or are asked over Modbus TCP, a
serial line or HTTP. A meter sees all of it, another one the yard at its back.

What each charger does is its simulator's affair; here is what stands where, and what flows.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ampacity.devices.catalogue import direct_families
from ampacity.devices.direct_family import HTTP, VALIDITY, DirectFamily
from ampacity.sim.breaker import Breaker
from ampacity.sim.wire import LOOPBACK
from ampacity.sim.wire.car import Car
from ampacity.sim.wire.charger import Model, SimulatedCharger
from ampacity.sim.wire.charger2 import SimulatedCharger2
from ampacity.sim.wire.direct import DirectSim, HttpSimServer, ModbusSimServer
from ampacity.sim.wire.meter import Em340, Sample
from ampacity.sim.wire.serial_line import SerialLine
from ampacity.sim.wire.shelly import ShellyPro3Em

LIMIT_A, YARD_LIMIT_A = 100.0, 45.0
NOMINAL_V = 230.0
STEP_S = 0.1
METER_S = 0.6
"""How often the meters have new figures."""
NOISE_A = 0.02
SAFE_A = 6.0
BAUD = 19_200
SERIAL_UNIT = 7
OCPP = ("1.6", "2.0.1", "2.1")
MAIN, YARD = "main", "yard"
LINES = ("L1", "L2", "L3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A parking spot with a charger and its car."""

    name: str
    kind: str
    """A version of OCPP, or a family that is asked."""
    wiring: tuple[int, int, int]
    """Line of each of the charger's phases."""
    circuit: str = MAIN
    car_a: float = 16.0
    """The most its car takes."""
    max_a: float = 32.0
    serial: bool = False

    @property
    def is_asked(self) -> bool:
        return self.kind not in OCPP


MIXED = (
    Spot(name="lobby", kind="1.6", wiring=(0, 1, 2)),
    Spot(name="gate", kind="2.0.1", wiring=(1, 2, 0)),
    Spot(name="north", kind="2.1", wiring=(2, 0, 1)),
    Spot(name="south", kind="alfen-eve", wiring=(0, 1, 2)),
    Spot(name="shed", kind="heidelberg-energy-control", wiring=(1, 2, 0), circuit=YARD, serial=True),
    Spot(name="barn", kind="go-e-http", wiring=(2, 0, 1), circuit=YARD, max_a=16.0),
    Spot(name="wall", kind="webasto-next", wiring=(0, 1, 2), circuit=YARD),
)
"""Seven kinds: steps of 0.1 A and of 1 A; a watchdog that ends what was set, one that any request feeds, one that wants
a sign of life, and none."""
OCPP_ALONE = tuple(
    Spot(name=one.name, kind=kind, wiring=one.wiring, circuit=one.circuit, max_a=one.max_a)
    for one, kind in zip(MIXED, ("1.6", "2.0.1", "2.1", "1.6", "2.0.1", "2.1", "1.6"), strict=True)
)
"""The same, each over OCPP."""


class Charger(Protocol):
    """What both kinds have."""

    @property
    def currents_a(self) -> tuple[float, ...]: ...

    def plug_in(self, car: Car) -> None: ...

    def step(self, dt_s: float) -> None: ...


Amps = list[float]
"""One for each line."""
Trace = Callable[[float], tuple[float, float]]
"""What the building draws on each line at that time, without the yard; and the yard besides its chargers."""


def quiet(_: float) -> tuple[float, float]:
    """Nothing changes."""
    return 10.0, 3.0


class Court:
    """What is there, whatever the controller believes. Open it, say where the controller is, and run it."""

    def __init__(
        self,
        spots: Sequence[Spot] = MIXED,
        *,
        now_s: Callable[[], float],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        seed: int = 1,
        validity_s: float = 60.0,
        trace: Trace = quiet,
    ) -> None:
        """`validity_s`: how long a set current holds where only an installer can set that."""
        self.spots = tuple(spots)
        self.trace = trace
        self.amps: dict[str, Amps] = {MAIN: [0.0] * 3, YARD: [0.0] * 3}
        """What flows on each line of the circuits now."""
        self.breakers = {
            MAIN: [Breaker(LIMIT_A) for _ in LINES],
            YARD: [Breaker(YARD_LIMIT_A) for _ in LINES],
        }
        self.tripped = False
        self.at_s = 0.0
        """Since it runs."""
        self.watch: Callable[[], None] = lambda: None
        """Called after each step."""
        self.line: SerialLine | None = None
        """Open while it runs."""
        self._now_s, self._wall, self._seed = now_s, wall, seed
        self._noise = random.Random(seed)
        self._import_wh = {MAIN: 5_432_100.0, YARD: 65_400.0}
        self._second = {MAIN: [0.0] * 3, YARD: [0.0] * 3}
        """The most of this second."""
        self.chargers: dict[str, Charger] = {}
        self.servers: dict[str, ModbusSimServer | HttpSimServer] = {}
        """Of those that are asked."""
        self._ports: dict[str, int] = {}
        self.meters: tuple[Em340, ShellyPro3Em] = (Em340(self._sample(MAIN)), ShellyPro3Em(self._sample(YARD)))
        for spot in self.spots:
            if spot.is_asked:
                self._stand(spot, direct_families()[spot.kind], validity_s)

    @property
    def cars(self) -> dict[str, float]:
        """What each car draws on its first phase."""
        return {name: charger.currents_a[0] for name, charger in self.chargers.items()}

    def sim(self, name: str) -> DirectSim:
        """One that is asked."""
        found = self.chargers[name]
        assert isinstance(found, DirectSim)
        return found

    def offered_a(self, name: str) -> float:
        """What a charger offers its car."""
        found = self.chargers[name]
        if isinstance(found, DirectSim):
            return found.offered_a
        assert isinstance(found, SimulatedCharger)
        return found.limit_a

    async def open(self) -> None:
        """The meters and those that are asked begin to answer."""
        self._ports[MAIN] = await self.meters[0].open()
        self._ports[YARD] = await self.meters[1].open()
        for name, server in self.servers.items():
            self._ports[name] = await server.open()
        for spot in self.spots:
            if spot.serial and spot.is_asked:
                self.line = SerialLine(baud=BAUD)
                await self.line.open(self._ports[spot.name])

    async def close(self) -> None:
        if self.line is not None:
            await self.line.close()
            self.line = None
        for server in self.servers.values():
            await server.close()
        for meter in self.meters:
            await meter.close()

    def connect(self, url: str) -> None:
        """Those with OCPP know where the controller is."""
        for spot in self.spots:
            if not spot.is_asked:
                model = Model(identity=spot.name, phases=3, max_a=spot.max_a, version=spot.kind)
                kind = SimulatedCharger if spot.kind == "1.6" else SimulatedCharger2
                self.chargers[spot.name] = kind(model, url, wall=self._wall, seed=self._seed)

    def site_toml(self, *, ocpp_port: int = 0, lease_s: float = 120.0, asked_lease_s: float = 120.0) -> str:
        """The file that describes it, once it is open. Leases of those with OCPP, and of those that are asked."""
        text = f"""\
[site]
name = "Court"
[circuits.main]
limit_a = {LIMIT_A:g}
meter = "main"
worst_load_a = 48
[circuits.yard]
parent = "main"
limit_a = {YARD_LIMIT_A:g}
meter = "yard"
worst_load_a = 17
[meters.main]
device = "carlo-gavazzi-em3xx"
host = "{LOOPBACK}"
port = {self._ports[MAIN]}
[meters.yard]
device = "shelly-pro-3em"
host = "{LOOPBACK}:{self._ports[YARD]}"
[ocpp]
listen = "{LOOPBACK}"
port = {ocpp_port}
"""
        for spot in self.spots:
            lines = ", ".join(f'"{LINES[line]}"' for line in spot.wiring)
            text += f'[chargers.{spot.name}]\ncircuit = "{spot.circuit}"\nlines = [{lines}]\n'
            text += f"safe_a = {SAFE_A:g}\nmax_a = {spot.max_a:g}\n"
            text += f"lease_s = {asked_lease_s if spot.is_asked else lease_s:g}\n{self._place(spot)}"
        return text

    async def run(self) -> None:
        """Goes on until cancelled."""
        clock = asyncio.get_running_loop().time
        links = [asyncio.create_task(one.run()) for one in self.chargers.values() if isinstance(one, SimulatedCharger)]
        begin_s, shown_s, second_s = clock(), 0.0, 0.0
        try:
            while True:
                await asyncio.sleep(STEP_S)
                while clock() - begin_s - self.at_s >= STEP_S:
                    self._step(STEP_S)
                if self.at_s - shown_s >= METER_S:
                    shown_s = self.at_s
                    self.meters[0].show(self._sample(MAIN))
                    self.meters[1].show(self._sample(YARD))
                if self.at_s - second_s >= 1.0:
                    second_s = self.at_s
                    self._carry()
        finally:
            for link in links:
                link.cancel()
            await asyncio.gather(*links, return_exceptions=True)

    def plug_in(self) -> None:
        """A car at each charger, which wants more than it gets."""
        for spot in self.spots:
            self.chargers[spot.name].plug_in(Car(spot.name, spot.car_a, 3, 1e6))

    def _stand(self, spot: Spot, family: DirectFamily, validity_s: float) -> None:
        by_installer = family.watchdog is not None and family.watchdog.kind == VALIDITY
        sim = DirectSim(
            family,
            now_s=self._now_s,
            factory_timeout_s=validity_s if by_installer else 600.0,
            factory_safe_a=SAFE_A if by_installer else spot.max_a,
            rated_a=spot.max_a,
        )
        sim.car.connected = False
        self.chargers[spot.name] = sim
        if family.protocol == HTTP:
            self.servers[spot.name] = HttpSimServer(sim)
        else:
            unit = SERIAL_UNIT if spot.serial else family.unit
            self.servers[spot.name] = ModbusSimServer({unit: sim}, rtu_frames=spot.serial)

    def _place(self, spot: Spot) -> str:
        """Where site.toml says it is."""
        if not spot.is_asked:
            return ""
        text = f'device = "{spot.kind}"\n'
        if spot.serial and self.line is not None:
            # A pseudo-terminal refuses the parity that the real line has.
            return f'{text}serial = "{self.line.path}"\nbaud = {BAUD}\nparity = "N"\nunit = {SERIAL_UNIT}\n'
        return f'{text}host = "{LOOPBACK}"\nport = {self._ports[spot.name]}\n'

    def _step(self, dt_s: float) -> None:
        self.at_s += dt_s
        building, yard = self.trace(self.at_s)
        amps = {MAIN: [building + yard] * 3, YARD: [yard] * 3}
        for spot in self.spots:
            charger = self.chargers[spot.name]
            charger.step(dt_s)
            for line, one_a in zip(spot.wiring, charger.currents_a, strict=True):
                amps[MAIN][line] += one_a
                if spot.circuit == YARD:
                    amps[YARD][line] += one_a
        self.amps = amps
        for name, lines in amps.items():
            self._import_wh[name] += NOMINAL_V * sum(lines) * dt_s / 3600
            self._second[name] = [max(pair) for pair in zip(self._second[name], lines, strict=True)]
        self.watch()

    def _carry(self) -> None:
        for name, breakers in self.breakers.items():
            for breaker, amps in zip(breakers, self._second[name], strict=True):
                self.tripped |= breaker.carry(amps)
            self._second[name] = [0.0] * 3

    def _sample(self, name: str) -> Sample:
        a, b, c = (one_a + self._noise.uniform(-NOISE_A, NOISE_A) for one_a in self.amps[name])
        return Sample(
            volts=(NOMINAL_V,) * 3,
            amps=(a, b, c),
            watts=(0.98 * NOMINAL_V * a, 0.98 * NOMINAL_V * b, 0.98 * NOMINAL_V * c),
            import_wh=self._import_wh[name],
        )
