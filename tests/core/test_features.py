from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.features import Feature, conflicts, go_together

TABLE = {
    ("dynamic", "static"): True,
    ("dynamic", "single"): False,
    ("dynamic", "schedules"): True,
    ("dynamic", "solar"): False,
    ("static", "single"): True,
    ("static", "schedules"): True,
    ("static", "solar"): False,
    ("single", "schedules"): True,
    ("single", "solar"): True,
    ("schedules", "solar"): True,
}


def test_the_table_is_as_promised() -> None:
    for one, other in combinations(Feature, 2):
        assert go_together(one, other) is go_together(other, one) is TABLE[one.value, other.value]


@given(st.frozensets(st.sampled_from(Feature)))
def test_every_conflict_is_found_once(on: frozenset[Feature]) -> None:
    found = {frozenset(pair) for pair in conflicts(on)}
    assert found == {frozenset(pair) for pair in combinations(on, 2) if not go_together(*pair)}
    assert len(found) == len(conflicts(on))
