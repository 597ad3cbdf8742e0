"""Cars that come and go at one charger. Repeatable by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ampacity.sim.wire.car import Car

NAMES = ("hatchback", "estate", "van", "city car", "limousine", "taxi", "pick-up", "convertible")
COLOURS = ("blue", "red", "white", "green", "grey", "yellow", "silver", "black")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A car at the plug from one time to another, in seconds since the start."""

    from_s: float
    to_s: float
    car: Car


def visits(charger: str, phases: int, seed: int, *, first_s: float, first_phases: int) -> Iterator[Visit]:
    """Without end, in order, never two at once. Some cars get full, others leave before.

    Times are those of a day, compressed to minutes, so that somebody who watches for ten sees all of it.
    """
    chance = random.Random(f"{seed} {charger}")
    at_s, of_phases = first_s, first_phases
    while True:
        stay_s = chance.uniform(140.0, 330.0)
        car = Car(
            name=f"{chance.choice(COLOURS)} {chance.choice(NAMES)}",
            max_a=16.0 if of_phases > 1 else chance.choice((16.0, 20.0, 32.0)),
            phases=of_phases,
            wanted_wh=round(chance.uniform(0.4, 1.3) * stay_s * of_phases * 0.6),
        )
        yield Visit(from_s=at_s, to_s=at_s + stay_s, car=car)
        at_s += stay_s + chance.uniform(15.0, 60.0)
        of_phases = min(phases, chance.choice((1, 3, 3)))
