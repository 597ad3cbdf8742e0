"""The meter as a witness of a fall: how much what flows has changed at a time, however its clamps are mounted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId

BEFORE_S = 15.0
"""So long before it is looked at what flows."""
SETTLED_S = 7.0
"""So long after it the car has followed, and the meter shows it."""
LOOKED_S = 18.0
"""So long after it there is enough to look at, of a meter that speaks every ten seconds too."""


class Witness:
    """Of one moment."""

    def __init__(self) -> None:
        self._seen: dict[MeterId, list[tuple[float, Sequence[float]]]] = {}

    def see(self, reading: MeterReading) -> None:
        """A sample, in the order of time."""
        if len(reading.currents):
            self._seen.setdefault(reading.meter, []).append((reading.at_s, reading.currents.values))

    def moved_a(self, at_s: float) -> float | None:
        """The sum of the changes of all lines at that time, of the meter that shows the largest; None: none was
        heard."""
        found = []
        for samples in self._seen.values():
            before = [amps for when, amps in samples if at_s - BEFORE_S <= when <= at_s]
            after = [amps for when, amps in samples if at_s + SETTLED_S <= when]
            if before and after:
                pairs = zip(_level(before), _level(after), strict=True)
                found.append(sum(abs(a - b) for a, b in pairs))
        return max(found, default=None)


def _level(samples: Sequence[Sequence[float]]) -> list[float]:
    return [median(line) for line in zip(*samples, strict=True)]
