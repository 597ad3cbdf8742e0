"""The code of a step test: high and low at random, in equal numbers, so that no building can follow it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from ampacity.commission.steptest.response import Order

CHIP_S = 6.0
"""High or low for at least so long: chargers want some seconds between messages."""
CODE_S = 144.0
"""All of it. With the start, and the car's last answer, a test is over in three minutes."""
CHANGES = 0.45
"""So many steps are changes at least: only changes tell anything."""


def code(chips: int, draw: random.Random) -> tuple[bool, ...]:
    """High or low, chip by chip: half of them high. At least four chips, an even number."""
    highs = [chip < chips // 2 for chip in range(chips)]
    while True:
        draw.shuffle(highs)
        if sum(a != b for a, b in pairwise(highs)) >= CHANGES * (chips - 1):
            return tuple(highs)


def like(orders: Sequence[Order], codes: int, draw: random.Random) -> list[list[Order]]:
    """Other orders at the same times, out of the same setpoints: what might have been sent and was not."""
    found: list[list[Order]] = []
    limits = [one.limit_a for one in orders]
    changes = sum(a != b for a, b in pairwise(limits))
    for _ in range(codes):
        for _ in range(200):
            shuffled = limits[:]
            draw.shuffle(shuffled)
            if abs(sum(a != b for a, b in pairwise(shuffled)) - changes) <= 2:
                break
        found.append([Order(one.at_s, limit) for one, limit in zip(orders, shuffled, strict=True)])
    return found
