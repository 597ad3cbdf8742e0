from __future__ import annotations

import cmath
import math
import random
from collections.abc import Sequence

import pytest

from ampacity.commission.steptest.mounting import (
    Clamp,
    Load,
    Mounting,
    load_of,
    mountings,
    possible_loads,
    right,
    rotation,
    shown,
    wirings,
)
from ampacity.core.phases import Line, Supply
from ampacity.core.site import ChargerId, MeterId
from ampacity.sim.mounted import CarAtCharger, MountedCar, MountedMeter, reading

L1, L2, L3 = Line.L1, Line.L2, Line.L3
STAR, SPLIT, BETWEEN, SINGLE = Supply.THREE_PHASE, Supply.SPLIT_PHASE, Supply.LINE_TO_LINE, Supply.SINGLE_PHASE


@pytest.mark.parametrize(("supply", "count"), [(STAR, 48), (BETWEEN, 48), (SPLIT, 8), (SINGLE, 2)])
def test_there_are_48_ways_to_mount_three_clamps_8_for_two_and_2_for_one(supply: Supply, count: int) -> None:
    assert len(set(mountings(supply))) == count


@pytest.mark.parametrize("supply", list(Supply))
def test_the_first_way_is_the_right_one(supply: Supply) -> None:
    assert mountings(supply)[0] == right(supply)


@pytest.mark.parametrize(("phases", "count"), [(1, 3), (2, 6), (3, 6)])
def test_a_charger_on_three_lines_can_be_connected_in_so_many_orders(phases: int, count: int) -> None:
    assert len(wirings(STAR, phases)) == count


def test_a_right_clamp_shows_the_car_as_a_real_current() -> None:
    assert shown(STAR, right(STAR), load_of(STAR, (L2,), 1)) == pytest.approx((0, 1, 0))


def test_a_turned_clamp_shows_it_negative() -> None:
    turned = (Clamp(L1, turned=False), Clamp(L2, turned=True), Clamp(L3, turned=False))
    assert shown(STAR, turned, load_of(STAR, (L2,), 1)) == pytest.approx((0, -1, 0))


def test_a_clamp_on_another_line_shows_it_a_third_of_a_turn_off() -> None:
    swapped = (Clamp(L2, turned=False), Clamp(L1, turned=False), Clamp(L3, turned=False))
    angles = [cmath.phase(one) for one in shown(STAR, swapped, load_of(STAR, (L2,), 1))[:1]]
    assert angles == pytest.approx([-2 * math.pi / 3])


def test_two_lines_of_a_split_phase_are_half_a_turn_apart() -> None:
    assert rotation(SPLIT, L2, L1) == -1


def test_a_car_between_two_lines_loads_both_a_twelfth_of_a_turn_off() -> None:
    angles = [math.degrees(cmath.phase(one)) for one in load_of(BETWEEN, (L1, L2), 2).on[:2]]
    assert angles == pytest.approx([30, -30])


def test_a_balanced_car_is_the_same_load_in_every_order_of_its_phases() -> None:
    assert len({load_of(STAR, wiring, 3) for wiring in wirings(STAR, 3)}) == 1


def test_a_charger_with_three_phases_may_have_a_car_on_one_two_or_three() -> None:
    assert sorted(len(load.lines) for load in possible_loads(STAR, 3)) == [1, 1, 1, 2, 2, 2, 3]


def test_a_charger_between_two_lines_has_no_car_on_one() -> None:
    assert {len(load.lines) for load in possible_loads(BETWEEN, 2)} == {2}


def test_every_load_knows_all_wirings_that_make_it() -> None:
    assert sum(len(ways) for ways in possible_loads(STAR, 3).values()) == 6 * 3


def _by_the_plant(supply: Supply, mounting: Mounting, wiring: Sequence[Line], uses: int) -> list[complex]:
    """What a meter shows of one ampere, as the simulator reckons it, which shares nothing with what judges."""
    car = MountedCar(
        CarAtCharger(charger=ChargerId("a"), wiring=tuple(map(int, wiring)), uses=uses, displacement=0.0),
        random.Random(1),
    )
    car.amps = 1.0
    meter = MountedMeter(
        id=MeterId("main"),
        order=tuple(int(clamp.line) for clamp in mounting),
        turned=tuple(clamp.turned for clamp in mounting),
        ratios=(1.0,) * len(mounting),
        noise=0.0,
    )
    line_v = 1000.0  # powers are rounded to a tenth of a watt
    one = reading(meter, supply, line_v, [0j] * len(mounting), car.on_lines(supply), 0.0, random.Random(1))
    assert one.powers is not None
    assert one.reactive is not None
    return [complex(p, -q) / line_v for p, q in zip(one.powers, one.reactive, strict=True)]


@pytest.mark.parametrize("supply", list(Supply))
def test_what_a_mounting_shows_is_what_the_plant_s_meter_shows(supply: Supply) -> None:
    off = 0.0
    for phases in range(2 if supply is BETWEEN else 1, len(supply.lines) + 1):
        for wiring in wirings(supply, phases):
            fewest = 2 if phases == 2 and supply is not STAR else 1
            for uses in range(fewest, phases + 1):
                load = load_of(supply, wiring, uses)
                for mounting in mountings(supply):
                    plant = _by_the_plant(supply, mounting, wiring, uses)
                    ours = shown(supply, mounting, load)
                    off = max(off, *(abs(a - b) for a, b in zip(plant, ours, strict=True)))
    assert off < 0.001


def test_a_load_names_its_lines() -> None:
    assert Load((0j, 1 + 0j, 1 + 0j)).lines == (L2, L3)
