"""Daily life of random buildings, watched: what is said where nothing is wrong, and how soon it is said where something
is. Buildings from quiet to noisy, real traces among them; cars of all kinds.

    python bench/watch.py --days 100 --sites 20 [--faults 60] [--seed 1]
"""

from __future__ import annotations

import argparse
import cmath
import math
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ampacity.commission.dossier import Dossier
from ampacity.commission.steptest.mounting import Wiring, load_of, wirings
from ampacity.commission.watch.explanations import Kind
from ampacity.commission.watch.judge import Learned
from ampacity.commission.watch.life import Expected, Found, Life, Passed
from ampacity.commission.watch.watcher import Watch
from ampacity.config.installation import Installation
from ampacity.core.decide import decide
from ampacity.core.decision import Decision
from ampacity.core.observations import ChargerReport, MeterReading, Observation, Observed, SetpointAnswer
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.daily import DAY_S, Daily, Load, Stay
from ampacity.sim.mounted import CarAtCharger, MountedMeter, line_volts
from ampacity.sim.plant import CarModel, Plant
from ampacity.sim.tables import Session, read_building

DATA = Path(__file__).parent / "data"
TRACES = ("house_day_1s", "apartments8_day_1s", "apartments20_day_1s")
METER = MeterId("main")
SUPPLIES = (Supply.THREE_PHASE,) * 6 + (Supply.SPLIT_PHASE, Supply.LINE_TO_LINE, Supply.SINGLE_PHASE)
FAULTS = ("lost", "slipped", "turned", "swapped", "ratio", "wiring", "unseen", "report")
HEALTHY_DAYS = 4
"""Before a fault."""


@cache
def _trace(name: str) -> list[tuple[float, ...]]:
    return read_building(DATA / f"{name}.csv.gz", 3).by_second()


@dataclass(frozen=True)
class Case:
    """A random building, and what is known of it."""

    number: int
    daily: Daily
    expected: Expected
    kind: str
    truth: dict[ChargerId, Wiring]
    stays: Sequence[Stay]


def case(number: int, seed: int, days: float, *, unknown: float = 0.0) -> Case:
    """The same numbers give the same building. `unknown`: so many of the chargers' orders are not known."""
    draw = random.Random(f"{seed} {number}")
    supply = draw.choice(SUPPLIES)
    lines = len(supply.lines)
    kind, load, worst = building(draw, supply)
    count = draw.choice([1, 2, 3, 4])
    chargers, stays, known, left, truth = [], list[Stay](), {}, {}, {}
    for place in range(count):
        name = ChargerId(f"c{place}")
        phases = draw.choice([p for p in (1, 3, 3, 3) if p <= lines] or [lines])
        if supply is Supply.LINE_TO_LINE or (supply is Supply.SPLIT_PHASE and draw.random() < 0.7):
            phases = 2 if supply is Supply.SPLIT_PHASE or draw.random() < 0.7 else 3
        wiring = draw.choice(wirings(supply, phases))
        is_unknown = draw.random() < unknown and phases > 1
        known[name] = wirings(supply, phases) if is_unknown else [wiring]
        left[name] = wirings(supply, phases) if is_unknown else []
        truth[name] = wiring
        chargers.append(
            Charger(
                id=name,
                circuit=CircuitId("main"),
                wiring=None if is_unknown else wiring,
                phases=phases,
                max_a=draw.choice([16.0, 20.0, 32.0]),
            )
        )
        stays += _stays(draw, name, supply, wiring, days)
    limit = tuple(math.ceil(one + draw.uniform(8.0, 40.0)) for one in worst)
    site = Site(
        name="site",
        supply=supply,
        nominal_v={Supply.SPLIT_PHASE: 120.0, Supply.LINE_TO_LINE: 208.0}.get(supply, 230.0),
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps(limit), meter=METER),),
        meters=(Meter(id=METER),),
        chargers=tuple(chargers),
    )
    quantity = draw.random()
    meter = MountedMeter(
        id=METER,
        order=tuple(range(lines)),
        turned=(False,) * lines,
        ratios=(1.0,) * lines,
        has_power=quantity > 0.15,
        has_reactive=quantity > 0.3,
        period_s=draw.choice([1.0, 1.0, 1.0, 2.0, 5.0]),
        noise=draw.choice([0.0005, 0.002, 0.005]),
        step_a=draw.choice([0.001, 0.01, 0.1]),
    )
    daily = Daily(site, load, meter, stays, seed=draw.getrandbits(32))
    return Case(number, daily, Expected(mountings={}, wirings=known, open=left, marks={}), kind, truth, tuple(stays))


def _stays(draw: random.Random, name: ChargerId, supply: Supply, wiring: Wiring, days: float) -> list[Stay]:
    """Of one or a few regular cars."""
    cars = [_car(draw, name, supply, wiring) for _ in range(draw.choice([1, 1, 1, 2, 4]))]
    often, reports_s = draw.uniform(0.4, 2.0), draw.choice([5.0, 10.0, 10.0, 10.0, 30.0, 60.0])
    reports = draw.choice(["phases"] * 6 + ["current"])
    now_s, out = draw.uniform(0, DAY_S), []
    while now_s < days * DAY_S:
        takes_s = draw.uniform(1200.0, 6 * 3600.0)
        leaves_s = now_s + draw.choice([draw.uniform(0.3, 1.0) * takes_s, takes_s + draw.uniform(600.0, 8 * 3600.0)])
        pauses = (now_s + draw.uniform(900.0, takes_s),) if draw.random() < 0.1 else ()
        out.append(
            Stay(
                car=replace(draw.choice(cars), reports_s=reports_s, reports=reports),
                arrives_s=round(now_s),
                leaves_s=round(leaves_s),
                takes_s=takes_s,
                pauses_s=pauses,
                tapers=draw.random() < 0.5,
            )
        )
        now_s = leaves_s + draw.expovariate(often / DAY_S) + 300.0
    return out


def _car(draw: random.Random, name: ChargerId, supply: Supply, wiring: Wiring) -> CarAtCharger:
    phases = len(wiring)
    fewest = 2 if phases == 2 and supply is not Supply.THREE_PHASE else 1
    uses = phases if draw.random() < 0.5 else draw.randint(fewest, phases)
    if supply is Supply.LINE_TO_LINE and phases == 3 and uses == 1:
        uses = 2
    return CarAtCharger(
        charger=name,
        wiring=tuple(int(line) for line in wiring),
        uses=uses,
        most_a=draw.choice([10.0, 16.0, 16.0, 20.0, 32.0]),
        dead_s=draw.uniform(0.5, 5.0),
        up_a_per_s=draw.choice([math.inf, math.inf, 5.0, 2.0, 1.0]),
        down_a_per_s=draw.choice([math.inf, math.inf, 5.0]),
        step_a=draw.choice([0.0, 0.0, 1.0]),
        takes=draw.uniform(0.93, 1.0),
        displacement=draw.uniform(-0.05, 0.2),
    )


def building(draw: random.Random, supply: Supply) -> tuple[str, Load, list[float]]:
    """What it is like, what it draws, and the most of it by line."""
    lines, volts = len(supply.lines), line_volts(supply)
    angle = [draw.uniform(-0.1, 0.45) for _ in volts]
    kind = draw.choice([*TRACES, *TRACES, "quiet", "oven", "heater", "hob", "sun"])
    scale = draw.uniform(0.5, 1.5)
    order = draw.sample(range(3), 3)
    rows = _trace(kind) if kind in TRACES else None
    base = [draw.uniform(0.7, 6.0) for _ in range(lines)]
    on_lines = [line for line in range(lines) if draw.random() < 0.7] or [0]
    size, period_s, share = {
        "oven": (draw.uniform(5, 14), draw.uniform(20, 60), draw.uniform(0.3, 0.7)),
        "heater": (draw.uniform(15, 30), draw.uniform(60, 300), 0.5),
        "hob": (draw.uniform(4, 9), draw.uniform(2.5, 8), draw.uniform(0.3, 0.7)),
    }.get(kind, (0.0, 60.0, 0.5))
    sun_a, cloud_s = draw.uniform(8, 25), draw.uniform(60, 600)
    jitter = random.Random(draw.random())
    shift_s = draw.randrange(86_400)

    def load(at_s: float) -> Sequence[complex]:
        if rows is not None:
            # Another day is another part of the trace, at another hour.
            row = rows[int(at_s + shift_s + 7919 * (at_s // DAY_S)) % len(rows)]
            sizes = [scale * row[order[line]] for line in range(lines)]
        else:
            on = at_s % period_s < share * period_s and (at_s // 1800) % 3 < 2
            sizes = [
                base[line] + jitter.gauss(0, 0.05) + (size if on and line in on_lines else 0.0) for line in range(lines)
            ]
        out = [amps * cmath.exp(-1j * a) * v for amps, a, v in zip(sizes, angle, volts, strict=True)]
        if kind == "sun":
            height = max(0.0, math.sin(2 * math.pi * (at_s / DAY_S - 0.25)))
            cloud = 0.55 + 0.45 * math.tanh(3 * math.sin(2 * math.pi * at_s / cloud_s))
            out = [one - sun_a * height * cloud * v for one, v in zip(out, volts, strict=True)]
        return out

    worst = (
        [scale * max(row[order[line]] for row in rows) for line in range(lines)]
        if rows is not None
        else [base[line] + size for line in range(lines)]
    )
    return kind, load, worst


@dataclass(frozen=True)
class Outcome:
    """Of one building."""

    number: int
    kind: str
    charger_days: float
    said: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    learned: int = 0
    to_learn: int = 0
    steps: int = 0
    fault: str = ""
    days: float = math.inf
    """From fault to word."""
    steps_since: int = 0
    about: str = ""


def lived(one: Case, life: Life, from_s: float, to_s: float) -> list[tuple[float, Found]]:
    """What is said meanwhile."""
    found, last_s = [], -math.inf
    for now in one.daily.live(to_s, from_s):
        life.passed(Passed(at_s=now.at_s, seen=now.seen, commands=now.commands, unsure=()))
        if now.at_s - last_s >= 10.0:
            last_s = now.at_s
            found += [(now.at_s, what) for what in life.found(now.at_s, now.at_s)]
    return found


def words(what: Found) -> str:
    if isinstance(what.what, Learned):
        return f"learned {what.what.charger} {[[int(line) for line in one] for one in what.what.wirings]}"
    claim = what.what.claim
    name = "fits" if claim.kind is None else claim.kind.value
    return f"{name} {what.what.charger or 'clamps'} {claim.lines} {claim.share:g}"


def steps_of(life: Life) -> int:
    return sum(scale.judge.weighed for scale in life.scales.values() if scale.judge is not None)


def healthy(arguments: tuple[int, int, float]) -> Outcome:
    """Nothing is wrong; some orders are to be learned."""
    number, seed, days = arguments
    one = case(number, seed, days, unknown=0.3)
    life = Life(one.daily.site, one.expected)
    found = lived(one, life, 0.0, days * DAY_S)
    wrong, learned = [], 0
    to_learn = sum(_shows(one, name) for name, ways in one.expected.open.items() if len(ways) > 1)
    for _, what in found:
        if isinstance(what.what, Learned):
            truth = one.truth[what.what.charger]
            if truth not in what.what.wirings:
                wrong.append(words(what))
            learned += _is_all(one, what.what)
        else:
            wrong.append(words(what))
    return Outcome(
        number,
        one.kind,
        days * len(one.daily.site.chargers),
        said=tuple(words(what) for _, what in found),
        wrong=tuple(wrong),
        learned=learned,
        to_learn=to_learn,
        steps=steps_of(life),
        about=_about(one),
    )


def _shows(one: Case, charger: ChargerId) -> bool:
    """Whether some car there can show something of the order, and its charger says on which phases it draws."""
    supply, every = one.daily.site.supply, one.expected.open[charger]
    cars = [stay.car for stay in one.stays if stay.car.charger == charger and stay.car.reports == "phases"]
    return any(len({load_of(supply, order, car.uses) for order in every}) > 1 for car in cars)


def _is_all(one: Case, what: Learned) -> bool:
    """Whether no car that comes there could show more."""
    supply = one.daily.site.supply
    uses = {stay.car.uses for stay in one.stays if stay.car.charger == what.charger}
    return all(len({load_of(supply, order, used) for order in what.wirings}) == 1 for used in uses)


def _about(one: Case) -> str:
    site, meter = one.daily.site, one.daily.meter
    cars = "; ".join(f"{c.id} {[int(line) for line in one.truth[c.id]]}" for c in site.chargers)
    return (
        f"{one.kind}, {site.supply.value}, power {meter.has_power} vars {meter.has_reactive} "
        f"period {meter.period_s:g}, {cars}"
    )


def faulty(arguments: tuple[int, int, float, str]) -> Outcome:
    """All is well for some days; then something is not."""
    number, seed, days, fault = arguments
    draw = random.Random(f"{seed} {number} {fault}")
    one = case(number, seed, HEALTHY_DAYS + days)
    life = Life(one.daily.site, one.expected)
    early = lived(one, life, 0.0, HEALTHY_DAYS * DAY_S)
    is_true = _break(draw, one, fault)
    before = steps_of(life)
    said, wrong, took, steps = [words(what) for _, what in early], [words(what) for _, what in early], math.inf, 0
    from_s = HEALTHY_DAYS * DAY_S
    while from_s < (HEALTHY_DAYS + days) * DAY_S and took == math.inf and is_true is not None:
        found = lived(one, life, from_s, from_s + DAY_S / 4)
        from_s += DAY_S / 4
        for at_s, what in found:
            said.append(words(what))
            if isinstance(what.what, Learned) or not is_true(what):
                wrong.append(words(what))
            elif took == math.inf:
                took, steps = at_s / DAY_S - HEALTHY_DAYS, steps_of(life) - before
    return Outcome(
        number,
        one.kind,
        0.0,
        said=tuple(said),
        wrong=tuple(wrong),
        fault=fault if is_true is not None else "",
        days=took,
        steps_since=steps if took < math.inf else steps_of(life) - before,
        about=_about(one),
    )


def controlled(arguments: tuple[int, int, float]) -> Outcome:
    """Nothing is wrong, and the product's own controller steers: every second of it."""
    number, seed, days = arguments
    draw = random.Random(f"{seed} {number} controlled")
    rows = _trace(TRACES[number % 3])
    limit_a = math.ceil(max(max(row) for row in rows)) + draw.choice([10, 20, 40])
    names = [ChargerId(f"c{place}") for place in range(4)]
    every = wirings(Supply.THREE_PHASE, 3)
    site = Site(
        name="site",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((float(limit_a),) * 3), meter=METER),),
        meters=(Meter(id=METER),),
        chargers=tuple(Charger(id=name, circuit=CircuitId("main"), wiring=draw.choice(every)) for name in names),
    )
    seconds = int(days * DAY_S)
    stays = [stay for name in names for stay in _visits(draw, name, seconds)]
    own = [rows[second % len(rows)] for second in range(seconds)]
    plant = Plant(
        site,
        {CircuitId("main"): own},
        stays,
        lag_s=draw.choice([1, 2, 4]),
        report_every_s=10,
        offsets_s=[draw.randrange(10) for _ in names],
        cars=CarModel(ramp_a_per_s=draw.choice([None, 2.0]), taper_from=0.9),
    )
    wired = {one.id: [one.wiring] for one in site.chargers if one.wiring is not None}
    life = Life(site, Expected(mountings={}, wirings=wired, open={}, marks={}))
    observed, answers, found = Observed(), list[Observation](), list[Found]()
    for second in range(seconds):
        seen = [*answers, *plant.step(second)]
        observed = observed.with_(site, seen)
        decision = decide(site, observed, float(second))
        observed = observed.remembering(decision.memory)
        answers = _carried_out(plant, decision, second)
        life.passed(Passed(at_s=float(second), seen=seen, commands=decision.commands, unsure=()))
        if second % 10 == 0:
            found += life.found(float(second), float(second))
    said = tuple(words(what) for what in found)
    return Outcome(number, TRACES[number % 3], days * len(names), said=said, wrong=said, steps=steps_of(life))


def _visits(draw: random.Random, charger: ChargerId, seconds: int) -> list[Session]:
    at_s, out = draw.uniform(0, 20_000), list[Session]()
    lines, max_a = draw.choice([1, 2, 3, 3]), draw.choice([16.0, 16.0, 32.0])
    while at_s < seconds:
        leaves_s = at_s + draw.uniform(3600, 30_000)
        out.append(
            Session(
                id=f"{charger} {len(out)}",
                charger=charger,
                arrival_s=round(at_s),
                departure_s=round(leaves_s),
                energy_wh=draw.uniform(2000, 30_000),
                max_a=max_a,
                lines=lines,
            )
        )
        at_s = leaves_s + draw.uniform(600, 40_000)
    return out


def lost_clamp() -> None:
    """What the controller itself does when the clamp on L2 comes off: it gives what it believes is free."""
    seconds, off_s, limit_a = 3600, 600, 63.0
    lines = (Line.L1, Line.L2, Line.L3)
    for what, building_a, uses in (
        ("all lines alike", (20.0, 20.0, 20.0), 3),
        ("the building draws most on L2", (10.0, 40.0, 10.0), 3),
    ):
        chargers = tuple(
            Charger(id=ChargerId(f"c{place}"), circuit=CircuitId("main"), wiring=lines) for place in range(4)
        )
        main = Circuit(id=CircuitId("main"), rating_a=PhaseAmps((limit_a,) * 3), meter=METER)
        site = Site(
            name="site",
            supply=Supply.THREE_PHASE,
            nominal_v=230.0,
            circuits=(main,),
            meters=(Meter(id=METER),),
            chargers=chargers,
        )
        stays = [
            Session(id=one.id, charger=one.id, arrival_s=10, departure_s=seconds, energy_wh=1e6, max_a=32.0, lines=uses)
            for one in chargers
        ]
        wave = [[amps + 0.3 * math.sin(second / 7) for amps in building_a] for second in range(seconds)]
        own = [(row[0], row[1], row[2]) for row in wave]
        plant = Plant(
            site,
            {main.id: own},
            stays,
            lag_s=1,
            report_every_s=10,
            offsets_s=[0, 1, 2, 3],
            cars=CarModel(),
        )
        observed, answers, most_a, over_s = Observed(), list[Observation](), 0.0, 0
        for second in range(seconds):
            seen = plant.step(second)
            if second >= off_s:
                seen = [_without_l2(one) for one in seen]
                most_a, over_s = max(most_a, plant.total[0][1]), over_s + (plant.total[0][1] > limit_a + 0.5)
            observed = observed.with_(site, [*answers, *seen])
            decision = decide(site, observed, float(second))
            observed = observed.remembering(decision.memory)
            answers = _carried_out(plant, decision, second)
        print(
            f"clamp off L2, {what}: most on L2 {most_a:.0f} A of {limit_a:g} A, over it {over_s} of {seconds - off_s} s"
        )


def _without_l2(one: Observation) -> Observation:
    if not isinstance(one, MeterReading):
        return one
    return replace(one, currents=PhaseAmps((one.currents[0], 0.0, one.currents[2])))


def _carried_out(plant: Plant, decision: Decision, second: int) -> list[Observation]:
    """The chargers take what they are told."""
    answers: list[Observation] = []
    for order in decision.commands:
        plant.order(second, plant.site.index_of_charger[order.charger], order.limit_a, order.lease_s)
        end_s = None if order.lease_s is None else second + order.lease_s
        answers.append(
            SetpointAnswer(
                charger=order.charger, at_s=second + 0.5, limit_a=order.limit_a, accepted=True, lease_end_s=end_s
            )
        )
    return answers


def cost(chargers: int = 50, passes: int = 20_000) -> None:
    """What the watch takes of the control loop's thread: a pass each with a meter's sample and five reports."""
    names = [ChargerId(f"c{place}") for place in range(chargers)]
    site = Site(
        name="site",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((400.0,) * 3), meter=METER),),
        meters=(Meter(id=METER),),
        chargers=tuple(
            Charger(id=name, circuit=CircuitId("main"), wiring=(Line.L1, Line.L2, Line.L3)) for name in names
        ),
    )
    watch = Watch(_Nowhere(), _no_installation, _deaf, time.time, is_testing=lambda: False)
    seen: list[Observation] = [MeterReading(meter=METER, at_s=0.0, currents=PhaseAmps((100.0,) * 3))]
    seen += [ChargerReport(charger=name, at_s=0.0, currents=PhaseAmps((16.0,) * 3)) for name in names[:5]]
    observed = Observed().with_(site, seen)
    decision = decide(site, observed, 0.0)
    taken = []
    for _ in range(passes):
        begin = time.perf_counter()
        watch(site, observed, seen, decision)
        taken.append(time.perf_counter() - begin)
    taken.sort()
    print(
        f"of the control loop's thread, {chargers} chargers: median {1e6 * taken[passes // 2]:.1f} us a pass, "
        f"p99 {1e6 * taken[int(0.99 * passes)]:.1f} us"
    )
    wired = {one.id: [(Line.L1, Line.L2, Line.L3)] for one in site.chargers}
    life = Life(site, Expected(mountings={}, wirings=wired, open={}, marks={}))
    begin = time.perf_counter()
    for second in range(3000):
        at_s = float(second)
        now = [replace(seen[0], at_s=at_s), *(replace(one, at_s=at_s) for one in seen[1:])]
        life.passed(Passed(at_s=at_s, seen=now, commands=(), unsure=()))
        if second % 5 == 0:
            life.found(at_s, at_s)
    print(
        f"of a thread of its own: {1e3 * (time.perf_counter() - begin) / 3000:.3f} ms for each second that is watched"
    )


class _Nowhere:
    """Keeps nothing."""

    def read(self) -> str | None:
        return None

    def keep(self, kept: str) -> None: ...

    def dossier(self) -> Dossier:
        return Dossier()

    def learn(self, charger: ChargerId, orders: Sequence[Wiring]) -> None: ...


def _no_installation() -> Installation:
    raise AssertionError("the thread was not started")


def _deaf(_: object) -> None: ...


def _break(draw: random.Random, one: Case, fault: str) -> Callable[[Found], bool] | None:
    """Something goes wrong. Returns what is true to say of it; None: it can't go wrong here so that it shows."""
    daily = one.daily
    lines = len(daily.site.supply.lines)
    victim = draw.choice(daily.site.chargers)
    drawn_on = sorted({line for socket in daily.site.chargers for line in one.truth[socket.id]})
    channel = int(draw.choice(drawn_on))
    only = [c.id for c in daily.site.chargers]
    meter = daily.meter

    def kinds(*allowed: tuple[Kind, set[int] | None, set[ChargerId | None]]) -> Callable[[Found], bool]:
        def is_true(what: Found) -> bool:
            assert not isinstance(what.what, Learned)
            claim, charger = what.what.claim, what.what.charger
            return any(
                claim.kind is kind and (on is None or set(claim.lines) <= on) and charger in whose
                for kind, on, whose in allowed
            )

        return is_true

    ratios, everyone = list(meter.ratios), set(only)
    match fault:
        case "lost":
            ratios[channel] = draw.choice([0.0, 0.0, 0.01])
            daily.meter = replace(meter, ratios=tuple(ratios))
            # Of a charger that is on this line alone both is true.
            alone = {c for c in only if set(one.truth[c]) & {Line(channel)}}
            return kinds((Kind.CLAMP_LOST, {channel}, {None}), (Kind.UNSEEN, None, set(alone)))
        case "slipped":
            ratios[channel] = draw.uniform(0.2, 0.6)
            daily.meter = replace(meter, ratios=tuple(ratios))
            return kinds((Kind.RATIO, {channel}, {None}), (Kind.REPORT, None, set(everyone)))
        case "turned":
            if not meter.has_power:
                return None
            turned = list(meter.turned)
            turned[channel] = True
            daily.meter = replace(meter, turned=tuple(turned))
            # The words for clamps that do not sit as they should are true of turned ones as well.
            return kinds((Kind.CLAMP_TURNED, {channel}, {None}), (Kind.CLAMPS_MOVED, None, {None}))
        case "swapped":
            if lines < 2 or not meter.has_power:
                return None
            other = draw.choice([line for line in range(lines) if line != channel])
            order = list(meter.order)
            order[channel], order[other] = order[other], order[channel]
            daily.meter = replace(meter, order=tuple(order))
            return kinds((Kind.CLAMPS_MOVED, None, {None}))
        case "ratio":
            share = draw.choice([0.2, 0.5, 2.0, 4.0])
            daily.meter = replace(meter, ratios=tuple(share * one for one in ratios))
            return kinds((Kind.RATIO, None, {None}), (Kind.REPORT, None, set(everyone)))
        case "wiring":
            now = one.truth[victim.id]
            others = [w for w in wirings(daily.site.supply, victim.phases) if _differs(daily, victim.id, now, w)]
            if not others or (daily.site.supply is Supply.SPLIT_PHASE and victim.phases == 2):
                return None
            moved = draw.choice(others)
            daily.wired[victim.id] = tuple(int(line) for line in moved)

            def is_true(what: Found) -> bool:
                assert not isinstance(what.what, Learned)
                claim = what.what.claim
                return (
                    claim.kind is Kind.WIRING
                    and what.what.charger == victim.id
                    and all(said in (-1, line) for said, line in zip(claim.lines, moved, strict=True))
                )

            return is_true
        case "unseen":
            daily.unseen.add(victim.id)
            return kinds((Kind.UNSEEN, None, {victim.id}))
        case "report":
            daily.report_share[victim.id] = draw.choice([0.5, 2.0, 3.0])
            return kinds((Kind.REPORT, None, {victim.id}), (Kind.RATIO, None, {None} if len(only) == 1 else set()))
    raise AssertionError(fault)


def _differs(daily: Daily, charger: ChargerId, one: Wiring, other: Wiring) -> bool:
    """Whether some car there draws on other lines then."""
    uses = {stay.car.uses for stay in daily.stays_of(charger)}
    supply = daily.site.supply
    return any(load_of(supply, one, used) != load_of(supply, other, used) for used in uses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=60.0, help="of every building where nothing is wrong")
    parser.add_argument("--sites", type=int, default=20, help="where nothing is wrong")
    parser.add_argument("--faults", type=int, default=20, help="sites for each fault")
    parser.add_argument("--fault-days", type=float, default=30.0, help="so long it is waited for a word")
    parser.add_argument("--controlled", type=int, default=0, help="sites steered by the controller itself")
    parser.add_argument("--controlled-days", type=float, default=3.0)
    parser.add_argument("--cost", action="store_true", help="only what it costs, and what a lost clamp does without it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tell", action="store_true", help="what is not found as well")
    asked = parser.parse_args()
    if asked.cost:
        cost()
        lost_clamp()
        return
    began = time.monotonic()
    with multiprocessing.Pool(asked.processes) as pool:
        told = list(pool.imap(healthy, [(n, asked.seed, asked.days) for n in range(asked.sites)]))
        for one in told:
            if one.wrong:
                print(f"WRONG where nothing is: site {one.number}: {one.wrong}; {one.about}")
        if told:
            print(
                f"nothing wrong: {len(told)} sites, {sum(one.charger_days for one in told):.0f} charger-days, "
                f"{sum(one.steps for one in told)} steps; wrong {sum(len(one.wrong) for one in told)}; orders learned "
                f"{sum(one.learned for one in told)} of {sum(one.to_learn for one in told)}; "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
            for kind in sorted({one.kind for one in told}):
                of_kind = [one for one in told if one.kind == kind]
                print(
                    f"  {kind:20s} {len(of_kind)} sites, {sum(one.charger_days for one in of_kind):.0f} charger-days, "
                    f"{sum(one.steps for one in of_kind)} steps; wrong {sum(len(one.wrong) for one in of_kind)}",
                    flush=True,
                )
        own = list(pool.imap(controlled, [(n, asked.seed, asked.controlled_days) for n in range(asked.controlled)]))
        if own:
            print(
                f"nothing wrong, steered by the controller: {sum(one.charger_days for one in own):.0f} charger-days, "
                f"{sum(one.steps for one in own)} steps; said {[one.said for one in own if one.said]}"
            )
        for fault in FAULTS if asked.faults else ():
            work = [(1000 + n, asked.seed, asked.fault_days, fault) for n in range(asked.faults)]
            ones = [one for one in pool.imap(faulty, work) if one.fault]
            for one in ones:
                if one.wrong or (asked.tell and one.days == math.inf):
                    print(f"{'WRONG' if one.wrong else 'open'} {fault}: site {one.number}: {one.said}; {one.about}")
            _tell_fault(fault, ones)
    print(f"{time.monotonic() - began:.0f} s")


def _tell_fault(fault: str, ones: Sequence[Outcome]) -> None:
    found = sorted(one.days for one in ones if one.days < math.inf)
    steps = sorted(one.steps_since for one in ones if one.days < math.inf)
    middle = f"median {24 * found[len(found) // 2]:.0f} h, {steps[len(steps) // 2]} steps" if found else ""
    nine = f"; nine in ten within {24 * found[int(0.9 * (len(found) - 1))]:.0f} h" if found else ""
    wrong = sum(bool(one.wrong) for one in ones)
    print(f"{fault:9s} found {len(found)} of {len(ones)}, wrong {wrong}; {middle}{nine}", flush=True)
    missed = Counter(one.kind for one in ones if one.days == math.inf)
    if missed:
        print(f"          not found: {dict(missed)}", flush=True)


if __name__ == "__main__":
    main()
