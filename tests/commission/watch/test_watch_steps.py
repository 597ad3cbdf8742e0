"""Which moves of cars count as steps of daily life."""

from __future__ import annotations

import pytest

from ampacity.commission.watch.steps import Step, Track
from ampacity.core.decision import Command
from ampacity.core.observations import Allowance, ChargerLink, ChargerReport, ChargerState, Hold, SessionStarted
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, CircuitId

LEFT = ChargerId("left")
CHARGER = Charger(id=LEFT, circuit=CircuitId("main"), wiring=(Line.L1, Line.L2, Line.L3))


@pytest.fixture
def track() -> Track:
    one = Track(CHARGER, Supply.THREE_PHASE, 230.0)
    one.reported(ChargerReport(charger=LEFT, at_s=0.0, state=ChargerState.AVAILABLE))
    one.began(SessionStarted(charger=LEFT, at_s=95.0, session="7"))
    return one


def draws(track: Track, at_s: float, amps: float, state: ChargerState | None = ChargerState.CHARGING) -> Step | None:
    currents = PhaseAmps((amps, amps, 0.0))
    return track.reported(ChargerReport(charger=LEFT, at_s=at_s, state=state, currents=currents))


def told(track: Track, at_s: float, state: ChargerState) -> Step | None:
    return track.reported(ChargerReport(charger=LEFT, at_s=at_s, state=state))


def ordered(track: Track, at_s: float, limit_a: float) -> None:
    track.ordered(Command(charger=LEFT, limit_a=limit_a, safe_a=0.0, lease_s=None, renewal=False), at_s)


def charging(track: Track, amps: float) -> None:
    """It begins at 100 s, and draws so much without a change until 130 s."""
    ordered(track, 99.0, amps)
    for at_s in (102.0, 110.0, 120.0, 130.0):
        draws(track, at_s, amps)


def test_a_car_that_begins_is_a_step_once_it_has_settled(track: Track) -> None:
    ordered(track, 99.0, 16.0)
    assert draws(track, 102.0, 9.0) is None
    assert draws(track, 110.0, 16.0) is None
    step = draws(track, 120.0, 16.0)
    assert step is not None
    assert (step.before[0], step.after[0], step.session) == ((0.0, 0.0, 0.0), (16.0, 16.0, 0.0), "7")
    assert step.from_s == 98.0  # not before it was ordered
    assert step.to_s == 110.0


def test_a_car_that_ends_is_a_step_by_the_chargers_word(track: Track) -> None:
    charging(track, 16.0)
    step = told(track, 133.0, ChargerState.SUSPENDED_EV)
    assert step is not None
    assert step.after[0] == (0.0, 0.0, 0.0)
    assert step.from_s <= 133.0 <= step.to_s


def test_a_car_that_is_given_more_is_a_step(track: Track) -> None:
    charging(track, 8.0)
    ordered(track, 131.0, 16.0)
    draws(track, 140.0, 16.0)
    step = draws(track, 150.0, 16.0)
    assert step is not None
    assert (step.from_s, step.to_s) == (130.0, 140.0)


def test_what_the_controller_lowers_is_left_out_since_the_building_has_just_risen(track: Track) -> None:
    charging(track, 16.0)
    ordered(track, 131.0, 8.0)
    draws(track, 140.0, 8.0)
    assert draws(track, 150.0, 8.0) is None


def test_a_pause_that_the_controller_ordered_is_left_out(track: Track) -> None:
    charging(track, 16.0)
    ordered(track, 131.0, 0.0)
    assert told(track, 133.0, ChargerState.SUSPENDED_EVSE) is None


def test_a_raise_by_the_sun_is_left_out(track: Track) -> None:
    charging(track, 8.0)
    track.allowed(Allowance(charger=LEFT, at_s=130.0, most_a=16.0, hold=Hold.SURPLUS))
    ordered(track, 131.0, 16.0)
    draws(track, 140.0, 16.0)
    assert draws(track, 150.0, 16.0) is None


def test_a_small_move_is_no_step(track: Track) -> None:
    charging(track, 16.0)
    draws(track, 140.0, 13.0)
    assert draws(track, 150.0, 13.0) is None


def test_a_move_over_too_long_a_time_is_no_step(track: Track) -> None:
    charging(track, 8.0)
    draws(track, 240.0, 16.0)
    assert draws(track, 250.0, 16.0) is None


def test_a_charger_that_was_away_may_have_done_anything(track: Track) -> None:
    charging(track, 8.0)
    track.link(ChargerLink(charger=LEFT, at_s=135.0, online=False))
    draws(track, 140.0, 16.0)
    assert draws(track, 150.0, 16.0) is None
    assert not track.is_calm(134.0, 136.0)


def test_a_car_stirs_while_it_moves_and_is_calm_while_it_does_not(track: Track) -> None:
    charging(track, 16.0)
    assert not track.is_calm(98.0, 105.0)
    assert track.is_calm(115.0, 130.0)


def test_a_charger_that_tells_one_current_only_leaves_open_how_many_phases_draw_it(track: Track) -> None:
    track.reported(ChargerReport(charger=LEFT, at_s=105.0, state=ChargerState.CHARGING, current_a=16.0))
    step = track.reported(ChargerReport(charger=LEFT, at_s=115.0, current_a=16.0))
    assert step is not None
    assert step.after == ((16.0, 0.0, 0.0), (16.0, 16.0, 0.0), (16.0, 16.0, 16.0))


def test_power_is_of_all_phases_that_draw_together(track: Track) -> None:
    track.reported(ChargerReport(charger=LEFT, at_s=105.0, state=ChargerState.CHARGING, power_w=6900.0))
    step = track.reported(ChargerReport(charger=LEFT, at_s=115.0, power_w=6900.0))
    assert step is not None
    assert step.after[2] == (10.0, 10.0, 10.0)
