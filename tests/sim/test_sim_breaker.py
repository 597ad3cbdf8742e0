from __future__ import annotations

import math

import pytest

from ampacity.sim.breaker import Breaker, seconds_to_trip


def seconds_borne(rating_a: float, amps: float, most_s: int = 10_000) -> int:
    breaker = Breaker(rating_a)
    for second in range(most_s):
        if breaker.carry(amps):
            return second + 1
    return most_s


@pytest.mark.parametrize(
    ("ratio", "seconds"), [(1.2, 900), (1.3, 240), (1.45, 70), (1.7, 28), (2.0, 12), (2.55, 4), (4.0, 1.5), (5.0, 0.05)]
)
def test_the_envelope_goes_through_its_points(ratio: float, seconds: float) -> None:
    assert seconds_to_trip(ratio) == pytest.approx(seconds)


def test_the_envelope_is_straight_between_its_points_on_logarithmic_axes() -> None:
    assert seconds_to_trip(math.sqrt(1.45 * 1.7)) == pytest.approx(math.sqrt(70 * 28))


def test_nothing_trips_at_one_point_thirteen_times_the_rating() -> None:
    assert seconds_to_trip(1.13) == math.inf
    assert seconds_borne(100.0, 113.0) == 10_000


def test_an_overload_trips_when_its_time_is_used_up() -> None:
    assert seconds_borne(40.0, 58.0) == pytest.approx(70, abs=1)


def test_current_that_flows_back_heats_as_well() -> None:
    assert seconds_borne(40.0, -58.0) == pytest.approx(70, abs=1)


def test_a_used_budget_is_back_after_three_hundred_seconds() -> None:
    breaker = Breaker(40.0)
    for _ in range(35):
        breaker.carry(58.0)
    assert breaker.budget == pytest.approx(0.5)
    for _ in range(150):
        breaker.carry(40.0)
    assert breaker.budget == pytest.approx(0.0, abs=1e-9)
    assert breaker.budget_worst == pytest.approx(0.5)


def test_the_earliest_admissible_breaker_trips_after_a_second_at_two_and_a_half_times_its_rating() -> None:
    breaker = Breaker(16.0)
    for _ in range(2):
        breaker.carry(2.55 * 16.0)
    assert breaker.heat_worst_earliest > 1.0
    assert breaker.heat_worst_latest < 0.1


def test_a_breaker_at_its_rating_is_at_the_steady_share_of_its_trip_heat() -> None:
    breaker = Breaker(16.0)
    for _ in range(5000):
        breaker.carry(16.0)
    assert breaker.heat_worst_earliest == pytest.approx(1 / 1.277, rel=1e-3)
    assert breaker.heat_worst_latest == pytest.approx(1 / 2.0, rel=1e-3)
