"""ConnectorPhaseRotation, and values told by the phases of the grid."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.devices.charger_reports import Sampled
from ampacity.devices.phase_rotation import STRAIGHT, in_own_phases, own_phases


@pytest.mark.parametrize(
    ("rotation", "own"),
    [
        ("RST", STRAIGHT),
        ("0.RST,1.RST", STRAIGHT),
        ("1.STR", {"L2": "L1", "L3": "L2", "L1": "L3"}),
        ("0.RST, 1.TRS", {"L3": "L1", "L1": "L2", "L2": "L3"}),
        ("0.str", {"L2": "L1", "L3": "L2", "L1": "L3"}),
        ("1.RTS,2.RST", {"L1": "L1", "L3": "L2", "L2": "L3"}),
        ("2.STR", STRAIGHT),
        ("", STRAIGHT),
        ("NotApplicable", STRAIGHT),
        ("0.Unknown", STRAIGHT),
        ("1.RRR", STRAIGHT),
    ],
)
def test_it_says_on_which_phase_of_the_grid_each_own_phase_is(rotation: str, own: dict[str, str]) -> None:
    assert own_phases(rotation) == own


@given(st.text(max_size=30))
def test_whatever_the_key_holds_no_phase_is_lost(rotation: str) -> None:
    own = own_phases(rotation)
    assert set(own) == set(own.values()) == {"L1", "L2", "L3"}


@pytest.mark.parametrize("order", ["".join(one) for one in permutations("RST")])
def test_what_is_told_by_the_grid_comes_back_by_the_own_phases(order: str) -> None:
    grid = {f"L{own}": f"L{'RST'.index(letter) + 1}" for own, letter in enumerate(order, 1)}
    told = [Sampled(name, "Current.Import", f"{grid[name]}-N", "A") for name in ("L1", "L2", "L3")]
    back = in_own_phases(told, own_phases(f"1.{order}"))
    assert [one.phase for one in back] == ["L1-N", "L2-N", "L3-N"]


@pytest.mark.parametrize("phase", [None, "N", "L4", ""])
def test_what_is_of_no_phase_of_its_own_stays(phase: str | None) -> None:
    (one,) = in_own_phases([Sampled("1", "Voltage", phase, "V")], own_phases("1.STR"))
    assert one.phase == phase
