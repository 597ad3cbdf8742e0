"""Breakers to simulate with: when they trip, and how near a run came to it."""

from __future__ import annotations

import math
from bisect import bisect_right

_REALISTIC = (
    (1.13, 3600.0),
    (1.2, 900.0),
    (1.3, 240.0),
    (1.45, 70.0),
    (1.7, 28.0),
    (2.0, 12.0),
    (2.55, 4.0),
    (4.0, 1.5),
    (5.0, 0.05),
)
"""The realistic lower envelope: ratio to the rating and seconds to trip, from the test points of IEC 60898-1."""
_RATIOS = [ratio for ratio, _ in _REALISTIC]
EARLIEST = (1.277, 4.57)
LATEST = (2.0, 163.0)
LATEST_ABOVE_32_A = (2.0, 326.0)
"""First-order heating: threshold in squares of the ratio, and time constant in s, fitted to the same points."""


def seconds_to_trip(ratio: float) -> float:
    """On the realistic envelope, log-log between its points; infinite at 1.13 and below."""
    if ratio <= 1.13:
        return math.inf
    place = min(bisect_right(_RATIOS, ratio) - 1, len(_REALISTIC) - 2)
    (r1, t1), (r2, t2) = _REALISTIC[place], _REALISTIC[place + 1]
    if ratio >= 5.0:
        return 0.05
    return math.exp(math.log(t1) + (math.log(ratio) - math.log(r1)) / (math.log(r2) - math.log(r1)) * math.log(t2 / t1))


class Breaker:
    """One line of a breaker, fed second by second."""

    def __init__(self, rating_a: float) -> None:
        self._rating_a = rating_a
        self._slow = LATEST if rating_a <= 32 else LATEST_ABOVE_32_A
        self.budget = 0.0
        self.budget_worst = 0.0
        self.trips = 0
        self._heat = [0.0, 0.0]
        self.heat_worst = [0.0, 0.0]
        """Share of the trip heat, for the earliest and the latest admissible breaker."""

    def carry(self, amps: float) -> None:
        """One second of this current. A breaker that trips is closed again at once, cold."""
        ratio = abs(amps) / self._rating_a
        if ratio <= 1.13:
            if self.budget > 0.0:
                self.budget = max(0.0, self.budget - 1 / 300)
        else:
            self.budget += 1 / seconds_to_trip(ratio)
            self.budget_worst = max(self.budget_worst, self.budget)
            if self.budget >= 1.0:
                self.trips += 1
                self.budget = 0.0
        square = ratio * ratio
        for n, (threshold, tau_s) in enumerate((EARLIEST, self._slow)):
            heat = self._heat[n] = self._heat[n] + (square - self._heat[n]) * (1 - math.exp(-1 / tau_s))
            if heat > self.heat_worst[n] * threshold:
                self.heat_worst[n] = heat / threshold
