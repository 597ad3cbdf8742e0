"""What a pass works on: each charger while it is being decided on, and what was chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ampacity.core.allocate import Room
from ampacity.core.cars import DRAWING_A, served_as
from ampacity.core.decision import Cause, Place, Rule
from ampacity.core.memory import ChargerMemory, Want
from ampacity.core.phases import Line
from ampacity.core.site import Charger, Site
from ampacity.core.topology import Pull

TOLERANCE_A = 0.03
"""An excess no larger than this is rounding."""

RAISE_A = 0.5
"""A raise by less is not worth a message, unless it is the last one."""

NEAR_A = 1e-6


@dataclass(slots=True)
class Car:
    """A charger while it is being decided on."""

    number: int
    charger: Charger
    memory: ChargerMemory
    limit_a: float
    """The setpoint, as it grows into the decision."""
    way: int
    pulls: tuple[Pull, ...]
    floor_a: float
    cap_a: float
    rank: int
    want: Want
    movable: bool
    """It can be sent commands now."""
    follows: bool = True
    """False: it was lowered, and nothing has shown yet that it has followed."""
    holds_a: float = 0.0
    """What it has beyond its setpoint: it refused to give that up, its lease ended, or its car draws more than it may.
    A meter shows it; where there is none, it has to be counted."""
    held_by: Cause | None = None
    """What makes its cap lower than it would be: a schedule, the sun, load management that is off."""
    reason: Cause | None = None
    place: Place | None = None
    spare: bool = False
    """It waits, and the room for its start is of no use to those who charge."""
    enters: bool = False
    """It waits, and may start as soon as room for it is free."""
    stop: int | None = None
    """It waits, and this place is too full for its start."""

    @property
    def settled_a(self) -> float:
        """The most that may be in force at the charger, now or by this decision, once it has followed."""
        if self.movable and self.want is Want.NOTHING and self.memory.draw_a < DRAWING_A:
            return 0.0
        return max(self.memory.ceiling_a, self.limit_a)

    @property
    def reserved_a(self) -> float:
        """The same, while nothing has shown that it has followed."""
        return self.settled_a if self.follows else max(self.settled_a, self.memory.before_a)

    def loads(self, place: int) -> bool:
        return any(pull[0] == place for pull in self.pulls)

    def pull_at(self, place: int) -> float:
        """Amperes there for each of its own; the place is one that it loads."""
        return next(math.hypot(re, im) for at, re, im in self.pulls if at == place)

    def served(self, now_s: float) -> float:
        """Ampere-seconds that it was offered lately, by weight."""
        return served_as(self.memory, now_s) / self.charger.weight


@dataclass(slots=True)
class Plan:
    """What was chosen."""

    cars: list[Car]
    over: list[bool]
    """Per circuit: there is an excess that only a pause can remove, and it is borne for now."""
    short: list[bool | None]
    """Per circuit: a car that waits finds no room there; None: nobody waits."""
    unfair: bool | None
    """Somebody has less than a fair share because others have more; None: it was not looked at."""
    trimming: bool
    """Nothing has happened for long: even small differences from the fair shares are settled."""


def cause_at(site: Site, rule: Rule, place: int) -> Cause:
    """The rule, at this line of this circuit."""
    circuit, line = divmod(place, site.topology.lines)
    return Cause(rule, site.circuits[circuit].id, Line(line))


def summed(site: Site, amps_by_way: Sequence[tuple[int, float]]) -> Room:
    """Currents of chargers, added up at every place; no limits yet."""
    topology = site.topology
    sums = [0.0] * len(topology.pulls)
    for way, amps in amps_by_way:
        sums[way] += amps
    room = Room([0.0] * topology.places, [0.0] * topology.places, [0.0] * topology.places)
    for way, amps in enumerate(sums):
        if amps != 0.0:
            room.add(topology.pulls[way], amps)
    return room
