"""Sharing is max-min fair: held against a linear programme that knows nothing of how we fill."""

from __future__ import annotations

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.core.allocate import Claim, Room, share


def _room(limits: list[float], taken: list[float] | None = None) -> Room:
    return Room(list(taken or [0.0] * len(limits)), [0.0] * len(limits), list(limits))


def _claim(*places: int, floor_a: float = 6.0, cap_a: float = 32.0, weight: float = 1.0, rank: int = 1) -> Claim:
    return Claim(floor_a, cap_a, weight, rank, tuple((place, 1.0, 0.0) for place in places))


def _amps(claims: list[Claim], room: Room) -> list[float]:
    return [amps for amps, _ in share(claims, room)]


def test_equal_claims_get_equal_shares() -> None:
    assert _amps([_claim(0), _claim(0), _claim(0)], _room([30.0])) == pytest.approx([10.0, 10.0, 10.0])


def test_what_one_cannot_use_goes_to_the_others() -> None:
    assert _amps([_claim(0, cap_a=7.0), _claim(0), _claim(0)], _room([30.0])) == pytest.approx([7.0, 11.5, 11.5])


def test_a_full_phase_holds_back_only_what_is_on_it() -> None:
    shares = share([_claim(0, 1, 2), _claim(1), _claim(2)], _room([10.0, 32.0, 40.0]))
    assert [amps for amps, _ in shares] == pytest.approx([10.0, 22.0, 30.0])
    assert [stop for _, stop in shares] == [0, 1, 2]


def test_shares_follow_weights() -> None:
    assert _amps([_claim(0, weight=1.0), _claim(0, weight=2.0)], _room([30.0])) == pytest.approx([10.0, 20.0])


def test_a_higher_rank_is_filled_first_and_minimums_stand() -> None:
    assert _amps([_claim(0, rank=2), _claim(0, rank=1)], _room([30.0])) == pytest.approx([6.0, 24.0])


def test_floors_that_are_too_much_stay_floors() -> None:
    assert _amps([_claim(0), _claim(0)], _room([10.0])) == pytest.approx([6.0, 6.0])


def test_currents_between_lines_add_as_phasors() -> None:
    """Two cars on L1-L2 and L3-L1 load L1 with the square root of 3 of one."""
    first = Claim(6.0, 32.0, 1.0, 1, ((0, 3**0.5 / 2, 0.5),))
    second = Claim(6.0, 32.0, 1.0, 1, ((0, 3**0.5 / 2, -0.5),))
    assert _amps([first, second], _room([27.7128129])) == pytest.approx([16.0, 16.0])


@st.composite
def _problems(draw: st.DrawFn) -> tuple[list[Claim], list[float]]:
    places = draw(st.integers(1, 6))
    limits = [draw(st.floats(20, 100)) for _ in range(places)]
    claims = []
    for _ in range(draw(st.integers(1, 8))):
        on = draw(st.sets(st.integers(0, places - 1), min_size=1, max_size=3))
        floor = draw(st.sampled_from([0.0, 1.0, 2.0]))
        claims.append(
            _claim(
                *sorted(on),
                floor_a=floor,
                cap_a=floor + draw(st.floats(0.5, 40)),
                weight=draw(st.sampled_from([0.5, 1.0, 1.0, 2.0])),
            )
        )
    return claims, limits


def _lexicographic_optimum(claims: list[Claim], limits: list[float]) -> list[float]:
    """Max-min fair amperes by weight: raise the least, fix whom that can't be raised further, and again."""
    count = len(claims)
    fixed: dict[int, float] = {}
    while len(fixed) < count:
        level = _best(claims, limits, fixed, None)
        newly = {
            n: amps
            for n in range(count)
            if n not in fixed
            and (amps := max(claims[n].floor_a, min(claims[n].cap_a, level * claims[n].weight)))
            >= _best(claims, limits, fixed, (n, level)) - 1e-6
        }
        assert newly, "the least can always be fixed"
        fixed.update(newly)
    return [fixed[n] for n in range(count)]


def _best(claims: list[Claim], limits: list[float], fixed: dict[int, float], one: tuple[int, float] | None) -> float:
    """The highest level for all that are not fixed; or, at a level for the others, the most for one."""
    model = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy leaves it without types
    model.setOptionValue("output_flag", False)
    count = len(claims)
    lower, upper = np.zeros(count + 1), np.zeros(count + 1)
    for n, claim in enumerate(claims):
        lower[n], upper[n] = (fixed[n], fixed[n]) if n in fixed else (claim.floor_a, claim.cap_a)
    upper[count] = 1000.0
    if one is not None:
        lower[count] = upper[count] = one[1]
    model.addVars(count + 1, lower, upper)
    for place, limit in enumerate(limits):
        on = [n for n, claim in enumerate(claims) if any(p == place for p, _, _ in claim.pulls)]
        if on:
            model.addRow(-highspy.kHighsInf, limit, len(on), np.array(on, dtype=np.int32), np.ones(len(on)))
    # A claim's level counts only between its floor and its cap: x_n >= min(cap, weight * level).
    target = count if one is None else one[0]
    if one is None:
        low, high = 0.0, 1000.0
        for _ in range(60):
            level = (low + high) / 2
            need = [
                fixed.get(n, max(claim.floor_a, min(claim.cap_a, claim.weight * level)))
                for n, claim in enumerate(claims)
            ]
            fits = all(
                sum(need[n] for n, claim in enumerate(claims) if any(p == place for p, _, _ in claim.pulls))
                <= limit + 1e-9
                for place, limit in enumerate(limits)
            )
            low, high = (level, high) if fits else (low, level)
        return low
    for n, claim in enumerate(claims):
        if n not in fixed and n != target:
            need_n = max(claim.floor_a, min(claim.cap_a, claim.weight * one[1]))
            model.changeColBounds(n, need_n, claim.cap_a)
    costs = np.zeros(count + 1)
    costs[target] = -1.0
    model.changeColsCost(count + 1, np.arange(count + 1, dtype=np.int32), costs)
    model.run()
    return float(model.getSolution().col_value[target])


@settings(max_examples=60)
@given(_problems())
def test_shares_are_the_lexicographic_optimum(problem: tuple[list[Claim], list[float]]) -> None:
    claims, limits = problem
    assert _amps(claims, _room(limits)) == pytest.approx(_lexicographic_optimum(claims, limits), abs=1e-3)


@settings(max_examples=200)
@given(_problems(), st.lists(st.floats(-30, 30), min_size=6, max_size=6))
def test_no_place_is_filled_above_its_limit(problem: tuple[list[Claim], list[float]], taken: list[float]) -> None:
    claims, limits = problem
    amps = _amps(claims, _room(limits, taken[: len(limits)]))
    for place, limit in enumerate(limits):
        on = [n for n, claim in enumerate(claims) if any(p == place for p, _, _ in claim.pulls)]
        floors = taken[place] + sum(claims[n].floor_a for n in on)
        assert taken[place] + sum(amps[n] for n in on) <= max(limit, floors) + 1e-6
