"""How long a breaker bears an excess: the controller's own, cautious picture of it.

The lower envelope of real thermal-magnetic breakers, between the test points of IEC 60898-1 (no trip at 1.13 times the
rating within an hour; 2.55 times trips after 1 s at the earliest, typical ones after 4 s), log-log between the points.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise

NO_TRIP_RATIO = 1.13
COOLING_S = 300.0
"""Time in which a fully used budget recovers."""

_POINTS = (
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
_RATIOS = tuple(ratio for ratio, _ in _POINTS)
_SLOPES = tuple(math.log(t2 / t1) / math.log(r2 / r1) for (r1, t1), (r2, t2) in pairwise(_POINTS))


def trip_time_s(ratio: float) -> float:
    """Seconds a cold breaker bears `ratio` times its rating; infinite at 1.13 and below."""
    if ratio <= NO_TRIP_RATIO:
        return math.inf
    if ratio >= _RATIOS[-1]:
        return _POINTS[-1][1]
    place = bisect_right(_RATIOS, ratio) - 1
    start_ratio, start_s = _POINTS[place]
    return start_s * float((ratio / start_ratio) ** _SLOPES[place])


def budget_after(budget: float, ratio: float, seconds: float) -> float:
    """The share of the trip budget used after `seconds` at `ratio` times the rating; 1 trips, 0 is cold."""
    if ratio <= NO_TRIP_RATIO:
        return max(0.0, budget - seconds / COOLING_S)
    return budget + seconds / trip_time_s(ratio)
