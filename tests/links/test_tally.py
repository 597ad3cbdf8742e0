"""What passes on a link is counted, and tells how fast and how lively it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.links.tally import CLASSES, Light, Tally


def test_a_light_is_lit_by_what_passed_in_the_last_seconds() -> None:
    light = Light()
    light.add(8, 100.2)
    light.add(7, 100.9)
    light.add(5, 103.0)
    assert light.bytes(103.5) == 20
    assert light.bytes(105.5) == 5
    assert light.bytes(200.0) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 100)), max_size=60))
def test_a_light_never_shows_more_than_passed_in_its_time(steps: list[tuple[float, int]]) -> None:
    light, now_s, passed = Light(), 0.0, []
    for step_s, count in steps:
        now_s += step_s
        light.add(count, now_s)
        passed.append((now_s, count))
        assert light.bytes(now_s) <= sum(n for at_s, n in passed if at_s > now_s - 6)
        assert light.bytes(now_s) >= sum(n for at_s, n in passed if at_s > now_s - 4)


@pytest.mark.parametrize("latency_s", [0.0005, 0.002, 0.04, 0.1, 0.5, 3.0, 30.0])
def test_a_percentile_is_known_to_an_eighth(latency_s: float) -> None:
    tally = Tally()
    for _ in range(99):
        tally.answered(latency_s, 1.0)
    tally.answered(35.0, 1.0)
    found = tally.latency_s(0.5)
    assert found is not None
    assert found == pytest.approx(max(latency_s, 0.001), rel=0.13)
    assert (tally.latency_s(1.0) or 0) > 30
    assert Tally().latency_s(0.5) is None


def test_counts_go_on_over_a_restart() -> None:
    before = Tally(requests=5, answers=4, timeouts=1)
    before.answered(0.1, 1.0)
    after = Tally(requests=1)
    after.resume(before.kept())
    assert (after.requests, after.answers, after.timeouts) == (6, 5, 1)
    assert sum(after.latencies) == 1
    assert after.last_good_s is None


@pytest.mark.parametrize(
    "kept", [{}, {"requests": -1}, {"requests": "x"}, {"latencies": [1]}, {"latencies": ["x"] * CLASSES}]
)
def test_what_is_damaged_is_passed_over(kept: dict[str, object]) -> None:
    tally = Tally(requests=3)
    tally.resume(kept)
    assert tally == Tally(requests=3, received=tally.received, sent=tally.sent)
