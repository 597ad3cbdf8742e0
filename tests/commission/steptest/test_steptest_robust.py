from __future__ import annotations

import numpy as np
import pytest

from ampacity.commission.steptest.following import Floats
from ampacity.commission.steptest.robust import found_again, gain_of, pairs, scatter_of, scatters_of

DRAW = np.random.default_rng(1)
MOVE = np.where(np.arange(150) % 8 == 0, 10.0, 0.0) * np.where(np.arange(150) % 16 == 0, 1, -1)
QUIET = DRAW.normal(0, 0.1, (150, 1))


def _others(count: int = 120) -> Floats:
    return np.stack([np.random.default_rng(number).permutation(MOVE) for number in range(count)], axis=1)


def _gain(moved: Floats) -> Floats:
    return gain_of(moved, MOVE[:, None], scatter_of(moved))[0][:, 0]


def test_a_gain_is_found() -> None:
    assert float(_gain(0.9 * MOVE[:, None] + QUIET)[0]) == pytest.approx(0.9, abs=0.02)


def test_single_large_loads_do_not_count() -> None:
    loads = np.zeros((150, 1))
    loads[[8, 40, 77, 96, 121]] = 14.0
    assert float(_gain(0.9 * MOVE[:, None] + QUIET + loads)[0]) == pytest.approx(0.9, abs=0.03)


def test_a_gain_has_a_real_and_an_imaginary_part() -> None:
    moved = np.stack([0.5 * MOVE, -0.8 * MOVE], axis=1) + DRAW.normal(0, 0.1, (150, 2))
    assert list(_gain(moved)) == pytest.approx([0.5, -0.8], abs=0.02)


def test_where_nothing_answers_the_gain_is_nothing() -> None:
    assert float(_gain(QUIET)[0]) == pytest.approx(0.0, abs=0.01)


def test_the_error_is_small_in_a_quiet_building() -> None:
    found = found_again(np.array([0.9]), QUIET, _others(), _others(), scatter_of(QUIET))
    assert float(found.error[0]) < 0.05


def test_the_error_is_large_in_a_building_that_does_what_the_car_does() -> None:
    loads = np.random.default_rng(2).choice([-10.0, 0.0, 10.0], (150, 1))
    found = found_again(np.array([0.9]), loads, _others(), _others(), scatter_of(loads))
    assert float(found.error[0]) > 0.1


def test_errors_lie_along_the_building_s_own_angle() -> None:
    loads = DRAW.standard_t(1.5, (150, 1)) * np.array([[2.0, -1.0]]) + DRAW.normal(0, 0.05, (150, 2))
    spread = found_again(np.array([0.5, 0.5]), loads, _others(), _others(), scatter_of(loads)).spread
    assert float(spread[0, 1] / np.sqrt(spread[0, 0] * spread[1, 1])) < -0.7


def test_messages_that_take_differently_long_are_allowed_for() -> None:
    late = 0.8 * _others()
    found = found_again(np.array([0.8]), QUIET, _others(), late, scatter_of(QUIET))
    assert float(found.gain[0]) == pytest.approx(1.0, abs=0.02)


def test_a_building_that_mostly_rests_is_looked_at_as_it_rests() -> None:
    loads = np.where(DRAW.uniform(size=(150, 1)) < 0.45, DRAW.normal(0, 10, (150, 1)), DRAW.normal(0, 0.1, (150, 1)))
    assert len(scatters_of(loads)) == 2


def test_a_building_that_always_moves_is_looked_at_as_a_whole() -> None:
    assert len(scatters_of(DRAW.normal(0, 3, (150, 1)))) == 1


def test_pairs_of_samples_are_so_far_apart() -> None:
    early, late = pairs(np.arange(0.0, 20.0), 3.0)
    assert set(late - early) == {3}


def test_a_gap_in_the_samples_makes_no_pair() -> None:
    times_s = np.concatenate([np.arange(0.0, 10.0), np.arange(30.0, 40.0)])
    early, late = pairs(times_s, 3.0)
    assert float((times_s[late] - times_s[early]).max()) < 5.0
