"""Several meters as one: never less than what flows."""

from __future__ import annotations

import cmath
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.combined import combined
from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts
from ampacity.core.site import MeterId

SUM = MeterId("sum")
V = 230.0
amps = st.floats(0, 100)
angles = st.floats(-math.pi, math.pi)


def seen(name: str, at_s: float, *phasors: complex, power: bool = True, reactive: bool = True) -> MeterReading:
    """A meter through which these currents flow, in the frame of each line's voltage."""
    return MeterReading(
        meter=MeterId(name),
        at_s=at_s,
        currents=PhaseAmps(tuple(math.copysign(abs(one), one.real) for one in phasors)),
        powers=PhaseWatts(tuple(V * one.real for one in phasors)) if power else None,
        voltages=PhaseVolts((V,) * len(phasors)),
        reactive=PhaseVars(tuple(-V * one.imag for one in phasors)) if power and reactive else None,
    )


def test_a_sum_is_as_old_as_its_oldest_part() -> None:
    assert combined(SUM, [(seen("a", 5.0, 1 + 0j), False), (seen("b", 3.0, 1 + 0j), False)], V).at_s == 3.0


def test_import_and_export_on_one_line_cancel() -> None:
    both = combined(SUM, [(seen("a", 5.0, 10 + 0j), False), (seen("b", 5.0, -4 + 0j), False)], V)
    assert both.currents.values == pytest.approx((6.0,))


def test_what_branches_off_is_taken_off() -> None:
    rest = combined(SUM, [(seen("a", 5.0, 30 + 0j, 20 + 0j), False), (seen("b", 5.0, 10 + 0j, 5 + 0j), True)], V)
    assert rest.currents.values == pytest.approx((20.0, 15.0))


@given(amps, angles, amps, angles, st.booleans())
def test_with_reactive_power_it_is_what_flows(a: float, at: float, b: float, bt: float, off: bool) -> None:
    one, other = cmath.rect(a, at), cmath.rect(b, bt)
    flows = abs(one - other if off else one + other)
    told = combined(SUM, [(seen("a", 0, one), False), (seen("b", 0, other), off)], V)
    assert abs(told.currents[0]) == pytest.approx(flows, abs=1e-6)


@given(amps, angles, amps, angles, st.booleans())
def test_without_reactive_power_it_is_never_less_than_what_flows(
    a: float, at: float, b: float, bt: float, off: bool
) -> None:
    one, other = cmath.rect(a, at), cmath.rect(b, bt)
    flows = abs(one - other if off else one + other)
    parts = [(seen("a", 0, one, reactive=False), False), (seen("b", 0, other, reactive=False), off)]
    assert abs(combined(SUM, parts, V).currents[0]) >= flows - 1e-6


@given(amps, angles, amps, angles)
def test_without_power_a_sum_is_never_less_than_what_flows(a: float, at: float, b: float, bt: float) -> None:
    one, other = cmath.rect(a, at), cmath.rect(b, bt)
    parts = [(seen("a", 0, one, power=False), False), (seen("b", 0, other, power=False), False)]
    assert combined(SUM, parts, V).currents[0] >= abs(one + other) - 1e-6


def test_without_power_nothing_can_be_taken_off() -> None:
    parts = [(seen("a", 0, 9 + 0j), False), (seen("b", 0, 2 + 0j, power=False), True)]
    assert combined(SUM, parts, V).currents.values == ()


def test_a_part_that_can_not_be_used_makes_the_sum_unusable() -> None:
    nothing = MeterReading(meter=MeterId("b"), at_s=0.0, currents=PhaseAmps(()))
    assert combined(SUM, [(seen("a", 0, 9 + 0j), False), (nothing, False)], V).currents.values == ()
