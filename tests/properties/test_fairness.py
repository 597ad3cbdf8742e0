"""Fair is what a linear programme says: the division and the settled loop, held against the max-min optimum.

The programme knows nothing of how we fill: it raises the least, finds by probing who can't be raised further, fixes
those, and goes on, rank after rank. Where currents are phasors, it gets the tangents of a limit as it needs them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.yard import REAL_SUPPLIES, Car, Yard, chargers, circuits, lines_of, site_of

from ampacity.core.allocate import Claim, Room, share
from ampacity.core.building import PEAK_STEP_A
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.raising import QUIET_S, UNFAIR_S
from ampacity.core.site import Charger, Circuit, Site
from ampacity.sim.loads import line_phasors

EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "0"))
"""How many sites a property is tried on; 0: a few, for every day."""

STEP_S = 2.0

NEAR_A = 1e-4
"""Who can have no more than this above the least can't be raised."""

GIVE_A = 1e-6
"""What is fixed is fixed so much lower, so that the solver's rounding leaves all limits kept."""


@dataclass
class Optimum:
    """The lexicographic max-min optimum of current per weight, in continuous amperes."""

    chargers: list[Charger]
    phasors: list[dict[int, complex]]
    """Of each charger: what 1 A of it adds at each place."""
    taken: list[complex]
    """What the building takes at each place."""
    limit: list[float]
    tangents: list[tuple[int, complex]] = field(default_factory=list)
    """A place, and the direction in which its limit is looked at."""

    def amps(self) -> list[float]:
        self.tangents = [(place, 1 + 0j) for place in range(len(self.limit))]
        lower = [charger.min_a for charger in self.chargers]
        for place, limit in enumerate(self.limit):
            floors = self.taken[place] + sum(p.get(place, 0) * a for p, a in zip(self.phasors, lower, strict=True))
            self.limit[place] = max(limit, floors.real)  # minimums stand, where they alone are too much
        upper = lower.copy()
        for rank in sorted({charger.rank for charger in self.chargers}):
            free = {n for n, charger in enumerate(self.chargers) if charger.rank == rank}
            for n in free:
                upper[n] = self.chargers[n].max_a
            while free:
                level = self._most(lower, upper, free, None, 0.0)
                stuck = {n for n in free if self._is_stuck(n, lower, upper, free, level)}
                assert stuck, "some of the least can't be raised"
                for n in stuck:
                    lower[n] = upper[n] = min(upper[n], max(lower[n], level * self.chargers[n].weight - GIVE_A))
                free -= stuck
        return lower

    def _is_stuck(self, number: int, lower: list[float], upper: list[float], free: set[int], level: float) -> bool:
        """Whether it can't have more than the level, all others having the level at least."""
        most = self._most(lower, upper, free, number, level)
        return most <= level * self.chargers[number].weight + NEAR_A

    def _most(self, lower: list[float], upper: list[float], free: set[int], one: int | None, level: float) -> float:
        """The highest level that all who are free can have; or, at a level for those, the most for one."""
        count = len(lower)
        model = highspy.Highs()  # type: ignore[no-untyped-call]
        model.setOptionValue("output_flag", False)
        levels = (0.0, 1000.0) if one is None else (level, level)
        model.addVars(count + 1, np.array([*lower, levels[0]]), np.array([*upper, levels[1]]))
        for n in free:
            row = np.array([n, count], dtype=np.int32)
            model.addRow(-GIVE_A, highspy.kHighsInf, 2, row, np.array([1.0, -self.chargers[n].weight]))
        for tangent in self.tangents:
            self._add(model, tangent)
        target = count if one is None else one
        model.changeColCost(target, -1.0)
        while True:
            model.run()
            assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal
            amps = list(model.getSolution().col_value)
            broken = list(self._broken(amps))
            if not broken:
                return float(amps[target])
            for tangent in broken:
                self.tangents.append(tangent)
                self._add(model, tangent)

    def _add(self, model: highspy.Highs, tangent: tuple[int, complex]) -> None:
        place, along = tangent
        on = [(n, (p[place] * along.conjugate()).real) for n, p in enumerate(self.phasors) if place in p]
        if on:
            room = self.limit[place] + GIVE_A - (self.taken[place] * along.conjugate()).real
            columns = np.array([n for n, _ in on], dtype=np.int32)
            model.addRow(-highspy.kHighsInf, room, len(on), columns, np.array([factor for _, factor in on]))

    def _broken(self, amps: list[float]) -> Iterator[tuple[int, complex]]:
        for place, limit in enumerate(self.limit):
            total = self.taken[place] + sum(
                p.get(place, 0) * a for p, a in zip(self.phasors, amps[:-1], strict=True) if place in p
            )
            if any(place in p for p in self.phasors) and abs(total.imag) > 0 and abs(total) > limit + 2 * GIVE_A:
                yield place, total / abs(total)


def landing(site: Site, charger: Charger, lines: int) -> dict[int, complex]:
    """What 1 A of a car adds at each place."""
    count = len(site.supply.lines)
    out = {}
    for circuit in site.path(charger.circuit):
        first = site.index_of_circuit[circuit] * count
        for line, phasor in enumerate(line_phasors(site.supply, charger, lines)):
            if phasor:
                out[first + line] = phasor
    return out


def limits(site: Site) -> list[float]:
    return [limit for circuit in site.circuits for limit in circuit.limit_a]


def optimum(site: Site, lines: list[int], taken: list[complex]) -> list[float]:
    posts = list(site.chargers)
    phasors = [landing(site, charger, n) for charger, n in zip(posts, lines, strict=True)]
    return Optimum(posts, phasors, list(taken), limits(site)).amps()


# --- the division itself ---------------------------------------------------------------------------------------------


@st.composite
def rooms(draw: st.DrawFn) -> tuple[Site, list[float]]:
    """Any site on which currents add as numbers, and what is taken at each place; below nothing: it is fed in."""
    supply = draw(st.sampled_from(REAL_SUPPLIES))
    tree = draw(circuits(supply))
    posts = draw(chargers(supply, tree))
    site = site_of(supply, tree, posts)
    return site, [draw(st.sampled_from([-0.5, 0.0, 0.1, 0.5, 1.2])) * limit for limit in limits(site)]


def _shares(site: Site, taken: list[float]) -> list[float]:
    topology = site.topology
    claims = [
        Claim(c.min_a, c.max_a, c.weight, c.rank, topology.pulls[topology.way[n][0]])
        for n, c in enumerate(site.chargers)
    ]
    room = Room(list(taken), [0.0] * len(taken), limits(site))
    return [amps for amps, _ in share(claims, room)]


@settings(max_examples=EXAMPLES or 60)
@given(rooms())
def test_shares_on_any_tree_are_the_optimum_rank_after_rank(problem: tuple[Site, list[float]]) -> None:
    site, taken = problem
    best = optimum(site, [c.phases for c in site.chargers], [complex(a) for a in taken])
    assert _shares(site, taken) == pytest.approx(best, abs=1e-3)


@settings(max_examples=EXAMPLES or 15)
@given(st.data())
def test_shares_between_lines_are_the_optimum(data: st.DataObject) -> None:
    """Where minimums fit, and the building is in phase with its voltage."""
    site, own = data.draw(houses(Supply.LINE_TO_LINE))
    taken = taken_a(site, own)
    best = optimum(site, [c.phases for c in site.chargers], [complex(a) for a in taken])
    assert _shares(site, taken) == pytest.approx(best, abs=5e-3)


# --- the settled loop ------------------------------------------------------------------------------------------------


@st.composite
def houses(
    draw: st.DrawFn, supply: Supply | None = None, steps_a: tuple[float, ...] = (0.1, 1.0), *, roomy: bool = False
) -> tuple[Site, list[list[float]]]:
    """Any site where all minimums fit (roomy: all maximums), and the own load of each circuit by line."""
    supply = draw(st.sampled_from(list(Supply))) if supply is None else supply
    tree = draw(circuits(supply))
    posts = draw(chargers(supply, tree, least=2, steps_a=steps_a))
    own = [[0.0] * len(supply.lines) for _ in tree]
    for number, circuit in enumerate(tree):
        if circuit.meter is not None:
            own[number] = [draw(st.sampled_from([0.0, 0.0, 0.3, 0.6])) * amps for amps in circuit.rating_a]
    needs_a = [charger.max_a if roomy else charger.min_a for charger in posts]
    return _widened(supply, tree, posts, own, needs_a), own


def _widened(
    supply: Supply, tree: list[Circuit], posts: list[Charger], own: list[list[float]], needs_a: list[float]
) -> Site:
    """With every rating at least what the building and the chargers below it need, and no less than a child's."""
    first = site_of(supply, [_rated(c, [1000.0] * len(c.rating_a)) for c in tree], posts)
    need = taken_a(first, own)
    for charger, amps in zip(posts, needs_a, strict=True):
        for place, phasor in landing(first, charger, charger.phases).items():
            need[place] += abs(phasor) * amps
    lines = len(supply.lines)
    ratings = [list(c.rating_a) for c in tree]
    for number in first.topology.upwards:
        for line in range(lines):
            ratings[number][line] = max(ratings[number][line], math.ceil(need[number * lines + line] + 0.5))
            if (parent := first.topology.parents[number]) >= 0:
                ratings[parent][line] = max(ratings[parent][line], ratings[number][line])
    return site_of(supply, [_rated(c, amps) for c, amps in zip(tree, ratings, strict=True)], posts, STEP_S)


def _rated(circuit: Circuit, amps: list[float]) -> Circuit:
    return Circuit(id=circuit.id, parent=circuit.parent, rating_a=PhaseAmps(tuple(amps)), meter=circuit.meter)


def taken_a(site: Site, own: list[list[float]]) -> list[float]:
    """The building's load at each place, with that of the circuits below."""
    lines = len(site.supply.lines)
    out = [0.0] * len(site.circuits) * lines
    for number, circuit in enumerate(site.circuits):
        for above in site.path(circuit.id):
            for line in range(lines):
                out[site.index_of_circuit[above] * lines + line] += own[number][line]
    return out


def settle(yard: Yard, most_s: float, quiet_for_s: float = 2 * UNFAIR_S) -> None:
    """Until so long after the last change of a setpoint that another round of sharing would have come."""
    quiet_s = 0.0
    end_s = yard.now_s + most_s
    while quiet_s < quiet_for_s:
        assert yard.now_s < end_s, "it does not come to rest"
        decision = yard.step()
        changed = any(not command.renewal for command in decision.commands)
        quiet_s = 0.0 if changed else quiet_s + yard.step_s


def slack_a(site: Site) -> float:
    """How far a settled setpoint may be from its fair share: a step down, and what the others' steps leave over; the
    building counts with its peaks, of which those nearer to each other than PEAK_STEP_A are one."""
    return 2 * max(charger.step_a for charger in site.chargers) + PEAK_STEP_A


@settings(max_examples=EXAMPLES or 25)
@given(houses(steps_a=(0.1,)), st.data())
def test_a_settled_building_is_divided_as_the_optimum_says(
    house: tuple[Site, list[list[float]]], data: st.DataObject
) -> None:
    site, own = house
    lines = [lines_of(c, site.supply, data.draw(st.integers(1, 3))) for c in site.chargers]
    yard = Yard(site, [Car(lines=n) for n in lines], own, step_s=STEP_S, report_every_s=10.0)
    settle(yard, 7200, QUIET_S + 2 * UNFAIR_S)  # even the smallest differences are settled then
    best = optimum(site, lines, [complex(a) for a in taken_a(site, own)])
    got = [setpoint.limit_a for setpoint in yard.decision.setpoints]
    assert got == pytest.approx(best, abs=slack_a(site)), yard.decision.setpoints
