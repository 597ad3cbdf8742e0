"""How much room there is at each place, and how much of it has lasted long enough for what it is wanted for.

Two reckonings. What is *sure* takes the least the cars can be drawing off the meter, and counts the most they may draw
on top: a raise stays within it, so that no ramp under way is handed out a second time. What is *expected* is the room
as it will be when all have followed their setpoints: choices go by it, since it does not waver while cars follow.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from ampacity.core.allocate import Room
from ampacity.core.building import headroom_a
from ampacity.core.decision import Blindness
from ampacity.core.memory import CircuitMemory, PlaceMemory
from ampacity.core.patience import waits_s
from ampacity.core.plan import Car, summed
from ampacity.core.site import Site
from ampacity.core.trust import GOOD_SAMPLES

_NONE = -1


class Wait(IntEnum):
    """What room is wanted for; the more a mistake costs, the longer it must have lasted. Order of `waits_s`."""

    NOW = 0
    """As it is."""
    RAISE = 1
    """A raise that is worth a message."""
    SMALL = 2
    """A small raise."""
    START = 3
    """The start of a car, where those who charge could use the room as well."""
    SPARE = 4
    """The start of a car, where nobody else can use the room."""


@dataclass(slots=True)
class Rooms:
    """Taken and limit of every place. Lists by `Wait`."""

    sure: list[Room]
    expected: list[Room]
    kept: list[tuple[Car, float]] = field(default_factory=list)
    """What is kept free for cars that are about to start."""
    _reaches: list[dict[int, tuple[float, int | None]]] = field(default_factory=lambda: [{} for _ in Wait])
    """Answers of `reach`, until something is taken."""

    def reach(self, wait: Wait, car: Car) -> tuple[float, int | None]:
        """How much more is surely there for a car, and the place that stops it (None: nothing does)."""
        known = self._reaches[wait]
        if (answer := known.get(car.way)) is None:
            answer = known[car.way] = self.sure[wait].reach_a(car.pulls)
        return answer

    def keep(self, car: Car, amps: float) -> None:
        """Kept free for its start."""
        self.kept.append((car, amps))
        self.take(car, amps)

    def take(self, car: Car, amps: float) -> None:
        """What is given to one car is not given to another."""
        for room, known in zip(self.sure, self._reaches, strict=True):
            room.add(car.pulls, amps)
            known.clear()


def cut_room(
    site: Site, cars: Sequence[Car], circuits: Sequence[CircuitMemory], blind: Sequence[Blindness | None]
) -> Room:
    """What the meters show, as it will be when all follow their setpoints: cuts go by it."""
    room = summed(site, [(car.way, car.limit_a) for car in cars])
    _count_held(site, cars, room, beyond_reserved=False)
    for place, (re, im, limit) in enumerate(_buildings(site, circuits, blind, cautious=False)):
        room.re[place] += re
        room.im[place] += im
        room.limit[place] = math.inf if blind[place // site.topology.lines] else limit
    return room


def rooms_of(
    site: Site,
    cars: Sequence[Car],
    circuits: Sequence[CircuitMemory],
    blind: Sequence[Blindness | None],
    scarce: Collection[int],
) -> Rooms:
    """Room for more. `scarce`: circuits where a car waits."""
    expected = summed(site, [(car.way, car.settled_a) for car in cars])
    _count_held(site, cars, expected, beyond_reserved=True)
    sure = expected.copy()
    for car in cars:
        if not car.follows:
            sure.add(car.pulls, car.reserved_a - car.settled_a)
    _count_gone(site, cars, circuits, sure)
    for place, (re, im, limit) in enumerate(_buildings(site, circuits, blind, cautious=True)):
        sure.re[place] += re
        sure.im[place] += im
        sure.limit[place] = limit
    lines = site.topology.lines
    for place, (re, im, limit) in enumerate(_buildings(site, circuits, blind, cautious=False)):
        number = place // lines
        dark = site.circuits[number].meter is not None and not _is_known(circuits[number], blind[number])
        expected.re[place] += re
        expected.im[place] += im
        expected.limit[place] = -math.inf if dark else limit
    rooms = Rooms([sure, *(sure.copy() for _ in range(4))], [expected, *(expected.copy() for _ in range(4))])
    for number, memory in enumerate(circuits):
        if not blind[number] and memory.places:
            _hold_peaks(site, number, memory, number in scarce, rooms)
    return rooms


def _count_held(site: Site, cars: Sequence[Car], room: Room, *, beyond_reserved: bool) -> None:
    """What chargers have beyond their setpoints, where no meter of the circuit itself or below it shows it."""
    lines = site.topology.lines
    for car in cars:
        held_a = car.holds_a - (car.settled_a - (car.memory.limit_a or 0.0) if beyond_reserved else 0.0)
        if held_a <= 0.0:
            continue
        circuit = site.index_of_circuit[car.charger.circuit]
        while circuit != _NONE and site.circuits[circuit].meter is None:
            for place, re, im in car.pulls:
                if place // lines == circuit:
                    room.re[place] += re * held_a
                    room.im[place] += im * held_a
            circuit = site.topology.parents[circuit]


def _count_gone(site: Site, cars: Sequence[Car], circuits: Sequence[CircuitMemory], room: Room) -> None:
    """Of a car that drew on nobody knows which lines, and gave something up since a meter's newest sample, or shows
    since then where it draws: there is more room for that only when the meter has shown where."""
    lines, topology = site.topology.lines, site.topology
    for number, memory in enumerate(circuits):
        if len(memory.loose_a) != len(topology.below[number]):
            continue
        for below, loose_a in zip(topology.below[number], memory.loose_a, strict=True):
            if loose_a == 0.0 or (loose_a <= cars[below].reserved_a and cars[below].way == topology.way[below][0]):
                continue
            counted = {place: (re, im) for place, re, im in cars[below].pulls}
            above = _up_to_a_meter(site, number)
            for place, re, im in topology.pulls[topology.way[below][0]]:
                if place // lines in above:
                    now_re, now_im = counted.get(place, (0.0, 0.0))
                    share = max(0.0, loose_a - cars[below].reserved_a * math.hypot(now_re, now_im) / math.hypot(re, im))
                    room.re[place] += re * share
                    room.im[place] += im * share


def _up_to_a_meter(site: Site, circuit: int) -> list[int]:
    """The circuit and those above it that are reckoned from its building: up to the next one with a meter."""
    out = [circuit]
    while (circuit := site.topology.parents[circuit]) != _NONE and site.circuits[circuit].meter is None:
        out.append(circuit)
    return out


def _is_known(memory: CircuitMemory, blind: Blindness | None) -> bool:
    return not blind and memory.good >= GOOD_SAMPLES


def _hold_peaks(site: Site, number: int, memory: CircuitMemory, scarce: bool, rooms: Rooms) -> None:
    """Counts the building with its highest value of the time that room must have lasted."""
    waits = waits_s(memory, scarce=scarce)
    for line, place in enumerate(memory.places):
        at = number * site.topology.lines + line
        limit = site.limits_a[number][line]
        low_a, high_a = _along(place, limit)
        for wait in range(1, len(waits)):
            since_s = (memory.at_s or 0.0) - waits[wait]
            peak_a = next((height for time_s, height in place.peaks if time_s >= since_s), -math.inf)
            rooms.sure[wait].re[at] += max(0.0, peak_a - high_a)
            rooms.expected[wait].re[at] += max(0.0, peak_a - low_a)


def _along(place: PlaceMemory, limit_a: float) -> tuple[float, float]:
    """The low and the high reckoning of the building, as amperes that fill the limit like its peaks."""
    if place.high_limit_a == limit_a:
        return (
            limit_a - headroom_a(place.low_re, place.low_im, limit_a),
            limit_a - headroom_a(place.high_re, place.high_im, limit_a),
        )
    size_a = math.copysign(math.hypot(place.low_re, place.low_im), place.low_re)
    return size_a, size_a


def _buildings(
    site: Site, circuits: Sequence[CircuitMemory], blind: Sequence[Blindness | None], *, cautious: bool
) -> list[tuple[float, float, float]]:
    """The building at each place: real and imaginary part, and the limit that goes with it."""
    lines, parents = site.topology.lines, site.topology.parents
    out: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)] * site.topology.places
    below = [(0.0, 0.0, 0.0)] * site.topology.places
    for number in site.topology.upwards:
        circuit, memory = site.circuits[number], circuits[number]
        known = bool(memory.places) and not blind[number]
        for line in range(lines):
            at = number * lines + line
            limit = site.limits_a[number][line]
            loose = 0.0  # of the building, at an angle that nobody knows: it adds in full
            if circuit.meter is None:
                re, im, loose = below[at]
                if site.topology.phasors:
                    loose += circuit.other_load_a
                else:
                    re += circuit.other_load_a
                limit -= loose
            elif not known:
                re, im = (limit if circuit.worst_load_a is None else circuit.worst_load_a[line]), 0.0
                limit = -math.inf if cautious else math.inf
            elif cautious:
                place = memory.places[line]
                re, im = place.high_re, place.high_im
                limit = place.high_limit_a if memory.good >= GOOD_SAMPLES else -math.inf
            else:
                place = memory.places[line]
                re, im = place.low_re, place.low_im
            out[at] = (re, im, limit)
            if (parent := parents[number]) != _NONE:
                up = parent * lines + line
                below[up] = (below[up][0] + re, below[up][1] + im, below[up][2] + loose)
    return out
