"""The safe-current proof never promises more than is there."""

from __future__ import annotations

import cmath
import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.proof import proof
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site

L1, L2, L3 = Line.L1, Line.L2, Line.L3
MAIN = CircuitId("main")
GARAGE = CircuitId("garage")


def charger(
    name: str,
    wiring: tuple[Line, ...] | None,
    safe_a: float,
    *,
    guarded: bool = True,
    circuit: CircuitId = MAIN,
    phases: int = 3,
) -> Charger:
    return Charger(
        id=ChargerId(name),
        circuit=circuit,
        wiring=wiring,
        phases=len(wiring) if wiring else phases,
        max_a=16.0,
        safe_a=safe_a,
        guarded=guarded,
    )


def site_of(
    *chargers: Charger,
    supply: Supply = Supply.THREE_PHASE,
    limit_a: float = 40.0,
    worst_a: float | None = 20.0,
    garage_a: float = 32.0,
    other_a: float = 0.0,
    factor: float = 1.0,
) -> Site:
    lines = len(supply.lines)
    return Site(
        name="p",
        supply=supply,
        nominal_v=230.0,
        circuits=(
            Circuit(
                id=MAIN,
                rating_a=PhaseAmps((limit_a,) * lines),
                continuous_factor=factor,
                meter=MeterId("m"),
                worst_load_a=None if worst_a is None else PhaseAmps((worst_a,) * lines),
            ),
            Circuit(id=GARAGE, parent=MAIN, rating_a=PhaseAmps((garage_a,) * lines), other_load_a=other_a),
        ),
        meters=(Meter(id=MeterId("m")),),
        chargers=chargers,
    )


def test_a_charger_counts_on_its_circuit_and_all_above() -> None:
    lines = proof(site_of(charger("a", (L2,), 10.0, circuit=GARAGE)))
    assert [(line.circuit, line.line, line.safe_a) for line in lines if line.safe_a] == [
        (MAIN, L2, 10.0),
        (GARAGE, L2, 10.0),
    ]


def test_the_limit_is_what_may_flow_for_hours() -> None:
    assert proof(site_of(factor=0.8))[0].spare_a == 12.0


def test_on_a_circuit_without_a_meter_its_other_loads_count() -> None:
    assert proof(site_of(other_a=5.0))[3].spare_a == 27.0


def test_without_a_worst_load_nothing_is_promised() -> None:
    assert proof(site_of(worst_a=None))[0].spare_a is None


def test_safe_currents_that_are_too_much_by_themselves_fail_without_a_worst_load() -> None:
    chargers = [charger(name, (L1,), 15.0) for name in "abc"]
    assert [line.fails for line in proof(site_of(*chargers, worst_a=None))[:3]] == [True, False, False]


def test_what_fits_to_the_last_ampere_fits() -> None:
    chargers = [charger(name, (L1,), 6.2) for name in "abc"]
    assert proof(site_of(*chargers, worst_a=0.1, limit_a=18.7, garage_a=16.0))[0].shortfall() is None


def test_a_shortfall_names_whom_to_lower() -> None:
    chargers = [charger("a", (L1,), 10.0), charger("b", (L1,), 0.0, guarded=False), charger("c", (L2,), 16.0)]
    assert proof(site_of(*chargers))[0].shortfall() == (
        "without the controller 26.0 A of chargers and 20.0 A of building are 6.0 A more than its 40.0 A.",
        "Lower safe_a of a. Lower max_a of b, on the charger as well: it can't fall back.",
    )


def test_a_building_that_is_too_much_by_itself_is_said_so() -> None:
    shortfall = proof(site_of(worst_a=50.0))[0].shortfall()
    assert shortfall is not None
    assert shortfall[1].startswith("The building alone is too much")


def test_a_car_that_uses_two_of_three_lines_may_be_in_step_with_a_charger_between_them() -> None:
    chargers = [charger("a", (L1, L2), 10.0), charger("b", (L1, L2, L3), 10.0)]
    assert proof(site_of(*chargers, supply=Supply.LINE_TO_LINE))[0].safe_a == pytest.approx(20.0)


PAIRS = [(L1, L2), (L2, L3), (L3, L1)]
ANGLE = math.pi / 6


def phasors(wiring: tuple[Line, ...], amps: float, line: Line) -> list[complex]:
    """What a car on this charger may draw on a line: nothing, all lines in balance, or two of them."""
    found = [0j]
    if len(wiring) == 3:
        found.append(complex(amps))
    for first, second in PAIRS:
        if first in wiring and second in wiring:
            if line is first:
                found.append(cmath.rect(amps, ANGLE))
            if line is second:
                found.append(cmath.rect(amps, -ANGLE))
    return found


@given(
    st.lists(
        st.tuples(st.sampled_from([*PAIRS, (L2, L1), (L1, L2, L3), (L3, L1, L2)]), st.sampled_from([6.0, 10.0, 16.0])),
        max_size=5,
    ),
    st.sampled_from(Supply.LINE_TO_LINE.lines),
)
def test_between_lines_no_choice_of_cars_draws_more_than_is_counted(
    wired: list[tuple[tuple[Line, ...], float]], line: Line
) -> None:
    chargers = [charger(str(n), wiring, amps) for n, (wiring, amps) in enumerate(wired)]
    counted = proof(site_of(*chargers, supply=Supply.LINE_TO_LINE, limit_a=100.0))[line].safe_a
    most = max(abs(sum(choice)) for choice in product(*(phasors(wiring, amps, line) for wiring, amps in wired)))
    assert counted == pytest.approx(most)
