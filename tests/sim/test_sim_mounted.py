from __future__ import annotations

import math
import random

import pytest

from ampacity.core.observations import ChargerState, MeterReading
from ampacity.core.phases import Supply
from ampacity.core.site import ChargerId, MeterId
from ampacity.sim.mounted import TICK_S, CarAtCharger, MountedCar, MountedMeter, line_volts, reading

STAR, SPLIT, BETWEEN = Supply.THREE_PHASE, Supply.SPLIT_PHASE, Supply.LINE_TO_LINE


def car(
    *,
    wiring: tuple[int, ...] = (0, 1, 2),
    uses: int = 3,
    dead_s: float = 1.0,
    up_a_per_s: float = math.inf,
    most_a: float = 32.0,
    step_a: float = 0.0,
    obeys: bool = True,
    reports: str = "phases",
    amps: float = 0.0,
) -> MountedCar:
    made = MountedCar(
        CarAtCharger(
            charger=ChargerId("a"),
            wiring=wiring,
            uses=uses,
            dead_s=dead_s,
            up_a_per_s=up_a_per_s,
            most_a=most_a,
            step_a=step_a,
            displacement=0.0,
            obeys=obeys,
            reports=reports,
        ),
        random.Random(1),
    )
    made.amps = amps
    return made


def drive(made: MountedCar, limit_a: float, seconds: float) -> float:
    made.order(0.0, limit_a)
    for tick in range(int(seconds / TICK_S) + 1):
        made.step(tick * TICK_S)
    return made.amps


def shown(
    supply: Supply = STAR,
    *,
    order: tuple[int, ...] = (0, 1, 2),
    turned: tuple[bool, ...] = (False, False, False),
    ratios: tuple[float, ...] = (1.0, 1.0, 1.0),
    building_a: float = 0.0,
    sees_chargers: bool = True,
    sees_building: bool = True,
    has_power: bool = True,
    has_reactive: bool = True,
    step_a: float = 0.001,
) -> MeterReading:
    """Of a car with 10 A on each of its phases."""
    lines = len(supply.lines)
    meter = MountedMeter(
        id=MeterId("main"),
        order=order[:lines],
        turned=turned[:lines],
        ratios=ratios[:lines],
        sees_chargers=sees_chargers,
        sees_building=sees_building,
        has_power=has_power,
        has_reactive=has_reactive,
        noise=0.0,
        step_a=step_a,
    )
    made = car(wiring=tuple(range(lines)), uses=lines, amps=10.0)
    building = [building_a * volt for volt in line_volts(supply)]
    return reading(meter, supply, 230.0, building, made.on_lines(supply), 0.0, random.Random(1))


def test_a_car_does_not_move_within_its_dead_time() -> None:
    assert drive(car(dead_s=3.0), 16.0, 2.9) == 0.0


def test_a_car_draws_what_it_may() -> None:
    assert drive(car(), 16.0, 3.0) == 16.0


def test_a_car_draws_no_more_than_it_can() -> None:
    assert drive(car(most_a=10.0), 16.0, 3.0) == 10.0


def test_a_slow_car_is_on_its_way() -> None:
    assert drive(car(up_a_per_s=1.0), 16.0, 8.0) == pytest.approx(6.5, abs=0.8)


def test_a_car_may_draw_in_steps() -> None:
    assert drive(car(step_a=1.0), 15.7, 3.0) == 15.0


def test_a_car_that_does_not_obey_draws_all_it_can() -> None:
    assert drive(car(obeys=False), 6.0, 3.0) == 32.0


def test_a_car_that_does_not_obey_stops_all_the_same() -> None:
    assert drive(car(obeys=False), 0.0, 3.0) == 0.0


def test_a_report_names_the_phases_in_use() -> None:
    currents = car(uses=1, amps=8.0).report(1.0).currents
    assert currents is not None
    assert currents.values == (8.0, 0.0, 0.0)


def test_a_report_may_name_no_phase() -> None:
    assert car(reports="current", amps=8.0).report(1.0).current_a == 8.0


def test_a_report_may_say_nothing_of_the_draw() -> None:
    one = car(reports="nothing", amps=8.0).report(1.0)
    assert (one.current_a, one.currents, one.state) == (None, None, ChargerState.CHARGING)


def test_a_right_meter_shows_the_car_as_it_is() -> None:
    powers = shown().powers
    assert powers is not None
    assert powers.values == (2300.0,) * 3


def test_a_turned_clamp_shows_power_to_the_grid() -> None:
    powers = shown(turned=(True, False, False)).powers
    assert powers is not None
    assert powers.values[0] == -2300.0


def test_a_clamp_on_another_line_shows_half_of_it_turned() -> None:
    powers = shown(order=(1, 0, 2)).powers
    assert powers is not None
    assert powers.values == (-1150.0, -1150.0, 2300.0)


def test_the_next_line_and_the_one_after_differ_in_vars() -> None:
    reactive = shown(order=(1, 2, 0)).reactive
    other = shown(order=(2, 0, 1)).reactive
    assert reactive is not None
    assert other is not None
    assert reactive.values == tuple(-one for one in other.values)


def test_a_wrong_ratio_shows_another_size() -> None:
    assert shown(ratios=(2.0, 1.0, 1.0)).currents.values == (20.0, 10.0, 10.0)


def test_a_meter_may_see_cars_only() -> None:
    assert shown(building_a=5.0, sees_building=False).currents.values == (10.0,) * 3


def test_a_meter_may_see_the_household_only() -> None:
    assert shown(building_a=5.0, sees_chargers=False).currents.values == (5.0,) * 3


def test_a_meter_may_show_whole_amperes() -> None:
    assert shown(building_a=0.4, step_a=1.0).currents.values == (10.0,) * 3


def test_a_meter_may_have_no_power() -> None:
    assert shown(has_power=False).powers is None


def test_a_meter_without_power_has_no_reactive_power() -> None:
    assert shown(has_power=False).reactive is None


def test_a_car_between_both_legs_loads_both() -> None:
    assert shown(SPLIT).currents.values == (10.0, 10.0)


def test_a_car_between_two_lines_goes_out_on_one_and_back_on_the_other() -> None:
    on = car(wiring=(2, 0), uses=2, amps=10.0).on_lines(BETWEEN)
    assert abs(on[0] + on[2]) == pytest.approx(0.0)


def test_a_car_between_two_lines_leaves_the_third_alone() -> None:
    assert car(wiring=(2, 0), uses=2, amps=10.0).on_lines(BETWEEN)[1] == 0
