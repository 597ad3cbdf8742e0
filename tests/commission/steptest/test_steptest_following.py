from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.commission.steptest.following import (
    Floats,
    Follows,
    Order,
    Reports,
    best_way,
    drawn,
    own_delays,
    report_line,
    report_loss,
)
from ampacity.commission.steptest.pattern import held_s

AT_ONCE = Follows(0.0, math.inf, math.inf, 32.0)
STEP = [Order(0.0, 6.0), Order(10.0, 16.0), Order(30.0, 6.0)]


def _code(seed: int = 1) -> list[Order]:
    draw, at_s, orders = random.Random(seed), 1.0, [Order(0.0, 6.0)]
    while at_s < 150:
        orders.append(Order(at_s, 16.0 if len(orders) % 2 else 6.0))
        at_s += held_s(0.0, draw) + 2.0
    return orders


def _at(way: Follows, *times_s: float) -> list[float]:
    return [float(one) for one in drawn(STEP, np.array(times_s), [way])[:, 0]]


def test_before_the_first_step_the_car_draws_what_it_had() -> None:
    assert _at(AT_ONCE, 1.0, 9.9) == [6.0, 6.0]


def test_it_moves_after_its_dead_time() -> None:
    assert _at(Follows(3.0, math.inf, math.inf, 32.0), 12.9, 13.1) == [6.0, 16.0]


def test_it_rises_at_its_own_rate() -> None:
    assert _at(Follows(0.0, 2.0, math.inf, 32.0), 10.0, 12.0, 20.0) == [6.0, 10.0, 16.0]


def test_it_falls_at_its_own_rate() -> None:
    assert _at(Follows(0.0, math.inf, 4.0, 32.0), 30.0, 31.0, 40.0) == [16.0, 12.0, 6.0]


def test_it_draws_no_more_than_it_can() -> None:
    assert _at(Follows(0.0, math.inf, math.inf, 12.0), 20.0) == [12.0]


def test_a_step_that_comes_on_the_way_up_turns_it_there() -> None:
    assert _at(Follows(0.0, 0.25, 1.0, 32.0), 30.0, 31.0) == pytest.approx([11.0, 10.0])


def test_each_order_can_have_its_own_delay() -> None:
    times_s = np.array([10.5, 11.5])
    found = drawn(STEP, times_s, [AT_ONCE], np.array([[0.0], [1.0], [0.0]]))[:, 0]
    assert list(found) == [6.0, 16.0]


@given(
    st.floats(0, 6), st.floats(0.3, 20), st.floats(0.3, 20), st.floats(6, 32), st.lists(st.floats(0, 200), min_size=1)
)
def test_a_car_never_draws_beyond_what_it_was_asked(
    dead_s: float, up: float, down: float, most_a: float, times_s: list[float]
) -> None:
    found = drawn(STEP, np.array(sorted(times_s)), [Follows(dead_s, up, down, most_a)])
    assert float(found.max()) <= 16.0


@pytest.mark.parametrize(
    "car",
    [
        Follows(1.0, math.inf, math.inf, 32.0),
        Follows(4.5, 1.0, 5.0, 32.0),
        Follows(3.0, 0.7, 2.0, 32.0),
        Follows(0.5, 2.0, math.inf, 11.0),
    ],
)
def test_a_car_s_way_to_follow_is_found_from_what_it_reports(car: Follows) -> None:
    orders, times_s = _code(), np.arange(0.0, 160.0, 3.1)
    reports = Reports(times_s, drawn(orders, times_s, [car])[:, 0])
    way = best_way(lambda ways, blur_a: report_loss(reports, drawn(orders, times_s, ways), blur_a), orders)
    fine_s = np.arange(0.0, 160.0, 0.5)
    apart = np.abs(drawn(orders, fine_s, [way]) - drawn(orders, fine_s, [car]))
    assert float(apart.mean()) < 0.25


def test_a_delay_of_one_message_is_found() -> None:
    orders, times_s, car = _code(), np.arange(0.0, 160.0, 0.5), Follows(1.0, 3.0, 3.0, 32.0)
    late = np.zeros((len(orders), 1))
    late[5] = 0.45
    seen = drawn(orders, times_s, [car], late)[:, 0]

    def loss(delays_s: Floats) -> Floats:
        amps = drawn(orders, times_s, [car] * delays_s.shape[1], delays_s)
        return np.asarray(np.log1p(((amps - seen[:, None]) / 0.1) ** 2).sum(axis=0))

    assert own_delays(loss, orders)[0][5] == pytest.approx(0.45, abs=0.05)


def test_where_nothing_tells_when_a_car_moved_that_is_said() -> None:
    _, off_s = own_delays(lambda delays_s: np.zeros(delays_s.shape[1]), _code())
    assert off_s > 0.2


def test_a_car_may_draw_a_constant_share_of_what_it_may() -> None:
    orders, times_s = _code(), np.arange(0.0, 160.0, 3.0)
    amps = drawn(orders, times_s, [AT_ONCE])
    gain, _, _ = report_line(Reports(times_s, 0.93 * amps[:, 0] - 0.2), amps)
    assert float(gain[0]) == pytest.approx(0.93, abs=0.001)
