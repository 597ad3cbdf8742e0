"""How much faster than real time a simulation runs: python bench/simulate_speed.py [HOURS].

25 chargers, steps of 1 s, trace.csv written. Once with a controller that only sends, which is the plant and the
book-keeping alone, and once with the real one. CPU time of this process; the best of three.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ampacity.core.decide import decide
from ampacity.core.decision import Cause, Command, Decision, Rule, Setpoint
from ampacity.core.memory import Memory
from ampacity.core.observations import Observed
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.optimum import energy_optimum_wh
from ampacity.sim.policies import Controller, using
from ampacity.sim.simulate import Story, simulate
from ampacity.sim.tables import Building, Session

MAIN = CircuitId("main")
WIRINGS: Sequence[tuple[int, ...]] = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0,), (1,), (2,))
CHARGERS = 25
ROUNDS = 3


class Plain:
    """Sends every charger a new setpoint each half minute, and thinks nothing."""

    def __init__(self) -> None:
        self._setpoints: tuple[Setpoint, ...] = ()

    def __call__(self, site: Site, observed: Observed, now_s: float) -> Decision:
        commands: tuple[Command, ...] = ()
        if now_s % 30 == 0:
            cause = Cause(Rule.CIRCUIT_FULL, MAIN, Line.L1)
            amps = 6.0 + now_s // 30 % 5
            commands = tuple(
                Command(charger=c.id, limit_a=amps, safe_a=0.0, lease_s=120.0, renewal=False) for c in site.chargers
            )
            self._setpoints = tuple(Setpoint(charger=c.id, limit_a=amps, held_by=cause) for c in site.chargers)
        return Decision(at_s=now_s, setpoints=self._setpoints, commands=commands, circuits=(), memory=Memory())


def story_of(hours: float) -> Story:
    """Homes whose loads step about once a minute, and cars that come and go; the limit is scarce."""
    rng = random.Random(1)
    site = Site(
        name="bench",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=MAIN, rating_a=PhaseAmps((160.0,) * 3), meter=MeterId("main")),),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(
            Charger(id=ChargerId(f"c{n:02}"), circuit=MAIN, wiring=tuple(Line(x) for x in wiring), phases=len(wiring))
            for n in range(CHARGERS)
            for wiring in [WIRINGS[n % len(WIRINGS)]]
        ),
    )
    loads = [30.0, 30.0, 30.0]
    rows = []
    for _ in range(int(hours * 3600)):
        for line in range(3):
            if rng.random() < 1 / 60:
                loads[line] = round(min(90.0, max(8.0, loads[line] + rng.gauss(0, 8))), 2)
        rows.append(tuple(round(a + rng.gauss(0, 0.1), 2) for a in loads))
    sessions = []
    for charger in site.chargers:
        at, number = rng.randrange(3600), 0
        while at < hours * 3600:
            to = at + rng.randrange(3600, 8 * 3600)
            sessions.append(
                Session(
                    id=f"{charger.id}-{number}",
                    charger=charger.id,
                    arrival_s=at,
                    departure_s=to,
                    energy_wh=rng.choice([6e3, 12e3, 24e3, 48e3]),
                    max_a=rng.choice([16.0, 32.0]),
                    lines=charger.phases,
                )
            )
            at, number = to + rng.randrange(60, 3600), number + 1
    return Story(site=site, building=Building(tuple(range(len(rows))), tuple(rows)), sessions=sessions)


def spent_s(story: Story, controller: Controller) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        simulate(story, Path(folder) / "trace.csv", using(controller))
        return time.process_time() - begin


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 4
    story = story_of(hours)
    print(f"{CHARGERS} chargers, {hours:g} h, {len(story.sessions)} sessions")
    for name, controller in (("plant, figures, trace", Plain()), ("with decide", decide)):
        best_s = min(spent_s(story, controller) for _ in range(ROUNDS))
        seconds = story.building.seconds
        print(f"{name:24}{best_s / seconds * 1e6:8.1f} us a second{seconds / best_s:10,.0f} x real time")
    begin = time.process_time()
    energy_optimum_wh(story.site, {MAIN: story.building.by_second()}, story.sessions, story.building.seconds)
    print(f"{'optimum alone':24}{time.process_time() - begin:8.2f} s")


if __name__ == "__main__":
    main()
