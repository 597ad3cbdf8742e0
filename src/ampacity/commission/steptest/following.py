"""How a car follows its setpoint: after a dead time, up and down at its own rates, to its own maximum.

It is found as what explains best how all channels of a meter move, and what the charger reports. No message takes as
long as the one before, so each gets its own delay afterwards.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_DEAD_S = 9.0
"""A car is given 5 s (IEC 61851-1), message and meter some more."""
DEAD_S = tuple(0.4 * step for step in range(23))
RATES_A_PER_S = (math.inf, 8.0, 5.0, 3.0, 2.0, 1.4, 1.0, 0.7, 0.45)
LEAST_RATE_A_PER_S = 0.35
TOPS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""A car's own maximum, between the setpoints."""
WAYS, BEGUN, SWEEPS, NEARBY = 150, 2, 3, 20
"""So many ways to follow are tried at random; from the best ones, and a fast one, it goes on; so many like each of the
best are tried in the end."""
BLUR_A = 1.0
USUAL_DEAD_S, LONGER_DEAD = 6.0, 2.0
"""A dead time beyond that is so unlikely for every second, as a logarithm."""
SMALLER = 2.0
"""So unlikely is a maximum of the car at its minimum, as a logarithm."""
FINER = (0.85, 0.92, 1.0, 1.08, 1.17)
"""Rates between those."""
DELAYS_S = (-0.6, -0.45, -0.3, -0.15, 0.0, 0.15, 0.3, 0.45, 0.6)
"""By how much one message takes longer or shorter than usual."""
DELAY_USUAL_S = 0.35
DELAY_SURE_S = 0.05
"""Better than this none is found."""
AT_ONCE_A_PER_S = 1e6
REPORTS_COUNT = 3.0
"""A report has nothing of the building in it, and tells more than a sample."""
TAKEN, TAKEN_ERROR, TAKEN_MOST = 0.97, 0.05, 5.0
"""Of an ampere more a car usually draws about so much, below its maximum; how unusual another share may count."""
REPORT_SCALE_A = 0.5
"""A charger's report that is further off was made while the car was on its way."""


@dataclass(frozen=True, slots=True)
class Order:
    """A setpoint, from the moment the charger was told."""

    at_s: float
    limit_a: float


@dataclass(frozen=True, slots=True)
class Follows:
    """How the car follows its setpoint."""

    dead_s: float
    up_a_per_s: float
    down_a_per_s: float
    most_a: float
    """More than this it can't use."""


@dataclass(frozen=True, slots=True)
class Reports:
    """What the charger says its car draws."""

    at_s: Floats
    amps: Floats


def drawn(orders: Sequence[Order], times_s: Floats, ways: Sequence[Follows], delays_s: Floats | None = None) -> Floats:
    """What cars that follow so would draw, [time, way]. `delays_s`: of each order beside the dead time, [order, way].
    Before the first order its limit is in force."""
    at_s = np.array([one.at_s for one in orders])
    felt_s = at_s[:, None] + np.array([one.dead_s for one in ways])[None, :]
    if delays_s is not None:
        felt_s = felt_s + delays_s
    felt_s = np.maximum.accumulate(felt_s, axis=0)
    target = np.minimum(
        np.array([one.limit_a for one in orders])[:, None], np.array([one.most_a for one in ways])[None, :]
    )
    up = np.minimum(np.array([one.up_a_per_s for one in ways]), AT_ONCE_A_PER_S)
    down = np.minimum(np.array([one.down_a_per_s for one in ways]), AT_ONCE_A_PER_S)
    at_felt = np.empty_like(felt_s)
    at_felt[0] = target[0]
    for number in range(1, len(orders)):
        gone_s = felt_s[number] - felt_s[number - 1]
        before, towards = at_felt[number - 1], target[number - 1]
        at_felt[number] = np.minimum(np.maximum(towards, before - down * gone_s), before + up * gone_s)
    last = np.maximum((felt_s[:, None, :] <= times_s[None, :, None]).sum(axis=0) - 1, 0)
    gone_s = np.maximum(times_s[:, None] - np.take_along_axis(felt_s, last, axis=0), 0.0)
    begun, towards = np.take_along_axis(at_felt, last, axis=0), np.take_along_axis(target, last, axis=0)
    return np.asarray(np.minimum(np.maximum(towards, begun - down * gone_s), begun + up * gone_s))


class Unlike(Protocol):
    """How badly each way to follow explains what was seen, [way]."""

    def __call__(self, ways: Sequence[Follows], blur_a: float) -> Floats:
        """`blur_a`: differences below this count little."""
        ...


def best_way(unlike: Unlike, orders: Sequence[Order]) -> Follows:
    """The way to follow of least loss: among many at random, then nearer and nearer to the best; first roughly, so that
    none stays where it only seems to fit."""
    low_a, high_a = min(one.limit_a for one in orders), max(one.limit_a for one in orders)

    def loss(ways: Sequence[Follows], blur_a: float) -> Floats:
        # A car that follows at once shows nothing of its maximum: then it is taken to have none.
        smaller = SMALLER * (high_a - np.array([one.most_a for one in ways])) / (high_a - low_a)
        longer = LONGER_DEAD * np.maximum(0.0, np.array([one.dead_s for one in ways]) - USUAL_DEAD_S)
        return unlike(ways, blur_a) + smaller + longer

    def rough(ways: Sequence[Follows]) -> Floats:
        return loss(ways, BLUR_A)

    def sharp(ways: Sequence[Follows]) -> Floats:
        return loss(ways, 0.0)

    draw = random.Random(len(orders))
    ways = [_anyhow(low_a, high_a, draw) for _ in range(WAYS)]
    begun = [Follows(1.0, math.inf, math.inf, high_a), *(ways[place] for place in np.argsort(rough(ways))[:BEGUN])]
    best = [_descend(one, low_a, high_a, rough) for one in begun]
    for loss_now, width in ((rough, 0.3), (sharp, 0.15), (sharp, 0.05)):
        ways = [*best, *(_near(one, width, low_a, high_a, draw) for one in best for _ in range(NEARBY))]
        best = [ways[place] for place in np.argsort(loss_now(ways))[: len(begun)]]
    return _finer(best[0], float(sharp(best[:1])[0]), sharp, low_a)


def _descend(way: Follows, low_a: float, high_a: float, loss: Callable[[Sequence[Follows]], Floats]) -> Follows:
    """One thing after the other."""
    tops = [low_a + share * (high_a - low_a) for share in TOPS]
    best = float(loss([way])[0])
    for _ in range(SWEEPS):
        before = best
        for tried in (
            [replace(way, dead_s=one) for one in DEAD_S],
            _up_and_dead(way, RATES_A_PER_S, (-1.0, 0.0, 1.0)),
            _down_and_dead(way, RATES_A_PER_S, (-1.0, 0.0, 1.0)),
            [replace(way, most_a=one) for one in tops],
        ):
            way, best = _better(way, best, tried, loss)
        if best >= before - 1e-9:
            break
    return way


def _anyhow(low_a: float, high_a: float, draw: random.Random) -> Follows:
    top = high_a if draw.random() < 0.5 else draw.uniform(low_a + 0.5, high_a)
    return Follows(draw.uniform(0.0, MOST_DEAD_S), _any_rate(draw), _any_rate(draw), top)


def _any_rate(draw: random.Random) -> float:
    return math.inf if draw.random() < 0.3 else math.exp(draw.uniform(math.log(0.4), math.log(10.0)))


def _near(way: Follows, width: float, low_a: float, high_a: float, draw: random.Random) -> Follows:
    """Like it, but in some ways."""
    changed = [draw.random() < 0.6 for _ in range(4)]
    dead_s = way.dead_s + draw.gauss(0.0, 3.0 * width) if changed[0] else way.dead_s
    top = way.most_a + draw.gauss(0.0, 0.3 * width * (high_a - low_a)) if changed[3] else way.most_a
    return Follows(
        min(MOST_DEAD_S, max(0.0, dead_s)),
        _near_rate(way.up_a_per_s, width, draw) if changed[1] else way.up_a_per_s,
        _near_rate(way.down_a_per_s, width, draw) if changed[2] else way.down_a_per_s,
        min(high_a, max(low_a + 0.5, top)),
    )


def _near_rate(rate: float, width: float, draw: random.Random) -> float:
    if draw.random() < 0.1:
        return math.inf
    return max(LEAST_RATE_A_PER_S, min(rate, 12.0) * math.exp(draw.gauss(0.0, 2.0 * width)))


def _finer(way: Follows, best: float, loss: Callable[[Sequence[Follows]], Floats], low_a: float) -> Follows:
    for step_s in (0.25, 0.125):
        shifts = (-step_s, 0.0, step_s)
        way, best = _better(way, best, _up_and_dead(way, [way.up_a_per_s * one for one in FINER], shifts), loss)
        way, best = _better(way, best, _down_and_dead(way, [way.down_a_per_s * one for one in FINER], shifts), loss)
        tops = [replace(way, most_a=max(low_a + 0.1, way.most_a + more)) for more in (-0.5, -0.25, 0.25, 0.5)]
        way, best = _better(way, best, tops, loss)
    return way


def _up_and_dead(way: Follows, rates: Sequence[float], shifts_s: Sequence[float]) -> list[Follows]:
    return [replace(way, up_a_per_s=rate, dead_s=max(0.0, way.dead_s + more)) for rate in rates for more in shifts_s]


def _down_and_dead(way: Follows, rates: Sequence[float], shifts_s: Sequence[float]) -> list[Follows]:
    return [
        replace(way, down_a_per_s=max(LEAST_RATE_A_PER_S, rate), dead_s=max(0.0, way.dead_s + more))
        for rate in rates
        for more in shifts_s
    ]


def _better(
    way: Follows, best: float, tried: Sequence[Follows], loss: Callable[[Sequence[Follows]], Floats]
) -> tuple[Follows, float]:
    losses = loss(tried)
    place = int(np.argmin(losses))
    return (tried[place], float(losses[place])) if losses[place] < best else (way, best)


def own_delays(loss: Callable[[Floats], Floats], orders: Sequence[Order], sweeps: int = 2) -> tuple[Floats, float]:
    """Of each order, when the car moved, [order], and by how much that may be off. `loss` of delays, [order, way], is
    the negative logarithm of how likely they make what was seen."""
    delays, spread = np.zeros(len(orders)), np.zeros(len(orders))
    grid = np.array(DELAYS_S)
    usual = 0.5 * (grid / DELAY_USUAL_S) ** 2
    for _ in range(sweeps):
        for number in range(len(orders)):
            tried = np.repeat(delays[:, None], len(grid), axis=1)
            tried[number] = grid
            losses = loss(tried) + usual
            likely = np.exp(losses.min() - losses)
            likely /= likely.sum()
            delays[number] = float((likely * grid).sum())
            spread[number] = float((likely * (grid - delays[number]) ** 2).sum())
    return delays, max(DELAY_SURE_S, float(np.sqrt(spread.mean())))


def report_loss(reports: Reports, amps: Floats, blur_a: float = 0.0) -> Floats:
    """How badly what cars would draw, [report, way], explains what the charger reports."""
    gain, _, loss = report_line(reports, amps, REPORT_SCALE_A + blur_a)
    return np.asarray(loss + np.minimum(np.abs(gain - TAKEN) / TAKEN_ERROR, TAKEN_MOST) ** 2)


def report_line(reports: Reports, amps: Floats, scale_a: float = REPORT_SCALE_A) -> tuple[Floats, Floats, Floats]:
    """What is reported for an ampere more of what cars would draw, [report, way]; the weights of the reports; and the
    loss that is left, [way]. A car may draw somewhat less than it may, in steps of its own."""
    seen = reports.amps[:, None]
    weights = np.ones_like(amps)
    gain, loss = np.zeros(amps.shape[1]), np.zeros(amps.shape[1])
    for scale in (4.0, 2.0, 1.0, 1.0, 1.0, 1.0):
        share = weights / weights.sum(axis=0)
        middle, height = (share * amps).sum(axis=0), (share * seen).sum(axis=0)
        energy = np.maximum((share * (amps - middle) ** 2).sum(axis=0), 1e-6)
        gain = (share * (amps - middle) * (seen - height)).sum(axis=0) / energy
        off = ((seen - height - gain * (amps - middle)) / scale_a / scale) ** 2
        weights = 1.0 / (1.0 + off)
        loss = np.log1p(off).sum(axis=0)
    return gain, weights, loss
