from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ampacity.commission.steptest.following import Order
from ampacity.commission.steptest.pattern import DRAWN_S, LEAST_S, LONGER_S, held_s, like

TIMES_AND_LIMITS = ((0, 6.0), (1, 16.0), (9, 6.0), (15, 16.0), (24, 6.0), (30, 16.0))
ORDERS = [Order(20.0 + at_s, limit) for at_s, limit in TIMES_AND_LIMITS]


@given(st.floats(0, 30), st.integers())
def test_a_setpoint_is_held_as_long_as_its_charger_wants(min_interval_s: float, seed: int) -> None:
    assert held_s(min_interval_s, random.Random(seed)) > min_interval_s


@given(st.integers())
def test_a_setpoint_is_held_for_some_seconds_in_any_case(seed: int) -> None:
    assert LEAST_S <= held_s(0.0, random.Random(seed)) <= LEAST_S + DRAWN_S + LONGER_S[1]


def test_for_how_long_is_drawn_by_lot() -> None:
    draw = random.Random(1)
    assert len({round(held_s(0.0, draw), 3) for _ in range(50)}) > 40


def test_other_codes_begin_when_ours_began() -> None:
    assert {code[0].at_s for code in like(ORDERS, 40.0, 20, random.Random(1))} == {20.0}


def test_other_codes_have_the_same_setpoints_in_turn() -> None:
    codes = like(ORDERS, 60.0, 20, random.Random(1))
    assert all(a.limit_a != b.limit_a for code in codes for a, b in pairwise(code[:-1]))


def test_other_codes_are_others() -> None:
    codes = like(ORDERS, 60.0, 50, random.Random(1))
    assert len({tuple(round(one.at_s, 2) for one in code) for code in codes}) > 45


def test_other_codes_are_in_order_of_time() -> None:
    codes = like(ORDERS, 60.0, 50, random.Random(1))
    assert all(a.at_s <= b.at_s for code in codes for a, b in pairwise(code))


def test_without_steps_there_are_no_other_codes() -> None:
    assert like(ORDERS[:1], 60.0, 2, random.Random(1)) == [ORDERS[:1]] * 2


def test_without_orders_there_are_none() -> None:
    assert like([], 0.0, 2, random.Random(1)) == [[], []]


def test_a_building_that_pulses_regularly_never_stays_in_step() -> None:
    draw = random.Random(1)
    periods_s = [held_s(0.0, draw) + held_s(0.0, draw) for _ in range(200)]
    mean_s = sum(periods_s) / len(periods_s)
    assert sum((one - mean_s) ** 2 for one in periods_s) / len(periods_s) > 3.0**2
