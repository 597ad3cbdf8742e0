"""Lines of the supply and quantities per line. The unit is the type: amperes minus watts does not type-check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Self


class Line(IntEnum):
    """A line conductor of the building's supply, in the order the meter counts them."""

    L1 = 0
    L2 = 1
    L3 = 2


class Supply(Enum):
    """How the building is fed, which decides how the currents of chargers add on a line."""

    SINGLE_PHASE = "single-phase"
    """One line and neutral."""

    SPLIT_PHASE = "split-phase"
    """Two legs of 120 V about a neutral; a 240 V charger sits across both and loads both."""

    THREE_PHASE = "three-phase"
    """Three lines and neutral; chargers sit between lines and neutral, so their currents add arithmetically."""

    LINE_TO_LINE = "three-phase-line-to-line"
    """Three lines; chargers on two lines sit between them (120/208 V, and 230 V nets without neutral): currents
    add as phasors."""

    @property
    def lines(self) -> tuple[Line, ...]:
        match self:
            case Supply.SINGLE_PHASE:
                return (Line.L1,)
            case Supply.SPLIT_PHASE:
                return (Line.L1, Line.L2)
            case Supply.THREE_PHASE | Supply.LINE_TO_LINE:
                return (Line.L1, Line.L2, Line.L3)


@dataclass(frozen=True, slots=True)
class _PerPhase:
    """One number a phase, in the order of the lines, or of a charger's own phases where so said. Length 1 to 3."""

    values: tuple[float, ...]

    def __iter__(self) -> Iterator[float]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, phase: int) -> float:
        return self.values[phase]

    def __add__(self, other: Self) -> Self:
        return type(self)(tuple(a + b for a, b in zip(self.values, other.values, strict=True)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True, slots=True)
class PhaseAmps(_PerPhase):
    """Amperes per phase. At a building's meter: positive flows from the grid into the building."""


@dataclass(frozen=True, slots=True)
class PhaseVolts(_PerPhase):
    """Volts per phase: line to neutral, or line to line on supplies without a neutral."""


@dataclass(frozen=True, slots=True)
class PhaseWatts(_PerPhase):
    """Active power per phase in watts; positive is import."""


@dataclass(frozen=True, slots=True)
class PhaseVars(_PerPhase):
    """Reactive power per phase in var; positive is inductive import."""
