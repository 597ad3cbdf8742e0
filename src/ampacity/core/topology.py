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
_UNKNOWN_PAIR = 1 / _COS30
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

    own: tuple[tuple[tuple[Pull, ...], ...], ...]
    """[charger][phases in use as a bit mask of the charger's own phases]: pulls on its own circuit only. Mask 0 is
    all phases."""

    path: tuple[tuple[tuple[Pull, ...], ...], ...]
    """The same on its own circuit and all above it."""

    certain: tuple[bool, ...]
    """Whether the wiring of each charger is known."""


def topology_of(
    supply: Supply, parents: Sequence[int], chargers: Sequence[tuple[int, tuple[Line, ...] | None, int]]
) -> Topology:
    """From the parent of each circuit (-1: none), and circuit, wiring and phase count of each charger."""
    lines = len(supply.lines)
    known: dict[tuple[Pull, ...], tuple[Pull, ...]] = {}  # one object for equal pulls: chargers are grouped by identity
    own, path = [], []
    for circuit, wiring, phases in chargers:
        own_masks, path_masks = [], []
        for mask in range(2**phases):
            loads = _loads(supply, wiring, phases, mask or 2**phases - 1)
            here = tuple((circuit * lines + line, re, im) for line, re, im in loads)
            above = list(here)
            parent = parents[circuit]
            while parent >= 0:
                above.extend((parent * lines + line, re, im) for line, re, im in loads)
                parent = parents[parent]
            own_masks.append(known.setdefault(here, here))
            path_masks.append(known.setdefault(tuple(above), tuple(above)))
        own.append(tuple(own_masks))
        path.append(tuple(path_masks))
    return Topology(
        lines=lines,
        places=len(parents) * lines,
        phasors=supply is Supply.LINE_TO_LINE,
        parents=tuple(parents),
        upwards=tuple(sorted(range(len(parents)), key=lambda c: -_depth(parents, c))),
        own=tuple(own),
        path=tuple(path),
        certain=tuple(wiring is not None for _, wiring, _ in chargers),
    )


def _depth(parents: Sequence[int], circuit: int) -> int:
    depth = 0
    while (circuit := parents[circuit]) >= 0:
        depth += 1
    return depth


def _loads(supply: Supply, wiring: tuple[Line, ...] | None, phases: int, mask: int) -> tuple[Pull, ...]:
    """Line number and phasor of one ampere in each phase in use, in the order of the lines."""
    if wiring is None:
        size = _UNKNOWN_PAIR if supply is Supply.LINE_TO_LINE and phases > 1 else 1.0
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
