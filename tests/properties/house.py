"""A house with a life of its own, against which `decide` plays: cars, chargers with leases, meters, a building.

It shares no reckoning with the controller but `line_phasors`: how a car's ampere lands on the lines. Time is a real
number and goes from event to event. Nothing is rounded to seconds, so bounds on time need no allowance for it.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from heapq import heappop, heappush
from itertools import count

from hypothesis import strategies as st

from ampacity.core.decide import decide
from ampacity.core.decision import Command, Decision
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    SetpointAnswer,
)
from ampacity.core.phases import Line, PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, PauseMode, Site
from ampacity.sim.loads import line_phasors, reported_amps, watts_per_amp

PASS_S = 1.0
"""The loop makes a pass at each sample of a meter, and after this time without one."""

MESSAGE_S = 1.0
"""A message takes no longer. With the car's dead time of 5 s that is the 6 s that a car may take to follow."""

DEAD_S = 5.0
"""IEC 61851-1: a car follows a lower limit within this time."""

LOWEST_A = 6.0

WIRINGS = {
    Supply.SINGLE_PHASE: ["1"],
    Supply.SPLIT_PHASE: ["12", "1", "2"],
    Supply.THREE_PHASE: ["123", "231", "312", "132", "213", "321", "1", "2", "3", "12", "31"],
    Supply.LINE_TO_LINE: ["12", "23", "31", "21", "123", "312"],
}


class Obeys(Enum):
    """Whether a car keeps to what its charger offers."""

    ALWAYS = auto()
    WHEN_PAUSED = auto()
    """It takes all it can as soon as it is offered anything."""
    NEVER = auto()
    """It takes all it can, also when it is paused."""


class Fault(Enum):
    """What can be wrong with a meter."""

    NONE = auto()
    SILENT = auto()
    FROZEN = auto()
    """It repeats what it last showed."""
    ABSURD = auto()
    TURNED = auto()
    """Its sign is wrong."""
    EMPTY = auto()
    """It has just started, and shows nothing yet."""


class Shows(Enum):
    """What a meter tells beside its currents."""

    CURRENTS = auto()
    POWERS = auto()
    ALL = auto()
    """Active and reactive power."""


class Draw(Enum):
    """How a charger reports what its car draws."""

    PHASES = auto()
    CURRENT = auto()
    POWER = auto()


@dataclass(frozen=True, kw_only=True)
class MeterKind:
    """How a meter behaves while it works."""

    period_s: float = 1.0
    age_s: float = 0.0
    """How old a sample is when it arrives."""
    first_s: float = 0.0
    shows: Shows = Shows.ALL


@dataclass(frozen=True, kw_only=True)
class ChargerKind:
    """How a charger behaves while its link is up, and without."""

    message_s: float = 0.2
    """How long a message to or from it takes."""
    report_s: float = 5.0
    first_report_s: float = 0.5
    draw: Draw = Draw.PHASES
    runs_away_after_s: float | None = None
    """Not guarded: it goes to its maximum so long after its link was lost; None: it keeps its setpoint."""


@dataclass(frozen=True, kw_only=True)
class Fittings:
    """A site, and what the things on it are like. All in the site's order."""

    site: Site
    meters: tuple[MeterKind, ...]
    chargers: tuple[ChargerKind, ...]
    lag_rad: float = 0.0
    """By how much the building's currents lag their voltages."""


@dataclass(eq=False)
class Car:
    """A car. It falls at once when its dead time is over, and rises at its own pace."""

    lines: int
    dead_s: float
    ramp_a_per_s: float
    most_a: float
    """What it takes when it gets all it wants; 0: it has paused itself."""
    obeys: Obeys = Obeys.ALWAYS
    felt_a: float = 0.0
    """What it is offered, as far as it has noticed."""
    _base_a: float = 0.0
    _base_s: float = 0.0

    def aim_a(self, charger: Charger) -> float:
        free = self.obeys is Obeys.NEVER or (self.obeys is Obeys.WHEN_PAUSED and self.felt_a >= LOWEST_A)
        offered_a = charger.max_a if free else self.felt_a
        return min(offered_a, self.most_a, charger.max_a) if offered_a >= LOWEST_A else 0.0

    def amps(self, charger: Charger, now_s: float) -> float:
        return min(self.aim_a(charger), self._base_a + self.ramp_a_per_s * (now_s - self._base_s))

    def changes(self, charger: Charger, now_s: float) -> None:
        """To be called before what it aims at changes."""
        self._base_a, self._base_s = self.amps(charger, now_s), now_s

    def risen_s(self, charger: Charger) -> float:
        """When it has reached what it aims at."""
        return self._base_s + max(0.0, self.aim_a(charger) - self._base_a) / self.ramp_a_per_s


@dataclass(eq=False)
class Post:
    """A charger, and the car at it. It keeps its own lease."""

    number: int
    charger: Charger
    kind: ChargerKind
    held_a: float
    """The setpoint in force."""
    lease_end_s: float = math.inf
    link: bool = True
    known_link: bool = True
    """What the controller knows of it."""
    refuses: bool = False
    car: Car | None = None
    able_s: float = 0.0
    """Since when it has taken commands without a hitch; infinite: it doesn't."""
    lost_s: float = 0.0
    """When its link was last lost."""
    lie_a: float | None = None
    """It reports this draw, whatever its car draws; None: the truth."""

    @property
    def state(self) -> ChargerState:
        if self.car is None:
            return ChargerState.AVAILABLE
        if self.car.aim_a(self.charger) > 0:
            return ChargerState.CHARGING
        return ChargerState.SUSPENDED_EVSE if self.held_a < LOWEST_A else ChargerState.SUSPENDED_EV


@dataclass(eq=False)
class Sensor:
    """A meter."""

    circuit: int
    meter: Meter
    kind: MeterKind
    fault: Fault = Fault.NONE
    fault_s: float = 0.0
    """When the fault began or ended."""
    faults: int = 0
    last: MeterReading | None = None
    number: int = 1
    """Another one is another meter."""


@dataclass(frozen=True)
class LeaseEnd:
    """A charger left its setpoint by itself."""

    at_s: float
    number: int
    from_a: float
    to_a: float
    others: tuple[tuple[int, float, float], ...]
    """Number, setpoint and end of lease of every other charger at that moment."""


@dataclass
class House:
    """Everything at once, from time 0 on. `after`: called after each event."""

    fittings: Fittings
    after: Callable[[House], None] = lambda house: None
    now_s: float = 0.0
    posts: list[Post] = field(init=False)
    sensors: list[Sensor] = field(init=False)
    own_a: list[list[float]] = field(init=False)
    """The building's load by circuit and line, without what is on the circuits below."""
    step_s: list[float] = field(init=False)
    """By circuit: until when something on it or below it grew, or may have grown, without a command."""
    observed: Observed = field(default_factory=Observed)
    decision: Decision | None = None
    dead_s: float | None = None
    """When the controller died."""
    lease_ends: list[LeaseEnd] = field(default_factory=list)
    told_s: float = 0.0
    """When a command last changed a setpoint."""

    def __post_init__(self) -> None:
        site = self.fittings.site
        self.site = site
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._turn = count()
        self._inbox: list[Observation] = []
        self._passed_s = 0.0
        self._paths = [[site.index_of_circuit[c] for c in site.path(circuit.id)] for circuit in site.circuits]
        self._phasors: dict[tuple[int, int], tuple[complex, ...]] = {}
        lines = len(site.supply.lines)
        self.own_a = [[0.0] * lines for _ in site.circuits]
        self.step_s = [0.0 for _ in site.circuits]
        self.posts = [
            Post(number, charger, kind, charger.safe_a)
            for number, (charger, kind) in enumerate(zip(site.chargers, self.fittings.chargers, strict=True))
        ]
        circuit_of = {circuit.meter: number for number, circuit in enumerate(site.circuits)}
        self.sensors = [
            Sensor(circuit_of[meter.id], meter, kind)
            for meter, kind in zip(site.meters, self.fittings.meters, strict=True)
        ]
        for post in self.posts:
            self._see(ChargerLink(charger=post.charger.id, at_s=0.0, online=True))
            self._say_state(post)
            self._at(post.kind.first_report_s, partial(self._report, post))
        for sensor in self.sensors:
            self._at(sensor.kind.first_s, partial(self._sample, sensor))
        self._at(PASS_S, self._timer)

    # --- what people and fate do ---

    def step_load(self, circuit: int, line: int, amps: float) -> None:
        """The building's own load on a line of a circuit is this from now on."""
        if amps > self.own_a[circuit][line]:
            self.disturb(circuit)
        self.own_a[circuit][line] = amps

    def follow(self, circuit: int, rows: Sequence[Sequence[float]]) -> None:
        """The building's own load on a circuit follows a trace of one row a second."""
        begin_s = self.now_s

        def step(second: int) -> None:
            for line, amps in enumerate(rows[second]):
                if amps != self.own_a[circuit][line]:
                    self.step_load(circuit, line, amps)
            if second + 1 < len(rows):
                self._at(begin_s + second + 1, partial(step, second + 1))

        self._at(begin_s, partial(step, 0))

    def plug_in(self, number: int, car: Car) -> None:
        post = self.posts[number]
        if post.car is None:
            post.car = car
            self.disturb_by(post)
            self._offer(post)
            self._say_state(post)

    def unplug(self, number: int) -> None:
        self.posts[number].car = None
        self._say_state(self.posts[number])

    def takes(self, number: int, most_a: float) -> None:
        """The car at a charger can use so much from now on."""
        post = self.posts[number]
        if post.car is not None:
            self._turns(post, post.car, most_a=most_a)

    def obeys(self, number: int, obeys: Obeys) -> None:
        post = self.posts[number]
        if post.car is not None:
            self._turns(post, post.car, obeys=obeys)

    def refuses(self, number: int, refuses: bool) -> None:
        post = self.posts[number]
        if post.refuses != refuses:
            post.refuses = refuses
            post.able_s = math.inf if refuses or not post.link else self.now_s
            self.disturb_by(post)

    def lose_link(self, number: int, noticed_after_s: float) -> None:
        """Messages to and from a charger are lost from now on; the controller is told of it later."""
        post = self.posts[number]
        if not post.link:
            return
        post.link, post.able_s, post.lost_s = False, math.inf, self.now_s
        lost_s = self.now_s
        self.disturb_by(post)
        self._at(lost_s + noticed_after_s, lambda: self._notice_loss(post, lost_s))
        if not post.charger.guarded and post.kind.runs_away_after_s is not None:
            self._at(lost_s + post.kind.runs_away_after_s, lambda: self._run_away(post, lost_s))

    def regain_link(self, number: int) -> None:
        post = self.posts[number]
        if post.link:
            return
        post.link = post.known_link = True
        post.able_s = math.inf if post.refuses else self.now_s
        self.disturb_by(post)
        self._see(ChargerLink(charger=post.charger.id, at_s=self.now_s, online=True))
        self._say_state(post)

    def reboot(self, number: int) -> None:
        """A charger starts anew in mid-session, with its lasting default alone; its link comes back at once."""
        post = self.posts[number]
        self.lose_link(number, 0.0)
        post.held_a, post.lease_end_s = post.charger.safe_a, math.inf
        self._offer(post)
        self.regain_link(number)

    def spoil(self, sensor: Sensor, fault: Fault) -> None:
        if sensor.fault is not fault:
            sensor.faults += fault is not Fault.NONE
            sensor.fault, sensor.fault_s = fault, self.now_s

    def exchange(self, sensor: Sensor) -> None:
        """It is another meter from now on."""
        sensor.number += 1

    def kill_controller(self) -> None:
        """It sends nothing from now on; what is on the wire arrives."""
        self.dead_s = self.now_s

    def restart_controller(self) -> None:
        """It forgets everything; all chargers come to it anew."""
        self.observed = Observed()
        self._inbox = []
        self._passed_s = self.now_s
        for post in self.posts:
            post.known_link = post.link
            if post.link:
                self._see(ChargerLink(charger=post.charger.id, at_s=self.now_s, online=True))
                self._say_state(post)
            self.disturb_by(post)

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self._events and self._events[0][0] <= end_s:
            self.now_s, _, act = heappop(self._events)
            act()
            self.after(self)
        self.now_s = end_s

    # --- what can be asked ---

    def amps(self, post: Post) -> float:
        return 0.0 if post.car is None else post.car.amps(post.charger, self.now_s)

    def phasors(self, post: Post) -> tuple[complex, ...]:
        """Of 1 A of the car at a charger."""
        assert post.car is not None
        key = (post.number, post.car.lines)
        if key not in self._phasors:
            self._phasors[key] = line_phasors(self.site.supply, post.charger, post.car.lines)
        return self._phasors[key]

    def path(self, post: Post) -> list[int]:
        """The charger's circuit and all above it."""
        return self._paths[self.site.index_of_circuit[post.charger.circuit]]

    def flows(self) -> list[list[complex]]:
        """What flows on each circuit and line."""
        lag = cmath.exp(-1j * self.fittings.lag_rad)
        sums = [[0j for _ in self.site.supply.lines] for _ in self.site.circuits]
        for number, load in enumerate(self.own_a):
            for above in self._paths[number]:
                for line, amps in enumerate(load):
                    sums[above][line] += amps * lag
        for post in self.posts:
            amps = self.amps(post)
            if amps > 0:
                phasors = self.phasors(post)
                for above in self.path(post):
                    for line, phasor in enumerate(phasors):
                        sums[above][line] += amps * phasor
        return sums

    def below(self, circuit: int) -> list[Post]:
        return [post for post in self.posts if circuit in self.path(post)]

    def disturb(self, circuit: int, until_s: float = 0.0) -> None:
        for above in self._paths[circuit]:
            self.step_s[above] = max(self.step_s[above], self.now_s, until_s)

    def disturb_by(self, post: Post) -> None:
        until_s = 0.0 if post.car is None else post.car.risen_s(post.charger)
        self.disturb(self.site.index_of_circuit[post.charger.circuit], until_s)

    # --- events ---

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heappush(self._events, (at_s, next(self._turn), act))

    def _see(self, one: Observation) -> None:
        self._inbox.append(one)

    def _timer(self) -> None:
        if self.now_s >= self._passed_s + PASS_S - 1e-9:
            self._pass()
        self._at(self._passed_s + PASS_S, self._timer)

    def _pass(self) -> None:
        self._passed_s = self.now_s
        if self.dead_s is not None:
            return
        self.observed = self.observed.with_(self.site, self._inbox)
        self._inbox = []
        self.decision = decide(self.site, self.observed, self.now_s)
        self.observed = self.observed.remembering(self.decision.memory)
        for command in self.decision.commands:
            if not command.renewal:
                self.told_s = self.now_s
            post = self.posts[self.site.index_of_charger[command.charger]]
            self._at(self.now_s + post.kind.message_s, partial(self._obey, post, command))

    def _obey(self, post: Post, command: Command) -> None:
        if not post.link:
            return
        lease_end_s = math.inf
        if not post.refuses:
            if command.lease_s is not None and post.charger.guarded:
                lease_end_s = self.now_s + command.lease_s
                self._at(lease_end_s, lambda: self._end_lease(post, lease_end_s))
            post.lease_end_s = lease_end_s
            if post.held_a != command.limit_a:
                post.held_a = command.limit_a
                self._offer(post)
        answer = SetpointAnswer(
            charger=post.charger.id,
            at_s=self.now_s + post.kind.message_s,
            limit_a=command.limit_a,
            accepted=not post.refuses,
            lease_end_s=None if lease_end_s == math.inf else lease_end_s,
            reason="refused" if post.refuses else "",
        )
        self._send(post, answer)

    def _send(self, post: Post, one: Observation) -> None:
        """A message to the controller, which its link must outlive."""

        def arrive() -> None:
            if post.link:
                self._see(one)

        if post.link:
            self._at(self.now_s + post.kind.message_s, arrive)

    def _end_lease(self, post: Post, lease_end_s: float) -> None:
        if post.lease_end_s != lease_end_s:
            return
        others = tuple((p.number, p.held_a, p.lease_end_s) for p in self.posts if p is not post)
        self.lease_ends.append(LeaseEnd(self.now_s, post.number, post.held_a, post.charger.safe_a, others))
        if post.held_a < post.charger.safe_a and post.car is not None:
            # It could not be told to stay paused.
            self.disturb_by(post)
            rise_s = post.car.dead_s + post.charger.safe_a / post.car.ramp_a_per_s
            self.disturb(self.site.index_of_circuit[post.charger.circuit], self.now_s + rise_s)
        post.lease_end_s = math.inf
        post.held_a = post.charger.safe_a
        self._offer(post)

    def _offer(self, post: Post) -> None:
        """What the charger holds now reaches its car after the car's dead time."""
        if post.car is not None:
            car, amps = post.car, post.held_a
            self._at(self.now_s + car.dead_s, lambda: self._feel(post, car, amps))

    def _feel(self, post: Post, car: Car, amps: float) -> None:
        if post.car is not car:
            return
        before, aim_a = post.state, car.aim_a(post.charger)
        car.changes(post.charger, self.now_s)
        car.felt_a = amps
        if car.obeys is not Obeys.ALWAYS and car.aim_a(post.charger) > max(aim_a, amps):
            self.disturb_by(post)
        if post.state is not before:
            self._say_state(post)

    def _turns(self, post: Post, car: Car, *, most_a: float | None = None, obeys: Obeys | None = None) -> None:
        before, before_a = post.state, car.most_a
        car.changes(post.charger, self.now_s)
        car.most_a = before_a if most_a is None else most_a
        car.obeys = car.obeys if obeys is None else obeys
        if car.obeys is not Obeys.ALWAYS or obeys is not None or car.most_a < before_a:
            # What it may take by its setpoint is reserved for it: taking that again is nothing new. What it drew
            # before it took less is believed until it reports.
            self.disturb_by(post)
        if post.state is not before:
            self._say_state(post)

    def _say_state(self, post: Post) -> None:
        at_s = self.now_s + post.kind.message_s
        self._send(post, ChargerReport(charger=post.charger.id, at_s=at_s, state=post.state))

    def _report(self, post: Post) -> None:
        self._at(self.now_s + post.kind.report_s, lambda: self._report(post))
        if post.car is None:
            return
        amps, at_s = self.amps(post), self.now_s + post.kind.message_s
        if post.lie_a is not None:
            amps = post.lie_a
        supply, charger = self.site.supply, post.charger
        match post.kind.draw:
            case Draw.PHASES:
                each = PhaseAmps(reported_amps(supply, charger, post.car.lines, amps))
                report = ChargerReport(charger=charger.id, at_s=at_s, currents=each)
            case Draw.CURRENT:
                report = ChargerReport(charger=charger.id, at_s=at_s, current_a=amps)
            case Draw.POWER:
                watts = amps * watts_per_amp(supply, charger, post.car.lines, self.site.nominal_v)
                report = ChargerReport(charger=charger.id, at_s=at_s, power_w=watts)
        self._send(post, report)

    def _notice_loss(self, post: Post, lost_s: float) -> None:
        if not post.link and post.lost_s == lost_s:
            post.known_link = False
            self.disturb_by(post)
            self._see(ChargerLink(charger=post.charger.id, at_s=self.now_s, online=False))

    def _run_away(self, post: Post, lost_s: float) -> None:
        if not post.link and post.lost_s == lost_s:
            post.held_a = post.charger.max_a
            if post.car is not None:
                # It rises as far as its maximum, once its dead time is over.
                rise_s = post.charger.max_a / post.car.ramp_a_per_s
                circuit = self.site.index_of_circuit[post.charger.circuit]
                self.disturb(circuit, self.now_s + post.car.dead_s + rise_s)
            self._offer(post)

    def _sample(self, sensor: Sensor) -> None:
        self._at(self.now_s + sensor.kind.period_s, lambda: self._sample(sensor))
        if sensor.fault is Fault.SILENT:
            return
        at_s = self.now_s + sensor.kind.age_s
        if sensor.fault is not Fault.FROZEN or sensor.last is None:
            sensor.last = self._reading(sensor, at_s)
        last = replace(sensor.last, at_s=at_s, serial=f"number {sensor.number}")
        lines = len(last.currents)
        match sensor.fault:
            case Fault.ABSURD:
                reading = replace(last, currents=PhaseAmps((math.nan,) * lines))
            case Fault.TURNED:
                reading = replace(
                    last,
                    currents=PhaseAmps(tuple(-a for a in last.currents)),
                    powers=None if last.powers is None else PhaseWatts(tuple(-w for w in last.powers)),
                    reactive=None if last.reactive is None else PhaseVars(tuple(-r for r in last.reactive)),
                )
            case Fault.EMPTY:
                none = (0.0,) * lines
                reading = replace(last, currents=PhaseAmps(none), powers=PhaseWatts(none), reactive=None)
            case _:
                reading = last
        self._at(at_s, lambda: self._arrive(reading))

    def _arrive(self, reading: MeterReading) -> None:
        self._see(reading)
        self._pass()

    def _reading(self, sensor: Sensor, at_s: float) -> MeterReading:
        flow = self.flows()[sensor.circuit]
        between = self.site.supply is Supply.LINE_TO_LINE
        volts = self.site.nominal_v / math.sqrt(3) if between else self.site.nominal_v
        shows = sensor.kind.shows
        powers = PhaseWatts(tuple(z.real * volts for z in flow))
        reactive = PhaseVars(tuple(-z.imag * volts for z in flow))
        return MeterReading(
            meter=sensor.meter.id,
            at_s=at_s,
            currents=PhaseAmps(tuple(math.copysign(abs(z), z.real) for z in flow)),
            powers=None if shows is Shows.CURRENTS else powers,
            voltages=None if shows is Shows.CURRENTS else PhaseVolts((volts,) * len(flow)),
            reactive=reactive if shows is Shows.ALL else None,
        )


# --- any house -------------------------------------------------------------------------------------------------------


def tenths(least: float, most: float) -> st.SearchStrategy[float]:
    return st.integers(round(least * 10), round(most * 10)).map(lambda n: n / 10)


@st.composite
def cars(draw: st.DrawFn) -> Car:
    return Car(
        lines=draw(st.integers(1, 3)),
        dead_s=draw(tenths(0, DEAD_S)),
        ramp_a_per_s=draw(st.sampled_from([32.0, 8.0, 2.0, 0.5])),
        most_a=draw(st.sampled_from([32.0, 20.0, 16.0, 10.0])),
    )


def car_at(post: Post, car: Car, supply: Supply) -> Car:
    """The car, with as many lines as the charger offers; where chargers sit between lines, all or a pair."""
    lines = min(car.lines, post.charger.phases)
    if supply is Supply.SPLIT_PHASE or (supply is Supply.LINE_TO_LINE and lines < 3):
        lines = post.charger.phases if post.charger.phases < 3 else 2
    car.lines = lines
    return car


@st.composite
def houses(draw: st.DrawFn, *, proven: bool = False) -> Fittings:
    """Any house where wirings are known and chargers tell which phases are in use.

    proven: every circuit's worst load is stated, so that the safe-current proof can say yes or no.
    """
    supply = draw(st.sampled_from(list(Supply)))
    lines = len(supply.lines)
    circuits = [_circuit(draw, "main", None, lines, metered=True, proven=proven)]
    for number in range(draw(st.integers(0, 4))):
        parent = draw(st.sampled_from(circuits))
        if _depth(circuits, parent) < 4:
            metered = draw(st.booleans())
            circuits.append(_circuit(draw, f"sub{number}", parent, lines, metered=metered, proven=proven))
    lease = st.sampled_from([30.0, 60.0, 120.0])
    safe = st.sampled_from([0.0, 1.0, 1.0] if proven else [0.0, 0.0, 1.0])
    chargers = [_charger(draw, number, supply, circuits, lease, safe) for number in range(draw(st.integers(1, 6)))]
    kinds = [_meter_kind(draw, supply) for circuit in circuits if circuit.meter is not None]
    meters = [
        Meter(id=circuit.meter, period_s=kind.period_s)
        for circuit, kind in zip([c for c in circuits if c.meter is not None], kinds, strict=True)
        if circuit.meter is not None
    ]
    site = Site(
        name="any",
        supply=supply,
        nominal_v=230.0,
        pause_mode=draw(st.sampled_from(list(PauseMode))),
        turn_s=600.0,
        circuits=tuple(circuits),
        meters=tuple(meters),
        chargers=tuple(chargers),
    )
    lags = all(kind.shows is Shows.ALL for kind in kinds)
    return Fittings(
        site=site,
        meters=tuple(kinds),
        chargers=tuple(_charger_kind(draw, charger) for charger in chargers),
        lag_rad=draw(st.sampled_from([0.0, 0.5])) if lags else 0.0,
    )


def _depth(circuits: list[Circuit], circuit: Circuit) -> int:
    depth = 1
    while circuit.parent is not None:
        circuit = next(c for c in circuits if c.id == circuit.parent)
        depth += 1
    return depth


def _circuit(draw: st.DrawFn, name: str, parent: Circuit | None, lines: int, *, metered: bool, proven: bool) -> Circuit:
    least, most = (16, 70) if parent is None else (10, 50)
    if draw(st.booleans()):
        ratings = [float(draw(st.integers(least, most)))] * lines
    else:
        ratings = [float(draw(st.integers(least, most))) for _ in range(lines)]
    if parent is not None:
        ratings = [min(a, b) for a, b in zip(ratings, parent.rating_a, strict=True)]
    factor = draw(st.sampled_from([1.0, 1.0, 0.8]))
    worst = None
    if proven or draw(st.booleans()):
        share = draw(st.sampled_from([0.0, 0.2, 0.5]))
        worst = PhaseAmps(tuple(a * share for a in ratings))
    return Circuit(
        id=CircuitId(name),
        parent=None if parent is None else parent.id,
        rating_a=PhaseAmps(tuple(ratings)),
        continuous_factor=factor,
        meter=MeterId(name) if metered else None,
        other_load_a=0.0 if metered else draw(st.sampled_from([0.0, 0.0, 3.0])),
        worst_load_a=worst,
    )


def _charger(
    draw: st.DrawFn,
    number: int,
    supply: Supply,
    circuits: list[Circuit],
    lease: st.SearchStrategy[float],
    safe: st.SearchStrategy[float],
) -> Charger:
    wiring = [Line(int(n) - 1) for n in draw(st.sampled_from(WIRINGS[supply]))]
    least = draw(st.sampled_from([6.0, 6.0, 6.0, 8.0]))
    return Charger(
        id=ChargerId(f"c{number}"),
        circuit=draw(st.sampled_from(circuits)).id,
        wiring=tuple(wiring),
        phases=len(wiring),
        min_a=least,
        max_a=draw(st.sampled_from([10.0, 16.0, 32.0])),
        safe_a=draw(safe) * least,
        step_a=draw(st.sampled_from([0.1, 1.0])),
        rank=draw(st.sampled_from([1, 1, 2])),
        weight=draw(st.sampled_from([1.0, 1.0, 2.0])),
        lease_s=draw(lease),
        guarded=draw(st.integers(0, 4)) > 0,
    )


def _meter_kind(draw: st.DrawFn, supply: Supply) -> MeterKind:
    period_s = draw(st.sampled_from([1.0, 0.5, 2.5, 5.0, 10.0]))
    return MeterKind(
        period_s=period_s,
        age_s=min(period_s, draw(tenths(0, 1))),
        first_s=draw(tenths(0, 1)),
        shows=Shows.ALL if supply is Supply.LINE_TO_LINE else draw(st.sampled_from(list(Shows))),
    )


def _charger_kind(draw: st.DrawFn, charger: Charger) -> ChargerKind:
    report_s = draw(tenths(1, 30))
    return ChargerKind(
        message_s=draw(tenths(0, MESSAGE_S)),
        report_s=report_s,
        first_report_s=draw(tenths(0, report_s)),
        draw=draw(st.sampled_from(list(Draw))) if charger.phases == 1 else Draw.PHASES,
        runs_away_after_s=None if charger.guarded else draw(st.sampled_from([None, 10.0, 60.0])),
    )
