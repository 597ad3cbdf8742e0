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
from ampacity.commission.steptest.robust import (
    LEAST_ERROR,
    Found,
    Scatter,
    found_again,
    gain_of,
    pairs,
    scatter_of,
    scatters_of,
)

OTHER_CODES = 160
"""That were not sent."""
TOGETHER_S = 1.0
"""Samples that come faster are taken together: a building's steps take no less, and noise is averaged."""
LAGS_S = (1.0, 2.0, 3.0, 4.5, 6.5, 9.0)
"""From one sample to the one it is compared with."""
SHAPE_LAGS_S = (1.0, 3.0)
HALF_MARGIN = 2.0
"""So much less likely than without the car, as a logarithm."""
AGREE = 2.5
"""Errors by which a shorter lag may differ from a longer one."""
LESS_LIKELY = 16.0
"""So much less likely, as a logarithm, a gain is left out."""
CONTRADICTS = 4.0
"""So many errors apart, two gains can't both be right."""
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
    samples = _alike(samples)
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
    late = _together(
        np.concatenate(
            [_late(code, times_s, follows, off_s, number) for number, code in enumerate(other_codes)], axis=1
        ),
        block,
    )
    moving = _Moving(
        own, others, late, _together(times_s[:, None], block)[:, 0], _is_as_reported(orders, reports, follows, delays)
    )
    gains = []
    for channel, size in enumerate(sizes):
        if currents and currents[channel].seen.shape[1] > 1:
            gains.append(_of_pair(_fit(currents[channel].seen, moving)))
            continue
        by_size = _fit(size.seen, moving)
        by_power = _fit(currents[channel].seen, moving) if currents else None
        gains.append(_of_size(by_size, by_power))
    return Response(follows, tuple(float(one) for one in delays), tuple(gains))


def _alike(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Those that tell what most of them tell: a meter may leave out a power now and then."""
    if 2 * sum(one.watts is not None for one in samples) < len(samples):
        return [replace(one, watts=None, vars=None) for one in samples]
    kept = [one for one in samples if one.watts is not None]
    if 2 * sum(one.vars is not None for one in kept) < len(kept):
        return [replace(one, vars=None) for one in kept]
    return [one for one in kept if one.vars is not None]


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


def _late(orders: Sequence[Order], times_s: Floats, follows: Follows, off_s: float, number: int) -> Floats:
    """What the car might have drawn by this code, each message at its own time."""
    draw = np.random.default_rng(number)
    return drawn(orders, times_s, [follows], draw.normal(0.0, off_s, (len(orders), 1)))


@dataclass(frozen=True, slots=True)
class _Moving:
    """How the car moves."""

    own: Floats
    """[sample]"""
    others: Floats
    """By codes that were not sent, [sample, code]."""
    late: Floats
    """The same, each message at its own time."""
    times_s: Floats
    is_reported: bool
    """The charger reports just that."""


def _is_as_reported(orders: Sequence[Order], reports: Reports | None, follows: Follows, delays: Floats) -> bool:
    if reports is None:
        return False
    own = drawn(orders, reports.at_s, [follows], delays[:, None])
    rest = np.abs(_beside_line(reports, own)[1])
    swing_a = float(own.max() - own.min())
    return float(np.median(rest)) < 0.2 + 0.02 * swing_a and float(np.quantile(rest, 0.85)) < 0.3 + 0.08 * swing_a


def _beside_line(reports: Reports, own: Floats) -> tuple[float, Floats]:
    """What is reported for an ampere more of the car, and by how much reports are off from that."""
    line = float(report_line(reports, own)[0][0])
    rest = reports.amps - line * own[:, 0]
    return line, np.asarray(rest - np.median(rest))


def _fit(seen: Floats, moving: _Moving) -> Found:
    """The gain by the lag that tells most.

    Over a short lag the building does little, and where the car is matters most; over a long one it is the other way
    round. So unless the charger's reports show where the car is, a lag is taken only if it falls short of no longer one
    (after Lepski).
    """
    all_found: list[tuple[Found, _Moves]] = []
    longer: list[Found] = []
    for lag_s in reversed(LAGS_S):
        early, after = pairs(moving.times_s, lag_s)
        if len(early) < FEWEST_SAMPLES:
            continue
        moves = _Moves(seen[after] - seen[early], moving.own[after] - moving.own[early])
        found = _at_lag(moves, moving.others[after] - moving.others[early], moving.late[after] - moving.late[early])
        agreeing = [one for one in found if moving.is_reported or not any(_falls_short(one, it) for it in longer)]
        if not agreeing:
            break
        longer.append(agreeing[0])
        all_found += [(one, moves) for one in agreeing]
    if not all_found:
        parts = seen.shape[1]
        return Found(np.zeros(parts), np.eye(parts) * 1e6, 0.5, 1e3)
    return _chosen(all_found, seen, moving)


def _chosen(all_found: Sequence[tuple[Found, _Moves]], seen: Floats, moving: _Moving) -> Found:
    """Of gains by several lags, the one that tells most among those that leave the building least to do."""
    unlikely = np.array([_unlikely(one, seen, moving) for one, _ in all_found])
    likely = [one for one, loss in zip(all_found, unlikely, strict=True) if loss <= unlikely.min() + LESS_LIKELY]
    found, moves = min(likely, key=lambda one: one[0].vagueness)
    apart = [float(np.hypot.reduce(found.gain - one.gain)) for one, _ in likely if _contradicts(found, one)]
    found = _lasting(found, moves)
    return replace(found, astray=0.5, astray_a=max(found.astray_a, *apart)) if apart else found


def _unlikely(one: Found, seen: Floats, moving: _Moving) -> float:
    """The negative logarithm of how likely the building does, from one moment to the next, what the car does not."""
    total = 0.0
    for lag_s in SHAPE_LAGS_S:
        early, after = pairs(moving.times_s, lag_s)
        rest = seen[after] - seen[early] - (moving.own[after] - moving.own[early])[:, None] * one.gain[None, :]
        scatter = scatter_of(rest)
        total += float(scatter.loss(rest[:, :, None])[0]) - len(rest) * float(np.linalg.slogdet(scatter.whiten)[1])
    return total / len(SHAPE_LAGS_S)


def _contradicts(one: Found, other: Found) -> bool:
    apart = float(np.hypot.reduce(one.gain - other.gain))
    return apart > CONTRADICTS * math.hypot(float(one.error.max()), float(other.error.max()))


@dataclass(frozen=True, slots=True)
class _Moves:
    """From one sample to another."""

    seen: Floats
    """[pair, part]"""
    own: Floats
    """Of the car: [pair]."""

    @property
    def halves(self) -> tuple[slice, slice]:
        middle = len(self.own) // 2
        return slice(None, middle), slice(middle, None)

    def gain(self, part: slice, scatter: Scatter) -> Floats:
        return gain_of(self.seen[part], self.own[part, None], scatter)[0][:, 0]


def _lasting(found: Found, moves: _Moves) -> Found:
    """A car answers from the begin to the end: what explains one half worse than nothing does is something else."""
    for part in moves.halves:
        seen, own = moves.seen[part], moves.own[part]
        rest = seen - own[:, None] * found.gain[None, :]
        with_car, without = scatter_of(rest).loss(np.stack([rest, seen], axis=2))
        if with_car > without + HALF_MARGIN:
            size = float(np.hypot.reduce(found.gain))
            return replace(found, astray=0.5, astray_a=max(found.astray_a, size))
    return found


def _falls_short(one: Found, longer: Found) -> bool:
    """A car that is not quite where it is reckoned makes a gain look smaller, never larger."""
    size = float(np.hypot.reduce(longer.gain))
    along = float(one.gain @ longer.gain) / max(size, 1e-9)
    return size - along > AGREE * math.hypot(float(one.error.max()), float(longer.error.max()))


def _at_lag(moves: _Moves, others: Floats, late: Floats) -> list[Found]:
    """By the building's moves as a whole; and, where it mostly rests, by how it does then."""
    whole = slice(None)
    gain = moves.gain(whole, scatter_of(moves.seen))
    found = []
    for kind in scatters_of(moves.seen - moves.own[:, None] * gain[None, :]):
        # What is left of the building is found in each half by the gain of the other one: by its own, what the
        # building does in step with the car would be taken from it.
        first, second = moves.halves
        rest = np.concatenate(
            [
                moves.seen[part] - moves.own[part, None] * moves.gain(other, kind)[None, :]
                for part, other in ((first, second), (second, first))
            ]
        )
        found.append(found_again(moves.gain(whole, kind), rest, others, late, kind))
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
    line, rest = _beside_line(reports, own)
    weights = report_line(reports, own)[1][:, 0]
    middle = own[:, 0] - float((weights * own[:, 0]).sum() / weights.sum())
    # Nothing of the building is in it: what scatters is when it was measured, and in which steps.
    scatter_a = 0.15 + 1.4826 * float(np.median(np.abs(rest)))
    return line, max(LEAST_ERROR, scatter_a / math.sqrt(max(1e-9, float((weights * middle**2).sum()))))
