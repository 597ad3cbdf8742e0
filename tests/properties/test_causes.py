"""Every setpoint has a cause, and it is true: each is worked out again from what the decision was made from.

What is known of the building, and what is reserved, is taken from the memory that the decision hands on. How it adds
up on the lines, and whether a raise would fit, is reckoned here.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from typing import assert_never

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.test_fairness import houses, landing, settle
from tests.properties.yard import Car, Yard, chargers, circuits, lines_of, site_of

from ampacity.core.building import GOOD_SAMPLES, PEAK_STEP_A
from ampacity.core.cars import DRAWING_A, FIRST_REPORT_S, FOLLOW_S, IDLE_S
from ampacity.core.decision import Cause, Decision, Rule
from ampacity.core.memory import ChargerMemory, CircuitMemory, Want
from ampacity.core.observations import ChargerSeen, ChargerState
from ampacity.core.phases import Supply
from ampacity.core.plan import RAISE_A, TOLERANCE_A
from ampacity.core.site import LOWEST_CHARGING_A, Site

EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "0"))
"""How many stories a property is told; 0: a few, for every day."""

NEAR_A = 1e-4
NEVER_S = -math.inf
_UNSEEN = ChargerSeen()


# --- what the decision knew ------------------------------------------------------------------------------------------


class Known:
    """The room at each place, as the decision knew it, and what became of it."""

    def __init__(self, yard: Yard, before: Decision | None) -> None:
        self.yard, self.site, self.decision = yard, yard.site, yard.decision
        self.now_s = yard.decision.at_s
        self.before = before
        site, memory = self.site, self.decision.memory
        assert memory.chargers is not None
        assert memory.circuits is not None
        self.chargers: list[ChargerMemory] = [memory.chargers[charger.id] for charger in site.chargers]
        self.circuits: list[CircuitMemory] = [memory.circuits[circuit.id] for circuit in site.circuits]
        self.seen = [yard.observed.chargers.get(charger.id, _UNSEEN) for charger in site.chargers]
        self.lines = len(site.supply.lines)
        self.limit = [limit for circuit in site.circuits for limit in circuit.limit_a]
        self.landing = [
            landing(site, charger, memory.mask.bit_count() or charger.phases)
            for charger, memory in zip(site.chargers, self.chargers, strict=True)
        ]
        self.reserved_a = [self._reserved_a(n) for n in range(len(site.chargers))]
        self.plain, self.peak, self.low = self._reckoned()
        self.held = list(self.plain)
        """With what chargers were lowered from, until something shows that they have followed."""
        for number, phasors in enumerate(self.landing):
            charger = self.chargers[number]
            if self.now_s < charger.sent_s + FOLLOW_S:
                for at, phasor in phasors.items():
                    self.held[at] += phasor * max(0.0, charger.before_a - self.reserved_a[number])

    def movable(self, number: int) -> bool:
        return self.seen[number].online and not self.early(number)

    def early(self, number: int) -> bool:
        """It has just come, and has said nothing and been told nothing."""
        seen, memory = self.seen[number], self.chargers[number]
        return memory.limit_a is None and seen.state is None and seen.measured_at_s is None

    def _reserved_a(self, number: int) -> float:
        """The most it may draw, by its setpoint and all that it may still hold."""
        memory = self.chargers[number]
        if self.movable(number) and memory.want is Want.NOTHING and memory.draw_a < DRAWING_A:
            return 0.0
        return max(memory.ceiling_a, self.decision.setpoints[number].limit_a)

    def _reckoned(self) -> tuple[list[complex], list[complex], list[complex]]:
        """At each place what is taken: now, with the building's peaks, and before anything was lowered."""
        plain, peak, low = self._building(), self._building(), self._building(low=True)
        for number, circuit in enumerate(self.circuits):
            for line, place in enumerate(circuit.places):
                at, limit = number * self.lines + line, self.limit[number * self.lines + line]
                if self.decision.circuits[number].blind is not None:
                    continue
                high = complex(place.high_re, place.high_im)
                assert place.high_limit_a == limit, "the yard's meters show all angles"
                peak[at] += max(0.0, place.peaks[0][1] - (limit - _headroom_a(high, limit)))
        for number, phasors in enumerate(self.landing):
            for at, phasor in phasors.items():
                plain[at] += phasor * self.reserved_a[number]
                peak[at] += phasor * self.reserved_a[number]
                low[at] += phasor * self._had_a(number)
        return plain, peak, low

    def _had_a(self, number: int) -> float:
        """The setpoint with which this decision began, or more."""
        limit = self.decision.setpoints[number].limit_a
        if not self.movable(number):
            return max(limit, self.chargers[number].ceiling_a)
        if self.before is None:
            return limit
        return max(limit, self.before.setpoints[number].limit_a)

    def _building(self, *, low: bool = False) -> list[complex]:
        """At each place; on a circuit without a meter, what is stated and what the meters below it say."""
        out = [0j] * len(self.limit)
        for number in self.site.topology.upwards:
            circuit, memory = self.site.circuits[number], self.circuits[number]
            for line in range(self.lines):
                at = number * self.lines + line
                if circuit.meter is None:
                    out[at] += circuit.other_load_a
                elif memory.places and self.decision.circuits[number].blind is None:
                    place = memory.places[line]
                    out[at] = complex(place.low_re, place.low_im) if low else complex(place.high_re, place.high_im)
                else:
                    out[at] = complex(self.limit[at] if circuit.worst_load_a is None else circuit.worst_load_a[line])
                if circuit.parent is not None:
                    above = self.site.index_of_circuit[circuit.parent]
                    if self.site.circuits[above].meter is None:
                        out[above * self.lines + line] += out[at]
        return out

    def wanted_a(self, number: int) -> float:
        """The least raise that is worth a message."""
        charger = self.site.chargers[number]
        if self.decision.setpoints[number].limit_a == 0.0:
            return charger.min_a - self.reserved_a[number]
        return max(RAISE_A, charger.step_a)

    def fits(self, number: int, taken: list[complex], only: int | None = None, spare_a: float = 0.0) -> bool:
        """Whether the raise fits on every place of its path, or on one, with so much left."""
        gain = self.wanted_a(number)
        return all(
            _size(taken[at] + phasor * gain) + spare_a <= self.limit[at]
            for at, phasor in self.landing[number].items()
            if only is None or at == only
        )

    def asking(self) -> list[int]:
        return [n for n in range(len(self.chargers)) if self.movable(n) and self.chargers[n].want is Want.CURRENT]

    def all_minimums_fit(self, number: int) -> bool:
        """Of all that ask and share a place with this charger."""
        return all(
            _size(
                self.peak[at]
                + sum(
                    self.landing[n].get(at, 0) * (self.site.chargers[n].min_a - self.reserved_a[n])
                    for n in self.asking()
                )
            )
            <= self.limit[at]
            for at in self.landing[number]
        )

    def neighbours(self, number: int) -> list[int]:
        """Who loads a place that it loads."""
        mine = set(self.landing[number])
        return [n for n in range(len(self.chargers)) if n != number and mine & set(self.landing[n])]

    def under_way(self, number: int) -> bool:
        """It was told something that is not confirmed, or too short a while ago to be told more."""
        memory, charger = self.chargers[number], self.site.chargers[number]
        return (
            not memory.answered
            or self.now_s - memory.sent_s < max(charger.min_interval_s, FOLLOW_S + self.yard.step_s)
            or self.reserved_a[number] > self.decision.setpoints[number].limit_a
        )


def _size(z: complex) -> float:
    return math.copysign(abs(z), z.real) if z.imag else z.real


def _headroom_a(z: complex, limit: float) -> float:
    """What a real current may still add."""
    if abs(z.imag) >= limit:
        return limit - abs(z)
    return math.sqrt(limit * limit - z.imag * z.imag) - z.real


# --- is it true? -----------------------------------------------------------------------------------------------------


class Life:
    """What the plant knows and the controller does not."""

    def __init__(self, yard: Yard) -> None:
        self.sated_s = [NEVER_S] * len(yard.posts)
        """When the car last wanted less than its minimum."""
        self.hungrier_s = [NEVER_S] * len(yard.posts)
        """When what the car can use last rose; or its charger did not obey, and the car may have to catch up."""
        self._most_a = [0.0] * len(yard.posts)

    def look(self, yard: Yard) -> None:
        for number, post in enumerate(yard.posts):
            most_a = 0.0 if post.car is None or post.broken is not None else post.car.most_a
            if most_a < LOWEST_CHARGING_A:
                self.sated_s[number] = yard.now_s
            if most_a > self._most_a[number] or post.refuses or not post.online:
                self.hungrier_s[number] = yard.now_s
            self._most_a[number] = most_a


def check(known: Known, life: Life, number: int) -> None:
    """Whether the cause of one setpoint is true."""
    setpoint, charger, seen = known.decision.setpoints[number], known.site.chargers[number], known.seen[number]
    story = (charger.id, known.now_s, setpoint, known.chargers[number])
    cause = setpoint.held_by
    if cause is None:
        assert setpoint.limit_a > charger.max_a - charger.step_a, story
        return
    if cause.circuit is not None:
        assert cause.circuit in known.site.path(charger.circuit), story
    match cause.rule:
        case Rule.CIRCUIT_FULL:
            at = place_of(known, number, cause)
            assert not known.fits(number, known.held, at, NEAR_A) or was_over(known, at), story
        case Rule.PATIENCE:
            at = place_of(known, number, cause)
            assert known.fits(number, known.plain, spare_a=-NEAR_A), story
            assert not known.fits(number, known.peak, at, NEAR_A), story
        case Rule.TURN:
            assert setpoint.limit_a == 0.0, story
            assert known.chargers[number].want is Want.CURRENT, story
            if cause.circuit is not None:
                assert not known.fits(number, known.held, place_of(known, number, cause), NEAR_A), story
                assert setpoint.place is not None, story
            assert not known.all_minimums_fit(number) or known.neighbours(number), story
        case Rule.SHARING:
            check_sharing(known, number, story)
        case Rule.PACING:
            under_way = any(known.under_way(n) for n in [number, *known.neighbours(number)])
            assert under_way or better_claims(known, number, setpoint.limit_a), story
        case Rule.NOT_NEEDED:
            check_not_needed(known, life, number, story)
        case Rule.NOT_ASKING:
            recent = known.now_s - life.sated_s[number] <= IDLE_S + known.yard.report_every_s + 2 * known.yard.step_s
            assert seen.state is ChargerState.FINISHING or recent, story
        case Rule.NO_CAR:
            assert seen.state is ChargerState.AVAILABLE, story
        case Rule.PAUSED_BY_USER:
            assert seen.paused, story
        case Rule.FAULTED:
            assert seen.state in (ChargerState.FAULTED, ChargerState.UNAVAILABLE), story
        case Rule.OFFLINE:
            assert not seen.online, story
        case Rule.REFUSED:
            assert seen.answer is not None, story
            assert not seen.answer.accepted, story
        case Rule.BLIND:
            assert cause.circuit is not None, story
            assert known.decision.circuits[known.site.index_of_circuit[cause.circuit]].blind is not None, story
        case Rule.STARTING:
            check_starting(known, number, story)
        case _:
            assert_never(cause.rule)


def place_of(known: Known, number: int, cause: Cause) -> int:
    """The place that is named, which the charger must load."""
    assert cause.circuit is not None
    assert cause.line is not None
    at = known.site.index_of_circuit[cause.circuit] * known.lines + int(cause.line)
    assert at in known.landing[number], (number, cause)
    return at


def was_over(known: Known, at: int) -> bool:
    """Whether the place would have been above its limit with the setpoints from before this decision."""
    return _size(known.low[at]) > known.limit[at] + TOLERANCE_A - NEAR_A


def check_sharing(known: Known, number: int, story: object) -> None:
    """It was lowered now, and somebody with a better claim to it wants more."""
    assert known.before is not None, story
    had_a = known.before.setpoints[number].limit_a
    assert known.decision.setpoints[number].limit_a < had_a, story
    assert better_claims(known, number, had_a), story


def better_claims(known: Known, number: int, had_a: float) -> list[int]:
    """Who wants more on a line that it loads, and has none at all, a better rank, or less per weight."""
    mine = rank_of(known, number), had_a / known.site.chargers[number].weight
    out = []
    for n in known.neighbours(number):
        other, limit = known.site.chargers[n], known.decision.setpoints[n].limit_a
        if (
            n in known.asking()
            and limit < other.max_a
            and (limit == 0.0 or (rank_of(known, n), limit / other.weight) < mine)
        ):
            out.append(n)
    return out


def rank_of(known: Known, number: int) -> int:
    rank = known.seen[number].rank
    return known.site.chargers[number].rank if rank is None else rank


def check_not_needed(known: Known, life: Life, number: int, story: object) -> None:
    """The car can't use more, or could not until its last reports."""
    post = known.yard.posts[number]
    assert post.car is not None, story
    wait_s = post.car.dead_s + 2 * known.yard.report_every_s + FOLLOW_S
    hungrier = known.now_s - life.hungrier_s[number] <= wait_s
    assert post.car.most_a <= known.decision.setpoints[number].limit_a + NEAR_A or hungrier, story


def check_starting(known: Known, number: int, story: object) -> None:
    """The charger has just come, or a meter above it has not shown enough yet since the start."""
    start_s = known.decision.memory.start_s
    assert start_s is not None
    link_s = known.seen[number].link_at_s
    come = known.early(number) and link_s is not None and known.now_s - link_s < FIRST_REPORT_S
    paths = [known.site.index_of_circuit[c] for c in known.site.path(known.site.chargers[number].circuit)]
    waits = any(known.site.circuits[n].meter is not None and known.circuits[n].good < GOOD_SAMPLES for n in paths)
    assert come or (waits and known.now_s - start_s <= GOOD_SAMPLES * known.yard.step_s), story


# --- stories ---------------------------------------------------------------------------------------------------------


@st.composite
def sites(draw: st.DrawFn, steps_a: tuple[float, ...]) -> tuple[Site, list[int]]:
    """Any site, and how many lines each car uses."""
    supply = draw(st.sampled_from(list(Supply)))
    tree = draw(circuits(supply))
    posts = draw(chargers(supply, tree, steps_a=steps_a))
    site = site_of(supply, tree, posts)
    return site, [lines_of(c, supply, draw(st.integers(1, 3))) for c in posts]


class Fate:
    """Things that happen at a yard, by chance."""

    def __init__(self, yard: Yard, seed: int) -> None:
        self.yard = yard
        self.rng = random.Random(seed)
        self.events: list[Callable[[], None]] = [
            self.load,
            self.load,
            self.appetite,
            self.appetite,
            self.appetite,
            self.wish,
            self.rank,
            self.link,
            self.refusal,
            self.fault,
            self.meter,
            self.guest,
        ]

    def step(self, chance: float) -> None:
        if self.rng.random() < chance:
            self.rng.choice(self.events)()

    def number(self) -> int:
        return self.rng.randrange(len(self.yard.posts))

    def load(self) -> None:
        """The building's load on a line of a metered circuit."""
        site = self.yard.site
        number = self.rng.choice([n for n, circuit in enumerate(site.circuits) if circuit.meter is not None])
        line = self.rng.randrange(len(site.supply.lines))
        share = self.rng.choice([0.0, 0.0, 0.1, 0.3, 0.6, 0.9])
        self.yard.own_a[number][line] = share * site.circuits[number].rating_a[line]

    def appetite(self) -> None:
        if (car := self.yard.posts[self.number()].car) is not None:
            car.most_a = self.rng.choice([0.0, 0.0, 6.0, 9.0, math.inf, math.inf])

    def wish(self) -> None:
        self.yard.wish(self.number(), paused=self.rng.random() < 0.4)

    def rank(self) -> None:
        self.yard.wish(self.number(), rank=self.rng.choice([1, 1, 2]))

    def link(self) -> None:
        self.yard.link(self.number(), self.rng.random() < 0.6)

    def refusal(self) -> None:
        self.yard.posts[self.number()].refuses = self.rng.random() < 0.4

    def fault(self) -> None:
        broken = [None, None, ChargerState.FAULTED, ChargerState.UNAVAILABLE, ChargerState.FINISHING]
        self.yard.posts[self.number()].broken = self.rng.choice(broken)

    def meter(self) -> None:
        """It falls silent or works again."""
        meter = self.rng.choice(self.yard.site.meters).id
        if self.rng.random() < 0.4:
            self.yard.spoilt[meter] = None
        else:
            self.yard.spoilt.pop(meter, None)

    def guest(self) -> None:
        """A car comes or goes."""
        post = self.yard.posts[self.number()]
        lines = lines_of(post.charger, self.yard.site.supply, self.rng.choice([1, 2, 3]))
        post.car = Car(lines=lines, dead_s=self.rng.choice([0.0, 1.0, 4.0])) if post.car is None else None


def play(site: Site, lines: list[int], seed: int, seconds: int) -> None:
    """A story, in which every cause of every decision is checked."""
    cars: list[Car | None] = [Car(lines=n, dead_s=float(n)) for n in lines]
    yard = Yard(site, cars)
    fate, life = Fate(yard, seed), Life(yard)
    before: Decision | None = None
    for _ in range(seconds):
        fate.step(0.1)
        life.look(yard)
        decision = yard.step()
        known = Known(yard, before)
        for number in range(len(site.chargers)):
            check(known, life, number)
        before = decision


@settings(max_examples=EXAMPLES or 6)
@given(sites(steps_a=(0.1,)), st.integers(0, 2**32 - 1))
def test_every_cause_is_true(one: tuple[Site, list[int]], seed: int) -> None:
    play(*one, seed, 240)


@settings(max_examples=EXAMPLES or 4)
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
