"""From samples to a verdict: what is seen here is made by hand, the plant's own tests are in tests/sim."""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from ampacity.commission.steptest.following import Follows, Order, drawn
from ampacity.commission.steptest.judgement import Answer, Verdict, judged
from ampacity.commission.steptest.needs import Need, Needed, Question, needed
from ampacity.commission.steptest.pattern import held_s
from ampacity.commission.steptest.procedure import CarReport, Ending, Record
from ampacity.commission.steptest.response import Sample
from ampacity.commission.steptest.verdict import Quantity
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site

A, MAIN, SUB = ChargerId("a"), MeterId("main"), MeterId("sub")
L1, L2, L3 = Line.L1, Line.L2, Line.L3
CAR = Follows(1.5, 3.0, math.inf, 32.0)
VOLTS = tuple(cmath.exp(-2j * math.pi * line / 3) for line in range(3))
Building = Callable[[float], Sequence[float]]


def quiet(_: float) -> Sequence[float]:
    return (2.0, 3.0, 1.0)


def hob(at_s: float) -> Sequence[float]:
    on = at_s % 6.3 < 3.0
    return (3.0 + (8.0 if on else 0.0), 2.0, 3.0)


def site(phases: int = 3, *, sub: bool = False) -> Site:
    circuits = [Circuit(id=CircuitId("main"), rating_a=PhaseAmps((63.0,) * 3), meter=MAIN)]
    if sub:
        circuits.append(
            Circuit(id=CircuitId("sub"), parent=CircuitId("main"), rating_a=PhaseAmps((32.0,) * 3), meter=SUB)
        )
    return Site(
        name="site",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=tuple(circuits),
        meters=tuple(Meter(id=one) for one in ((MAIN, SUB) if sub else (MAIN,))),
        chargers=(Charger(id=A, circuit=CircuitId("sub" if sub else "main"), wiring=None, phases=phases),),
    )


def orders(seed: int = 3) -> list[Order]:
    draw, at_s, found = random.Random(seed), 16.0, [Order(15.0, 6.0)]
    while at_s < 168:
        found.append(Order(at_s, 16.0 if len(found) % 2 else 6.0))
        at_s += held_s(0.0, draw)
    return found


def record(
    lines: Sequence[Line] = (L1, L2, L3),
    *,
    phases: int | None = None,
    building: Building = quiet,
    sees: bool = True,
    period_s: float = 1.0,
    quantity: Quantity = Quantity.VARS,
    step_a: float = 0.001,
    order: Sequence[int] = (0, 1, 2),
    follows: Follows | None = CAR,
    reports_s: float | None = 5.0,
    count: int | None = None,
    meters: Sequence[MeterId] = (MAIN,),
    code: Sequence[Order] | None = None,
) -> Record:
    """What is seen of a car on these lines. `follows` None: it does not; `order`: by channel, the line of its clamp."""
    asked = list(code or orders())[:count]
    times_s = np.arange(15.0, 178.0, period_s)
    noise = np.random.default_rng(5)

    def amps_at(at_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Sequence[float]:
        if follows is None:
            return [6.0] * len(at_s)
        return [float(one) for one in drawn(asked, at_s, [follows])[:, 0]]

    made = Record(A, 6.0, 16.0, orders=asked)
    for meter in meters:
        made.samples[meter] = [
            _sample(float(at_s), lines, amps, building, noise, order=order, quantity=quantity, step_a=step_a, sees=sees)
            for at_s, amps in zip(times_s, amps_at(times_s), strict=True)
        ]
        made.without[meter] = [
            _sample(7.0, lines, 0.0, building, noise, order=order, quantity=quantity, step_a=step_a, sees=sees)
        ]
    if reports_s is not None:
        told_s = np.arange(16.0, 178.0, reports_s)
        count_of = phases or len(lines)
        for at_s, amps in zip(told_s, amps_at(told_s), strict=True):
            by_phase = tuple(round(amps, 1) if phase < len(lines) else 0.0 for phase in range(count_of))
            made.reports.append(CarReport(float(at_s), by_phase, round(amps, 1)))
    return made


def _sample(
    at_s: float,
    lines: Sequence[Line],
    amps: float,
    building: Building,
    noise: np.random.Generator,
    *,
    order: Sequence[int],
    quantity: Quantity,
    step_a: float,
    sees: bool,
) -> Sample:
    sizes, watts, reactive = [], [], []
    for channel, line in enumerate(order):
        car = amps if sees and line in [int(one) for one in lines] else 0.0
        flows = (building(at_s)[line] * cmath.exp(-0.2j) + car) * VOLTS[line] * (1 + noise.normal(0, 0.002))
        power = 230.0 * VOLTS[channel] * flows.conjugate()
        sizes.append(round(abs(flows) / step_a) * step_a)
        watts.append(power.real)
        reactive.append(power.imag)
    return Sample(
        at_s,
        tuple(sizes),
        None if quantity is Quantity.AMPS else tuple(watts),
        tuple(reactive) if quantity is Quantity.VARS else None,
        (230.0,) * 3,
    )


def verdict(made: Record, ending: Ending = Ending.DONE, where: Site | None = None) -> Verdict:
    phases = len(made.reports[0].by_phase_a or ()) if made.reports else 3
    return judged(where or site(phases), made, ending, random.Random(1))


def closes(question: Question, found: Verdict) -> list[Need]:
    return [one.need for one in needed(found) if one.question is question]


@pytest.fixture(scope="module")
def plain() -> Verdict:
    """Of a balanced car in a quiet building, below a right meter."""
    return verdict(record())


@pytest.fixture(scope="module")
def on_l3() -> Verdict:
    return verdict(record([L3]))


def test_a_quiet_building_leaves_nothing_open_of_the_clamps(plain: Verdict) -> None:
    assert [len(options) for options in plain.meters[0].clamps] == [1, 1, 1]


def test_a_balanced_car_leaves_the_order_of_its_phases_open(plain: Verdict) -> None:
    assert len(plain.wirings) == 6


def test_a_balanced_car_s_order_is_learned_from_a_car_on_fewer_phases(plain: Verdict) -> None:
    assert closes(Question.WIRING, plain) == [Need.FEWER_PHASES]


def test_a_car_on_one_phase_shows_where_the_first_phase_is() -> None:
    assert verdict(record([L2], phases=3)).wirings == ((L2, L1, L3), (L2, L3, L1))


def test_a_charger_of_one_phase_is_known_afterwards(on_l3: Verdict) -> None:
    assert on_l3.wirings == ((L3,),)


def test_where_everything_is_told_nothing_is_needed_but_other_lines(on_l3: Verdict) -> None:
    assert needed(on_l3) == (Needed(Question.CLAMPS, MAIN, Need.OTHER_LINES),)


def test_swapped_clamps_are_told() -> None:
    clamps = verdict(record(order=(1, 0, 2))).meters[0].clamps
    assert [options[0].line for options in clamps] == [L2, L1, L3]


def test_a_meter_without_the_car_is_told() -> None:
    assert verdict(record(sees=False)).meters[0].sees_car is Answer.NO


def test_a_pulsing_building_is_not_taken_for_the_car() -> None:
    assert verdict(record(sees=False, building=hob)).meters[0].sees_car is Answer.NO


def test_a_pulsing_building_does_not_hide_the_car() -> None:
    assert [len(options) for options in verdict(record(building=hob)).meters[0].clamps] == [1, 1, 1]


def test_the_household_is_seen_beside_the_car(plain: Verdict) -> None:
    assert plain.meters[0].shows_more is Answer.YES


def test_a_meter_of_the_chargers_alone_is_told() -> None:
    assert verdict(record(building=lambda _: (0.0, 0.0, 0.0))).meters[0].shows_more is Answer.NO


def test_a_car_that_does_not_follow_disobeys() -> None:
    made = record(follows=None)
    made.reports = [CarReport(one.at_s, (16.0,) * 3, 16.0) for one in made.reports]
    assert verdict(made).obeys is Answer.NO


def test_a_car_that_only_stops_when_it_is_told_to_disobeys() -> None:
    made = record(follows=None)
    made.orders.append(Order(150.0, 0.0))
    made.reports = [
        CarReport(one.at_s, (16.0,) * 3 if one.at_s < 155 else (0.0,) * 3, 16.0 if one.at_s < 155 else 0.0)
        for one in made.reports
    ]
    assert verdict(made).obeys is Answer.NO


def test_a_test_of_too_few_steps_needs_more_room_or_quiet() -> None:
    found = verdict(record(count=4))
    assert Needed(Question.SEES_CAR, MAIN, Need.QUIET) in needed(found)


def test_an_oven_that_keeps_step_with_the_code_is_not_taken_for_a_wrong_ratio() -> None:
    draw, regular = random.Random(0), [Order(15.0, 6.0)]
    while regular[-1].at_s < 155:
        at_s = 16.0 if len(regular) == 1 else regular[-1].at_s + 12.0 + draw.uniform(0, 1)
        regular.append(Order(at_s, 16.0 if len(regular) % 2 else 6.0))

    def oven(at_s: float) -> Sequence[float]:
        return (2.0 + (13.0 if (at_s + 7.0) % 25.0 < 12.5 else 0.0), 3.0, 1.0)

    made = record([L1], building=oven, quantity=Quantity.WATTS, reports_s=4.0, code=regular)
    assert verdict(made).meters[0].ratio_right is not Answer.NO


def test_a_car_that_follows_obeys(plain: Verdict) -> None:
    assert plain.obeys is Answer.YES


def test_dead_time_and_ramp_are_found(plain: Verdict) -> None:
    follows = plain.follows
    assert follows is not None
    assert (follows.dead_s, follows.up_a_per_s) == pytest.approx((1.5, 3.0), abs=0.5)


@pytest.mark.parametrize("period_s", [0.1, 5.0])
def test_meters_of_every_rate_are_read(period_s: float) -> None:
    clamps = verdict(record(period_s=period_s)).meters[0].clamps
    assert [len(options) for options in clamps] == [1, 1, 1]


def test_a_meter_of_one_reading_in_ten_seconds_tells_nothing_wrong() -> None:
    clamps = verdict(record(period_s=10.0)).meters[0].clamps
    assert all(any(one.line == line and not one.turned for one in options) for line, options in enumerate(clamps))


def test_a_meter_of_whole_amperes_is_enough_for_its_ratio() -> None:
    made = record(quantity=Quantity.AMPS, step_a=1.0)
    assert verdict(made).meters[0].ratio_right is Answer.YES


def test_currents_alone_want_a_meter_with_power() -> None:
    assert closes(Question.CLAMPS, verdict(record(quantity=Quantity.AMPS))) == [Need.POWER]


def test_currents_alone_leave_every_line_open() -> None:
    found = verdict(record([L2], phases=3, quantity=Quantity.AMPS))
    assert closes(Question.WIRING, found) == [Need.POWER]


def test_watts_alone_tell_clamps_that_are_right() -> None:
    clamps = verdict(record(quantity=Quantity.WATTS)).meters[0].clamps
    assert [options for options in clamps if len(options) == 1] == list(clamps)


def test_a_meter_that_leaves_out_its_power_now_and_then_is_read_all_the_same() -> None:
    made = record([L2])
    made.samples[MAIN] = [
        replace(one, watts=None, vars=None) if number % 7 == 0 else one for number, one in enumerate(made.samples[MAIN])
    ]
    assert verdict(made).wirings == ((L2,),)


def test_every_meter_above_the_charger_is_judged() -> None:
    found = verdict(record(meters=(MAIN, SUB)), where=site(sub=True))
    assert [one.sees_car for one in found.meters] == [Answer.YES, Answer.YES]


def test_without_reports_the_ratio_needs_them() -> None:
    assert closes(Question.RATIO, verdict(record(reports_s=None))) == [Need.REPORTS]


def test_with_reports_the_ratio_is_right(plain: Verdict) -> None:
    assert plain.meters[0].ratio_right is Answer.YES


def test_few_steps_tell_nothing_of_the_meter() -> None:
    assert verdict(record(count=4)).meters[0].sees_car is Answer.OPEN


def test_without_samples_the_meter_is_needed() -> None:
    made = record()
    made.samples.clear()
    assert closes(Question.SEES_CAR, verdict(made)) == [Need.METER]


def test_a_test_without_a_car_needs_one() -> None:
    made = Record(A, 6.0, 16.0)
    assert closes(Question.OBEYS, verdict(made, Ending.NO_CAR)) == [Need.CAR]


def test_a_test_that_was_stopped_at_once_is_judged_all_the_same() -> None:
    assert verdict(Record(A, 6.0, 16.0), Ending.STOPPED).meters[0].sees_car is Answer.OPEN


def test_a_car_that_is_not_followed_leaves_the_meter_open() -> None:
    made = record(follows=None, sees=False)
    assert verdict(made).meters[0].sees_car is Answer.OPEN
