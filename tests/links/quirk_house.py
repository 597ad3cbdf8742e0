"""A house with a main meter and two chargers, one of them with a quirk; the real loop decides, in time that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from tests.links.jumping import now_s
from tests.links.quirk_yard import FAMILIES, LEFT, MAX_A, SAFE_A, STEP_S, charger_of, endpoint, wall

from ampacity.core.decision import Decision, Setpoint
from ampacity.core.observations import MeterReading, Observation, Observed
from ampacity.core.phases import PhaseAmps, PhaseVolts, PhaseWatts, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.ocpp.server import OcppServer
from ampacity.runtime.loop import Loop
from ampacity.sim.wire.car import Car
from ampacity.sim.wire.charger import SimulatedCharger
from ampacity.sim.wire.quirks import Quirk

RIGHT = ChargerId("right")
LIMIT_A = 40.0
BUILDING_A = (4.0, 3.5, 3.0)
MAIN = MeterId("main")


def site() -> Site:
    chargers = [
        Charger(id=name, circuit=CircuitId("main"), wiring=Supply.THREE_PHASE.lines, max_a=MAX_A, safe_a=SAFE_A)
        for name in (LEFT, RIGHT)
    ]
    return Site(
        name="quirks",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((LIMIT_A,) * 3), meter=MAIN),),
        meters=(Meter(id=MAIN),),
        chargers=tuple(chargers),
    )


class Clock:
    def now_s(self) -> float:
        return now_s()


class NoJournal:
    """Keeps nothing."""

    def append(self, seen: Sequence[Observation], decision: Decision) -> None:
        return None


class QuirkHouse:
    """What is there, and what was decided last."""

    def __init__(self, left: SimulatedCharger, right: SimulatedCharger) -> None:
        self.left = left
        self.right = right
        self.decision: Decision | None = None
        self.longest_over_s = 0.0
        """Of the time that a line carried more than its limit."""
        self.lowest_a: dict[str, float] = {}
        """The lowest setpoint of each charger since its first above 0."""
        self.flags: set[str] = set()
        """All that the left one ever had."""

    def watch(self, _: Site, __: Observed, ___: Sequence[Observation], decision: Decision) -> None:
        self.decision = decision
        for one in decision.setpoints:
            if one.limit_a > 0:
                self.lowest_a[one.charger] = min(self.lowest_a.get(one.charger, MAX_A), one.limit_a)
            if one.charger == LEFT and one.flag is not None:
                self.flags.add(one.flag.value)

    def setpoint(self, charger: ChargerId) -> Setpoint:
        assert self.decision is not None
        return next(one for one in self.decision.setpoints if one.charger == charger)

    def flows(self) -> tuple[float, ...]:
        cars = zip(self.left.currents_a, self.right.currents_a, strict=True)
        return tuple(base + a + b for base, (a, b) in zip(BUILDING_A, cars, strict=True))

    async def run(self, loop: Loop) -> None:
        links = [asyncio.create_task(one.run()) for one in (self.left, self.right)]
        steps, over_s = 0, 0.0
        try:
            while True:
                await asyncio.sleep(STEP_S)
                steps += 1
                for charger in (self.left, self.right):
                    charger.step(STEP_S)
                over_s = over_s + STEP_S if max(self.flows()) > LIMIT_A + 0.1 else 0.0
                self.longest_over_s = max(self.longest_over_s, over_s)
                loop.put(self._reading(0.01 * (steps % 7)))
        finally:
            for link in links:
                link.cancel()
            await asyncio.gather(*links, return_exceptions=True)

    def _reading(self, noise_a: float) -> MeterReading:
        amps = tuple(flow + noise_a for flow in self.flows())
        return MeterReading(
            meter=MAIN,
            at_s=now_s(),
            currents=PhaseAmps(amps),
            powers=PhaseWatts(tuple(230.0 * one for one in amps)),
            voltages=PhaseVolts((230.0,) * 3),
        )


@asynccontextmanager
async def quirk_house(
    family: ChargerFamily, quirks: Sequence[Quirk], *, treated_as: ChargerFamily | None = None
) -> AsyncIterator[QuirkHouse]:
    """The left charger is of the family, and has the quirks; both have a car that takes all it can get."""
    ends = [endpoint(LEFT, treated_as, phases=3, safe_a=SAFE_A), endpoint(RIGHT, None, phases=3, safe_a=SAFE_A)]
    server = OcppServer(
        ends,
        FAMILIES,
        listen="127.0.0.1",
        port=0,
        tls=None,
        adopt=None,
        now_s=now_s,
        wall=wall,
        first_transaction=100,
    )
    watchers: list[QuirkHouse] = []
    loop = Loop(site(), Clock(), server, NoJournal(), watchers=[lambda *seen: watchers[0].watch(*seen)])
    serving = asyncio.create_task(server.run(loop.put))
    await server.listening.wait()
    url = f"ws://127.0.0.1:{server.port}"
    here = QuirkHouse(charger_of(family, url, quirks), charger_of(FAMILIES["generic"], url, [], identity="right"))
    watchers.append(here)
    here.left.plug_in(Car("a", MAX_A, 3, 1e6))
    here.right.plug_in(Car("b", MAX_A, 3, 1e6))
    running = [asyncio.create_task(here.run(loop)), asyncio.create_task(loop.run())]
    try:
        yield here
    finally:
        for task in (*running, serving):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
