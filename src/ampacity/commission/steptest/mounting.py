"""Every way in which a meter's clamps can sit on the supply's lines, and what each makes of a car's current.

A channel of the meter multiplies the current of the line its clamp sits on by the voltage of its own line. So a clamp
on another line, or turned round, shows the car's current at another angle: that is how they are told apart.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from itertools import permutations, product

from ampacity.core.phases import Line, Supply
from ampacity.core.topology import loads


@dataclass(frozen=True, slots=True)
class Clamp:
    """Where the current clamp of one channel sits."""

    line: Line
    turned: bool
    """Its arrow points to the grid."""


Mounting = tuple[Clamp, ...]
"""One clamp a channel, in the order of the channels: channel 1 has the voltage of L1."""

Wiring = tuple[Line, ...]
"""The line of each of a charger's own phases."""


@dataclass(frozen=True, slots=True)
class Load:
    """What an ampere of a car is on each line, in the frame of the line's voltage to neutral."""

    on: tuple[complex, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(Line(line) for line, amps in enumerate(self.on) if amps)


def right(supply: Supply) -> Mounting:
    """As it should be."""
    return tuple(Clamp(line, turned=False) for line in supply.lines)


def mountings(supply: Supply) -> list[Mounting]:
    """All ways to mount one clamp a line: 48 on three lines, 8 on two, 2 on one; the right one first."""
    lines = supply.lines
    return [
        tuple(Clamp(line, turned) for line, turned in zip(order, ways, strict=True))
        for order in permutations(lines)
        for ways in product((False, True), repeat=len(lines))
    ]


def wirings(supply: Supply, phases: int) -> list[Wiring]:
    """All orders in which a charger of so many phases can be connected."""
    return list(permutations(supply.lines, phases))


def load_of(supply: Supply, wiring: Wiring, used: int) -> Load:
    """Of a car that uses the first `used` phases of a charger that is wired so."""
    on = [0j] * len(supply.lines)
    for line, re, im in loads(supply, wiring, len(wiring), 2**used - 1):
        on[line] = complex(re, im)
    return Load(tuple(on))


def possible_loads(supply: Supply, phases: int) -> dict[Load, list[tuple[Wiring, int]]]:
    """What a car can be at a charger of so many phases, and all wirings and phases in use that make it so."""
    found: dict[Load, list[tuple[Wiring, int]]] = {}
    for wiring in wirings(supply, phases):
        for used in range(_fewest(supply, phases), phases + 1):
            found.setdefault(load_of(supply, wiring, used), []).append((wiring, used))
    return found


def _fewest(supply: Supply, phases: int) -> int:
    """Between two lines a car uses both."""
    return 2 if phases == 2 and supply is not Supply.THREE_PHASE else 1


def shown(supply: Supply, mounting: Mounting, load: Load) -> tuple[complex, ...]:
    """What an ampere of the car is on each channel, in the frame of the channel's own voltage."""
    return tuple(
        load.on[clamp.line] * rotation(supply, clamp.line, Line(channel)) * (-1 if clamp.turned else 1)
        for channel, clamp in enumerate(mounting)
    )


def rotation(supply: Supply, line: Line, frame: Line) -> complex:
    """The voltage of a line to neutral in the frame of another's. The phase sequence is L1, L2, L3."""
    if supply is Supply.SPLIT_PHASE:
        return -1 + 0j if line is not frame else 1 + 0j
    return cmath.exp(-2j * math.pi * (line - frame) / 3)
