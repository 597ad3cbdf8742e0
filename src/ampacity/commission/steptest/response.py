"""How a meter's channels answer to a charger's setpoint: amperes on the channel for an ampere asked of the car.

The setpoint follows a code that the building can't know. How the car follows it is found first, from all channels and
from what the charger reports. Then each channel's gain is fitted to how it moves from one sample to one a few seconds
later, robustly, so that single loads of the building don't count. How far off a gain may be is not taken from a model
of the building: the same car is put on what the building did, by codes that were not sent, and found again. What the
building makes of those, it may have made of ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ampacity.commission.steptest.following import (
    BLUR_A,
    REPORTS_COUNT,
    Floats,
    Follows,
    Order,
    Reports,
    best_way,
    drawn,
    own_delays,
    report_line,
    report_loss,
)
from ampacity.commission.steptest.robust import LEAST_ERROR, Found, found_again, gain_of, pairs, scatter_of, scatters_of

OTHER_CODES = 160
"""That were not sent."""
TOGETHER_S = 1.0
"""Samples that come faster are taken together: a building's steps take no less, and noise is averaged."""
LAGS_S = (1.0, 2.0, 3.0, 4.5, 6.5, 9.0)
"""From one sample to the one it is compared with."""
SHAPE_LAGS_S = (1.0, 3.0)
HALVES_ERRORS, HALVES_SHARE = 6.0, 0.4
"""The gains of both halves of a test may be so many errors apart, and such a share of the gain."""
AGREE = 2.0
"""Errors by which a shorter lag may differ from a longer one."""
FEWEST_SAMPLES = 12


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
class Astray:
    """How a building leads a gain astray with its single large loads: so likely, and then by about so much."""

    share: float
    size: float


@dataclass(frozen=True, slots=True)
class Gain:
    """Of one channel, in amperes for an ampere of the setpoint; each with its standard error."""

    amps: float
    amps_error: float
    amps_astray: Astray
    current: complex | None
    """In the frame of the channel's voltage; imaginary only where reactive power is measured. None: no power is."""
    current_error: tuple[float, float | None]
    """Of the real part, and of the imaginary one; None: not measured."""
    astray: Astray
    """Of the current."""
    slant: float = 0.0
    """Correlation of the two errors: the building's own loads lie along one angle."""


@dataclass(frozen=True, slots=True)
class Response:
    """Of a meter to one charger."""

    follows: Follows
    delays_s: tuple[float, ...]
    """Of each order, beside the dead time."""
    gains: tuple[Gain, ...]


@dataclass(frozen=True, slots=True)
class _Channel:
    """What one channel shows in time, [sample, part]: a size; or the real part and, where it is measured, the
    imaginary one."""

    seen: Floats


def response(
    samples: Sequence[Sample],
    orders: Sequence[Order],
    other_codes: Sequence[Sequence[Order]],
    reports: Reports | None = None,
) -> Response | None:
    """`other_codes`: of the same make as `orders`, not sent. `reports`: what the charger said its car draws. None: too
    few samples to say anything."""
    if len(samples) < FEWEST_SAMPLES or len({one.limit_a for one in orders}) < 2:
        return None
    block = _block(samples)
    times_s = np.array([one.at_s for one in samples])
    if len(times_s) // block < FEWEST_SAMPLES:
        return None
    sizes, currents = _channels(samples, block)
    leading = currents or sizes
    follows = _shape(leading, times_s, block, orders, reports)
    delays, off_s = _delays(leading, times_s, block, orders, follows, reports)
    own = _together(drawn(orders, times_s, [follows], delays[:, None]), block)[:, 0]
    others = _together(np.concatenate([drawn(code, times_s, [follows]) for code in other_codes], axis=1), block)
    late = _together(np.concatenate([_late(code, times_s, follows, off_s) for code in other_codes], axis=1), block)
    middle_s = _together(times_s[:, None], block)[:, 0]
    gains = []
    for channel, size in enumerate(sizes):
        if currents and currents[channel].seen.shape[1] > 1:
            gains.append(_of_pair(_fit(currents[channel].seen, own, others, late, middle_s)))
            continue
        by_size = _fit(size.seen, own, others, late, middle_s)
        by_power = _fit(currents[channel].seen, own, others, late, middle_s) if currents else None
        gains.append(_of_size(by_size, by_power))
    return Response(follows, tuple(float(one) for one in delays), tuple(gains))


def _of_pair(found: Found) -> Gain:
    real_error, imaginary_error = (float(one) for one in np.sqrt(np.diag(found.spread)))
    astray = Astray(found.astray, found.astray_a)
    return Gain(
        amps=float(np.hypot(*found.gain)),
        amps_error=max(real_error, imaginary_error),
        amps_astray=astray,
        current=complex(*found.gain),
        current_error=(real_error, imaginary_error),
        astray=astray,
        slant=float(found.spread[0, 1]) / real_error / imaginary_error,
    )


def _of_size(by_size: Found, by_power: Found | None) -> Gain:
    astray = Astray(by_size.astray, by_size.astray_a)
    return Gain(
        amps=float(by_size.gain[0]),
        amps_error=float(by_size.spread[0, 0]) ** 0.5,
        amps_astray=astray,
        current=None if by_power is None else complex(by_power.gain[0], 0.0),
        current_error=(math.inf if by_power is None else float(by_power.spread[0, 0]) ** 0.5, None),
        astray=astray if by_power is None else Astray(by_power.astray, by_power.astray_a),
    )


def _block(samples: Sequence[Sample]) -> int:
    """So many samples are taken together."""
    period_s = float(np.median(np.diff([one.at_s for one in samples])))
    return max(1, int(TOGETHER_S / max(period_s, 1e-3) + 0.01))


def _together(series: Floats, block: int) -> Floats:
    """[sample, way], the mean of every so many samples."""
    if block == 1:
        return series
    count = len(series) // block
    return np.asarray(series[: count * block].reshape(count, block, -1).mean(axis=1))


def _channels(samples: Sequence[Sample], block: int) -> tuple[list[_Channel], list[_Channel]]:
    """Sizes; and currents with their sign and angle, as far as powers are measured."""
    volts = np.array([one.volts for one in samples])
    sizes = _together(np.abs(np.array([one.amps for one in samples])), block)
    each = range(sizes.shape[1])
    by_size = [_Channel(sizes[:, [channel]]) for channel in each]
    if samples[0].watts is None:
        return by_size, []
    real = _together(np.array([one.watts for one in samples], dtype=float) / volts, block)
    if samples[0].vars is None:
        return by_size, [_Channel(real[:, [channel]]) for channel in each]
    imaginary = _together(-np.array([one.vars for one in samples], dtype=float) / volts, block)
    return by_size, [_Channel(np.stack([real[:, channel], imaginary[:, channel]], axis=1)) for channel in each]


def _shape(
    channels: Sequence[_Channel], times_s: Floats, block: int, orders: Sequence[Order], reports: Reports | None
) -> Follows:
    """What explains best how all channels move, and what the charger reports."""
    middle_s = _together(times_s[:, None], block)[:, 0]
    held = [pairs(middle_s, lag_s) for lag_s in SHAPE_LAGS_S]
    moved = [[one.seen[late] - one.seen[early] for one in channels] for early, late in held]
    sharp = [[scatter_of(move) for move in moves] for moves in moved]
    rough = [[one.blurred(BLUR_A) for one in scatters] for scatters in sharp]

    def loss(ways: Sequence[Follows], blur_a: float) -> Floats:
        amps = _together(drawn(orders, times_s, ways), block)
        total = np.zeros(len(ways))
        for (early, late), moves, scales in zip(held, moved, rough if blur_a else sharp, strict=True):
            move = amps[late] - amps[early]
            for seen, scatter in zip(moves, scales, strict=True):
                total += gain_of(seen, move, scatter, rounds=2)[1] / len(SHAPE_LAGS_S)
        if reports is not None:
            total += REPORTS_COUNT * report_loss(reports, drawn(orders, reports.at_s, ways), blur_a)
        return total

    return best_way(loss, orders)


def _delays(
    channels: Sequence[_Channel],
    times_s: Floats,
    block: int,
    orders: Sequence[Order],
    follows: Follows,
    reports: Reports | None,
) -> tuple[Floats, float]:
    """Of each order, [order], and by how much they may be off."""
    middle_s = _together(times_s[:, None], block)[:, 0]
    usual = _together(drawn(orders, times_s, [follows]), block)
    first, second = pairs(middle_s, 3.0)
    gains = [
        gain_of(move, usual[second] - usual[first], scatter_of(move))[0][:, 0]
        for move in (one.seen[second] - one.seen[first] for one in channels)
    ]
    early, late = pairs(middle_s, 1.0)
    moved = [one.seen[late] - one.seen[early] for one in channels]
    near = usual[late] - usual[early]
    scatters = [scatter_of(move - near * gain) for move, gain in zip(moved, gains, strict=True)]

    def loss(delays_s: Floats) -> Floats:
        ways = [follows] * delays_s.shape[1]
        amps = _together(drawn(orders, times_s, ways, delays_s), block)
        move = amps[late] - amps[early]
        total = np.zeros(delays_s.shape[1])
        for seen, gain, scatter in zip(moved, gains, scatters, strict=True):
            total += scatter.loss(seen[:, :, None] - move[:, None, :] * gain[None, :, None])
        if reports is not None:
            total += REPORTS_COUNT * report_loss(reports, drawn(orders, reports.at_s, ways, delays_s))
        return total

    return own_delays(loss, orders)


def _late(orders: Sequence[Order], times_s: Floats, follows: Follows, off_s: float) -> Floats:
    """What the car might have drawn, each message at its own time."""
    draw = np.random.default_rng(len(orders))
    return drawn(orders, times_s, [follows], draw.normal(0.0, off_s, (len(orders), 1)))


def _fit(seen: Floats, own: Floats, others: Floats, late: Floats, times_s: Floats) -> Found:
    """The gain by the lag that tells most.

    Over a short lag the building does little, and the car is still on its way, which is known only roughly; over a long
    one it is the other way round. So a lag is taken only if all longer ones agree with it (Lepski's method).
    """
    all_found: list[tuple[Found, _Moves]] = []
    longer: list[Found] = []
    for lag_s in reversed(LAGS_S):
        early, after = pairs(times_s, lag_s)
        if len(early) < FEWEST_SAMPLES:
            continue
        moves = _Moves(seen[after] - seen[early], own[after] - own[early])
        found = _at_lag(moves, others[after] - others[early], late[after] - late[early])
        agreeing = [one for one in found if not any(_falls_short(one, there) for there in longer)]
        if not agreeing:
            break
        longer.append(agreeing[0])
        all_found += [(one, moves) for one in agreeing]
    if not all_found:
        parts = seen.shape[1]
        return Found(np.zeros(parts), np.eye(parts) * 1e6, 0.5, 1e3)
    return _lasting(*min(all_found, key=lambda one: one[0].vagueness))


@dataclass(frozen=True, slots=True)
class _Moves:
    """From one sample to another."""

    seen: Floats
    """[pair, part]"""
    own: Floats
    """Of the car: [pair]."""


def _lasting(found: Found, moves: _Moves) -> Found:
    """A car answers from the begin to the end; what answers in one half only is something else."""
    middle = len(moves.own) // 2
    halves = [
        gain_of(moves.seen[part], moves.own[part, None], scatter_of(moves.seen[part]))[0][:, 0]
        for part in (slice(None, middle), slice(middle, None))
        if float((moves.own[part] ** 2).sum()) > 0.05 * float((moves.own**2).sum())
    ]
    size = float(np.hypot.reduce(found.gain))
    apart = float(np.hypot.reduce(halves[0] - halves[1])) if len(halves) == 2 else size
    if apart <= HALVES_ERRORS * float(found.error.max()) + HALVES_SHARE * size:
        return found
    return replace(found, astray=0.5, astray_a=max(found.astray_a, size))


def _falls_short(one: Found, longer: Found) -> bool:
    """A car that is not quite where it is reckoned makes a gain look smaller, never larger."""
    size = float(np.hypot.reduce(longer.gain))
    along = float(one.gain @ longer.gain) / max(size, 1e-9)
    return size - along > AGREE * math.hypot(float(one.error.max()), float(longer.error.max()))


def _at_lag(moves: _Moves, others: Floats, late: Floats) -> list[Found]:
    """By the building's moves as a whole; and, where it mostly rests, by how it does then."""
    moved, own = moves.seen, moves.own
    gain = gain_of(moved, own[:, None], scatter_of(moved))[0][:, 0]
    rest = moved - own[:, None] * gain[None, :]
    found = []
    for kind in scatters_of(rest):
        gain = gain_of(moved, own[:, None], kind)[0][:, 0]
        rest = moved - own[:, None] * gain[None, :]
        found.append(found_again(gain, rest, others, late, kind))
    return found


def reported(orders: Sequence[Order], reports: Reports, answer: Response | None) -> tuple[float, float]:
    """What a charger reports of its car for an ampere more of the setpoint, and its error. `answer`: how a meter has
    shown the car to follow; None: it is found here."""
    times_s = reports.at_s
    if answer is None:
        follows = best_way(lambda ways, blur_a: report_loss(reports, drawn(orders, times_s, ways), blur_a), orders)
        own = drawn(orders, times_s, [follows])
    else:
        own = drawn(orders, times_s, [answer.follows], np.array(answer.delays_s)[:, None])
    gain, weights, _ = report_line(reports, own)
    line = float(gain[0])
    share = weights[:, 0] / weights[:, 0].sum()
    middle = own[:, 0] - float((share * own[:, 0]).sum())
    rest = reports.amps - line * own[:, 0]
    # Nothing of the building is in it: what scatters is when it was measured, and in which steps.
    scatter_a = 0.15 + 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    energy = max(1e-9, float((weights[:, 0] * middle**2).sum()))
    return line, max(LEAST_ERROR, scatter_a / math.sqrt(energy))
