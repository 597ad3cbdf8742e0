"""A car park in equal steps of time, against which `decide` plays: cars whose appetite changes, people, lost links.

It shares no reckoning with the controller but `line_phasors`: how a car's ampere lands on the lines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hypothesis import strategies as st

from ampacity.core.decide import decide
from ampacity.core.decision import Decision, Setpoint
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    SetpointAnswer,
    Wish,
)
from ampacity.core.phases import Line, PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts, Supply
from ampacity.core.site import LOWEST_CHARGING_A, Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.loads import line_phasors, reported_amps

REAL_SUPPLIES = (Supply.SINGLE_PHASE, Supply.SPLIT_PHASE, Supply.THREE_PHASE)
"""Where currents add as numbers."""

WIRINGS = {
    Supply.SINGLE_PHASE: ["1"],
    Supply.SPLIT_PHASE: ["12", "1", "2"],
    Supply.THREE_PHASE: ["123", "231", "312", "132", "213", "321", "1", "2", "3", "12", "31"],
    Supply.LINE_TO_LINE: ["12", "23", "31", "21", "123", "312"],
}


@dataclass(eq=False)
class Car:
    """A car that falls and rises at once when its dead time is over."""

    lines: int
    dead_s: float = 1.0
    most_a: float = math.inf
    """What it takes when it gets all it wants; 0: it is full, or has paused itself."""
    felt_a: float = 0.0
    amps: float = 0.0


@dataclass(eq=False)
class Post:
    """A charger, and the car at it."""

    charger: Charger
    car: Car | None
    report_s: float
    """Its next measurement."""
    online: bool = True
    refuses: bool = False
    mute: bool = False
    """Its answers to commands are lost."""
    broken: ChargerState | None = None
    """What it says instead of how its car does."""
    lease_end_s: float = math.inf
    told: ChargerState | None = None
    reports_only_draw: bool = False
    """It never says by its state that the car does not want to."""
    measures: bool = True
    """It tells what its car draws."""

    @property
    def state(self) -> ChargerState:
        if self.broken is not None:
            return self.broken
        if self.car is None:
            return ChargerState.AVAILABLE
        if self.car.amps > 0 or self.reports_only_draw:
            return ChargerState.CHARGING
        return ChargerState.SUSPENDED_EV if self.car.felt_a >= LOWEST_CHARGING_A else ChargerState.SUSPENDED_EVSE


@dataclass
class Yard:
    """The site with its cars. `own_a`: the building's load by circuit and line, without what is on circuits below."""

    site: Site
    cars: list[Car | None]
    own_a: list[list[float]] = field(default_factory=list)
    step_s: float = 1.0
    report_every_s: float = 5.0
    now_s: float = 0.0
    """Of the next step."""
    spoilt: dict[MeterId, float | None] = field(default_factory=dict)
    """Meters that send nothing (None), or this current on every line."""
    posts: list[Post] = field(init=False)
    observed: Observed = field(default_factory=Observed)
    """What the last decision was made from."""
    decision: Decision = field(init=False)

    def __post_init__(self) -> None:
        every = self.report_every_s
        self.posts = [
            Post(charger, car, (number * self.step_s) % every)
            for number, (charger, car) in enumerate(zip(self.site.chargers, self.cars, strict=True))
        ]
        self._orders: list[tuple[float, int, float]] = []
        """When it is felt, by whom, and what."""
        self._inbox: list[Observation] = []
        if not self.own_a:
            self.own_a = [[0.0] * len(self.site.supply.lines) for _ in self.site.circuits]
        self._paths = [[self.site.index_of_circuit[c] for c in self.site.path(one.id)] for one in self.site.circuits]
        self._inbox.extend(ChargerLink(charger=c.id, at_s=0.0, online=True) for c in self.site.chargers)

    # --- what people and fate do ---

    def wish(self, number: int, *, paused: bool | None = None, first: bool | None = None) -> None:
        charger = self.site.chargers[number].id
        self._inbox.append(Wish(charger=charger, at_s=self.now_s, paused=paused, first=first))

    def link(self, number: int, online: bool) -> None:
        post = self.posts[number]
        if post.online != online:
            post.online, post.told = online, None
            self._inbox.append(ChargerLink(charger=post.charger.id, at_s=self.now_s, online=online))

    # --- what can be asked ---

    def setpoint(self, number: int) -> Setpoint:
        return self.decision.setpoints[number]

    def flow(self, circuit: int) -> list[complex]:
        """What flows on each line of a circuit."""
        sums = [0j] * len(self.site.supply.lines)
        for number, load in enumerate(self.own_a):
            if circuit in self._paths[number]:
                for line, amps in enumerate(load):
                    sums[line] += amps
        for post in self.posts:
            if post.car is not None and post.car.amps > 0 and circuit in self.path(post.charger):
                for line, phasor in enumerate(line_phasors(self.site.supply, post.charger, post.car.lines)):
                    sums[line] += post.car.amps * phasor
        return sums

    def path(self, charger: Charger) -> list[int]:
        """The charger's circuit and all above it."""
        return self._paths[self.site.index_of_circuit[charger.circuit]]

    def step(self) -> Decision:
        """One step of time; the decision at its end."""
        self._move()
        seen = [*self._inbox, *self._reports(), *self._samples()]
        self._inbox = []
        remembered = self.observed.memory if self.now_s == 0 else self.decision.memory
        self.observed = self.observed.with_(self.site, seen).remembering(remembered)
        self.decision = decide(self.site, self.observed, self.now_s)
        self._obey()
        self.now_s += self.step_s
        return self.decision

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.step()

    # --- physics ---

    def _move(self) -> None:
        for number, post in enumerate(self.posts):
            if post.lease_end_s <= self.now_s:
                post.lease_end_s = math.inf
                self._orders.append((self.now_s, number, post.charger.safe_a))
        due = [order for order in self._orders if order[0] <= self.now_s]
        self._orders = [order for order in self._orders if order[0] > self.now_s]
        for _, number, limit in due:
            if (car := self.posts[number].car) is not None:
                car.felt_a = limit
        for post in self.posts:
            if (car := post.car) is not None:
                most = min(car.felt_a, post.charger.max_a, car.most_a)
                draws = post.broken is None and car.felt_a >= LOWEST_CHARGING_A and most >= LOWEST_CHARGING_A
                car.amps = most if draws else 0.0

    def _reports(self) -> list[Observation]:
        out: list[Observation] = []
        for post in self.posts:
            if not post.online:
                continue
            state = post.state
            if state is not post.told:
                post.told = state
                out.append(ChargerReport(charger=post.charger.id, at_s=self.now_s, state=state))
            if self.now_s >= post.report_s - 1e-9:
                post.report_s += self.report_every_s
                if post.car is not None and post.measures:
                    amps = reported_amps(self.site.supply, post.charger, post.car.lines, post.car.amps)
                    out.append(ChargerReport(charger=post.charger.id, at_s=self.now_s, currents=PhaseAmps(amps)))
        return out

    def _samples(self) -> list[Observation]:
        out: list[Observation] = []
        between = self.site.supply is Supply.LINE_TO_LINE
        volts = self.site.nominal_v / math.sqrt(3) if between else self.site.nominal_v
        for number, circuit in enumerate(self.site.circuits):
            if circuit.meter is None:
                continue
            flow = self.flow(number)
            if circuit.meter in self.spoilt:
                if (amps := self.spoilt[circuit.meter]) is None:
                    continue
                flow = [complex(amps)] * len(flow)
            out.append(
                MeterReading(
                    meter=circuit.meter,
                    at_s=self.now_s,
                    currents=PhaseAmps(tuple(math.copysign(abs(z), z.real) for z in flow)),
                    powers=PhaseWatts(tuple(z.real * volts for z in flow)),
                    voltages=PhaseVolts((volts,) * len(flow)),
                    reactive=PhaseVars(tuple(-z.imag * volts for z in flow)) if between else None,
                )
            )
        return out

    def _obey(self) -> None:
        for command in self.decision.commands:
            number = self.site.index_of_charger[command.charger]
            post = self.posts[number]
            if not post.online:
                continue
            end_s = math.inf if command.lease_s is None else self.now_s + command.lease_s
            if not post.refuses:
                post.lease_end_s = end_s
                dead_s = 0.0 if post.car is None else post.car.dead_s
                self._orders.append((self.now_s + self.step_s + dead_s, number, command.limit_a))
            if post.mute:
                continue
            self._inbox.append(
                SetpointAnswer(
                    charger=command.charger,
                    at_s=self.now_s + 0.2,
                    limit_a=command.limit_a,
                    accepted=not post.refuses,
                    lease_end_s=None if post.refuses or end_s == math.inf else end_s,
                    reason="refused" if post.refuses else "",
                )
            )


def lines_of(charger: Charger, supply: Supply, wanted: int) -> int:
    """How many lines a car there can use, at most as many as wanted."""
    if supply is Supply.SPLIT_PHASE:
        return charger.phases
    if supply is Supply.LINE_TO_LINE and charger.phases > 1:
        return charger.phases if wanted >= 3 or charger.phases == 2 else 2
    return min(wanted, charger.phases)


@st.composite
def circuits(draw: st.DrawFn, supply: Supply, most_below: int = 3) -> list[Circuit]:
    """A tree, the main circuit first. Some lines of a circuit may bear less than others."""
    lines = len(supply.lines)

    def ratings(least: int, most: int) -> tuple[float, ...]:
        if draw(st.booleans()):
            return (float(draw(st.integers(least, most))),) * lines
        return tuple(float(draw(st.integers(least, most))) for _ in range(lines))

    out = [Circuit(id=CircuitId("main"), rating_a=PhaseAmps(ratings(20, 120)), meter=MeterId("main"))]
    for number in range(draw(st.integers(0, most_below))):
        parent = draw(st.sampled_from(out))
        mine = tuple(max(6.5, min(a, b)) for a, b in zip(ratings(10, 80), parent.rating_a, strict=True))
        meter = MeterId(f"sub{number}") if draw(st.booleans()) else None
        out.append(Circuit(id=CircuitId(f"sub{number}"), parent=parent.id, rating_a=PhaseAmps(mine), meter=meter))
    return out


def wired(draw: st.DrawFn, supply: Supply) -> tuple[Line, ...]:
    return tuple(Line(int(n) - 1) for n in draw(st.sampled_from(WIRINGS[supply])))


@st.composite
def chargers(
    draw: st.DrawFn,
    supply: Supply,
    tree: list[Circuit],
    least: int = 1,
    most: int = 7,
    *,
    equal: bool = False,
    steps_a: tuple[float, ...] = (0.1, 1.0),
) -> list[Charger]:
    """Any chargers on the tree; equal: all of one rank and weight."""
    out = []
    for number in range(draw(st.integers(least, most))):
        wiring = wired(draw, supply)
        out.append(
            Charger(
                id=ChargerId(f"c{number}"),
                circuit=draw(st.sampled_from(tree)).id,
                wiring=wiring,
                phases=len(wiring),
                min_a=draw(st.sampled_from([6.0, 6.0, 6.0, 8.0])),
                max_a=draw(st.sampled_from([10.0, 16.0, 25.0, 32.0])),
                step_a=draw(st.sampled_from(steps_a)),
                rank=1 if equal else draw(st.sampled_from([1, 1, 2])),
                weight=1.0 if equal else draw(st.sampled_from([1.0, 1.0, 2.0])),
            )
        )
    return out


def site_of(supply: Supply, tree: list[Circuit], posts: list[Charger], step_s: float = 1.0) -> Site:
    return Site(
        name="any",
        supply=supply,
        nominal_v=230.0,
        circuits=tuple(tree),
        meters=tuple(Meter(id=c.meter, period_s=step_s) for c in tree if c.meter is not None),
        chargers=tuple(posts),
        turn_s=600.0,
    )
