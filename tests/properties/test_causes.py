"""A cause is true: a circuit that is named full is full, by the plant's own currents."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.test_fairness import houses, landing, settle
from tests.properties.yard import Car, Yard, lines_of

from ampacity.core.building import PEAK_STEP_A
from ampacity.core.decision import Rule
from ampacity.core.plan import RAISE_A
from ampacity.core.site import Site

EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "0"))
"""How many sites a property is tried on; 0: a few, for every day."""


@settings(max_examples=EXAMPLES or 12)
@given(houses(steps_a=(0.1,)), st.data())
def test_a_circuit_that_is_named_full_is_full_on_its_meter_when_all_is_at_rest(
    house: tuple[Site, list[list[float]]], data: st.DataObject
) -> None:
    """By the plant's own currents: the least raise that is worth a message does not fit."""
    site, own = house
    lines = [lines_of(c, site.supply, data.draw(st.integers(1, 3))) for c in site.chargers]
    yard = Yard(site, [Car(lines=n) for n in lines], own)
    settle(yard, 1800)
    for number, (charger, setpoint) in enumerate(zip(site.chargers, yard.decision.setpoints, strict=True)):
        cause = setpoint.held_by
        if cause is None or cause.rule is not Rule.CIRCUIT_FULL:
            continue
        assert cause.circuit is not None
        assert cause.line is not None
        circuit = site.index_of_circuit[cause.circuit]
        phasor = landing(site, charger, lines[number])[circuit * len(site.supply.lines) + int(cause.line)]
        would = abs(yard.flow(circuit)[int(cause.line)] + phasor * (RAISE_A + PEAK_STEP_A))
        assert would > site.circuits[circuit].limit_a[int(cause.line)], (setpoint, would)
