"""A few of the bench's random sites, always the same; `python bench/steptest.py` takes thousands."""

from __future__ import annotations

import pytest

from ampacity.commission.steptest.ground import room_for
from ampacity.sim.steptest import Told
from ampacity.sim.steptest import tested as played
from steptest import CHARGER, Case, case, every, wrong

SEED = 7
SITES = 6


@pytest.fixture(scope="module")
def runs() -> list[tuple[Case, Told]]:
    found = []
    for number in range(SITES):
        one = case(number, SEED)
        found.append((one, played(one.found, room_for(one.found.site, CHARGER, checked=one.found.checked))))
    return found


def test_no_random_site_is_judged_wrongly(runs: list[tuple[Case, Told]]) -> None:
    assert [wrong(one, told) for one, told in runs] == [[]] * SITES


def test_no_random_site_exceeds_its_limit_by_our_doing(runs: list[tuple[Case, Told]]) -> None:
    assert sum(told.over_s for _, told in runs) == 0.0


def test_every_test_ends_in_under_three_minutes(runs: list[tuple[Case, Told]]) -> None:
    assert max(told.seconds for _, told in runs) < 180.0


def test_a_car_is_told_something_in_every_test(runs: list[tuple[Case, Told]]) -> None:
    assert min(told.orders for _, told in runs) > 2


def test_the_bench_can_take_every_mounting_with_every_wiring() -> None:
    assert len(set(every())) == 48 * 15 + 48 * 12 + 8 * 4 + 2 * 1


def test_the_same_number_is_the_same_site() -> None:
    assert case(3, SEED).found.site == case(3, SEED).found.site
