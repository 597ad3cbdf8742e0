from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ampacity.commission.steptest.ground import (
    LEAST_STEP_A,
    MOST_STEP_A,
    Ground,
    NoGround,
    room_for,
    worst_lines,
)
from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps, PhaseWatts, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site

A, B = ChargerId("a"), ChargerId("b")
MAIN, GARAGE = CircuitId("main"), CircuitId("garage")


def _site(
    *,
    rating_a: float = 40.0,
    worst_a: float | None = 20.0,
    garage_a: float | None = None,
    max_a: float = 32.0,
    min_a: float = 6.0,
    step_a: float = 1.0,
) -> Site:
    circuits = [
        Circuit(
            id=MAIN,
            rating_a=PhaseAmps((rating_a,) * 3),
            meter=MeterId("main"),
            worst_load_a=None if worst_a is None else PhaseAmps((worst_a, 3.0, 5.0)),
        )
    ]
    if garage_a is not None:
        circuits.append(Circuit(id=GARAGE, parent=MAIN, rating_a=PhaseAmps((garage_a,) * 3)))
    below = MAIN if garage_a is None else GARAGE
    return Site(
        name="site",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=tuple(circuits),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(
            Charger(id=one, circuit=below, wiring=None, phases=3, min_a=min_a, max_a=max_a, step_a=step_a)
            for one in (A, B)
        ),
    )


def test_a_car_gets_what_the_building_leaves_at_worst_on_its_fullest_line() -> None:
    assert room_for(_site(), A, checked=False).high_a == 20.0


def test_it_begins_with_the_charger_s_minimum() -> None:
    assert room_for(_site(), A, checked=False).low_a == 6.0


def test_a_circuit_between_leaves_less() -> None:
    assert room_for(_site(garage_a=16.0), A, checked=False).high_a == 16.0


def test_a_step_is_no_larger_than_tells_something() -> None:
    assert room_for(_site(rating_a=200.0, max_a=80.0), A, checked=False).high_a == 6.0 + MOST_STEP_A


def test_a_setpoint_is_one_that_the_charger_takes() -> None:
    assert room_for(_site(rating_a=39.6), A, checked=False).high_a == 19.0


def test_worst_loads_come_before_the_meter() -> None:
    assert room_for(_site(), A, checked=True).ground is Ground.WORST_LOAD


def test_by_worst_loads_the_controller_needs_no_meter() -> None:
    assert room_for(_site(), A, checked=False).site.meters == ()


def test_a_meter_that_was_checked_is_ground_as_well() -> None:
    assert room_for(_site(worst_a=None), A, checked=True).ground is Ground.METER


def test_by_the_meter_the_controller_does_not_believe_the_charger_s_wiring() -> None:
    site = _site(worst_a=None)
    assert room_for(site, A, checked=True).site.chargers[0].wiring is None


def test_a_meter_nobody_has_checked_is_no_ground() -> None:
    with pytest.raises(NoGround, match="not stated"):
        room_for(_site(worst_a=None), A, checked=False)


def test_too_little_room_is_no_ground() -> None:
    with pytest.raises(NoGround, match=r"leaves 8\.0 A"):
        room_for(_site(rating_a=28.0), A, checked=False)


def test_a_charger_without_range_cannot_be_stepped() -> None:
    with pytest.raises(NoGround, match="a step of 4 A"):
        room_for(_site(max_a=8.0), A, checked=True)


@given(
    st.floats(10, 120), st.floats(0, 100), st.none() | st.floats(10, 80), st.floats(10, 40), st.sampled_from([0.1, 1.0])
)
def test_a_car_and_the_building_at_worst_stay_within_every_limit(
    rating_a: float, worst_a: float, garage_a: float | None, max_a: float, step_a: float
) -> None:
    garage_a = None if garage_a is None else min(garage_a, rating_a)
    site = _site(rating_a=rating_a, worst_a=worst_a, garage_a=garage_a, max_a=max_a, step_a=step_a)
    try:
        room = room_for(site, A, checked=False)
    except NoGround:
        assume(False)
    most_a = max(worst_a, 5.0) + room.high_a
    garage_left_a = 0.0 if garage_a is None else garage_a - room.high_a
    assert min(rating_a - most_a, garage_left_a) > -1e-6


@given(st.floats(10, 120), st.floats(0, 100))
def test_a_step_is_never_too_small_to_tell_anything(rating_a: float, worst_a: float) -> None:
    try:
        room = room_for(_site(rating_a=rating_a, worst_a=worst_a), A, checked=False)
    except NoGround:
        assume(False)
    assert room.high_a - room.low_a >= LEAST_STEP_A


def test_the_worst_of_a_reading_is_on_every_line() -> None:
    reading = MeterReading(meter=MeterId("main"), at_s=1.0, currents=PhaseAmps((3.0, -9.0, 1.0)))
    assert worst_lines(reading).currents == PhaseAmps((9.0, 9.0, 9.0))


def test_the_worst_of_a_reading_has_no_sign_and_no_angle() -> None:
    reading = MeterReading(
        meter=MeterId("main"), at_s=1.0, currents=PhaseAmps((1.0,) * 3), powers=PhaseWatts((-230.0,) * 3)
    )
    assert worst_lines(reading).powers is None


def test_a_charger_s_own_circuit_may_have_room_only_beside_others() -> None:
    site = _site(garage_a=32.0)
    garage = replace(site.circuits[1], other_load_a=10.0)
    site = replace(site, circuits=(replace(site.circuits[0], rating_a=PhaseAmps((90.0,) * 3)), garage))
    assert room_for(site, A, checked=False).high_a == 22.0
