"""The breaker's clock, and the proof of the safe currents."""

from __future__ import annotations

import math

import pytest

from ampacity.core.breaker import budget_after, trip_time_s
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.proof import proof
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site

L1, L2, L3 = Line.L1, Line.L2, Line.L3


@pytest.mark.parametrize(("ratio", "seconds"), [(1.2, 900), (1.45, 70), (2.0, 12), (2.55, 4), (4.0, 1.5), (9.0, 0.05)])
def test_the_envelope_goes_through_its_points(ratio: float, seconds: float) -> None:
    assert trip_time_s(ratio) == pytest.approx(seconds)


def test_a_breaker_carries_113_percent_for_ever() -> None:
    assert trip_time_s(1.13) == math.inf


def test_a_used_budget_recovers() -> None:
    used = budget_after(0.0, 1.45, 35)
    assert used == pytest.approx(0.5)
    assert budget_after(used, 1.0, 150) == pytest.approx(0.0)


def site_of(supply: Supply, *chargers: tuple[tuple[Line, ...] | None, float, bool]) -> Site:
    lines = len(supply.lines)
    return Site(
        name="p",
        supply=supply,
        nominal_v=230.0,
        circuits=(
            Circuit(
                id=CircuitId("main"),
                rating_a=PhaseAmps((40.0,) * lines),
                meter=MeterId("m"),
                worst_load_a=PhaseAmps((20.0,) * lines),
            ),
        ),
        meters=(Meter(id=MeterId("m")),),
        chargers=tuple(
            Charger(
                id=ChargerId(f"c{n}"),
                circuit=CircuitId("main"),
                wiring=wiring,
                phases=len(wiring) if wiring else lines,
                max_a=16.0,
                safe_a=safe,
                guarded=guarded,
            )
            for n, (wiring, safe, guarded) in enumerate(chargers)
        ),
    )


def test_safe_currents_add_on_their_own_lines() -> None:
    lines = proof(site_of(Supply.THREE_PHASE, ((L1, L2, L3), 6.0, True), ((L2,), 10.0, True)))
    assert [line.spare_a for line in lines] == [14.0, 4.0, 14.0]
    assert lines[1].chargers == ("c0", "c1")


def test_an_unguarded_charger_counts_at_its_maximum() -> None:
    assert proof(site_of(Supply.THREE_PHASE, ((L1,), 0.0, False)))[0].spare_a == 4.0


def test_unknown_wiring_counts_on_every_line() -> None:
    assert [line.safe_a for line in proof(site_of(Supply.THREE_PHASE, (None, 6.0, True)))] == [6.0, 6.0, 6.0]


def test_between_lines_safe_currents_add_as_phasors() -> None:
    lines = proof(site_of(Supply.LINE_TO_LINE, ((L1, L2), 10.0, True), ((L3, L1), 10.0, True)))
    assert [line.safe_a for line in lines] == pytest.approx([10 * math.sqrt(3), 10, 10])


def test_on_split_phase_both_legs_are_loaded() -> None:
    assert [line.safe_a for line in proof(site_of(Supply.SPLIT_PHASE, ((L1, L2), 12.0, True)))] == [12.0, 12.0]
