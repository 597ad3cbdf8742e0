from __future__ import annotations

from collections.abc import Sequence

import pytest

from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    SessionEnded,
    SessionStarted,
)
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.plant import CarModel, Plant
from ampacity.sim.tables import Session

A, B = ChargerId("a"), ChargerId("b")
MAIN, GARAGE = CircuitId("main"), CircuitId("garage")


def site_with(
    wirings: Sequence[Sequence[Line]],
    supply: Supply = Supply.THREE_PHASE,
    *,
    below: bool = False,
    period_s: float = 1.0,
    lease_s: float = 120.0,
    safe_a: float = 0.0,
) -> Site:
    lines = len(supply.lines)
    circuits = [Circuit(id=MAIN, rating_a=PhaseAmps((100.0,) * lines), meter=MeterId("main"))]
    meters = [Meter(id=MeterId("main"), period_s=period_s)]
    if below:
        circuits.append(Circuit(id=GARAGE, parent=MAIN, rating_a=PhaseAmps((50.0,) * lines), meter=MeterId("garage")))
        meters.append(Meter(id=MeterId("garage")))
    return Site(
        name="test",
        supply=supply,
        nominal_v=208.0 if supply is Supply.LINE_TO_LINE else 230.0,
        circuits=tuple(circuits),
        meters=tuple(meters),
        chargers=tuple(
            Charger(
                id=name,
                circuit=GARAGE if below else MAIN,
                wiring=tuple(wiring),
                phases=len(wiring),
                lease_s=lease_s,
                safe_a=safe_a,
            )
            for name, wiring in zip((A, B), wirings, strict=False)
        ),
    )


def stay(
    charger: ChargerId = A, *, lines: int, wh: float = 1e9, max_a: float = 16.0, at: int = 0, to: int = 10**6
) -> Session:
    return Session(
        id=f"{charger}{at}", charger=charger, arrival_s=at, departure_s=to, energy_wh=wh, max_a=max_a, lines=lines
    )


def plant_of(
    site: Site,
    sessions: Sequence[Session],
    *,
    lag_s: int = 1,
    load: float = 0.0,
    below_load: float | None = None,
    cars: CarModel | None = None,
    report_every_s: int = 10,
) -> Plant:
    lines = len(site.supply.lines)
    building = {MAIN: [(load,) * lines] * 1000}
    if below_load is not None:
        building[GARAGE] = [(below_load,) * lines] * 1000
    return Plant(
        site,
        building,
        sessions,
        lag_s=lag_s,
        report_every_s=report_every_s,
        offsets_s=[0, 3][: len(site.chargers)],
        cars=CarModel() if cars is None else cars,
    )


def reports_of(seen: Sequence[Observation], charger: ChargerId) -> list[ChargerReport]:
    return [one for one in seen if isinstance(one, ChargerReport) and one.charger == charger]


def states_of(seen: Sequence[Observation], charger: ChargerId) -> list[ChargerState]:
    return [report.state for report in reports_of(seen, charger) if report.state is not None]


ALL = (Line.L1, Line.L2, Line.L3)


@pytest.mark.parametrize("lag_s", [0, 1, 4])
def test_a_decision_of_a_second_is_felt_one_second_and_the_dead_time_later(lag_s: int) -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3)], lag_s=lag_s)
    drawn = []
    for second in range(20):
        plant.step(second)
        drawn.append(plant.sockets[0].amps)
        if second == 5:
            plant.order(second, 0, 10.0, None)
    assert drawn == [0.0] * (6 + lag_s) + [10.0] * (14 - lag_s)


def test_a_car_draws_nothing_below_six_amperes() -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3)], lag_s=0)
    plant.step(0)
    plant.order(0, 0, 5.9, None)
    plant.step(1)
    assert plant.sockets[0].amps == 0.0


def test_a_car_draws_its_maximum_at_most() -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3, max_a=11.0)], lag_s=0)
    plant.step(0)
    plant.order(0, 0, 32.0, None)
    plant.step(1)
    assert plant.sockets[0].amps == 11.0


def test_the_meter_shows_building_and_cars_of_the_same_second() -> None:
    plant = plant_of(site_with([(Line.L2,)]), [stay(lines=1)], lag_s=0, load=3.0)
    plant.step(0)
    plant.order(0, 0, 10.0, None)
    (reading,) = [one for one in plant.step(1) if isinstance(one, MeterReading)]
    assert reading.currents == PhaseAmps((3.0, 13.0, 3.0))


def test_a_meter_gives_a_sample_in_each_of_its_periods() -> None:
    plant = plant_of(site_with([ALL], period_s=10.0), [])
    samples = [second for second in range(25) if any(isinstance(one, MeterReading) for one in plant.step(second))]
    assert samples == [0, 10, 20]


def test_a_circuit_above_sees_what_flows_below_it() -> None:
    plant = plant_of(site_with([ALL], below=True), [stay(lines=3)], lag_s=0, load=5.0, below_load=2.0)
    plant.step(0)
    plant.order(0, 0, 10.0, None)
    readings = {one.meter: one.currents[0] for one in plant.step(1) if isinstance(one, MeterReading)}
    assert readings == {"main": 17.0, "garage": 12.0}


def test_a_car_on_one_line_loads_the_first_line_of_its_charger() -> None:
    plant = plant_of(site_with([(Line.L3, Line.L1, Line.L2)]), [stay(lines=1)], lag_s=0)
    plant.step(0)
    plant.order(0, 0, 10.0, None)
    plant.step(1)
    assert plant.total[0] == (0.0, 0.0, 10.0)


def test_currents_between_lines_add_as_phasors() -> None:
    site = site_with([(Line.L1, Line.L2), (Line.L3, Line.L1)], Supply.LINE_TO_LINE)
    plant = plant_of(site, [stay(A, lines=2), stay(B, lines=2)], lag_s=0)
    plant.step(0)
    plant.order(0, 0, 16.0, None)
    plant.order(0, 1, 16.0, None)
    plant.step(1)
    assert plant.total[0] == pytest.approx((27.71, 16.0, 16.0), abs=0.01)


def test_a_car_on_one_line_sits_between_the_first_two_lines_where_chargers_sit_between_lines() -> None:
    plant = plant_of(site_with([(Line.L2, Line.L3, Line.L1)], Supply.LINE_TO_LINE), [stay(lines=1)], lag_s=0)
    plant.step(0)
    plant.order(0, 0, 10.0, None)
    plant.step(1)
    assert plant.total[0] == pytest.approx((0.0, 10.0, 10.0))


def test_a_charger_across_both_legs_loads_both() -> None:
    plant = plant_of(site_with([(Line.L1, Line.L2)], Supply.SPLIT_PHASE), [stay(lines=2)], lag_s=0, load=1.0)
    plant.step(0)
    plant.order(0, 0, 10.0, None)
    plant.step(1)
    assert plant.total[0] == (11.0, 11.0)


def test_a_full_car_stops_and_says_so() -> None:
    plant = plant_of(site_with([(Line.L1,)]), [stay(lines=1, wh=230.0 * 10 / 3600 * 4.5)], lag_s=0)
    plant.step(0)
    plant.order(0, 0, 10.0, None)
    states = {second: states_of(plant.step(second), A) for second in range(1, 9)}
    assert {second: found for second, found in states.items() if found} == {
        1: [ChargerState.CHARGING],
        6: [ChargerState.SUSPENDED_EV],
    }
    assert plant.sockets[0].total_wh(9) == pytest.approx(230.0 * 10 / 3600 * 4.5)


def test_energy_is_the_sum_over_the_seconds() -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3)], lag_s=0)
    for second in range(100):
        plant.step(second)
        plant.order(second, 0, 6.0 + second % 7, None)
    expected = sum(6.0 + (second - 1) % 7 for second in range(1, 100)) * 690 / 3600
    assert plant.sockets[0].total_wh(100) == pytest.approx(expected)


def test_a_stay_goes_through_the_states_of_its_charger() -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3, at=3, to=6)])
    seen = [one for second in range(8) for one in plant.step(second)]
    assert states_of(seen, A) == [
        ChargerState.AVAILABLE,
        ChargerState.PREPARING,
        ChargerState.SUSPENDED_EVSE,
        ChargerState.FINISHING,
        ChargerState.AVAILABLE,
    ]
    assert [type(one) for one in seen if isinstance(one, (SessionStarted, SessionEnded))] == [
        SessionStarted,
        SessionEnded,
    ]


def test_a_car_that_was_there_before_the_run_is_there_from_its_first_second_on() -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3, at=-500, to=6)])
    assert ChargerState.SUSPENDED_EVSE in states_of(plant.step(0), A)


def test_a_stay_that_ended_before_the_run_is_left_out() -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3, at=-500, to=-6), stay(lines=3, at=-5, to=6)])
    started = [one.session for one in plant.step(0) if isinstance(one, SessionStarted)]
    assert started == ["a-5"]


def test_all_chargers_are_online_from_the_first_second_on() -> None:
    seen = plant_of(site_with([ALL, ALL]), []).step(0)
    assert [one.charger for one in seen if isinstance(one, ChargerLink) and one.online] == [A, B]


def test_a_charger_measures_in_its_own_interval_while_a_car_is_there() -> None:
    plant = plant_of(site_with([ALL, ALL]), [stay(B, lines=2, at=5)], report_every_s=10)
    measured = [
        second
        for second in range(30)
        for report in reports_of(plant.step(second), B)
        if report.currents == PhaseAmps((0.0, 0.0, 0.0))
    ]
    assert measured == [13, 23]


def test_a_charger_leaves_a_setpoint_that_is_not_renewed() -> None:
    plant = plant_of(site_with([ALL], safe_a=6.0), [stay(lines=3)], lag_s=1)
    drawn = []
    for second in range(40):
        plant.step(second)
        drawn.append(plant.sockets[0].amps)
        if second == 0:
            plant.order(second, 0, 16.0, 20.0)
    assert drawn == [0.0] * 2 + [16.0] * 19 + [6.0] * 19


def test_a_renewed_setpoint_stays() -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3)], lag_s=1)
    for second in range(100):
        plant.step(second)
        if second % 15 == 0:
            plant.order(second, 0, 16.0, 20.0)
    assert plant.sockets[0].amps == 16.0


def test_a_car_with_a_ramp_rises_step_by_step_and_falls_at_once() -> None:
    plant = plant_of(site_with([ALL]), [stay(lines=3)], lag_s=0, cars=CarModel(ramp_a_per_s=4.0))
    drawn = []
    for second in range(10):
        plant.step(second)
        drawn.append(plant.sockets[0].amps)
        if second in (0, 7):
            plant.order(second, 0, 16.0 if second == 0 else 6.0, None)
    assert drawn == [0.0, 4.0, 8.0, 12.0, 16.0, 16.0, 16.0, 16.0, 6.0, 6.0]


def test_a_car_with_a_taper_draws_less_towards_the_end_and_gets_all_it_wants() -> None:
    wanted_wh = 230.0 * 16 / 3600 * 300
    plant = plant_of(site_with([(Line.L1,)]), [stay(lines=1, wh=wanted_wh)], lag_s=0, cars=CarModel(taper_from=0.8))
    drawn = []
    for second in range(1000):
        plant.step(second)
        drawn.append(plant.sockets[0].amps)
        if second == 0:
            plant.order(second, 0, 16.0, None)
    assert drawn[1:240] == [16.0] * 239
    assert drawn[240:] == sorted(drawn[240:], reverse=True)
    assert 0.0 < min(a for a in drawn if a) < 3.0
    assert plant.sockets[0].total_wh(1000) == pytest.approx(wanted_wh)
    assert plant.sockets[0].state is ChargerState.SUSPENDED_EV
