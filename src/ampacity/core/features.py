"""Energy features: what may be switched on together, and what a site needs for each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Feature(Enum):
    """What an owner switches on."""

    DYNAMIC = "dynamic"
    """Dynamic load management: several chargers share what the building leaves, by the meter."""
    STATIC = "static"
    """Static load management: all chargers together have a fixed current. No meter is needed."""
    SINGLE = "single"
    """Single-charger mode: one charger has what the building leaves, by the meter."""
    SCHEDULES = "schedules"
    """Times when chargers may charge, or are limited."""
    SOLAR = "solar"
    """Solar charging: chargers have what the building would feed into the grid."""


class SolarMode(Enum):
    """What happens when the sun gives less than a charger's minimum."""

    SURPLUS = "surplus"
    """The charger pauses."""
    TOP_UP = "top-up"
    """The grid tops it up to the minimum."""


BY_METER = frozenset({Feature.DYNAMIC, Feature.SINGLE, Feature.SOLAR})
"""They read the building's meter."""

STEERING = frozenset({Feature.DYNAMIC, Feature.STATIC, Feature.SINGLE, Feature.SOLAR})
"""With one of them on, chargers get current; schedules only take some away."""

_APART = frozenset(
    {
        frozenset({Feature.DYNAMIC, Feature.SINGLE}),
        frozenset({Feature.DYNAMIC, Feature.SOLAR}),
        frozenset({Feature.STATIC, Feature.SOLAR}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What is switched on, with its settings."""

    on: frozenset[Feature] = frozenset({Feature.DYNAMIC})

    static_a: float | None = None
    """What all chargers together may draw on each line; greater than 6 A. Kept while static is off."""

    solar: SolarMode = SolarMode.SURPLUS

    @property
    def steers(self) -> bool:
        """Whether any charger gets more than its safe current."""
        return bool(self.on & STEERING)

    @property
    def reads_meter(self) -> bool:
        """False: the fixed current alone holds, and the building is not looked at."""
        return bool(self.on & BY_METER) or not self.steers


class Conflict(NamedTuple):
    """Two features that can't be on together."""

    feature: Feature
    other: Feature


def go_together(one: Feature, other: Feature) -> bool:
    """Whether two features may be on at once; the order does not matter."""
    return frozenset({one, other}) not in _APART


def conflicts(on: Collection[Feature]) -> list[Conflict]:
    """All pairs that may not be on together, in the order of `Feature`."""
    order = [feature for feature in Feature if feature in on]
    return [
        Conflict(one, other)
        for number, one in enumerate(order)
        for other in order[number + 1 :]
        if not go_together(one, other)
    ]
