"""How a meter's channels answer to a charger's setpoint: amperes on the channel for an ampere asked of the car.

The setpoint follows a code that the building can't know. A car follows it after a dead time, and up and down at its own
rates; these are found first, as what explains best how all channels move. Then each channel's gain is fitted to how it
moves from one sample to one a few seconds later, robustly, so that single loads of the building don't count. How far
off a gain may be is not taken from a model of the building: the same is done with codes that were not sent. What the
building makes of those, it may have made of ours.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GRID_S = 0.25
DEAD_S = tuple(0.25 * quarter for quarter in range(37))
"""Dead times that are looked at: a car is given 5 s (IEC 61851-1), message and meter some more."""
RATES_A_PER_S = (math.inf, 10.0, 6.0, 4.0, 3.0, 2.4, 2.0, 1.6, 1.3, 1.0, 0.8, 0.6, 0.45)
TOP_STEP_A = 1.0
"""A car's own maximum is looked for in such steps."""
OTHER_CODES = 160
"""That were not sent."""
JITTER_S = (-0.4, 0.0, 0.4)
"""By how much messages take longer or shorter than usual."""
TRIES = 6
LAGS_S = (1.0, 2.0, 4.0, 6.0, 8.0)
"""From one sample to the one it is compared with."""
SHAPE_LAG_S = 3.0
AGREE = 2.0
"""Errors by which a shorter lag may differ from a longer one."""
REPORTS_APART_S = 40.0
LEAST_ERROR = 0.01
_REPORTS_COUNT = 3.0
"""A report has nothing of the building in it, and tells more than a sample."""
_REPORT_SCALE_A = 0.5
"""A charger's report that is further off was made while the car was on its way."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A meter at a moment, one number a channel."""

    at_s: float
    amps: tuple[float, ...]
    """Their sizes; a sign is not looked at."""
    watts: tuple[float, ...] | None
    vars: tuple[float, ...] | None
    """Positive: the current lags its voltage."""
    volts: tuple[float, ...]
    """Of each channel to neutral."""


@dataclass(frozen=True, slots=True)
class Order:
    """A setpoint, from the moment the charger accepted it."""

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
class Gain:
    """Of one channel, in amperes for an ampere of the setpoint; each with its standard error."""

    amps: float
    amps_error: float
    current: complex | None
    """In the frame of the channel's voltage; imaginary only where reactive power is measured. None: no power is."""
    current_error: tuple[float, float | None]
    """Of the real part, and of the imaginary one; None: not measured."""
    by_report: tuple[float, float] | None
    """Amperes shown for one that the charger reports at the same time, and its error; None: it does not."""


@dataclass(frozen=True, slots=True)
class Response:
    """Of a meter to one charger."""

    follows: Follows
    gains: tuple[Gain, ...]


def setpoints(orders: Sequence[Order], times_s: Floats, follows: Sequence[Follows]) -> Floats:
    """What cars that follow so would draw, [time, way to follow]. Before the first order: 0."""
    start = float(times_s[0])
    count = int((float(times_s[-1]) - start) / GRID_S) + 2
    dead = np.array([one.dead_s for one in follows])
    up = np.minimum(np.array([one.up_a_per_s for one in follows]), 1e6) * GRID_S
    down = np.minimum(np.array([one.down_a_per_s for one in follows]), 1e6) * GRID_S
    at_s = np.array([-math.inf, *(one.at_s for one in orders)])
    limit_a = np.array([orders[0].limit_a if orders else 0.0, *(one.limit_a for one in orders)])
    grid_s = start + GRID_S * np.arange(count)
    asked = limit_a[np.searchsorted(at_s, grid_s[:, None] - dead[None, :] + 1e-9, side="right") - 1]
    asked = np.minimum(asked, np.array([one.most_a for one in follows]))
    drawn = np.empty_like(asked)
    now = asked[0].copy()
    for step in range(count):
        now = np.clip(asked[step], now - down, now + up)
        drawn[step] = now
    place = (times_s - start) / GRID_S
    left = np.minimum(place.astype(int), count - 2)
    share = (place - left)[:, None]
    return np.asarray(drawn[left] * (1 - share) + drawn[left + 1] * share)


def response(
    samples: Sequence[Sample],
    orders: Sequence[Order],
    other_codes: Sequence[Sequence[Order]],
    reports: tuple[Floats, Floats] | None = None,
) -> Response | None:
    """`other_codes`: of the same make as `orders`, not sent. `reports`: when the charger said what its car draws, and
    what. None: too few samples to say anything."""
    if len(samples) < 8 or len({one.limit_a for one in orders}) < 2:
        return None
    times_s = np.array([one.at_s for one in samples])
    series = _series(samples)
    channels = len(samples[0].amps)
    follows = _best(series, times_s, orders, reports)
    own = _about(orders, times_s, follows)
    others = np.concatenate([_about(code, times_s, follows) for code in other_codes], axis=1)
    late = _late(orders, times_s, follows)
    fitted = [_fit(one, own, others, late, times_s) for one in series]
    gains = []
    for channel in range(channels):
        amps, amps_error = fitted[channel]
        current: complex | None = None
        errors: tuple[float, float | None] = (math.inf, None)
        if samples[0].watts is not None:
            real, real_error = fitted[channels + channel]
            current, errors = complex(real, 0.0), (real_error, None)
            if samples[0].vars is not None:
                imaginary, imaginary_error = fitted[2 * channels + channel]
                current, errors = complex(real, imaginary), (real_error, imaginary_error)
        by_report = (
            None if reports is None else _by_report(times_s, _along(series, channels, channel, current), reports)
        )
        gains.append(Gain(amps, amps_error, current, errors, by_report))
    return Response(follows, tuple(gains))


def _along(series: Sequence[Floats], channels: int, channel: int, current: complex | None) -> Floats:
    """What the channel shows in the direction in which the car moves it, or its size, where that is not measured."""
    if len(series) < 3 * channels or current is None or not abs(current):
        return series[channel]
    real, imaginary = series[channels + channel], series[2 * channels + channel]
    return (real * current.real + imaginary * current.imag) / abs(current)


def _by_report(times_s: Floats, seen: Floats, reports: tuple[Floats, Floats]) -> tuple[float, float] | None:
    """How the channel moves from report to report, for an ampere that the reports move."""
    told_s, amps = reports
    inside = (told_s >= times_s[0]) & (told_s <= times_s[-1])
    told_s, amps = told_s[inside], amps[inside]
    if len(told_s) < 5:
        return None
    shown = np.interp(told_s, times_s, seen)
    one, other = np.triu_indices(len(told_s), 1)
    near = told_s[other] - told_s[one] <= REPORTS_APART_S
    move, moved = (amps[other] - amps[one])[near], (shown[other] - shown[one])[near]
    if float((move**2).sum()) < 10.0:
        return None
    scale = _scale(moved[np.abs(move) < 0.5]) if int((np.abs(move) < 0.5).sum()) >= 4 else 1.0
    gain = float(_robust(moved, move[:, None], scale)[0])
    rest = moved - gain * move
    weights = 1.0 / (1.0 + (rest / scale) ** 2)
    scatter_a = 0.1 + 1.4826 * float(np.median(np.abs(rest)))
    # Pairs share their reports: there is no more in them than in the reports.
    repeated = len(move) / max(1, len(told_s) - 1)
    return gain, max(LEAST_ERROR, scatter_a * math.sqrt(repeated / max(1e-9, float((weights * move**2).sum()))))


def _about(orders: Sequence[Order], times_s: Floats, follows: Follows) -> Floats:
    """What a car draws that follows so, on average: no message takes as long as the one before."""
    ways = [replace(follows, dead_s=max(0.0, follows.dead_s + more_s)) for more_s in JITTER_S]
    return np.asarray(setpoints(orders, times_s, ways).mean(axis=1, keepdims=True))


def _late(orders: Sequence[Order], times_s: Floats, follows: Follows) -> Floats:
    """What such a car might have drawn, [time, try]: each message at its own time."""
    draw = random.Random(len(orders))
    tries = [
        [Order(one.at_s + draw.uniform(JITTER_S[0], JITTER_S[-1]), one.limit_a) for one in orders] for _ in range(TRIES)
    ]
    return np.concatenate([setpoints(one, times_s, [follows]) for one in tries], axis=1)


def _series(samples: Sequence[Sample]) -> list[Floats]:
    """Currents of all channels; then their real parts, then their imaginary ones, where they are measured."""
    volts = np.array([one.volts for one in samples])
    out = [np.abs(np.array([one.amps for one in samples]))]
    if samples[0].watts is not None:
        out.append(np.array([one.watts for one in samples], dtype=float) / volts)
        if samples[0].vars is not None:
            out.append(-np.array([one.vars for one in samples], dtype=float) / volts)
    return [np.asarray(kind[:, channel]) for kind in out for channel in range(kind.shape[1])]


def _best(
    series: Sequence[Floats], times_s: Floats, orders: Sequence[Order], reports: tuple[Floats, Floats] | None
) -> Follows:
    """What explains best how all channels move, and what the charger reports."""
    kept = _spaced(times_s, 0.5)
    times_s = times_s[kept]
    early, late = _pairs(times_s, SHAPE_LAG_S)
    seen = [one[kept][late] - one[kept][early] for one in series]
    scales = [_scale(one) for one in seen]

    def loss(ways: Sequence[Follows]) -> Floats:
        drawn = setpoints(orders, times_s, ways)
        moves = drawn[late] - drawn[early]
        total = np.zeros(len(ways))
        for one, scale in zip(seen, scales, strict=True):
            gains = _robust(one, moves, scale, rounds=4)
            total += np.log1p(((one[:, None] - moves * gains) / scale) ** 2).sum(axis=0)
        if reports is not None:
            total += _REPORTS_COUNT * _report_loss(orders, reports, ways)
        return total

    return _least(loss, orders)


def _least(loss: Callable[[Sequence[Follows]], Floats], orders: Sequence[Order]) -> Follows:
    """The way to follow of least loss: one thing after the other, from a fast car and from a slow one."""
    low_a, high_a = min(one.limit_a for one in orders), max(one.limit_a for one in orders)
    tops = [high_a - TOP_STEP_A * number for number in range(max(1, int((high_a - low_a) / TOP_STEP_A)))]
    found: list[tuple[float, Follows]] = []
    for rate in (math.inf, 1.5):
        way, best = Follows(0.0, rate, rate, high_a), math.inf
        for _ in range(4):
            before = best
            for tried in (
                [replace(way, dead_s=one) for one in DEAD_S],
                [replace(way, up_a_per_s=one) for one in RATES_A_PER_S],
                [replace(way, down_a_per_s=one) for one in RATES_A_PER_S],
                [replace(way, most_a=one) for one in tops],
                [
                    replace(way, up_a_per_s=rate, dead_s=max(0.0, way.dead_s + more))
                    for rate in RATES_A_PER_S
                    for more in (-1.0, -0.5, 0.5, 1.0)
                ],
            ):
                losses = loss(tried)
                place = int(np.argmin(losses))
                if losses[place] < best:
                    way, best = tried[place], float(losses[place])
            if best >= before - 1e-9:
                break
        found.append((best, way))
    return min(found, key=lambda one: one[0])[1]


def _spaced(times_s: Floats, least_s: float) -> npt.NDArray[np.intp]:
    """Numbers of samples that are no nearer to each other."""
    period_s = float(np.median(np.diff(times_s)))
    return np.arange(0, len(times_s), max(1, round(least_s / max(period_s, 1e-3))))


def _fit(seen: Floats, own: Floats, others: Floats, late: Floats, times_s: Floats) -> tuple[float, float]:
    """Gain and its error, by the lag that tells most.

    Over a short lag the building does little, and the car is still on its way, which is known only roughly; over a long
    one it is the other way round. So a lag is taken only if all longer ones agree with it (Lepski's method).
    """
    found: list[tuple[float, float]] = []
    for lag_s in reversed(LAGS_S):
        first, second = _pairs(times_s, lag_s)
        if len(first) < 6:
            continue
        move, moved = own[second] - own[first], seen[second] - seen[first]
        scale = _scale(moved)
        gain = float(_robust(moved, move, scale)[0])
        rest = moved - gain * move[:, 0]
        other = others[second] - others[first]
        by_chance = _robust(rest, other, max(scale, _scale(rest)))
        error = max(LEAST_ERROR, float(np.std(by_chance)), 1.4826 * float(np.median(np.abs(by_chance))))
        # Messages that take differently long make a gain look smaller than it is, by as much as they do here.
        kept = _kept(late[second] - late[first], move, gain, scale)
        gain, error = gain / kept, error / kept
        if any(abs(gain - longer) > AGREE * error_there for longer, error_there in found):
            break
        found.append((gain, error))
    return min(found, key=lambda one: one[1], default=(0.0, math.inf))


def _kept(late: Floats, move: Floats, gain: float, scale: float) -> float:
    """The share of a gain that is found again in cars whose messages come at their own times."""
    size = max(abs(gain), 0.1)
    found = [float(_robust(size * late[:, one], move, scale)[0]) / size for one in range(late.shape[1])]
    return min(1.1, max(0.5, float(np.mean(found))))


def _pairs(times_s: Floats, lag_s: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Numbers of samples that are about so far apart."""
    late = np.searchsorted(times_s, times_s + lag_s - 1e-6)
    early = np.arange(len(times_s))
    period_s = float(np.median(np.diff(times_s)))
    held = late < len(times_s)
    early, late = early[held], late[held]
    near = times_s[late] - times_s[early] < lag_s + 2.5 * period_s
    return early[near], late[near]


def _scale(moves: Floats) -> float:
    """Moves beyond this are the building's, if they are not ours."""
    return max(0.3, 1.4826 * float(np.median(np.abs(moves))))


def _robust(seen: Floats, moves: Floats, scale: float, rounds: int = 8) -> Floats:
    """Gains by iterated weights, [way]: what lies far off counts less, in the end hardly at all. First the weights of a
    convex loss, so that a large load of the building does not lead astray."""
    weights = np.ones_like(moves)
    gains = np.zeros(moves.shape[1])
    for turn in range(rounds):
        weighted = weights * moves
        energy = np.maximum((weighted * moves).sum(axis=0), 1e-9)
        gains = (weighted * seen[:, None]).sum(axis=0) / energy
        off = np.abs(seen[:, None] - moves * gains) / scale
        weights = 1.0 / (1.0 + (off if turn < rounds // 2 else off**2))
    return np.asarray(gains)


def fitted(
    times_s: Floats,
    amps: Floats,
    orders: Sequence[Order],
    follows: Follows | None,
) -> tuple[float, float]:
    """Gain and error of what a charger reports, now and then, of its car. `follows`: how the car follows, if a meter
    has shown it; None: it is found here."""
    if follows is None:
        follows = _least(lambda ways: _report_loss(orders, (times_s, amps), ways), orders)
    own = setpoints(orders, times_s, [follows])
    best = (0.0, math.inf)
    for apart in (1, 2, 3):
        if len(times_s) < apart + 4:
            break
        move, moved = own[apart:] - own[:-apart], amps[apart:] - amps[:-apart]
        gain = float(_robust(moved, move, _REPORT_SCALE_A)[0])
        rest = moved - gain * move[:, 0]
        weights = 1.0 / (1.0 + (rest / _REPORT_SCALE_A) ** 2)
        # Nothing of the building is in it: what scatters is when it was measured, and in which steps.
        scatter_a = 0.15 + 1.4826 * float(np.median(np.abs(rest)))
        error = max(LEAST_ERROR, scatter_a / math.sqrt(max(1e-9, float((weights * move[:, 0] ** 2).sum()))))
        if error < best[1]:
            best = gain, error
    return best


def _report_loss(orders: Sequence[Order], reports: tuple[Floats, Floats], ways: Sequence[Follows]) -> Floats:
    """How badly each way to follow explains what the charger reports."""
    times_s, amps = reports
    drawn = setpoints(orders, times_s, ways)
    gains = np.median(amps[:, None] / np.maximum(drawn, 1.0), axis=0)
    return np.asarray(np.log1p(((amps[:, None] - gains * drawn) / _REPORT_SCALE_A) ** 2).sum(axis=0))
