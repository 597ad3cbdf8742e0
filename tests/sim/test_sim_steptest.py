"""The whole way: the procedure, the controller, a plant, and the verdict."""

from __future__ import annotations

import cmath
from collections.abc import Sequence

import pytest

from ampacity.commission.steptest.ground import Ground, room_for
from ampacity.commission.steptest.judgement import Answer
from ampacity.commission.steptest.mounting import Clamp
from ampacity.commission.steptest.procedure import Ending
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.mounted import CarAtCharger, MountedMeter, line_volts
from ampacity.sim.steptest import Found, Told
from ampacity.sim.steptest import tested as played

A, MAIN = ChargerId("a"), MeterId("main")
STAR = Supply.THREE_PHASE


def pulsing(at_s: float) -> Sequence[complex]:
    """A hob on L1 beside quiet lines."""
    sizes = (2.0 + (8.0 if at_s % 7.0 < 3.0 else 0.0), 3.0, 1.0)
    return [size * volt * cmath.exp(-0.1j) for size, volt in zip(sizes, line_volts(STAR), strict=True)]


def run(*, worst_a: float | None = 12.0, limit_a: float = 32.0, obeys: bool = True, most_a: float = 16.0) -> Told:
    site = Site(
        name="site",
        supply=STAR,
        nominal_v=230.0,
        circuits=(
            Circuit(
                id=CircuitId("main"),
                rating_a=PhaseAmps((limit_a,) * 3),
                meter=MAIN,
                worst_load_a=None if worst_a is None else PhaseAmps((worst_a,) * 3),
            ),
        ),
        meters=(Meter(id=MAIN),),
        chargers=(Charger(id=A, circuit=CircuitId("main"), wiring=None, phases=3),),
    )
    found = Found(
        site=site,
        limit_a=(limit_a,) * 3,
        building=pulsing,
        meter=MountedMeter(id=MAIN, order=(2, 1, 0), turned=(False, True, False), ratios=(1.0,) * 3),
        car=CarAtCharger(charger=A, wiring=(1, 2, 0), uses=1, most_a=most_a, dead_s=2.0, reports_s=3.0, obeys=obeys),
        checked=worst_a is None,
        seed=4,
    )
    return played(found, room_for(site, A, checked=found.checked))


@pytest.fixture(scope="module")
def told() -> Told:
    return run()


def test_a_test_ends_done(told: Told) -> None:
    assert told.verdict.ending is Ending.DONE


def test_the_line_of_a_one_phase_car_is_told(told: Told) -> None:
    assert {wiring[0] for wiring in told.verdict.wirings} == {Line.L2}


def test_the_clamp_that_sees_the_car_is_told(told: Told) -> None:
    assert told.verdict.meters[0].clamps[1] == (Clamp(Line.L2, turned=True),)


def test_the_meter_s_ratio_is_right(told: Told) -> None:
    assert told.verdict.meters[0].ratio_right is Answer.YES


def test_nothing_is_exceeded_while_it_steps(told: Told) -> None:
    assert max(told.highest_a) <= 32.0


def test_by_a_meter_that_was_checked_nothing_is_exceeded_either() -> None:
    one = run(worst_a=None, limit_a=32.0)
    assert (one.room.ground, one.over_s) == (Ground.METER, 0.0)


def test_a_car_that_draws_more_than_there_is_room_for_ends_it_soon() -> None:
    one = run(obeys=False, most_a=32.0)
    assert (one.verdict.ending, one.seconds < 60.0) == (Ending.DISOBEYS, True)


def test_a_car_that_draws_the_same_whatever_it_may_disobeys() -> None:
    assert run(obeys=False).verdict.obeys is Answer.NO
