"""Step tests on random sites: every mounting, wiring, ratio and side of a meter; buildings from quiet to noisy; cars
with dead time and slow ramps. Prints what was decided, what stayed open, and whatever was wrong.

    python bench/steptest.py --sites 2000 [--seed 1] [--every] [--save]

`--every` goes beyond chance: every mounting of the clamps on every supply, with every wiring of a charger, each once,
in a site that is otherwise a random one.
"""

from __future__ import annotations

import argparse
import cmath
import math
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ampacity.commission.steptest.ground import Ground, NoGround, room_for
from ampacity.commission.steptest.judgement import Answer, Verdict
from ampacity.commission.steptest.mounting import Clamp, Mounting, Wiring, load_of, mountings, wirings
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.mounted import CarAtCharger, MountedMeter, line_volts
from ampacity.sim.steptest import Found, Load, Told, tested
from ampacity.sim.tables import read_building

DATA = Path(__file__).parent / "data"
RESULTS = Path(__file__).parent / "results"
TRACES = ("house_day_1s", "apartments8_day_1s", "apartments20_day_1s")
METER, CHARGER = MeterId("main"), ChargerId("a")
SUPPLIES = (Supply.THREE_PHASE,) * 6 + (
    Supply.SPLIT_PHASE,
    Supply.LINE_TO_LINE,
    Supply.LINE_TO_LINE,
    Supply.SINGLE_PHASE,
)


@cache
def _trace(name: str) -> list[tuple[float, ...]]:
    return read_building(DATA / f"{name}.csv.gz", 3).by_second()


@dataclass(frozen=True)
class Case:
    """A random site, and what is the matter with it."""

    number: int
    found: Found
    building: str
    limit_by: Ground


@dataclass(frozen=True)
class Fixed:
    """What is not left to chance."""

    supply: Supply
    mounting: Mounting
    wiring: Wiring


def every() -> list[Fixed]:
    """Every mounting on every supply, with every wiring of a charger."""
    return [
        Fixed(supply, mounting, wiring)
        for supply in Supply
        for phases in range(2 if supply is Supply.LINE_TO_LINE else 1, len(supply.lines) + 1)
        for wiring in wirings(supply, phases)
        for mounting in mountings(supply)
    ]


def case(number: int, seed: int, fixed: Fixed | None = None) -> Case:
    """The same numbers give the same site."""
    draw = random.Random(f"{seed} {number}")
    supply = draw.choice(SUPPLIES)
    if fixed is not None:
        supply = fixed.supply
    lines = len(supply.lines)
    kind, load, worst = _building(draw, supply)
    by = Ground.WORST_LOAD if draw.random() < 0.7 else Ground.METER
    phases = draw.choice([p for p in (1, 2, 3, 3, 3) if p <= lines])
    if supply is Supply.LINE_TO_LINE and phases == 1:
        phases = 2
    wiring = draw.choice(wirings(supply, phases))
    if fixed is not None:
        wiring, phases = fixed.wiring, len(fixed.wiring)
    fewest = 2 if phases == 2 and supply is not Supply.THREE_PHASE else 1
    uses = draw.randint(fewest, phases) if draw.random() < 0.5 else phases
    room_a = draw.uniform(11.0, 30.0)
    limit = tuple(max(10.0, math.ceil(one + room_a)) for one in worst)
    checked = by is Ground.METER
    if checked:
        # The breaker is too small for what the building may draw at worst, and the meter has been checked.
        most = [max(abs(load(second)[line]) for second in range(190)) for line in range(lines)]
        limit = tuple(max(10.0, math.ceil(max(most) + room_a)) for _ in most)
    site = Site(
        name="site",
        supply=supply,
        nominal_v={Supply.SPLIT_PHASE: 120.0, Supply.LINE_TO_LINE: 208.0}.get(supply, 230.0),
        circuits=(
            Circuit(
                id=CircuitId("main"),
                rating_a=PhaseAmps(limit),
                meter=METER,
                worst_load_a=None if checked else PhaseAmps(tuple(worst)),
            ),
        ),
        meters=(Meter(id=METER),),
        chargers=(
            Charger(
                id=CHARGER,
                circuit=CircuitId("main"),
                wiring=None,
                phases=phases,
                max_a=draw.choice([16.0, 20.0, 32.0, 32.0]),
                step_a=draw.choice([0.1, 1.0, 1.0]),
                min_interval_s=draw.choice([0.0, 5.0, 5.0, 10.0]),
            ),
        ),
    )
    meter = _meter(draw, supply, checked=checked, mounting=None if fixed is None else fixed.mounting)
    car = CarAtCharger(
        charger=CHARGER,
        wiring=tuple(int(line) for line in wiring),
        uses=uses,
        most_a=draw.choice([12.0, 16.0, 16.0, 20.0, 32.0]),
        dead_s=draw.uniform(0.5, 5.0),
        up_a_per_s=draw.choice([math.inf, math.inf, 5.0, 2.0, 1.0, 0.7]),
        down_a_per_s=draw.choice([math.inf, math.inf, 5.0, 2.0]),
        step_a=draw.choice([0.0, 0.0, 1.0]),
        takes=draw.uniform(0.93, 1.0),
        displacement=draw.uniform(-0.05, 0.2),
        obeys=draw.random() > 0.05,
        reports_s=draw.choice([2.5, 3.0, 4.0, 10.0]),
        reports=draw.choice(["phases"] * 7 + ["current"] * 2 + ["nothing"]),
    )
    found = Found(
        site=site, limit_a=limit, building=load, meter=meter, car=car, checked=checked, seed=draw.getrandbits(32)
    )
    return Case(number, found, kind, by)


def _building(draw: random.Random, supply: Supply) -> tuple[str, Load, list[float]]:
    lines = len(supply.lines)
    volts = line_volts(supply)
    angle = [draw.uniform(-0.1, 0.45) for _ in volts]
    kind = draw.choice([*TRACES, *TRACES, "quiet", "oven", "heater", "hob"])
    if kind in TRACES:
        rows = _trace(kind)
        start = draw.randrange(len(rows) - 400)
        worst = [max(row[line] for row in rows) for line in range(lines)]
        sizes = [rows[start + second][:lines] for second in range(400)]
    else:
        sizes = _made(draw, kind, lines)
        worst = [max(row[line] for row in sizes) for line in range(lines)]

    def load(at_s: float) -> Sequence[complex]:
        row = sizes[min(len(sizes) - 1, int(at_s))]
        return [amps * cmath.exp(-1j * a) * v for amps, a, v in zip(row, angle, volts, strict=True)]

    return kind, load, worst


def _made(draw: random.Random, kind: str, lines: int) -> list[tuple[float, ...]]:
    base = [draw.uniform(0.7, 6.0) for _ in range(lines)]
    on_lines = [line for line in range(lines) if draw.random() < 0.7] or [0]
    size, period, share = {
        "quiet": (0.0, 60.0, 0.5),
        "oven": (draw.uniform(5, 14), draw.uniform(20, 60), draw.uniform(0.3, 0.7)),
        "heater": (draw.uniform(15, 30), draw.uniform(60, 300), 0.5),
        "hob": (draw.uniform(4, 9), draw.uniform(2.5, 8), draw.uniform(0.3, 0.7)),
    }[kind]
    phase = draw.uniform(0, period)
    rows = []
    for second in range(400):
        on = (second + phase) % period < share * period
        rows.append(
            tuple(
                base[line] + draw.gauss(0, 0.05) + (size if on and line in on_lines else 0.0) for line in range(lines)
            )
        )
    return rows


def _meter(draw: random.Random, supply: Supply, *, checked: bool, mounting: Mounting | None) -> MountedMeter:
    lines = len(supply.lines)
    drawn = draw.choice(mountings(supply)) if draw.random() < 0.75 else mountings(supply)[0]
    mounting = mounting or drawn
    ratios = [1.0] * lines
    if not checked:
        fate = draw.random()
        if fate < 0.15:
            ratios = [draw.choice([0.2, 0.25, 0.4, 0.5, 2.0, 2.5, 4.0, 5.0])] * lines
        elif fate < 0.2:
            ratios[draw.randrange(lines)] = draw.choice([0.5, 2.0])
    side = 1.0 if checked else draw.random()
    quantity = draw.random()
    return MountedMeter(
        id=METER,
        order=tuple(int(clamp.line) for clamp in mounting),
        turned=tuple(clamp.turned for clamp in mounting),
        ratios=tuple(ratios),
        sees_chargers=side > 0.06,
        sees_building=side < 0.06 or side > 0.12,
        has_power=quantity > 0.05,
        has_reactive=quantity > 0.2,
        period_s=draw.choice([0.25, 0.5, 1.0, 1.0, 1.0, 2.0]),
        latency_s=draw.uniform(0.05, 0.6),
        noise=draw.choice([0.0005, 0.002, 0.005]),
        step_a=draw.choice([0.001, 0.01, 0.1]),
    )


def wrong(one: Case, told: Told) -> list[str]:
    """What the verdict says that is not so."""
    verdict, found = told.verdict, one.found
    out = []
    car, meter = found.car, found.meter
    truth = tuple(Clamp(Line(line), turned) for line, turned in zip(meter.order, meter.turned, strict=True))
    supply = found.site.supply
    if verdict.obeys is Answer.YES and not car.obeys:
        out.append("obeys")
    if verdict.obeys is Answer.NO and car.obeys:
        out.append("disobeys")
    seen = verdict.meters[0]
    # A car that does not obey moves all the same where the controller pauses it.
    moves = car.obeys or any(order.limit_a == 0.0 for order in told.record.orders)
    if seen.sees_car is Answer.YES and not (meter.sees_chargers and moves):
        out.append("sees the car")
    if seen.sees_car is Answer.NO and meter.sees_chargers and car.obeys:
        out.append("does not see the car")
    sizes = [[abs(z) for z in found.building(second)] for second in (7, 8)]
    building = max(min(row[line] for row in sizes) for line in range(len(sizes[0])))
    if seen.shows_more is Answer.YES and not meter.sees_building:
        out.append("shows more")
    if (
        seen.shows_more is Answer.NO
        and meter.sees_building
        and building * min(meter.ratios) > 0.5
        and seen.sees_car is Answer.YES
    ):
        out.append("shows no more")
    if seen.mounting is not None and seen.mounting.is_sure and truth not in seen.mounting.of:
        out.append(f"mounting {truth} told {seen.mounting}")
    wiring = tuple(Line(line) for line in car.wiring)
    if seen.load is not None and seen.load.is_sure and load_of(supply, wiring, car.uses) not in seen.load.of:
        out.append("load")
    if wiring not in verdict.wirings:
        out.append("wiring")
    right = all(abs(ratio - 1) < 0.05 for ratio in meter.ratios)
    if seen.ratio_right is Answer.YES and not right and not _unseen_ratio(one):
        out.append("ratio right")
    if seen.ratio_right is Answer.NO and right:
        out.append("ratio wrong")
    return out


def _unseen_ratio(one: Case) -> bool:
    """Only of a channel on which the car does not draw."""
    found = one.found
    load = load_of(found.site.supply, tuple(Line(line) for line in found.car.wiring), found.car.uses)
    return all(
        abs(ratio - 1) < 0.05 or not load.on[found.meter.order[channel]]
        for channel, ratio in enumerate(found.meter.ratios)
    )


def undecided(one: Case, verdict: Verdict) -> list[str]:
    """What it leaves open that it could have told."""
    seen = verdict.meters[0]
    out = []
    if seen.sees_car is Answer.OPEN:
        return ["sees"] if verdict.obeys is not Answer.NO else []
    if not one.found.car.obeys and verdict.reports_current and verdict.obeys is Answer.OPEN:
        out.append("obeys")
    if seen.sees_car is Answer.YES:
        if seen.mounting is None or not seen.mounting.is_sure:
            out.append("mounting")
        if seen.load is None or not seen.load.is_sure:
            out.append("load")
        if verdict.reports_current and seen.ratio_right is Answer.OPEN:
            out.append("ratio")
    return out


@dataclass(frozen=True)
class Outcome:
    """Of one site, in few words."""

    number: int
    what: str
    refused: bool
    wrong: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    building: str = ""
    over_s: float = 0.0
    seconds: float = 0.0


def run(asked: tuple[int, int, Fixed | None]) -> Outcome:
    number, seed, fixed = asked
    one = case(number, seed, fixed)
    try:
        room = room_for(one.found.site, CHARGER, checked=one.found.checked)
    except NoGround as error:
        return Outcome(number, error.what, refused=True)
    told = tested(one.found, room)
    meter, car = one.found.meter, one.found.car
    what = (
        f"{one.building}, {one.found.site.supply.value}, by {one.limit_by.value}, "
        f"step {room.high_a - room.low_a:.1f} A, "
        f"{told.orders} orders, meter {meter.period_s:g} s, car {car.dead_s:.1f} s, {car.up_a_per_s:g} A/s, "
        f"{car.uses} phases, reports {car.reports} every {car.reports_s:g} s, highest {max(told.highest_a):.1f} A"
    )
    return Outcome(
        number,
        what,
        refused=False,
        wrong=tuple(wrong(one, told)),
        open=tuple(undecided(one, told.verdict)),
        building=one.building,
        over_s=told.over_s,
        seconds=told.seconds,
    )


def summary(title: str, told: Sequence[Outcome], took_s: float) -> list[str]:
    """For people."""
    done = [one for one in told if not one.refused]
    opens = [one for one in done if one.open]
    out = [
        f"{title}: {len(done)} tests ({len(told) - len(done)} more sites have no room for one): wrong "
        f"{sum(bool(one.wrong) for one in done)}, undecided {len(opens)} "
        f"({100 * len(opens) / max(1, len(done)):.2f} %), over the limit by our doing "
        f"{sum(one.over_s for one in done):.2f} s, longest test {max((one.seconds for one in done), default=0):.0f} s. "
        f"Reckoned in {took_s:.0f} s."
    ]
    for building, count in sorted(Counter(one.building for one in done).items()):
        left = Counter(", ".join(one.open) for one in opens if one.building == building)
        said = "; ".join(f"{number} {what}" for what, number in left.most_common())
        out.append(f"  {building}: {count} tests, undecided {sum(left.values())}" + (f": {said}" if said else ""))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--every", action="store_true", help="every mounting and wiring once as well")
    parser.add_argument("--tell", action="store_true", help="every site that stayed open or went over")
    parser.add_argument("--save", action="store_true", help="to results/steptest.txt")
    asked = parser.parse_args()
    randomly: list[tuple[int, int, Fixed | None]] = [(asked.first + n, asked.seed, None) for n in range(asked.sites)]
    campaigns = [(f"{asked.sites} random sites, seed {asked.seed}", randomly)] if randomly else []
    if asked.every:
        each: list[tuple[int, int, Fixed | None]] = [(n, asked.seed + 1, fixed) for n, fixed in enumerate(every())]
        campaigns.append((f"every mounting and wiring, {len(each)} of them", each))
    lines: list[str] = []
    for title, cases in campaigns:
        began, told = time.monotonic(), []
        with multiprocessing.Pool(min(2, multiprocessing.cpu_count())) as pool:
            for one in pool.imap(run, cases, 8):
                told.append(one)
                if one.wrong or one.over_s or (asked.tell and one.open):
                    lines.append(
                        f"site {one.number}: wrong {one.wrong}, open {one.open}, over {one.over_s:g} s: {one.what}"
                    )
                    print(lines[-1], flush=True)
        said = summary(title, told, time.monotonic() - began)
        print("\n".join(said), flush=True)
        lines += said
    if asked.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "steptest.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
