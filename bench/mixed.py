"""A site of seven kinds of charger against the same site with OCPP alone: reaction, headroom used, the breakers.

The same building, the same cars, the same steps of its load, the real controller on real sockets; both sites in one
run. `--real`: in real time, side by side. Else in quick time: what waits for a timer or a car takes its time, what the
machine does takes none, so that the two differ in nothing but in how the chargers are spoken to.

    python bench/mixed.py [--steps 24] [--seed 1] [--real]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import statistics
import tempfile
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from ampacity.app import App
from ampacity.config.site_toml import load
from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import Site
from ampacity.sim.wire.court import LIMIT_A, MAIN, MIXED, OCPP_ALONE, STEP_S, YARD, YARD_LIMIT_A, Court, Spot
from ampacity.sim.wire.quick import QuickLoop, QuickTime

BASE_A, YARD_BASE_A = 10.0, 3.0
SETTLE_S = 60.0
"""After the cars came, before anything counts."""
NEAR_A = 0.05
LIMITS_A = {MAIN: LIMIT_A, YARD: YARD_LIMIT_A}


class Clock(Protocol):
    def now_s(self) -> float: ...

    def wall(self) -> datetime: ...


class RealTime:
    """The machine's."""

    def now_s(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """A load that comes and goes, in seconds since the court runs."""

    from_s: float
    to_s: float
    building_a: float
    yard_a: float


def steps_of(count: int, seed: int) -> list[Step]:
    """Two in the building, then one in the yard, each above what the cars leave."""
    chance, at_s, found = random.Random(seed), SETTLE_S + 10.0, []
    for number in range(count):
        at_s += chance.uniform(45.0, 85.0)
        to_s = at_s + chance.uniform(15.0, 40.0)
        in_yard = number % 3 == 2
        step = Step(
            at_s, to_s, 0.0 if in_yard else chance.uniform(25.0, 40.0), chance.uniform(10.0, 14.0) * float(in_yard)
        )
        found.append(step)
        at_s = to_s
    return found


@dataclass(slots=True)
class Seen:
    """What one site was seen to do."""

    available_as: float = 0.0
    used_as: float = 0.0
    over_as: float = 0.0
    reactions_s: dict[int, float] = field(default_factory=dict)
    """Of each step that led above a limit: until all was below it again."""
    told_s: dict[str, list[float]] = field(default_factory=dict)
    """For each charger, from each decision that lowers it until it offers no more than that."""
    commands: int = 0
    stops: int = 0
    longest_over_s: float = 0.0


class Watch:
    """Looks at the court after each of its steps, and at each decision."""

    def __init__(self, court: Court, steps: Sequence[Step], clock: Clock) -> None:
        self.seen = Seen()
        self._court, self._steps, self._clock = court, steps, clock
        self._starts = [step.from_s for step in steps]
        self._open: dict[str, tuple[float, float]] = {}
        """Lowered: to how much, since when."""
        self._drew = {spot.name: False for spot in court.spots}
        self._over_s: float | None = None

    def decided(self, _: Site, __: Observed, ___: Sequence[Observation], decision: Decision) -> None:
        for command in decision.commands:
            name = str(command.charger)
            self.seen.commands += 1
            if name in self._court.chargers and command.limit_a < self._court.offered_a(name) - NEAR_A:
                self._open[name] = command.limit_a, self._clock.now_s()

    def look(self) -> None:
        court, seen = self._court, self.seen
        now_s = self._clock.now_s()
        for name, (limit_a, since_s) in list(self._open.items()):
            if court.offered_a(name) <= limit_a + NEAR_A:
                seen.told_s.setdefault(name, []).append(now_s - since_s)
                del self._open[name]
        at_s = court.at_s
        if at_s < SETTLE_S or at_s > self._steps[-1].to_s:
            return
        cars_a = sum(court.cars.values())
        building_a, yard_a = court.trace(at_s)
        seen.available_as += max(0.0, LIMIT_A - building_a - yard_a) * STEP_S
        seen.used_as += cars_a * STEP_S
        for name, charger in court.cars.items():
            seen.stops += self._drew[name] and charger == 0.0
            self._drew[name] = charger > 0.0
        excess_a = max(max(amps) - LIMITS_A[name] for name, amps in court.amps.items())
        if excess_a <= NEAR_A:
            self._over_s = None
            return
        self._over_s = at_s if self._over_s is None else self._over_s
        seen.longest_over_s = max(seen.longest_over_s, at_s - self._over_s + STEP_S)
        seen.over_as += excess_a * STEP_S
        number = bisect_right(self._starts, at_s) - 1
        if number >= 0 and self._over_s <= self._starts[number] + STEP_S:
            seen.reactions_s[number] = at_s - self._starts[number] + STEP_S


async def seen_at(spots: Sequence[Spot], steps: Sequence[Step], clock: Clock, seed: int) -> tuple[Watch, Court]:
    def trace(at_s: float) -> tuple[float, float]:
        on = [step for step in steps if step.from_s <= at_s < step.to_s]
        return BASE_A + sum(step.building_a for step in on), YARD_BASE_A + sum(step.yard_a for step in on)

    court = Court(spots, now_s=clock.now_s, wall=clock.wall, seed=seed, trace=trace)
    await court.open()
    watch = Watch(court, steps, clock)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_text(court.site_toml())
        app = App(load(path), clock=clock, wall=clock.wall, port=0, storage=False, watchers=[watch.decided])
        controlling = asyncio.create_task(app.run())
        await app.server.listening.wait()
        court.connect(f"ws://127.0.0.1:{app.server.port}")
        court.watch = watch.look
        running = asyncio.create_task(court.run())
        await asyncio.sleep(10.0)
        court.plug_in()
        while court.at_s < steps[-1].to_s:
            await asyncio.sleep(1.0)
            if controlling.done() or running.done():
                raise SystemExit("The run was ended.")
        for task in (controlling, running):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    await court.close()
    return watch, court


def quick(spots: Sequence[Spot], steps: Sequence[Step], seed: int) -> tuple[Watch, Court]:
    time_of_it = QuickTime()
    with asyncio.Runner(loop_factory=lambda: QuickLoop(time_of_it)) as runner:
        return runner.run(seen_at(spots, steps, time_of_it, seed))


async def real(sites: Sequence[Sequence[Spot]], steps: Sequence[Step], seed: int) -> list[tuple[Watch, Court]]:
    return await asyncio.gather(*(seen_at(spots, steps, RealTime(), seed) for spots in sites))


def row(name: str, watch: Watch, court: Court) -> str:
    seen = watch.seen
    took = sorted(seen.reactions_s.values())
    budget = max(breaker.budget_worst for poles in court.breakers.values() for breaker in poles)
    return (
        f"{name:12} {len(took):5} {statistics.median(took):8.2f} {took[int(0.95 * len(took))]:6.2f} {took[-1]:6.2f} "
        f"{seen.over_as:8.0f} {100 * seen.used_as / seen.available_as:9.2f} {budget:7.3f} {int(court.tripped):5} "
        f"{seen.commands:8} {seen.stops:5}"
    )


def told(watch: Watch, court: Court) -> str:
    kinds = {spot.name: spot.kind for spot in court.spots}
    lines = []
    for name, took in watch.seen.told_s.items():
        lines.append(f"  {kinds[name]:26} {len(took):5} {statistics.median(took):8.2f} {max(took):8.2f}")
    return "\n".join(sorted(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="store_true", help="in real time: a minute and a half for each step")
    options = parser.parse_args()
    if options.steps < 3:
        parser.error("at least 3 steps are needed")
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    steps = steps_of(options.steps, options.seed)
    sites = OCPP_ALONE, MIXED
    if options.real:
        found = asyncio.run(real(sites, steps, options.seed))
    else:
        found = [quick(spots, steps, options.seed) for spots in sites]
    print(f"{options.steps} steps in {steps[-1].to_s / 60:.0f} min, {'real' if options.real else 'quick'} time\n")
    print("             steps  reaction (s)           A·s   headroom  worst")
    print("              over   median    p95   most     over     used %  budget trips commands stops")
    for name, (watch, court) in zip(("OCPP alone", "seven kinds"), found, strict=True):
        print(row(name, watch, court))
    (alone, _), (mixed, _) = found
    both = [(mixed.seen.reactions_s[one], alone.seen.reactions_s[one]) for one in _common(mixed, alone)]
    print(
        f"\nseven kinds to OCPP alone: median reaction "
        f"{statistics.median(a for a, _ in both) / statistics.median(b for _, b in both):.2f}, headroom used "
        f"{mixed.seen.used_as / mixed.seen.available_as / (alone.seen.used_as / alone.seen.available_as):.3f}"
    )
    for name, (watch, court) in zip(("OCPP alone", "seven kinds"), found, strict=True):
        print(f"\n{name}: from a decision that lowers until the charger offers no more, s: times, median, most")
        print(told(watch, court))


def _common(a: Watch, b: Watch) -> list[int]:
    """Steps that led above a limit in both."""
    return sorted(a.seen.reactions_s.keys() & b.seen.reactions_s.keys())


if __name__ == "__main__":
    main()
