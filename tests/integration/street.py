"""A small building on real sockets: two chargers, a main meter as somebody has mounted it, and the controller."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from tests.integration.quick import QuickLoop, QuickTime

from ampacity.app import App
from ampacity.commission.dossier import Dossier, KeptDossier
from ampacity.commission.tester import JUDGING
from ampacity.config.site_toml import load
from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed
from ampacity.core.phases import Supply
from ampacity.core.site import ChargerId, MeterId, Site
from ampacity.sim.mounted import MountedMeter, line_volts, reading
from ampacity.sim.wire.car import Car
from ampacity.sim.wire.charger import Model, SimulatedCharger
from ampacity.sim.wire.charger2 import SimulatedCharger2
from ampacity.sim.wire.meter import Em340, Sample
from ampacity.storage.store import Store

LEFT, RIGHT = ChargerId("left"), ChargerId("right")
LIMIT_A, WORST_A = 40.0, 12.0
VOLTS = 230.0
STEP_S = 0.25
METER_S = 0.5
RIGHT_WAY = MountedMeter(id=MeterId("main"), order=(0, 1, 2), turned=(False,) * 3, ratios=(1.0,) * 3)


def site_toml(meter_port: int, *, wiring: str = '["L2", "L3", "L1"]', safe_a: float = 0.0, worst: bool = True) -> str:
    stated = f"worst_load_a = {WORST_A:g}" if worst else ""
    phases = "phases = 3" if wiring == '"unknown"' else ""
    return f"""
[site]
name = "Street"
supply = "three-phase"

[circuits.main]
limit_a = {LIMIT_A:g}
meter = "main"
{stated}

[meters.main]
device = "carlo-gavazzi-em3xx"
host = "127.0.0.1"
port = {meter_port}

[ocpp]
listen = "127.0.0.1"

[chargers.left]
lines = {wiring}
{phases}
safe_a = {safe_a:g}

[chargers.right]
lines = ["L2", "L3", "L1"]
"""


class Street:
    """What is there, whatever the controller believes."""

    def __init__(self, quick: QuickTime, meter: MountedMeter, seed: int) -> None:
        self.quick = quick
        self.mounted = meter
        self.noise = random.Random(seed)
        self._seed = seed
        self.connect("ws://127.0.0.1:1")
        self.wiring: dict[str, Sequence[int]] = {"left": (1, 2, 0), "right": (1, 2, 0)}
        self.building_a: Callable[[float], Sequence[float]] = lambda at_s: (6.0, 4.5, 3.0 + (at_s % 60 > 40))
        self.meter = Em340(self.sample())
        self.highest_a = 0.0
        """On any line, ever."""
        self.unplug_left: Callable[[], Any] = lambda: None
        """The cable of its network is pulled out for good."""

    def connect(self, url: str, **model: Any) -> None:
        """Chargers that know where the controller is."""
        kind = SimulatedCharger if model.get("version", "1.6") == "1.6" else SimulatedCharger2
        self.left = kind(Model(identity="left", phases=3, **model), url, wall=self.quick.wall, seed=self._seed)
        self.right = SimulatedCharger(Model(identity="right", phases=3), url, wall=self.quick.wall, seed=self._seed)

    def flows(self) -> tuple[list[complex], list[complex]]:
        volts = line_volts(Supply.THREE_PHASE)
        building = [amps * volt for amps, volt in zip(self.building_a(self.quick.at_s), volts, strict=True)]
        cars = [0j, 0j, 0j]
        for charger in (self.left, self.right):
            for line, amps in zip(self.wiring[charger.model.identity], charger.currents_a, strict=True):
                cars[line] += amps * volts[line]
        return building, cars

    def sample(self) -> Sample:
        building, cars = self.flows()
        seen = reading(self.mounted, Supply.THREE_PHASE, VOLTS, building, cars, self.quick.at_s, self.noise)
        assert seen.powers is not None
        amps, watts = seen.currents.values, seen.powers.values
        return Sample(
            volts=(VOLTS, VOLTS, VOLTS),
            amps=(amps[0], amps[1], amps[2]),
            watts=(watts[0], watts[1], watts[2]),
            import_wh=1000.0 + self.quick.at_s,
        )

    async def run(self) -> None:
        links = [asyncio.create_task(charger.run()) for charger in (self.left, self.right)]
        self.unplug_left = links[0].cancel
        shown_s = stepped_s = self.quick.at_s
        try:
            while True:
                await asyncio.sleep(STEP_S)
                dt_s, stepped_s = self.quick.at_s - stepped_s, self.quick.at_s
                for charger in (self.left, self.right):
                    charger.step(dt_s, VOLTS)
                building, cars = self.flows()
                self.highest_a = max(self.highest_a, *(abs(a + b) for a, b in zip(building, cars, strict=True)))
                if self.quick.at_s - shown_s >= METER_S:
                    shown_s = self.quick.at_s
                    self.meter.show(self.sample())
        finally:
            for link in links:
                link.cancel()
            await asyncio.gather(*links, return_exceptions=True)


class Scene:
    """The building, and the controller that runs in it."""

    def __init__(self, app: App, street: Street, running: asyncio.Task[None]) -> None:
        self.app = app
        self.street = street
        self.running = running
        self.site = app.loop.site
        """As installed."""
        self._store = Store(app.installation.storage.place)
        self.events: list[str] = []
        app.events.watch(lambda event: self.events.append(event.code))
        self.decision: Decision | None = None
        self.sites: list[Site] = []

    def watch(self, site: Site, _: Observed, __: Sequence[Observation], decision: Decision) -> None:
        self.decision = decision
        if not self.sites or self.sites[-1] is not site:
            self.sites.append(site)

    @property
    def engine(self) -> Engine:
        return self._store.engine()

    @property
    def dossier(self) -> Dossier:
        return KeptDossier(lambda: self.engine).read()

    async def until(self, test: Callable[[], bool], within_s: float = 120.0) -> None:
        """Whatever the test waits for."""
        async with asyncio.timeout(within_s):
            while not test():
                assert not self.running.done(), "the controller has ended"
                await asyncio.sleep(0.5)

    async def charging(self, phases: int = 3) -> None:
        """Both cars draw, and the controller knows. `phases`: of the left one."""
        self.street.left.plug_in(Car("a", 32.0, phases, 1e6))
        self.street.right.plug_in(Car("b", 16.0, 3, 1e6))
        await self.until(lambda: self.street.left.currents_a[0] > 5 and self.street.right.currents_a[0] > 5)

    def close(self) -> None:
        self._store.close()

    def step(self, charger: ChargerId = LEFT, *, checked: bool = False) -> None:
        self.app.begin_test("step", charger, checked=checked, by="Ina")

    def expiry(self, charger: ChargerId = LEFT) -> None:
        self.app.begin_test("expiry", charger, checked=False, by="Ina")

    async def ended(self, within_s: float = 400.0) -> None:
        """The test is over, and what came of it is kept. Time stands still while it is reckoned."""
        tester = self.app.tester
        kind = "" if tester.progress is None else tester.progress.kind
        await self.until(lambda: tester.progress is None or tester.progress.stage == JUDGING, within_s)
        if kind == "step":
            tester.wait(60.0)
        else:
            await asyncio.to_thread(tester.wait, 60.0)  # it may want the loop
        assert not tester.is_judging

    @property
    def offers_a(self) -> dict[str, float]:
        assert self.decision is not None
        return {one.charger: one.limit_a for one in self.decision.setpoints}

    async def normal(self) -> None:
        """The site is as it was, and both cars are served again."""
        await self.until(lambda: self.app.loop.site == self.app.tester.installed(self.site) == self.site)
        await self.until(lambda: all(self.offers_a[one] >= 6.0 for one in (LEFT, RIGHT)), 240.0)
        assert self.app.tester.progress is None

    def codes(self, charger: ChargerId = LEFT) -> set[str]:
        """Of what the newest tests of a charger have found."""
        dossier = self.dossier
        tests = [one for one in (dossier.steps.get(charger), dossier.expiries.get(charger)) if one is not None]
        return {finding.code for one in tests for finding in one.findings}


def played(
    folder: Path,
    play: Callable[[Scene], Coroutine[Any, Any, None]],
    *,
    meter: MountedMeter = RIGHT_WAY,
    seed: int = 1,
    port: int = 0,
    **site: Any,
) -> Scene:
    """Runs it in quick time, until `play` has ended. `port`: of the meter, where site.toml is there already."""
    quick = QuickTime()

    async def main() -> Scene:
        async with scene(folder, quick, meter, seed, port, site) as one:
            async with asyncio.timeout(3000):
                await play(one)
        return one

    with asyncio.Runner(loop_factory=lambda: QuickLoop(quick)) as runner:
        return runner.run(main())


@asynccontextmanager
async def scene(
    folder: Path, quick: QuickTime, mounted: MountedMeter, seed: int, meter_port: int, site: dict[str, Any]
) -> AsyncIterator[Scene]:
    street = Street(quick, mounted, seed)
    port = await street.meter.open(meter_port)
    path = folder / "site.toml"
    if not path.exists():
        path.write_text(site_toml(port, **site))
    watchers: list[Any] = []
    app = App(load(path), clock=quick, wall=quick.wall, port=0, watchers=[lambda *seen: watchers[0](*seen)])
    running = asyncio.create_task(app.run())
    one = Scene(app, street, running)
    watchers.append(one.watch)
    await app.server.listening.wait()
    street.connect(f"ws://127.0.0.1:{app.server.port}")
    playing = asyncio.create_task(street.run())
    try:
        yield one
    finally:
        one.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        await street.meter.close()
