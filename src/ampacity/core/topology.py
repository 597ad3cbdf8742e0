"""How one ampere of a charger lands on the lines of the circuits above it.

A *place* is a line of a circuit: number `circuit * lines + line`. Currents on a place are phasors in the frame of that
line's own voltage to neutral: a load of power factor 1 between line and neutral is real.

Chargers between two lines: in the frame of the first line (in cyclic order) the current leads by 30 degrees, in the
frame of the second it lags by 30, since the voltage between lines is 30 degrees off both. So two equal currents on
L1-L2 and L3-L1 load L1 with the square root of 3, not 2. On a split-phase supply both legs see a real current.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ampacity.core.phases import Line, Supply

Pull = tuple[int, float, float]
"""A place, and what one ampere of a charger adds there: real and imaginary part."""

_COS30 = math.sqrt(3) / 2
UNKNOWN_PAIR = 1 / _COS30
"""Between lines and not known which: a real current this much larger covers +30 and -30 degrees."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Derived from the site once."""

    lines: int
    places: int
    phasors: bool
    """False: everything is real and imaginary parts may be left out."""

    parents: tuple[int, ...]
    """Parent of each circuit by number, -1 for the main one."""

    upwards: tuple[int, ...]
    """All circuits, each before its parent."""

    pulls: tuple[tuple[Pull, ...], ...]
    """The different ways in which chargers load the places, each on its own circuit and all above it."""

    way: tuple[tuple[int, ...], ...]
    """[charger][phases in use as a bit mask of its own phases; 0 is all of them]: number in `pulls`."""

    below: tuple[tuple[int, ...], ...]
    """Chargers on each circuit and all below it."""


def topology_of(
    supply: Supply,
    parents: Sequence[int],
    chargers: Sequence[tuple[int, tuple[Line, ...] | None, int]],
    spanning: Sequence[int] = (),
) -> Topology:
    """From the parent of each circuit (-1: none), and circuit, wiring and phase count of each charger. `spanning`:
    circuits that bear all chargers, beside the tree."""
    lines = len(supply.lines)
    number_of: dict[tuple[Pull, ...], int] = {}
    way = []
    below: list[list[int]] = [[] for _ in parents]
    for charger, (circuit, wiring, phases) in enumerate(chargers):
        upwards = [circuit]
        while (parent := parents[upwards[-1]]) >= 0:
            upwards.append(parent)
        upwards += spanning
        for one in upwards:
            below[one].append(charger)
        ways = []
        for mask in range(2**phases):
            landing = loads(supply, wiring, phases, mask or 2**phases - 1)
            pulls = tuple((one * lines + line, re, im) for one in upwards for line, re, im in landing)
            ways.append(number_of.setdefault(pulls, len(number_of)))
        way.append(tuple(ways))
    return Topology(
        lines=lines,
        places=len(parents) * lines,
        phasors=supply is Supply.LINE_TO_LINE,
        parents=tuple(parents),
        upwards=tuple(sorted(range(len(parents)), key=lambda c: -_depth(parents, c))),
        pulls=tuple(number_of),
        way=tuple(way),
        below=tuple(tuple(numbers) for numbers in below),
    )


def _depth(parents: Sequence[int], circuit: int) -> int:
    depth = 0
    while (circuit := parents[circuit]) >= 0:
        depth += 1
    return depth


def loads(supply: Supply, wiring: tuple[Line, ...] | None, phases: int, mask: int) -> tuple[Pull, ...]:
    """Line number and phasor of one ampere in each phase in use, in the order of the lines."""
    if wiring is None:
        size = UNKNOWN_PAIR if supply is Supply.LINE_TO_LINE and phases > 1 else 1.0
        return tuple((int(line), size, 0.0) for line in supply.lines)
    used = [phase for phase in range(phases) if mask >> phase & 1]
    if supply is Supply.LINE_TO_LINE and phases > 1 and len(used) < 3:
        return _between(wiring, phases, used)
    if supply is Supply.SPLIT_PHASE and phases == 2:
        return tuple((int(line), 1.0, 0.0) for line in supply.lines)
    return tuple(sorted((int(wiring[phase]), 1.0, 0.0) for phase in used))


def _between(wiring: tuple[Line, ...], phases: int, used: Sequence[int]) -> tuple[Pull, ...]:
    first = used[0]
    second = used[1] if len(used) == 2 else (first + 1) % phases
    a, b = int(wiring[first]), int(wiring[second])
    if (a + 1) % 3 != b:
        a, b = b, a
    return tuple(sorted(((a, _COS30, 0.5), (b, _COS30, -0.5))))
