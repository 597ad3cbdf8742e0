"""The code of a step test: up and down in turn, each held for a time drawn by lot, so that no building follows it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate

from ampacity.commission.steptest.following import Order

LEAST_S = 5.0
"""A setpoint is held for so long at least: chargers want some seconds between messages, and cars some to follow."""
DRAWN_S = 1.0
"""And by lot for up to so much longer."""
LONGER, LONGER_S = 0.35, (3.0, 9.0)
"""So often for so much longer still: a building that pulses regularly never stays in step."""


def least_s(min_interval_s: float) -> float:
    """Of a charger that wants so many seconds between two messages."""
    return max(LEAST_S, min_interval_s + 0.5)


def held_s(min_interval_s: float, draw: random.Random) -> float:
    """For how long the next setpoint is held."""
    longer_s = draw.uniform(*LONGER_S) if draw.random() < LONGER else 0.0
    return least_s(min_interval_s) + draw.uniform(0.0, DRAWN_S) + longer_s


def like(orders: Sequence[Order], end_s: float, codes: int, draw: random.Random) -> list[list[Order]]:
    """Orders that might have been given and were not: the same setpoints, each held as long as it was, in another
    order and from another moment. Each begins with the setpoint in force when the first one was given."""
    held = _held(orders, end_s) if orders else []
    if len(held) < 2:
        return [list(orders) for _ in range(codes)]
    return [_other(held, orders[0].at_s, draw) for _ in range(codes)]


def _held(orders: Sequence[Order], end_s: float) -> list[tuple[float, float]]:
    """Each setpoint, and for how long it was held."""
    changes: list[Order] = []
    for one in orders:
        if not changes or one.limit_a != changes[-1].limit_a:
            changes.append(one)
    ends = [one.at_s for one in changes[1:]] + [max(end_s, changes[-1].at_s)]
    return [(one.limit_a, until_s - one.at_s) for one, until_s in zip(changes, ends, strict=True)]


def _other(held: Sequence[tuple[float, float]], start_s: float, draw: random.Random) -> list[Order]:
    middle_a = (min(limit for limit, _ in held) + max(limit for limit, _ in held)) / 2
    high = [one for one in held if one[0] > middle_a]
    low = [one for one in held if one[0] <= middle_a]
    draw.shuffle(high)
    draw.shuffle(low)
    mixed = [high.pop() if limit > middle_a else low.pop() for limit, _ in held]
    # As a ring, entered anywhere.
    ends_s = list(accumulate(seconds for _, seconds in mixed))
    enter_s = draw.uniform(0.0, ends_s[-1])
    first = next(number for number, end_s in enumerate(ends_s) if end_s >= enter_s)
    out = [Order(start_s, mixed[first][0])]
    at_s = start_s + ends_s[first] - enter_s
    for limit_a, seconds in [*mixed[first + 1 :], *mixed[: first + 1]]:
        out.append(Order(at_s, limit_a))
        at_s += seconds
    return out
