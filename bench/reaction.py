"""Meter sample received -> last command arrived at its charger (later than: written to the socket), 25 on loopback.

Every third of a second the building draws 3 A more, so that something has to be cut each time. The chargers run in a
process of their own. python bench/reaction.py [STEPS]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence

import structlog
import uvloop

from ampacity.core.decision import Decision
from ampacity.core.observations import ChargerReport, MeterReading, Observation
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.runtime.loop import Loop
from ocpp_throughput import FAKE, server_of

COUNT = 25
LIMIT_A = 450.0


class Clock:
    def now_s(self) -> float:
        return time.monotonic()


class Nothing:
    def append(self, seen: Sequence[Observation], decision: Decision) -> None:
        return None


def site() -> Site:
    return Site(
        name="bench",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((LIMIT_A,) * 3), meter=MeterId("main")),),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(
            Charger(id=ChargerId(f"c{n}"), circuit=CircuitId("main"), wiring=(Line.L1, Line.L2, Line.L3), max_a=16.0)
            for n in range(COUNT)
        ),
    )


async def main(steps: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    server = server_of(COUNT)
    loop = Loop(site(), Clock(), server, Nothing())
    tasks = [asyncio.create_task(server.run(loop.put)), asyncio.create_task(loop.run())]
    await server.listening.wait()
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(FAKE), str(server.port), str(COUNT), "obey", stdout=asyncio.subprocess.PIPE
    )
    limits = [0.0] * COUNT
    arrivals: list[float] = []

    async def read() -> None:
        assert child.stdout is not None
        async for line in child.stdout:
            number, limit, at_s = line.split()
            limits[int(number)] = float(limit)
            arrivals.append(float(at_s))

    tasks.append(asyncio.create_task(read()))

    def sample(building_a: float) -> float:
        now_s = time.monotonic()
        for number, amps in enumerate(limits):
            loop.put(ChargerReport(charger=ChargerId(f"c{number}"), at_s=now_s, currents=PhaseAmps((amps,) * 3)))
        total = building_a + sum(limits)
        loop.put(MeterReading(meter=MeterId("main"), at_s=now_s, currents=PhaseAmps((total,) * 3)))
        return now_s

    while sum(limits) < 0.95 * COUNT * 16:
        sample(20.0)
        await asyncio.sleep(0.3)
    building_a, taken = LIMIT_A - sum(limits), []
    for _ in range(steps):
        building_a += 3.0
        arrivals.clear()
        begin_s = sample(building_a)
        await asyncio.sleep(0.33)
        if arrivals:
            taken.append(1000 * (max(arrivals) - begin_s))
    building_a += 60.0
    arrivals.clear()
    begin_s = sample(building_a)
    await asyncio.sleep(1.0)
    child.kill()
    for task in tasks:
        task.cancel()
    p99 = statistics.quantiles(taken, n=100)[98]
    print(f"{len(taken)} steps: median {statistics.median(taken):.1f} ms, p99 {p99:.1f} ms, max {max(taken):.1f} ms")
    if arrivals:
        print(f"one large step: {len(arrivals)} commands, the last after {1000 * (max(arrivals) - begin_s):.1f} ms")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
