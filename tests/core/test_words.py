from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.core.decision import Cause, Place, Rule, Setpoint
from ampacity.core.phases import Line
from ampacity.core.site import ChargerId, CircuitId
from ampacity.core.words import in_words

MAIN = CircuitId("main")


def words(cause: Cause | None, place: Place | None = None) -> str:
    return in_words(Setpoint(charger=ChargerId("left"), limit_a=0.0, held_by=cause, place=place))


def test_a_full_line_is_named_with_its_circuit() -> None:
    assert words(Cause(Rule.CIRCUIT_FULL, MAIN, Line.L2)) == "L2 of main is full"


@pytest.mark.parametrize(("wait_s", "minutes"), [(0.0, 0), (1.0, 1), (60.0, 1), (719.0, 12), (721.0, 13)])
def test_who_waits_is_told_the_place_and_never_too_short_a_time(wait_s: float, minutes: int) -> None:
    text = words(Cause(Rule.TURN, MAIN, Line.L1), Place(2, wait_s))
    assert text.endswith(f"place 2, at most {minutes} min")
    assert "L1 of main" in text


def test_a_charger_at_its_own_maximum_is_held_by_nothing_else() -> None:
    assert "maximum" in words(None)


def test_every_rule_has_words_of_its_own() -> None:
    assert len({words(Cause(rule, MAIN, Line.L1)) for rule in Rule}) == len(Rule)


@settings(max_examples=100)
@given(
    rule=st.sampled_from(Rule),
    circuit=st.sampled_from([None, MAIN]),
    line=st.sampled_from([None, *Line]),
    place=st.none() | st.builds(Place, st.integers(1, 99), st.floats(0.0, 1e9)),
)
def test_words_are_one_short_line(
    rule: Rule, circuit: CircuitId | None, line: Line | None, place: Place | None
) -> None:
    text = words(Cause(rule, circuit, line), place)
    assert text
    assert "\n" not in text
    assert len(text) < 120
