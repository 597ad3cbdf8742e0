"""A meter that can't be believed, and one that can again."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.properties.house import Car, ChargerKind, Fault, Fittings, House, MeterKind, Shows

from ampacity.core.building import CarsBelow, sampled
from ampacity.core.decision import Blindness
from ampacity.core.memory import CircuitMemory
from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.core.trust import AGAIN_S, deadline_s

MAIN, LEFT, RIGHT = CircuitId("main"), ChargerId("left"), ChargerId("right")
SITE = Site(
    name="one phase",
    supply=Supply.SINGLE_PHASE,
    nominal_v=230.0,
    circuits=(Circuit(id=MAIN, rating_a=PhaseAmps((40.0,)), meter=MeterId("main")),),
    meters=(Meter(id=MeterId("main")),),
    chargers=(
        Charger(id=LEFT, circuit=MAIN, wiring=Supply.SINGLE_PHASE.lines, phases=1),
        Charger(id=RIGHT, circuit=MAIN, wiring=Supply.SINGLE_PHASE.lines, phases=1, max_a=16.0),
    ),
)


def house(*, shows: Shows = Shows.POWERS, period_s: float = 1.0) -> House:
    kind = ChargerKind(report_s=5.0)
    return House(Fittings(site=SITE, meters=(MeterKind(period_s=period_s, shows=shows),), chargers=(kind, kind)))


def car() -> Car:
    return Car(lines=1, dead_s=1.0, ramp_a_per_s=8.0, most_a=32.0)


def blind(one: House) -> Blindness | None:
    assert one.decision is not None
    return one.decision.circuits[0].blind


def setpoints(one: House) -> list[float]:
    assert one.decision is not None
    return [setpoint.limit_a for setpoint in one.decision.setpoints]


@pytest.mark.parametrize("shows", [Shows.POWERS, Shows.CURRENTS])
def test_a_meter_with_its_sign_turned_is_found_out_by_the_first_car(shows: Shows) -> None:
    one = house(shows=shows)
    one.step_load(0, 0, 10.0)
    one.spoil(one.sensors[0], Fault.TURNED)
    one.run(30)
    one.plug_in(0, car())
    one.run(120)
    assert blind(one) is Blindness.TURNED
    assert setpoints(one) == [0.0, 0.0]


def test_a_charger_that_lies_can_make_a_meter_suspected_and_not_for_long() -> None:
    one = house()
    one.step_load(0, 0, 4.0)
    one.plug_in(0, car())
    one.plug_in(1, car())
    one.run(120)
    blind_s = 0
    for lie_a in (0.0, 16.0, 0.0, 16.0, 0.0, None):
        one.posts[1].lie_a = lie_a
        one.step_load(0, 0, 4.0 if lie_a == 0.0 else 20.0)
        for _ in range(60):
            one.run(1)
            blind_s = blind_s + 1 if blind(one) else 0
            assert blind_s < 90
    one.run(60)
    assert blind(one) is None


def test_a_turned_meter_is_found_out_where_many_cars_ramp_and_are_never_known_for_sure() -> None:
    count = 24
    chargers = tuple(
        Charger(id=ChargerId(f"c{n}"), circuit=MAIN, wiring=Supply.SINGLE_PHASE.lines, phases=1, max_a=16.0)
        for n in range(count)
    )
    circuit = replace(SITE.circuits[0], rating_a=PhaseAmps((200.0,)))
    meter = Meter(id=MeterId("main"), period_s=10.0)
    site = replace(SITE, circuits=(circuit,), meters=(meter,), chargers=chargers)
    kinds = tuple(ChargerKind(report_s=10.0, first_report_s=float(n % 10)) for n in range(count))
    one = House(Fittings(site=site, meters=(MeterKind(period_s=10.0, shows=Shows.POWERS),), chargers=kinds))
    for number in range(count):
        one.plug_in(number, Car(lines=1, dead_s=2.0, ramp_a_per_s=0.3, most_a=16.0))
    for second in range(400):
        one.step_load(0, 0, 20.0 + 15.0 * (second % 2))
        one.run(1)
    one.spoil(one.sensors[0], Fault.TURNED)
    for second in range(120):
        one.step_load(0, 0, 20.0 + 15.0 * (second % 2))
        one.run(1)
    assert blind(one) is Blindness.TURNED


def test_a_turned_meter_that_was_put_right_while_it_was_silent_is_believed_again() -> None:
    one = house()
    one.step_load(0, 0, 4.0)
    one.spoil(one.sensors[0], Fault.TURNED)
    one.plug_in(0, car())
    one.run(150)
    assert blind(one) is Blindness.TURNED
    one.spoil(one.sensors[0], Fault.SILENT)
    one.run(30)
    one.spoil(one.sensors[0], Fault.NONE)
    one.run(90)
    assert blind(one) is None
    assert setpoints(one)[0] == 32.0


def test_a_turned_meter_that_was_put_right_without_a_pause_is_tried_again_later() -> None:
    one = house()
    one.spoil(one.sensors[0], Fault.TURNED)
    one.plug_in(0, car())
    one.run(150)
    one.spoil(one.sensors[0], Fault.NONE)
    one.run(AGAIN_S - 150)
    assert blind(one) is Blindness.TURNED
    one.run(300)
    assert blind(one) is None
    assert setpoints(one)[0] == 32.0


def test_a_meter_that_stays_turned_is_tried_more_and_more_rarely() -> None:
    one = house()
    one.spoil(one.sensors[0], Fault.TURNED)
    one.plug_in(0, car())
    drawn_s = []
    for second in range(5 * 3600):
        one.run(1)
        if one.amps(one.posts[0]) > 0:
            drawn_s.append(second)
    tries = 1 + sum(b - a > 60 for a, b in pairwise(drawn_s))
    assert 4 <= tries <= 8
    assert len(drawn_s) < 40 * tries


def test_a_building_with_its_own_generation_is_not_taken_for_a_turned_meter() -> None:
    one = house()
    one.step_load(0, 0, -20.0)
    one.plug_in(0, car())
    one.plug_in(1, car())
    for second in range(600):
        one.step_load(0, 0, -20.0 + second % 7)
        one.run(1)
        assert blind(one) is None
    assert setpoints(one) == [32.0, 16.0]


def test_an_exchanged_meter_is_not_believed_at_once_and_what_was_learned_is_forgotten() -> None:
    one = house()
    one.plug_in(0, car())
    one.run(120)
    assert setpoints(one)[0] == 32.0
    one.exchange(one.sensors[0])
    one.run(1)
    assert blind(one) is Blindness.EXCHANGED
    assert setpoints(one)[0] == 0.0
    one.run(60)
    assert blind(one) is None
    assert setpoints(one)[0] == 32.0


def test_a_meter_that_has_just_started_and_shows_nothing_gives_no_room() -> None:
    one = house()
    one.step_load(0, 0, 24.0)
    one.plug_in(0, car())
    one.run(120)
    held = setpoints(one)[0]
    assert 15.0 <= held <= 16.0
    one.spoil(one.sensors[0], Fault.EMPTY)
    one.run(3)
    assert setpoints(one)[0] == held
    one.run(10)
    assert blind(one) is Blindness.ABSURD
    assert setpoints(one)[0] == 0.0


def test_a_meter_that_shows_nothing_after_a_silence_lets_nobody_start() -> None:
    one = house()
    one.step_load(0, 0, 36.0)
    one.plug_in(0, car())
    one.run(60)
    one.spoil(one.sensors[0], Fault.SILENT)
    one.run(15)
    one.spoil(one.sensors[0], Fault.EMPTY)
    for _ in range(20):
        one.run(1)
        assert setpoints(one)[0] == 0.0
    one.spoil(one.sensors[0], Fault.NONE)
    one.step_load(0, 0, 10.0)
    one.run(90)
    assert setpoints(one)[0] > 20.0


def test_a_circuit_of_chargers_alone_is_believed_again_though_nothing_flows_there_when_all_are_paused() -> None:
    one = house()
    one.plug_in(0, car())
    one.run(120)
    one.spoil(one.sensors[0], Fault.EMPTY)
    one.run(30)
    assert setpoints(one)[0] == 0.0
    one.spoil(one.sensors[0], Fault.NONE)
    one.run(150)
    assert blind(one) is None
    assert setpoints(one)[0] == 32.0


def test_a_meter_that_shows_nothing_while_cars_draw_is_tried_again_more_and_more_rarely() -> None:
    one = house()
    one.spoil(one.sensors[0], Fault.EMPTY)
    one.plug_in(0, car())
    drawn_s = []
    for second in range(5 * 3600):
        one.run(1)
        if one.amps(one.posts[0]) > 0:
            drawn_s.append(second)
    tries = 1 + sum(b - a > 60 for a, b in pairwise(drawn_s))
    assert 4 <= tries <= 10
    assert len(drawn_s) < 40 * tries


def test_a_steady_meter_of_ten_second_telegrams_is_silent_after_thirty() -> None:
    one = house(period_s=10.0)
    site = replace(SITE, meters=(Meter(id=MeterId("main"), period_s=10.0),))
    one = House(replace(one.fittings, site=site))
    one.plug_in(0, car())
    one.run(180)
    assert setpoints(one)[0] == 32.0
    one.spoil(one.sensors[0], Fault.SILENT)
    one.run(29)
    assert blind(one) is None
    one.run(12)
    assert blind(one) is Blindness.SILENT
    assert setpoints(one)[0] == 0.0


def after(memory: CircuitMemory, at_s: float, period_s: float | None = None) -> CircuitMemory:
    """A sample; no car draws."""
    reading = MeterReading(meter=MeterId("main"), at_s=at_s, currents=PhaseAmps((at_s,)), period_s=period_s)
    cars = CarsBelow((0.0,), (0.0,), (0.0,), (0.0,), obeyed=True, moved_a=0.0, stills_a=(0.0, 0.0))
    return sampled(SITE.circuits[0], SITE.supply, 230.0, reading, memory, cars, 5.0)


def test_a_slower_meter_that_tells_in_anothers_name_has_the_time_that_it_needs() -> None:
    fast = after(after(CircuitMemory(), 1.0), 2.0)
    slow = after(fast, 6.0, period_s=10.0)
    assert [deadline_s(SITE.meters[0], one) for one in (fast, slow)] == [5.0, 30.0]


def test_and_the_first_one_has_its_own_time_again() -> None:
    slow = after(after(CircuitMemory(), 1.0), 6.0, period_s=10.0)
    assert deadline_s(SITE.meters[0], after(slow, 7.0, period_s=1.0)) == 5.0
