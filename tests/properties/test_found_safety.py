"""Found by the properties of failures and death, each told once more as it was: none may come back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.properties.house import Car, ChargerKind, Fault, Fittings, House, MeterKind, Obeys

from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.proof import proof
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, PauseMode, Site

MAIN = CircuitId("main")
GARAGE = CircuitId("garage")


def charger(
    number: int, circuit: CircuitId = MAIN, safe_a: float = 0.0, lease_s: float = 120.0, rank: int = 1
) -> Charger:
    return Charger(
        id=ChargerId(f"c{number}"),
        circuit=circuit,
        wiring=(Line.L1,),
        phases=1,
        max_a=32.0,
        safe_a=safe_a,
        lease_s=lease_s,
        rank=rank,
    )


def circuit(name: str, amps: float, parent: CircuitId | None = None, **more: object) -> Circuit:
    return Circuit(id=CircuitId(name), parent=parent, rating_a=PhaseAmps((amps,)), **more)  # type: ignore[arg-type]


def house_of(
    *chargers: Charger,
    circuits: tuple[Circuit, ...] = (),
    limit_a: float = 40.0,
    mode: PauseMode = PauseMode.STRICT,
    period_s: float = 1.0,
    message_s: float = 0.2,
    report_s: float = 5.0,
) -> House:
    circuits = circuits or (circuit("main", limit_a, meter=MeterId("main")),)
    meters = tuple(Meter(id=c.meter, period_s=period_s) for c in circuits if c.meter is not None)
    site = Site(
        name="found",
        supply=Supply.SINGLE_PHASE,
        nominal_v=230.0,
        pause_mode=mode,
        circuits=circuits,
        meters=meters,
        chargers=chargers,
    )
    return House(
        Fittings(
            site=site,
            meters=tuple(MeterKind(period_s=period_s) for _ in meters),
            chargers=tuple(ChargerKind(message_s=message_s, report_s=report_s) for _ in chargers),
        )
    )


def car(dead_s: float = 1.0) -> Car:
    return Car(lines=1, dead_s=dead_s, ramp_a_per_s=32.0, most_a=32.0)


def flow_a(house: House, number: int = 0) -> float:
    return abs(house.flows()[number][0])


@pytest.mark.parametrize(("period_s", "report_s"), [(1.0, 1.0), (1.0, 2.0), (10.0, 5.0)])
def test_a_frozen_meter_never_hands_out_the_same_room_twice(period_s: float, report_s: float) -> None:
    """The cars move by 20 A and the meter by nothing. 69 A on 40 A, for ever: no movement between two reports lasts
    for the 2 periods and a second that `sampled` waits for, when reports come more often than that."""
    house = house_of(charger(0), charger(1), period_s=period_s, report_s=report_s)
    house.step_load(0, 0, 25.0)
    house.plug_in(0, car())
    house.plug_in(1, car())
    house.run(210)
    house.step_load(0, 0, 5.0)
    house.run(2.5 * period_s)
    house.spoil(house.sensors[0], Fault.FROZEN)
    for _ in range(100):
        house.run(1)
        assert flow_a(house) <= 40.1, house.now_s


@pytest.mark.parametrize(("period_s", "report_s"), [(1.0, 1.0), (5.0, 5.0)])
def test_a_meter_that_does_not_move_when_a_car_stops_is_blind(period_s: float, report_s: float) -> None:
    """control.md: frozen is when not a digit changes although charger reports moved by more than 2 A in sum."""
    house = house_of(charger(0), charger(1), period_s=period_s, report_s=report_s)
    house.step_load(0, 0, 25.0)
    house.plug_in(0, car())
    house.plug_in(1, car())
    house.run(200)
    house.spoil(house.sensors[0], Fault.FROZEN)
    house.run(40)
    house.takes(1, 0.0)
    house.run(60)
    assert house.decision is not None
    assert house.decision.circuits[0].blind is not None


def test_what_a_lost_charger_may_have_taken_last_is_reserved_until_its_lease_ends() -> None:
    """A renewal arrived, its answer did not. The charger's lease runs 60 s longer than the controller reckons: on a
    circuit without a meter, 64 A on 40 A for 50 s."""
    house = house_of(
        charger(0, GARAGE),
        charger(1, GARAGE),
        circuits=(circuit("main", 100.0, meter=MeterId("main")), circuit("garage", 40.0, MAIN)),
        message_s=0.9,
    )
    house.plug_in(0, car())
    house.run(60)
    lease_end_s = house.posts[0].lease_end_s
    while house.posts[0].lease_end_s == lease_end_s:
        house.run(0.1)
    house.lose_link(0, 0.0)
    house.plug_in(1, car())
    for _ in range(130):
        house.run(1)
        assert flow_a(house, 1) <= 40.1, house.now_s


def test_what_a_car_draws_beyond_its_limit_is_counted_where_no_meter_sees_it() -> None:
    """control.md: the real draw is counted, the others give way. Its charger reports 32 A at a setpoint of 20 A: on a
    circuit without a meter, 52 A on 40 A for ever."""
    house = house_of(
        charger(0, GARAGE),
        charger(1, GARAGE),
        circuits=(circuit("main", 100.0, meter=MeterId("main")), circuit("garage", 40.0, MAIN)),
    )
    house.plug_in(0, car())
    house.plug_in(1, car())
    house.run(100)
    house.obeys(0, Obeys.WHEN_PAUSED)
    house.run(60)
    assert flow_a(house, 1) <= 40.1


def test_no_lease_that_ends_raises_a_charger_before_longer_leases_of_others_have_ended() -> None:
    """Leases of 20 s and 120 s on one circuit: the pause of the first (40 s) ends before the other's lease does."""
    house = house_of(charger(0, safe_a=6.0, lease_s=20.0, rank=2), charger(1, lease_s=120.0), limit_a=20.0)
    house.step_load(0, 0, 9.0)
    house.plug_in(1, car())
    house.run(100)
    house.plug_in(0, car())
    house.run(100)
    house.kill_controller()
    house.run(300)
    for end in house.lease_ends:
        if end.to_a > end.from_a:
            for number, held_a, lease_end_s in end.others:
                above = held_a > house.posts[number].charger.safe_a
                assert not above or lease_end_s <= end.at_s, end


def test_the_proof_counts_the_worst_load_of_metered_circuits_below_a_circuit_without_a_meter() -> None:
    """mid: 5 A of its own, 18 A of the metered circuit below it, 6 A of charger; 25 A limit. It says 14 A spare."""
    house = house_of(
        charger(0, CircuitId("sub"), safe_a=6.0),
        circuits=(
            circuit("main", 40.0, meter=MeterId("main"), worst_load_a=PhaseAmps((23.0,))),
            circuit("mid", 25.0, MAIN, other_load_a=5.0),
            circuit("sub", 25.0, CircuitId("mid"), meter=MeterId("sub"), worst_load_a=PhaseAmps((18.0,))),
        ),
    )
    mid = next(line for line in proof(house.site) if line.circuit == "mid")
    assert mid.fails


def test_a_charger_that_is_away_does_not_stop_cuts_on_the_others() -> None:
    """Its lease has ended: 0 A instead of 20 A counts as a cut of 20 A in every pass (`_circuits_after`: no command
    was sent, `memory.limit_a` stays), so credited cuts grow by 20 A a second and hide every excess: 45 A on 40 A for
    ever."""
    house = house_of(charger(0), charger(1))
    house.plug_in(0, car())
    house.plug_in(1, car())
    house.run(100)
    house.lose_link(0, 0.0)
    house.run(200)
    house.step_load(0, 0, 13.0)
    house.run(60)
    assert flow_a(house) <= 40.1


def house_of_three_lines() -> House:
    """One slow single-phase car at a three-phase charger on L1, a car that needs 8 A on L2, where 6.5 A are left."""
    site = Site(
        name="found",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        pause_mode=PauseMode.STRICT,
        circuits=(Circuit(id=MAIN, rating_a=PhaseAmps((40.0,) * 3), meter=MeterId("main")),),
        meters=(Meter(id=MeterId("main")),),
        chargers=(
            Charger(id=ChargerId("c0"), circuit=MAIN, wiring=(Line.L1, Line.L2, Line.L3), max_a=10.0),
            Charger(id=ChargerId("c1"), circuit=MAIN, wiring=(Line.L2,), phases=1, min_a=8.0, max_a=10.0),
        ),
    )
    kinds = tuple(ChargerKind(report_s=2.9) for _ in site.chargers)
    return House(Fittings(site=site, meters=(MeterKind(),), chargers=kinds))


def test_a_draw_on_one_line_is_not_taken_off_the_others() -> None:
    """Between 1 A and 3 A a car's phases in use are not taken over (`mask`), but its draw already counts: on all three
    lines. So the building looks smaller on L2 than it is: 43 A on 40 A, by a raise of ours alone."""
    house = house_of_three_lines()
    house.step_load(0, 1, 33.5)
    house.plug_in(1, car())
    house.run(30)
    house.plug_in(0, Car(lines=1, dead_s=1.0, ramp_a_per_s=0.5, most_a=32.0))
    for _ in range(120):
        house.run(1)
        assert abs(house.flows()[0][1]) <= 40.1, house.now_s


def test_a_pause_that_is_not_renewed_counts_with_the_safe_current_when_its_lease_ends() -> None:
    """The last confirmed state is a pause of 240 s, then 6 A. The charger refuses its renewals: it reports 6 A, and
    0 A is counted. On a circuit without a meter, 20 A on 14 A for ever."""
    house = house_of(
        *(charger(number, GARAGE, safe_a=6.0) for number in range(3)),
        circuits=(circuit("main", 100.0, meter=MeterId("main")), circuit("garage", 14.0, MAIN)),
    )
    for number in range(3):
        house.plug_in(number, car())
    house.run(60)
    paused = next(post for post in house.posts if post.held_a == 0.0)
    house.refuses(paused.number, True)
    house.run(300)
    assert flow_a(house, 1) <= 14.1


@pytest.mark.parametrize("period_s", [2.5, 10.0])
def test_a_start_that_needs_another_cars_cut_waits_until_that_cut_is_seen(period_s: float) -> None:
    """The charger's answer frees what the cut takes away, and the car follows up to 5 s later. Until the next sample
    the building is still reckoned with the old draw taken off. 30 A on 20 A for 3.5 s, with any meter slower than the
    loop's timer."""
    house = house_of(charger(0), charger(1), limit_a=20.0, period_s=period_s)
    house.plug_in(0, car(dead_s=5.0))
    house.run(100)
    house.plug_in(1, car(dead_s=0.2))
    for _ in range(100):
        house.run(0.5)
        assert flow_a(house) <= 20.1, house.now_s


def test_the_other_load_of_a_circuit_without_a_meter_adds_at_any_angle_between_lines() -> None:
    """A pair leads or lags its voltage by 30 degrees, and 5 A of building may do the same: they add in full. They
    are reckoned as real, and so 0.5 A too small. The proof adds them in full."""
    site = Site(
        name="found",
        supply=Supply.LINE_TO_LINE,
        nominal_v=230.0,
        pause_mode=PauseMode.STRICT,
        circuits=(
            Circuit(id=MAIN, rating_a=PhaseAmps((60.0,) * 3), meter=MeterId("main")),
            Circuit(id=CircuitId("sub"), parent=MAIN, rating_a=PhaseAmps((20.0,) * 3), other_load_a=5.0),
        ),
        meters=(Meter(id=MeterId("main")),),
        chargers=(Charger(id=ChargerId("c0"), circuit=CircuitId("sub"), wiring=(Line.L1, Line.L2), phases=2),),
    )
    house = House(Fittings(site=site, meters=(MeterKind(),), chargers=(ChargerKind(),), lag_rad=0.5))
    for line in range(3):
        house.step_load(1, line, 5.0)
    house.plug_in(0, Car(lines=2, dead_s=0.5, ramp_a_per_s=32.0, most_a=32.0))
    house.run(120)
    assert max(abs(z) for z in house.flows()[1]) <= 20.1


def test_what_is_reserved_for_a_car_that_was_cut_is_no_room_to_give_it_back() -> None:
    """Below a circuit without a meter only its own report shows that it has followed. After the charger's smallest
    interval of 5 s some of what it had was given back, since less than no room beside it counted as none: 33 A on 28 A,
    with every meter and every charger right."""
    house = house_of(
        replace(charger(0, GARAGE), step_a=1.0),
        circuits=(circuit("main", 28.0, meter=MeterId("main")), circuit("garage", 24.0, MAIN)),
        report_s=30.0,
    )
    house.plug_in(0, car(dead_s=0.5))
    house.run(200)
    house.step_load(0, 0, 13.9)
    house.run(4)
    for _ in range(100):
        house.run(0.5)
        assert flow_a(house) <= 28.1, house.now_s
