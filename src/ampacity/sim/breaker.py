"""Breakers to simulate with: when they trip, and how near a run came to it."""

from __future__ import annotations

import math
from bisect import bisect_right

NO_TRIP_RATIO = 1.13
COOLING_S = 300.0
"""Time in which a fully used budget recovers at 1.13 times the rating and below."""

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
"""First-order heating, dθ/dt = ((I/In)² - θ)/τ: threshold of θ and τ in s, fitted to the same test points. The
earliest and the latest breaker that the standard admits; the latest is slower above 32 A."""


def seconds_to_trip(ratio: float) -> float:
    """On the realistic envelope, log-log between its points; infinite at 1.13 and below, 0.05 at 5 and above."""
    if ratio <= NO_TRIP_RATIO:
        return math.inf
    if ratio >= _RATIOS[-1]:
        return _REALISTIC[-1][1]
    place = bisect_right(_RATIOS, ratio) - 1
    (r1, t1), (r2, t2) = _REALISTIC[place], _REALISTIC[place + 1]
    return math.exp(math.log(t1) + math.log(ratio / r1) / math.log(r2 / r1) * math.log(t2 / t1))


class Breaker:
    """One pole of a breaker, fed second by second. It begins cold."""

    def __init__(self, rating_a: float) -> None:
        self._rating_a = rating_a
        self._calm = NO_TRIP_RATIO * rating_a
        slow = LATEST if rating_a <= 32 else LATEST_ABOVE_32_A
        self._early_step, self._late_step = (1 - math.exp(-1 / tau_s) for _, tau_s in (EARLIEST, slow))
        self._early = self._late = self._early_worst = self._late_worst = 0.0
        self.budget = 0.0
        self.budget_worst = 0.0

    @property
    def heat_worst_earliest(self) -> float:
        """Largest share of the trip heat that the earliest admissible breaker reached."""
        return self._early_worst / EARLIEST[0]

    @property
    def heat_worst_latest(self) -> float:
        return self._late_worst / LATEST[0]

    def carry(self, amps: float) -> bool:
        """One second of this current, in either direction. Returns whether the budget is used up, which trips."""
        ratio = amps / self._rating_a
        square = ratio * ratio
        self._early += (square - self._early) * self._early_step
        self._late += (square - self._late) * self._late_step
        if self._early > self._early_worst:
            self._early_worst = self._early
        if self._late > self._late_worst:
            self._late_worst = self._late
        if abs(amps) > self._calm:
            self.budget += 1 / seconds_to_trip(abs(ratio))
            self.budget_worst = max(self.budget_worst, self.budget)
            return self.budget >= 1.0
        if self.budget:
            self.budget = max(0.0, self.budget - 1 / COOLING_S)
        return False
