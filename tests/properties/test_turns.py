"""When not all minimums fit, all get their turn: equal in the end, in the order shown, about when it was promised."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.yard import Car, Yard, site_of

from ampacity.core.cars import FOLLOW_S
from ampacity.core.decision import Place
from ampacity.core.patience import RAISE_S
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.raising import LOOK_S
from ampacity.core.site import LOWEST_CHARGING_A, Charger, ChargerId, Circuit, CircuitId, MeterId, Site

EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "0"))
"""How many sites a property is tried on; 0: a few, for every day."""

STEP_S = 5.0
HOUR_S = 3600.0
LEAST_SHARE = 0.8

CHANGE_S = FOLLOW_S + RAISE_S + LOOK_S + 3 * STEP_S
"""From the end of a turn until the next car charges: one gives way and is confirmed, the meter shows it for as long as
room must last, it is looked who may have it; and sample, command and answer each wait for the next step."""

FIRST_S = 60.0
"""The start: until then readings come in and the first setpoints are told."""

WIRINGS = {
    Supply.SINGLE_PHASE: ["1"],
    Supply.SPLIT_PHASE: ["12", "1"],
    Supply.THREE_PHASE: ["1", "1", "123", "231", "312", "12", "31"],
    Supply.LINE_TO_LINE: ["12"],
}
"""All load L1, the line that is short."""


@dataclass(frozen=True)
class Short:
    """A site where `fit` of all minimums fit, and what else L1 carries."""

    site: Site
    fit: int
    own_a: list[list[float]]

    @property
    def round_s(self) -> float:
        """How long it takes until everyone had a turn."""
        return self.site.turn_s * len(self.site.chargers) / self.fit


@st.composite
def short_sites(draw: st.DrawFn, steps_a: tuple[float, ...] = (0.1, 1.0), *, whole_rounds: bool = False) -> Short:
    """whole_rounds: so many fit that all have had a turn after a whole number of turns."""
    supply = draw(st.sampled_from(list(Supply)))
    count = draw(st.integers(2, 8))
    fit = draw(st.sampled_from([n for n in range(1, count) if not whole_rounds or count % n == 0]))
    spare_a = draw(st.sampled_from([0.6, 2.0, 5.5]))
    own_a = draw(st.sampled_from([0.0, 3.0, 20.0]))
    lines = len(supply.lines)
    chargers = []
    in_sub = draw(st.booleans())
    for number in range(count):
        wiring = tuple(Line(int(n) - 1) for n in draw(st.sampled_from(WIRINGS[supply])))
        chargers.append(
            Charger(
                id=ChargerId(f"c{number}"),
                circuit=CircuitId("sub" if in_sub and draw(st.booleans()) else "main"),
                wiring=wiring,
                phases=len(wiring),
                max_a=draw(st.sampled_from([16.0, 32.0])),
                step_a=draw(st.sampled_from(steps_a)),
            )
        )
    ratings = (fit * LOWEST_CHARGING_A + spare_a + own_a, *(500.0,) * (lines - 1))
    circuits = [Circuit(id=CircuitId("main"), rating_a=PhaseAmps(ratings), meter=MeterId("main"))]
    if in_sub:
        circuits.append(Circuit(id=CircuitId("sub"), parent=CircuitId("main"), rating_a=PhaseAmps(ratings)))
    own = [[own_a] + [0.0] * (lines - 1)] + [[0.0] * lines] * in_sub
    return Short(site_of(supply, circuits, chargers, STEP_S), fit, own)


def yard_of(short: Short) -> Yard:
    site = short.site
    cars: list[Car | None] = [Car(lines=charger.phases) for charger in site.chargers]
    return Yard(site, cars, short.own_a, step_s=STEP_S, report_every_s=10.0)


@settings(max_examples=EXAMPLES or 3)
@given(short_sites(steps_a=(0.1,), whole_rounds=True))
def test_at_the_end_of_a_round_the_least_served_has_most_of_what_the_best_served_has(short: Short) -> None:
    """After the longer of an hour and two rounds, when the round then under way ends."""
    assert best_ratio(short) >= LEAST_SHARE


def best_ratio(short: Short) -> float:
    """Least by best served, as near to 1 as it comes within a round after the longer of an hour and two rounds."""
    yard = yard_of(short)
    served_as = [0.0] * len(short.site.chargers)
    begin_s = max(HOUR_S, 2 * short.round_s)
    best = 0.0
    while yard.now_s < begin_s + short.round_s + 3 * len(served_as) * CHANGE_S and best < LEAST_SHARE:
        yard.step()
        for number, car in enumerate(yard.cars):
            served_as[number] += 0.0 if car is None else car.amps * STEP_S
        if yard.now_s >= begin_s:
            best = max(best, min(served_as) / max(served_as))
    return best


@settings(max_examples=EXAMPLES or 3)
@given(short_sites())
def test_who_waits_sees_a_place_that_only_gets_better_and_a_time_that_is_kept(short: Short) -> None:
    """Looked at while nobody's setpoint is being changed."""
    watch(short, STEP_S * 2)


def watch(short: Short, calm_s: float) -> None:
    """Holds what waiting cars are told against what comes, so long after the last change of a setpoint."""
    yard = yard_of(short)
    told: dict[int, list[tuple[float, Place]]] = {}
    """By waiting charger: when it was told, and what."""
    changed_s = 0.0
    while yard.now_s < max(HOUR_S, 2 * short.round_s):
        at_s = yard.now_s
        decision = yard.step()
        if any(not command.renewal for command in decision.commands):
            changed_s = at_s
        for number, setpoint in enumerate(decision.setpoints):
            if setpoint.limit_a > 0.0:
                told.pop(number, None)
                continue
            so_far = told.setdefault(number, [])
            for told_s, place in so_far:
                # A change of cars before each turn that it waits for, and before its own.
                changes = 1 + math.ceil(place.number / short.fit)
                assert place.wait_s is not None
                assert at_s <= told_s + place.wait_s + changes * CHANGE_S, (at_s, told_s, place)
            if at_s < FIRST_S or at_s - changed_s < calm_s:
                continue
            assert setpoint.place is not None, (number, at_s, setpoint)
            assert not so_far or setpoint.place.number <= so_far[-1][1].number, (number, at_s, so_far[-1], setpoint)
            so_far.append((at_s, setpoint.place))
