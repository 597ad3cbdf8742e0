"""The controller dies: leases end by themselves, in an order that is safe, and what is left is what was proven."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from enum import Enum, auto

from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.properties.house import (
    DEAD_S,
    MESSAGE_S,
    Car,
    Fittings,
    House,
    Post,
    car_at,
    cars,
    houses,
    tenths,
)

from ampacity.core.proof import proof

EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "0"))
"""How many stories a property is told; 0: a few, for every day."""

NEAR_A = 0.01

UNANSWERED_S = 61.0 + MESSAGE_S
"""A charger that could be told nothing for a while has been told all by then: the longest back-off is 60 s."""


class Deed(Enum):
    LOAD = auto()
    CAR = auto()
    TAKES = auto()
    LINK = auto()
    REFUSES = auto()


@dataclass(frozen=True)
class Happening:
    """Something that happens, and how long nothing does after it. Numbers count round."""

    deed: Deed
    where: int
    line: int
    share: float
    """0 to 1: of the worst load, of what a car can use, of the longest time until a lost link is noticed."""
    wait_s: float


HAPPENINGS = st.builds(
    Happening,
    st.sampled_from(Deed),
    st.integers(0, 5),
    st.integers(0, 2),
    st.sampled_from([1.0, 0.0, 0.3, 0.6]),
    st.one_of(tenths(0, 5), tenths(20, 120)),
)


class Story:
    """A house where the building never does more than was stated, and every car obeys."""

    def __init__(self, fittings: Fittings, guests: list[Car]) -> None:
        self.house = House(fittings)
        self.supply = fittings.site.supply
        for post, car in zip(self.house.posts, guests, strict=False):
            self.house.plug_in(post.number, car_at(post, car, self.supply))

    def happen(self, one: Happening) -> None:
        house = self.house
        post = house.posts[one.where % len(house.posts)]
        match one.deed:
            case Deed.LOAD:
                circuit = one.where % len(house.site.circuits)
                line = one.line % len(self.supply.lines)
                house.step_load(circuit, line, one.share * self.room_a(circuit, line))
            case Deed.CAR if post.car is None:
                house.plug_in(post.number, car_at(post, Car(1 + one.line, DEAD_S, 2.0, 32.0), self.supply))
            case Deed.CAR:
                house.unplug(post.number)
            case Deed.TAKES:
                house.takes(post.number, one.share * 32.0)
            case Deed.LINK if post.link:
                house.lose_link(post.number, one.share * 40.0)
            case Deed.LINK:
                house.regain_link(post.number)
            case Deed.REFUSES:
                house.refuses(post.number, not post.refuses)
        house.run(one.wait_s)

    def room_a(self, circuit: int, line: int) -> float:
        """What the circuit's own load may be, so that no worst load above it is passed."""
        house = self.house
        rooms = []
        path = house.site.path(house.site.circuits[circuit].id)
        for above in path:
            number = house.site.index_of_circuit[above]
            worst = house.site.circuits[number].worst_load_a
            assert worst is not None
            below = sum(
                load[line]
                for other, load in enumerate(house.own_a)
                if above in house.site.path(house.site.circuits[other].id)
            )
            rooms.append(worst[line] - below + house.own_a[circuit][line])
        one = house.site.circuits[circuit]
        if one.meter is None:
            rooms.append(one.other_load_a)
        return max(0.0, min(rooms))


def told_all(house: House, post: Post) -> bool:
    """Whether nothing kept the controller from renewing this charger's lease until it died."""
    assert house.dead_s is not None
    return post.link and not post.refuses and house.dead_s - post.able_s > UNANSWERED_S


@settings(max_examples=EXAMPLES or 30)
@given(houses(proven=True), st.lists(cars(), min_size=6, max_size=6), st.lists(HAPPENINGS, min_size=1, max_size=12))
def test_after_the_death_leases_end_in_a_safe_order_and_then_all_is_as_proven(
    fittings: Fittings, guests: list[Car], happenings: list[Happening]
) -> None:
    story = Story(fittings, guests)
    house = story.house
    house.run(120)
    for one in happenings:
        story.happen(one)
    house.lease_ends.clear()
    house.kill_controller()
    longest_s = max(charger.lease_s for charger in house.site.chargers)
    # The last command arrives, its lease ends, and the car follows.
    house.run(MESSAGE_S + longest_s + DEAD_S + 0.1)
    accepted = [line for line in proof(house.site) if line.spare_a is not None and not line.fails]
    house.after = lambda house: check_proven(house, [(line.circuit, line.line, line.limit_a) for line in accepted])
    house.run(2 * longest_s)
    event(f"lines proven: {bool(accepted)}")
    event(f"a lease raised somebody: {any(end.to_a > end.from_a for end in house.lease_ends)}")
    check_order(house)
    for post in house.posts:
        if post.charger.guarded:
            assert post.held_a == post.charger.safe_a
            assert post.lease_end_s == math.inf


def check_proven(house: House, accepted: list[tuple[str, int, float]]) -> None:
    flows = house.flows()
    for number, circuit in enumerate(house.site.circuits):
        for name, line, limit_a in accepted:
            if name == circuit.id:
                assert abs(flows[number][line]) <= limit_a + NEAR_A, (house.now_s, name, line, limit_a)


def check_order(house: House) -> None:
    """No lease that ends raises a charger before all leases above the safe current on its circuits have ended.

    A charger that could not be told is left out: what it will rise to was reserved for it before.
    """
    for end in house.lease_ends:
        post = house.posts[end.number]
        if end.to_a <= end.from_a or not told_all(house, post):
            continue
        for number, held_a, lease_end_s in end.others:
            other = house.posts[number]
            if other.charger.guarded and set(house.path(other)) & set(house.path(post)):
                assert held_a <= other.charger.safe_a or lease_end_s <= end.at_s, end
