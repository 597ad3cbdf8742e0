from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import pytest

from ampacity.commission.steptest.mounting import (
    Clamp,
    Load,
    Mounting,
    load_of,
    mountings,
    right,
    shown,
    wirings,
)
from ampacity.commission.steptest.response import Astray, Gain
from ampacity.commission.steptest.verdict import (
    Explanations,
    Known,
    Quantity,
    answers,
    clamps_told,
    explained,
    load_told,
    mounting_told,
)
from ampacity.core.phases import Line, Supply

L1, L2, L3 = Line.L1, Line.L2, Line.L3
STAR, SPLIT, BETWEEN = Supply.THREE_PHASE, Supply.SPLIT_PHASE, Supply.LINE_TO_LINE
CAR = (0.97, 0.01)
RARE = Astray(0.001, 0.5)
NOISY = Astray(0.05, 0.6)
LAG = cmath.exp(-0.06j)


def gains(
    supply: Supply,
    mounting: Mounting,
    load: Load,
    *,
    error: float = 0.02,
    ratios: Sequence[float] = (1.0, 1.0, 1.0),
    quantity: Quantity = Quantity.VARS,
    astray: Astray = RARE,
) -> list[Gain]:
    """As a meter that is mounted so shows a car of 0.97 A for an ampere."""
    found = []
    for one, ratio in zip(shown(supply, mounting, load), ratios, strict=False):
        here = 0.97 * ratio * one * LAG
        current: complex | None = here
        errors: tuple[float, float | None] = (error, error)
        if quantity is Quantity.AMPS:
            current, errors = None, (math.inf, None)
        elif quantity is Quantity.WATTS:
            current, errors = complex(here.real, 0), (error, None)
        found.append(Gain(abs(here), error, astray, current, errors, astray))
    return found


def told(
    mounting: Mounting,
    load: Load,
    *,
    supply: Supply = STAR,
    phases: int = 3,
    car: tuple[float, float] | None = CAR,
    used: int | None = None,
    checked: bool = False,
    error: float = 0.02,
    ratios: Sequence[float] = (1.0, 1.0, 1.0),
    quantity: Quantity = Quantity.VARS,
    astray: Astray = RARE,
) -> Explanations:
    seen = gains(supply, mounting, load, error=error, ratios=ratios, quantity=quantity, astray=astray)
    return explained(supply, phases, seen, car, Known(used=used, checked=checked))


BALANCED = load_of(STAR, (L1, L2, L3), 3)
ON_L1, ON_L2, ON_L3 = (load_of(STAR, (line,), 1) for line in (L1, L2, L3))


@pytest.mark.parametrize("supply", [STAR, SPLIT])
def test_a_mounting_is_told_from_all_others_by_a_car_on_all_lines(supply: Supply) -> None:
    wiring = wirings(supply, len(supply.lines))[0]
    load = load_of(supply, wiring, len(wiring))
    wrong = 0
    for way in mountings(supply)[::4]:  # the bench takes them all
        found = mounting_told([told(way, load, supply=supply, phases=len(wiring))])
        wrong += not found.is_sure or way not in found.of
    assert wrong == 0


def test_a_balanced_car_tells_every_clamp() -> None:
    turned = (Clamp(L2, turned=True), Clamp(L1, turned=False), Clamp(L3, turned=False))
    found = clamps_told(mounting_told([told(turned, BALANCED)]))
    assert list(found) == [(one,) for one in turned]


def test_between_two_legs_it_stays_open_which_clamp_is_on_which() -> None:
    load = load_of(SPLIT, (L1, L2), 2)
    assert len(mounting_told([told(right(SPLIT), load, supply=SPLIT, phases=2)]).of) == 2


def test_a_car_on_one_line_tells_only_the_clamp_that_sees_it() -> None:
    found = clamps_told(mounting_told([told(right(STAR), ON_L1, phases=1)]))
    assert [len(options) for options in found] == [1, 4, 4]


def test_cars_on_all_lines_tell_together_what_none_tells_alone() -> None:
    way = (Clamp(L3, turned=False), Clamp(L2, turned=True), Clamp(L1, turned=False))
    tests = [told(way, load, phases=1) for load in (ON_L1, ON_L2, ON_L3)]
    assert mounting_told(tests).of == (way,)


def test_two_tests_of_the_same_charger_are_surer_than_one() -> None:
    one = told(right(STAR), BALANCED, error=0.5, astray=Astray(0.001, 2.5))
    assert mounting_told([one, one]).chance > mounting_told([one]).chance


def test_a_two_phase_car_tells_its_lines() -> None:
    load = load_of(STAR, (L3, L1, L2), 2)
    assert load_told(told(right(STAR), load)).of == (load,)


def test_currents_alone_never_tell_a_clamp() -> None:
    found = mounting_told([told(right(STAR), BALANCED, quantity=Quantity.AMPS)])
    assert len(found.of) == 48


def test_currents_alone_tell_a_wrong_ratio() -> None:
    assert told(right(STAR), BALANCED, quantity=Quantity.AMPS, ratios=(0.5, 0.5, 0.5)).ratio_right is False


def test_watts_alone_tell_a_turned_clamp() -> None:
    way = (Clamp(L1, turned=False), Clamp(L2, turned=True), Clamp(L3, turned=False))
    found = mounting_told([told(way, BALANCED, quantity=Quantity.WATTS)])
    assert way in found.of


def test_between_lines_watts_alone_leave_only_what_a_lag_would_tell() -> None:
    load = load_of(BETWEEN, (L3, L1), 2)
    way = (Clamp(L3, turned=True), Clamp(L1, turned=False), Clamp(L2, turned=True))
    found = mounting_told([told(way, load, supply=BETWEEN, phases=2, quantity=Quantity.WATTS)])
    assert found.is_sure
    assert way in found.of
    assert all(clamps[2].line is L2 for clamps in found.of)


def test_the_next_size_of_current_transformer_is_told_from_an_error_of_measurement() -> None:
    assert told(right(STAR), BALANCED, error=0.01, ratios=(1.25, 1.25, 1.25)).ratio_right is False
    assert told(right(STAR), BALANCED, error=0.01, ratios=(1.06, 1.06, 1.06)).ratio_right is True


def test_where_nobody_tells_what_the_car_draws_a_car_that_takes_less_is_no_wrong_ratio() -> None:
    found = told(right(STAR), ON_L3, phases=1, car=None, checked=True, ratios=(0.72, 0.72, 0.72))
    assert load_told(found).of == (ON_L3,)
    assert load_told(found).is_sure


def test_a_meter_that_is_plainly_moved_sees_the_car_whatever_its_power_shows() -> None:
    turned = (Clamp(L2, turned=True), Clamp(L3, turned=False), Clamp(L1, turned=False))
    seen = gains(STAR, turned, ON_L2, error=0.025, quantity=Quantity.WATTS, ratios=(0.37,) * 3)
    assert answers(STAR, 1, seen, CAR) is True


def test_a_meter_that_shows_what_the_charger_reports_has_the_right_ratio() -> None:
    assert told(right(STAR), BALANCED).ratio_right is True


@pytest.mark.parametrize("ratio", [0.2, 0.25, 0.4, 0.5, 0.667, 0.8, 1.25, 1.5, 2.0, 2.5, 4.0, 5.0])
def test_a_meter_that_shows_another_size_has_a_wrong_ratio(ratio: float) -> None:
    assert told(right(STAR), BALANCED, ratios=(ratio,) * 3).ratio_right is False


def test_one_clamp_of_another_ratio_is_told() -> None:
    assert told(right(STAR), BALANCED, ratios=(1.0, 2.0, 1.0)).ratio_right is False


def test_the_ratio_of_a_line_without_the_car_is_not_judged() -> None:
    assert told(right(STAR), ON_L1, phases=1, ratios=(1.0, 2.0, 1.0)).ratio_right is True


def test_a_ratio_that_may_be_right_or_wrong_stays_open() -> None:
    assert told(right(STAR), ON_L1, phases=1, error=0.25, ratios=(1.1,) * 3).ratio_right is None


def test_a_meter_that_was_held_against_a_clamp_is_believed_sooner() -> None:
    assert told(right(STAR), ON_L1, phases=1, error=0.07, ratios=(1.1,) * 3, checked=True).ratio_right is True


def test_without_reports_of_the_car_no_ratio_is_told() -> None:
    assert told(right(STAR), BALANCED, car=None).ratio_right is None


def test_without_reports_of_the_car_the_clamps_are_told_all_the_same() -> None:
    assert mounting_told([told(right(STAR), BALANCED, car=None)]).of == (right(STAR),)


def test_where_a_building_may_have_led_astray_nothing_is_sure() -> None:
    unsure = told(right(STAR), ON_L1, phases=3, error=0.3, astray=NOISY)
    assert not load_told(unsure).is_sure


def test_a_charger_that_reports_which_phases_are_in_use_helps() -> None:
    one = told(right(STAR), ON_L1, error=0.2, astray=NOISY)
    helped = told(right(STAR), ON_L1, error=0.2, astray=NOISY, used=1)
    assert load_told(helped).chance > load_told(one).chance


def test_a_meter_that_answers_sees_the_car() -> None:
    assert answers(STAR, 3, gains(STAR, right(STAR), BALANCED), CAR) is True


def test_a_meter_that_does_not_move_does_not_see_it() -> None:
    still = [Gain(0.0, 0.02, RARE, 0j, (0.02, 0.02), RARE)] * 3
    assert answers(STAR, 3, still, CAR) is False


def test_a_meter_of_which_nothing_is_known_may_see_it_or_not() -> None:
    vague = [Gain(0.3, 0.5, NOISY, 0.3 + 0j, (0.5, 0.5), NOISY)] * 3
    assert answers(STAR, 3, vague, CAR) is None


def test_where_the_car_does_not_follow_nothing_is_said_of_the_meter() -> None:
    still = [Gain(0.0, 0.02, RARE, 0j, (0.02, 0.02), RARE)] * 3
    assert answers(STAR, 3, still, (0.02, 0.02)) is None


@pytest.mark.parametrize("wiring", wirings(BETWEEN, 2))
def test_between_lines_a_car_s_lines_are_told(wiring: tuple[Line, ...]) -> None:
    load = load_of(BETWEEN, wiring, 2)
    assert load_told(told(right(BETWEEN), load, supply=BETWEEN, phases=2)).of == (load,)
