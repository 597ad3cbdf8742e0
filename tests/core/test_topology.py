"""How one ampere of a charger lands on the lines."""

from __future__ import annotations

import math

import pytest

from ampacity.core.phases import Line, Supply
from ampacity.core.topology import topology_of

L1, L2, L3 = Line.L1, Line.L2, Line.L3


def _sizes(supply: Supply, *chargers: tuple[tuple[Line, ...] | None, int, int]) -> list[float]:
    """Line currents when each charger (wiring, phases, mask) draws 1 A."""
    topology = topology_of(supply, [-1], [(0, wiring, phases) for wiring, phases, _ in chargers])
    sums = [0j] * topology.lines
    for number, (_, _, mask) in enumerate(chargers):
        for place, re, im in topology.pulls[topology.way[number][mask]]:
            sums[place] += complex(re, im)
    return [abs(z) for z in sums]


def test_two_equal_chargers_between_lines_load_the_shared_line_with_the_root_of_three() -> None:
    assert _sizes(Supply.LINE_TO_LINE, ((L1, L2), 2, 0), ((L3, L1), 2, 0)) == pytest.approx([math.sqrt(3), 1, 1])


def test_the_order_of_the_two_lines_does_not_matter() -> None:
    assert _sizes(Supply.LINE_TO_LINE, ((L2, L1), 2, 0), ((L1, L3), 2, 0)) == pytest.approx([math.sqrt(3), 1, 1])


def test_three_equal_chargers_between_lines_are_a_balanced_load() -> None:
    three = [((L1, L2), 2, 0), ((L2, L3), 2, 0), ((L3, L1), 2, 0)]
    assert _sizes(Supply.LINE_TO_LINE, *three) == pytest.approx([math.sqrt(3)] * 3)


def test_a_240_v_charger_loads_both_legs() -> None:
    assert _sizes(Supply.SPLIT_PHASE, ((L1, L2), 2, 0), ((L1,), 1, 0)) == pytest.approx([2, 1])


@pytest.mark.parametrize("wiring", [(L1, L2, L3), (L2, L3, L1), (L3, L1, L2), (L1, L3, L2), (L2, L1, L3), (L3, L2, L1)])
def test_a_single_phase_car_is_on_the_line_of_the_chargers_first_phase(wiring: tuple[Line, ...]) -> None:
    expected = [0.0] * 3
    expected[wiring[0]] = 1.0
    assert _sizes(Supply.THREE_PHASE, (wiring, 3, 0b001)) == pytest.approx(expected)


def test_unknown_wiring_counts_on_every_line() -> None:
    assert _sizes(Supply.THREE_PHASE, (None, 1, 1)) == pytest.approx([1, 1, 1])


def test_all_circuits_above_carry_the_current() -> None:
    topology = topology_of(Supply.SINGLE_PHASE, [-1, 0, 1], [(2, (L1,), 1)])
    assert topology.pulls[topology.way[0][0]] == ((2, 1.0, 0.0), (1, 1.0, 0.0), (0, 1.0, 0.0))
    assert topology.below == ((0,), (0,), (0,))
    assert topology.upwards[0] == 2
