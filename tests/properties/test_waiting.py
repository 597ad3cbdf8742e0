"""Who fits by what is known for sure is not kept waiting; and who waits is told the truth.

Chargers whose wiring is not known are reserved on every line, and so are those that do not tell what their cars draw;
what the cars draw already is on the meter, on whichever line.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.test_fairness import houses, landing, limits, taken_a
from tests.properties.yard import Car, Yard, lines_of, site_of

from ampacity.core.building import PEAK_STEP_A
from ampacity.core.decision import Place, Rule
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, MeterId, Site

EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "0"))
"""How many stories a property is told; 0: a few, for every day."""

PATIENCE_S = 120.0
"""In a steady building room for a start must last 20 s; with reports, answers, others that make room: this is ample."""

STORY_S = 500.0
"""Before the first turn ends."""

PASSING = frozenset({Rule.PACING, Rule.PATIENCE, Rule.STARTING, Rule.SHARING})
"""Causes that say: soon."""

FULL = frozenset({Rule.CIRCUIT_FULL, Rule.TURN})


@dataclass
class Street:
    """A yard whose controller does not know how some of its chargers are wired. Cars come one after the other."""

    yard: Yard
    cars: list[Car]
    comes_s: list[float]
    fit_s: list[float] = field(init=False)
    """For how long each car has fitted and not charged."""
    soon_s: list[float] = field(init=False)
    """For how long each has been told that it is soon."""

    def __post_init__(self) -> None:
        self.fit_s = [0.0] * len(self.cars)
        self.soon_s = [0.0] * len(self.cars)

    def step(self) -> None:
        for post, car, comes_s in zip(self.yard.posts, self.cars, self.comes_s, strict=True):
            if post.car is None and self.yard.now_s >= comes_s:
                post.car = car
        self.yard.step()
        for number, setpoint in enumerate(self.yard.decision.setpoints):
            waits = self.yard.posts[number].car is not None and setpoint.limit_a == 0.0
            soon = waits and setpoint.held_by is not None and setpoint.held_by.rule in PASSING
            self.fit_s[number] = self.fit_s[number] + self.yard.step_s if waits and self.fits(number) else 0.0
            self.soon_s[number] = self.soon_s[number] + self.yard.step_s if soon else 0.0

    def fits(self, number: int) -> bool:
        """Whether its minimum fits for sure beside what flows and what the others may draw."""
        amps = self.yard.site.chargers[number].min_a + PEAK_STEP_A
        bears = limits(self.yard.site)
        taken = self.taken()
        return all(abs(taken[at] + phasor * amps) <= bears[at] for at, phasor in self.reserved(number).items())

    def taken(self) -> list[complex]:
        """At each place, at the most: what flows there now, and how much more the cars may draw."""
        yard = self.yard
        lines = len(yard.site.supply.lines)
        out = [complex(a) for a in taken_a(yard.site, yard.own_a)]
        for number, circuit in enumerate(yard.site.circuits):
            if circuit.meter is not None:
                out[number * lines : (number + 1) * lines] = yard.flow(number)
        for number, post in enumerate(yard.posts):
            drawn_a = 0.0 if post.car is None or not post.measures else post.car.amps
            for at, phasor in self.reserved(number).items():
                seen_a = drawn_a if yard.site.circuits[at // lines].meter is not None else 0.0
                out[at] += phasor * (yard.setpoint(number).limit_a - seen_a)
        return out

    def reserved(self, number: int) -> dict[int, complex]:
        """What 1 A of it adds at each place, at the most: on every line, where its wiring is not known."""
        site, post = self.yard.site, self.yard.posts[number]
        if site.chargers[number].wiring is not None:
            lines = post.charger.phases if not post.measures or post.car is None else post.car.lines
            return landing(site, post.charger, max(lines, self._unseen_lines(number)))
        count = len(site.supply.lines)
        between = site.supply is Supply.LINE_TO_LINE and post.charger.phases > 1
        size = 2 / math.sqrt(3) if between else 1.0
        return {at * count + line: complex(size) for at in self.yard.path(post.charger) for line in range(count)}

    def _unseen_lines(self, number: int) -> int:
        """A car that has not drawn yet may use all."""
        car = self.yard.posts[number].car
        return self.yard.posts[number].charger.phases if car is None or car.amps == 0.0 else 0


@st.composite
def streets(draw: st.DrawFn, *, untold: bool = False) -> Street:
    """Any site on which all minimums fit, by the wiring that the controller knows of some chargers only. `untold`: some
    do not tell what their cars draw."""
    wired, own = draw(houses(steps_a=(0.1,)))
    known = [draw(st.booleans()) for _ in wired.chargers]
    posts = [c if k else replace(c, wiring=None) for c, k in zip(wired.chargers, known, strict=True)]
    site = replace(wired, chargers=tuple(posts))
    street = street_of(site, wired, own, [draw(st.integers(1, 3)) for _ in posts])
    street.comes_s = [draw(st.sampled_from([0.0, 0.0, 60.0, 100.0])) for _ in posts]
    for post in street.yard.posts:
        post.measures = not untold or draw(st.booleans())
    return street


def street_of(site: Site, wired: Site, own: list[list[float]], wanted: list[int]) -> Street:
    yard = Yard(site, [None] * len(site.chargers), own)
    for post, truth in zip(yard.posts, wired.chargers, strict=True):
        post.charger = truth
    cars = [Car(lines=lines_of(c, site.supply, n)) for c, n in zip(wired.chargers, wanted, strict=True)]
    return Street(yard, cars, [0.0] * len(cars))


def small(limit_a: float, *, lines: int = 2) -> Street:
    """Two chargers of three phases whose wiring nobody knows; a car with `lines` draws 10 A when the second comes."""
    main = Circuit(id=CircuitId("main"), rating_a=PhaseAmps((limit_a,) * 3), meter=MeterId("main"))
    every = (Line.L1, Line.L2, Line.L3)
    posts = [
        Charger(id=ChargerId(name), circuit=CircuitId("main"), wiring=every, max_a=10.0) for name in ("first", "second")
    ]
    wired = site_of(Supply.THREE_PHASE, [main], posts)
    site = replace(wired, chargers=tuple(replace(one, wiring=None) for one in posts))
    street = street_of(site, wired, [[0.0] * 3], [lines, 3])
    street.comes_s = [0.0, 60.0]
    return street


def until(street: Street, end_s: float) -> Street:
    while street.yard.now_s < end_s:
        street.step()
    return street


def test_a_car_that_fits_beside_a_two_phase_one_of_unknown_wiring_charges() -> None:
    """10 A on two lines that nobody knows: they are on the meter, and beside them 6 A fit wherever they are."""
    assert until(small(17.0), 150.0).yard.setpoint(1).limit_a >= 6.0


def test_what_a_car_of_unknown_wiring_gives_up_is_not_handed_out_before_the_meter_shows_where() -> None:
    """It was on L1. The other car has all that the building leaves of L2, and gains nothing."""
    street = small(17.0, lines=1)
    second = replace(street.yard.posts[1].charger, wiring=(Line.L2,), phases=1, max_a=16.0)
    site = street.yard.site
    known = replace(site, chargers=(site.chargers[0], second))
    street = street_of(
        known, replace(known, chargers=(street.yard.posts[0].charger, second)), [[0.0, 6.0, 0.0]], [1, 1]
    )
    until(street, 300.0)
    held_a = street.yard.setpoint(1).limit_a
    street.yard.wish(0, paused=True)
    street.yard.spoilt[MeterId("main")] = None
    until(street, 304.0)  # the meter is not missed for 5 s
    assert street.cars[0].amps == 0.0
    assert street.yard.setpoint(1).limit_a == held_a


@settings(max_examples=EXAMPLES or 12, deadline=None)
@given(streets())
def test_who_fits_for_sure_is_not_kept_waiting(street: Street) -> None:
    while street.yard.now_s < STORY_S:
        street.step()
        assert max(street.fit_s) <= PATIENCE_S, street.yard.decision.setpoints


@settings(max_examples=EXAMPLES or 12, deadline=None)
@given(streets(untold=True))
def test_nobody_is_told_for_long_that_it_is_soon(street: Street) -> None:
    while street.yard.now_s < STORY_S:
        street.step()
        assert max(street.soon_s) <= PATIENCE_S, street.yard.decision.setpoints


@settings(max_examples=EXAMPLES or 12, deadline=None)
@given(streets())
def test_a_line_that_is_named_full_does_not_bear_the_minimum_of_the_car_that_waits(street: Street) -> None:
    """When all is at rest, and by what is known for sure."""
    until(street, STORY_S)
    site = street.yard.site
    taken, bears = street.taken(), limits(site)
    for number, setpoint in enumerate(street.yard.decision.setpoints):
        cause = setpoint.held_by
        if setpoint.limit_a > 0.0 or cause is None or cause.rule not in FULL or cause.line is None:
            continue
        assert cause.circuit is not None
        at = site.index_of_circuit[cause.circuit] * len(site.supply.lines) + int(cause.line)
        would = abs(taken[at] + street.reserved(number)[at] * (site.chargers[number].min_a + PEAK_STEP_A))
        assert would > bears[at], (setpoint, would)


def test_who_waits_because_a_charger_tells_nothing_of_its_car_is_told_so_and_no_time() -> None:
    street = small(25.0, lines=1)
    street.yard.posts[0].measures = False
    told = until(street, 200.0).yard.setpoint(1)
    assert told.held_by is not None
    assert told.held_by.rule is Rule.UNCERTAIN
    assert told.place == Place(1, None)
