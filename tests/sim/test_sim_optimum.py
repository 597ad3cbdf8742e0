from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.optimum import energy_optimum_wh
from ampacity.sim.tables import Session

MAIN = CircuitId("main")
ALL = (Line.L1, Line.L2, Line.L3)
HOUR = 3600


def site_of(wirings: Sequence[Sequence[Line]], limit_a: float, supply: Supply = Supply.THREE_PHASE) -> Site:
    return Site(
        name="test",
        supply=supply,
        nominal_v=208.0 if supply is Supply.LINE_TO_LINE else 230.0,
        circuits=(Circuit(id=MAIN, rating_a=PhaseAmps((limit_a,) * len(supply.lines)), meter=MeterId("main")),),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(
            Charger(id=ChargerId(f"c{n}"), circuit=MAIN, wiring=tuple(wiring), phases=len(wiring))
            for n, wiring in enumerate(wirings)
        ),
    )


def stay(number: int, *, lines: int, wh: float = 1e9, max_a: float = 16.0, at: int = 0, to: int = HOUR) -> Session:
    return Session(
        id=f"s{number}",
        charger=ChargerId(f"c{number}"),
        arrival_s=at,
        departure_s=to,
        energy_wh=wh,
        max_a=max_a,
        lines=lines,
    )


def optimum(site: Site, loads: Sequence[tuple[float, ...]], stays: Sequence[Session]) -> float:
    return energy_optimum_wh(site, {MAIN: loads}, stays, len(loads))


def test_with_unlimited_cars_on_all_lines_it_is_the_room_on_the_fullest_line_second_by_second() -> None:
    rng = random.Random(1)
    loads = [tuple(rng.uniform(-10, 60) for _ in range(3)) for _ in range(2000)]
    stays = [stay(n, lines=3, to=2000) for n in range(4)]
    expected = sum(690 * min(64.0, max(0.0, 40.0 - max(amps))) for amps in loads) / 3600
    assert optimum(site_of([ALL] * 4, 40.0), loads, stays) == pytest.approx(expected)


def test_a_car_gets_no_more_than_it_can_take() -> None:
    assert optimum(site_of([ALL], 40.0), [(0.0,) * 3] * HOUR, [stay(0, lines=3, wh=5000.0)]) == pytest.approx(5000.0)


def test_a_car_gets_nothing_outside_its_stay() -> None:
    found = optimum(site_of([ALL], 40.0), [(0.0,) * 3] * HOUR, [stay(0, lines=3, at=1800, to=9 * HOUR)])
    assert found == pytest.approx(690 * 16 / 2)


def test_a_car_on_one_line_leaves_the_other_lines_to_others() -> None:
    site = site_of([(Line.L1,), (Line.L2,)], 10.0)
    assert optimum(site, [(0.0,) * 3] * HOUR, [stay(0, lines=1), stay(1, lines=1)]) == pytest.approx(2 * 230 * 10)


def test_the_future_is_known_so_a_car_that_stays_longer_waits() -> None:
    site = site_of([(Line.L1,)] * 2, 10.0)
    stays = [stay(0, lines=1, wh=1150.0, to=HOUR), stay(1, lines=1, wh=2300.0, to=2 * HOUR)]
    assert optimum(site, [(0.0,) * 3] * 2 * HOUR, stays) == pytest.approx(3450.0)


def test_a_circuit_below_limits_its_own_cars() -> None:
    site = site_of([ALL, ALL], 32.0)
    below = Circuit(id=CircuitId("garage"), parent=MAIN, rating_a=PhaseAmps((8.0,) * 3))
    first, second = site.chargers
    site = Site(
        name="test",
        supply=site.supply,
        nominal_v=230.0,
        circuits=(*site.circuits, below),
        meters=site.meters,
        chargers=(
            first,
            Charger(id=second.id, circuit=below.id, wiring=second.wiring, phases=3),
        ),
    )
    found = optimum(site, [(10.0,) * 3] * HOUR, [stay(0, lines=3), stay(1, lines=3)])
    assert found == pytest.approx(690 * (16 + 6))
    assert optimum(site, [(0.0,) * 3] * HOUR, [stay(1, lines=3)]) == pytest.approx(690 * 8)


def test_between_lines_two_cars_on_a_common_line_get_more_than_its_limit_divided_by_them() -> None:
    site = site_of([(Line.L1, Line.L2), (Line.L3, Line.L1)], 16.0, Supply.LINE_TO_LINE)
    found = optimum(site, [(0.0,) * 3] * HOUR, [stay(0, lines=2), stay(1, lines=2)])
    assert found == pytest.approx(2 * 208 * 16 / 3**0.5, rel=1e-6)


def test_across_both_legs_an_ampere_counts_twice_as_power() -> None:
    site = site_of([(Line.L1, Line.L2)], 10.0, Supply.SPLIT_PHASE)
    assert optimum(site, [(0.0, 4.0)] * HOUR, [stay(0, lines=2)]) == pytest.approx(460 * 6)


def test_without_cars_it_is_nothing() -> None:
    assert optimum(site_of([ALL], 40.0), [(0.0,) * 3] * 10, []) == 0.0


def test_a_day_with_25_chargers_has_a_larger_optimum_than_any_hour_of_it() -> None:
    rng = random.Random(2)
    wirings = [ALL, (Line.L2, Line.L3, Line.L1), (Line.L1,), (Line.L2,), (Line.L3,)] * 5
    loads = [tuple(rng.uniform(0, 60) for _ in range(3)) for _ in range(24 * HOUR)]
    stays = []
    for number, wiring in enumerate(wirings):
        for turn in range(6):
            at = turn * 4 * HOUR + rng.randrange(HOUR)
            one = stay(number, lines=len(wiring), wh=rng.uniform(2e3, 3e4), at=at, to=at + 3 * HOUR)
            stays.append(
                Session(
                    id=f"{one.id}-{turn}",
                    charger=one.charger,
                    arrival_s=one.arrival_s,
                    departure_s=one.departure_s,
                    energy_wh=one.energy_wh,
                    max_a=one.max_a,
                    lines=one.lines,
                )
            )
    site = site_of(wirings, 100.0)
    whole = optimum(site, loads, stays)
    assert whole > optimum(site, loads[:HOUR], stays) > 0.0
    assert whole <= sum(one.energy_wh for one in stays)
