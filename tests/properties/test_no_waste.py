"""No ampere is wasted: what a car doesn't take goes to others soon, and comes back when it takes all it is offered."""

from __future__ import annotations

import math
import os

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.properties.test_fairness import houses, landing, limits, optimum, settle, slack_a, taken_a
from tests.properties.yard import Car, Yard, lines_of, site_of

from ampacity.core.building import PEAK_STEP_A
from ampacity.core.cars import FOLLOW_S, SPARE_A, UNUSED_A
from ampacity.core.patience import RAISE_S
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.plan import RAISE_A
from ampacity.core.raising import IDLE_CHANGE_S, LOOK_S, UNFAIR_S
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, MeterId, Site

EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "0"))
"""How many stories a property is told; 0: a few, for every day."""

SOON_S = 15.0
"""So long after the report that shows it."""

CHANGE_S = FOLLOW_S + RAISE_S + 2 * LOOK_S
"""What one gives up is confirmed, seen as long as room must last, and given to another."""

UNUSED_SHARE = 0.08
"""A car within this share of its setpoint counts as taking all of it."""


@st.composite
def settled(draw: st.DrawFn, *, roomy: bool = False) -> tuple[Yard, int]:
    """Cars that take all they are offered, at rest; and one of them that has more than its minimum and the spare."""
    site, own = draw(houses(steps_a=(0.1,), roomy=roomy))
    lines = [lines_of(c, site.supply, draw(st.integers(1, 3))) for c in site.chargers]
    cars: list[Car | None] = [Car(lines=n, dead_s=float(draw(st.integers(0, 4)))) for n in lines]
    yard = Yard(site, cars, own, report_every_s=draw(st.sampled_from([5.0, 10.0])))
    settle(yard, 7200)
    big = [n for n, c in enumerate(site.chargers) if yard.setpoint(n).limit_a >= c.min_a + least_drop_a(yard, n)]
    assume(big)
    return yard, draw(st.sampled_from(big))


def least_drop_a(yard: Yard, number: int) -> float:
    """A car must take so much less than it is offered to count as not taking it."""
    return max(UNUSED_A, UNUSED_SHARE * yard.setpoint(number).limit_a) + 0.1


def car_at(yard: Yard, number: int) -> Car:
    car = yard.cars[number]
    assert car is not None
    return car


def until_shown(yard: Yard, number: int, amps: float) -> None:
    """Runs until a report has shown the car to draw so much."""
    name = yard.site.chargers[number].id
    for _ in range(200):
        yard.step()
        seen = yard.observed.chargers[name]
        if seen.currents is not None and abs(max(seen.currents) - amps) < 0.01:
            return
    raise AssertionError("no report shows it")


def in_force(yard: Yard) -> list[complex]:
    """At each place: the building, and what the cars may draw by their setpoints."""
    out = [complex(a) for a in taken_a(yard.site, yard.own_a)]
    for number, charger in enumerate(yard.site.chargers):
        for place, phasor in landing(yard.site, charger, car_at(yard, number).lines).items():
            out[place] += phasor * yard.setpoint(number).limit_a
    return out


def could_have_more(yard: Yard, number: int) -> bool:
    """Whether room is left for a raise of a car that is worth a message."""
    charger, limit = yard.site.chargers[number], yard.setpoint(number).limit_a
    # What it has lies up to a step below what it could have; and the building counts with its peaks.
    gain = max(RAISE_A, charger.step_a) + charger.step_a + PEAK_STEP_A
    if limit + gain > min(charger.max_a, car_at(yard, number).most_a):
        return False
    taken = in_force(yard)
    return all(
        abs(taken[place] + phasor * gain) <= limits(yard.site)[place]
        for place, phasor in landing(yard.site, charger, car_at(yard, number).lines).items()
    )


@settings(max_examples=EXAMPLES or 4)
@given(settled(), st.floats(0, 1))
def test_what_a_car_does_not_take_is_taken_from_it_and_given_to_others(one: tuple[Yard, int], share: float) -> None:
    yard, number = one
    least = yard.site.chargers[number].min_a
    takes = least + share * (yard.setpoint(number).limit_a - least_drop_a(yard, number) - least)
    car_at(yard, number).most_a = takes
    until_shown(yard, number, takes)
    yard.run(SOON_S)
    assert yard.setpoint(number).limit_a <= takes + SPARE_A + 1e-6
    others = [n for n in range(len(yard.cars)) if n != number]
    assert not [n for n in others if could_have_more(yard, n)], yard.decision.setpoints


@settings(max_examples=EXAMPLES or 4)
@given(settled(roomy=True))
def test_a_car_that_takes_all_it_is_offered_again_is_raised_where_there_is_room(one: tuple[Yard, int]) -> None:
    yard, number = one
    low_a = lowered(yard, number)
    car_at(yard, number).most_a = math.inf
    until_shown(yard, number, low_a)
    yard.run(SOON_S)
    assert yard.setpoint(number).limit_a == yard.site.chargers[number].max_a


@settings(max_examples=EXAMPLES or 4)
@given(settled())
def test_a_car_that_takes_all_it_is_offered_again_gets_its_share_back(one: tuple[Yard, int]) -> None:
    """Others who took it give it up after a minute; then it has to be seen to be free."""
    yard, number = one
    lowered(yard, number)
    car_at(yard, number).most_a = math.inf
    yard.run(yard.report_every_s + SOON_S + UNFAIR_S + CHANGE_S)
    taken = [complex(a) for a in taken_a(yard.site, yard.own_a)]
    best = optimum(yard.site, [c.lines for c in yard.cars if c is not None], taken)[number]
    assert yard.setpoint(number).limit_a >= best - slack_a(yard.site), (best, yard.decision.setpoints)


def lowered(yard: Yard, number: int) -> float:
    """Makes the car take its minimum, until all has come to rest; what it is offered then."""
    least = yard.site.chargers[number].min_a
    car_at(yard, number).most_a = least
    until_shown(yard, number, least)
    settle(yard, 7200)
    assert least <= yard.setpoint(number).limit_a <= least + SPARE_A + 1e-6
    return yard.setpoint(number).limit_a


@settings(max_examples=EXAMPLES or 4)
@given(settled(), st.booleans())
def test_a_car_that_is_full_holds_no_more_than_its_minimum(one: tuple[Yard, int], says: bool) -> None:
    """Whether its charger says so, or only measures nothing; and others have the rest."""
    yard, number = one
    yard.posts[number].reports_only_draw = not says
    car_at(yard, number).most_a = 0.0
    until_shown(yard, number, 0.0)
    yard.run(SOON_S)
    assert yard.setpoint(number).limit_a <= yard.site.chargers[number].min_a
    others = [n for n in range(len(yard.cars)) if n != number]
    assert not [n for n in others if could_have_more(yard, n)], yard.decision.setpoints


@st.composite
def tight_sites(draw: st.DrawFn) -> Site:
    """One minimum too many on L1."""
    supply = draw(st.sampled_from([Supply.SINGLE_PHASE, Supply.THREE_PHASE]))
    count = draw(st.integers(2, 5))
    posts = []
    for number in range(count):
        lines = draw(st.sampled_from([1, len(supply.lines)]))
        wiring = tuple(Line(n) for n in range(lines))
        posts.append(Charger(id=ChargerId(f"c{number}"), circuit=CircuitId("main"), wiring=wiring, phases=lines))
    ratings = (6.0 * (count - 1) + draw(st.sampled_from([0.6, 3.0, 5.5])), *(200.0,) * (len(supply.lines) - 1))
    main = Circuit(id=CircuitId("main"), rating_a=PhaseAmps(ratings), meter=MeterId("main"))
    return site_of(supply, [main], posts)


@settings(max_examples=EXAMPLES or 4)
@given(tight_sites(), st.data())
def test_a_full_car_makes_way_for_one_that_waits(site: Site, data: st.DataObject) -> None:
    yard = Yard(site, [Car(lines=c.phases) for c in site.chargers])
    settle(yard, 500)
    (waiting,) = [n for n, setpoint in enumerate(yard.decision.setpoints) if setpoint.limit_a == 0.0]
    number = data.draw(st.sampled_from([n for n in range(len(site.chargers)) if n != waiting]))
    car_at(yard, number).most_a = 0.0
    until_shown(yard, number, 0.0)
    # Its setpoint may just have been lowered, and is then left alone for a while.
    yard.run(SOON_S + IDLE_CHANGE_S)
    assert yard.setpoint(waiting).limit_a > 0.0, yard.decision.setpoints


@settings(max_examples=EXAMPLES or 4)
@given(settled(), st.booleans(), st.sampled_from([0.0, 6.0]))
def test_what_is_offered_counts_until_its_withdrawal_is_confirmed(
    one: tuple[Yard, int], answers: bool, takes: float
) -> None:
    """The charger refuses the lower setpoint, or its answer is lost: nobody else gets what it still holds."""
    yard, number = one
    post = yard.posts[number]
    held_a = yard.setpoint(number).limit_a
    post.refuses, post.mute = True, not answers
    car_at(yard, number).most_a = takes
    before = in_force(yard)
    until_shown(yard, number, takes)
    for _ in range(60):
        yard.step()
        taken = in_force(yard)
        for place, phasor in landing(yard.site, post.charger, car_at(yard, number).lines).items():
            with_held = taken[place] + phasor * (held_a - yard.setpoint(number).limit_a)
            assert abs(with_held) <= max(limits(yard.site)[place], abs(before[place])) + 0.01, (place, with_held)
