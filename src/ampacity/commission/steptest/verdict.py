"""What a step test tells: of everything that could be installed, what explains the meter's answer.

Every mounting of the clamps, every load that the car can be, every ratio and a car's own displacement are held against
the gains. What is said is only what all explanations with 0.99 of the weight agree on; the rest is open, with what it
takes to close it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ampacity.commission.steptest.mounting import Clamp, Load, Mounting, mountings, possible_loads, shown
from ampacity.commission.steptest.response import Floats, Gain
from ampacity.core.phases import Supply

T = TypeVar("T")

SURE = 0.99
RATIO_TOLERANCE = 0.12
"""A channel that shows so much more or less than the car draws has the right ratio: meters, clamps and chargers err."""
_PLAIN, _PLAIN_ERRORS = 0.1, 7.0
"""A channel that moves by so much, and so many errors, sees the car, whatever else is the matter."""
LEAST_RATIO = 0.3
"""A meter that shows less than this of the car may as well not see it."""
_SEES = 0.8
"""So many meters see the chargers."""
_ODDS = math.log(300.0)
"""Of what is said for sure, against the contrary."""

_RATIOS = np.geomspace(0.02, 50.0, 161)
_DISPLACEMENT = np.radians(np.arange(-25.0, 26.0, 5.0))
_DISPLACEMENT_USUAL = math.radians(7.0)
_SHAPE_ERROR = 0.03
"""Of a gain, relative: the car does not follow quite as it is reckoned."""
_SAME = 1e-6
"""Explanations whose likelihoods are as near as this show exactly the same."""
_STRANGE = 0.02
"""So often a car's current and the building's are far out of step, and sizes add up to less."""
_STRAY = 1e-4
"""A channel's gain is anything with this chance: no single one decides beyond it."""


class Quantity(Enum):
    """What a meter measures of each channel, which decides what can be told."""

    AMPS = "amps"
    WATTS = "watts"
    VARS = "vars"
    """Watts as well."""


@dataclass(frozen=True, slots=True)
class Explanations:
    """All that could be installed, and how likely each is by one test of one meter."""

    mountings: tuple[Mounting, ...]
    loads: tuple[Load, ...]
    likely: Floats
    """[mounting, load], in sum 1."""
    ratios: tuple[float, ...] | None
    """By channel, amperes shown for one that flows, 1 where the car does not draw; None: what it draws is not
    reported."""
    ratio_right: bool | None
    """Whether all channels on which the car draws show what it draws; None: that can't be told."""
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """All answers that can't be told apart, and how likely it is one of them."""

    of: tuple[T, ...]
    chance: float

    @property
    def is_sure(self) -> bool:
        return self.chance >= SURE


def answers(supply: Supply, phases: int, gains: Sequence[Gain], car_gain: tuple[float, float] | None) -> bool | None:
    """Whether the meter sees the car at all; None: can't be told. See `explained`."""
    if car_gain is not None and car_gain[0] < 3 * car_gain[1] + 0.15:
        return None  # the car itself does not follow
    for gain in gains:
        if gain.current is not None and abs(gain.current.real) > _PLAIN + _PLAIN_ERRORS * gain.current_error[0]:
            return True
    _, _, log, weights = _held_against(supply, phases, gains, car_gain)
    ways, loads = log.shape[:2]
    weights = weights + np.log(_SEES / ways / loads)
    chances = log + weights
    sees = float(np.logaddexp.reduce(chances.ravel()))
    ratios, _ = _ratios(len(gains))
    well = float(np.logaddexp.reduce(chances[..., ratios.min(axis=1) >= LEAST_RATIO].ravel()))
    silent = math.log(1 - _SEES) + sum(
        float(_log_chance(gain, np.zeros((1, 1)), np.ones(1), np.zeros(1))[0, 0, 0, 0]) for gain in gains
    )
    if sees - silent > _ODDS:
        return True
    return False if silent - well > _ODDS else None


def explained(supply: Supply, phases: int, gains: Sequence[Gain], car_gain: tuple[float, float] | None) -> Explanations:
    """`gains`: of a meter that answers. `car_gain`: what the charger itself reports of the car, amperes for an ampere
    of the setpoint, and its error; None: it does not report it."""
    pure, loads, log, weights = _held_against(supply, phases, gains, car_gain)
    log = log + weights
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    likely = chance.sum(axis=(2, 3))
    way, load = np.unravel_index(int(np.argmax(likely)), likely.shape)
    ratios, right = (None, None) if car_gain is None else _ratio(gains, pure[way, load], car_gain)
    return Explanations(
        mountings=tuple(mountings(supply)),
        loads=loads,
        likely=likely,
        ratios=ratios,
        ratio_right=right,
        quantity=_quantity(gains),
    )


def _held_against(
    supply: Supply, phases: int, gains: Sequence[Gain], car_gain: tuple[float, float] | None
) -> tuple[npt.NDArray[np.complex128], tuple[Load, ...], Floats, Floats]:
    """What an ampere of each load is on each channel by each mounting; the loads; the logarithm of how likely the gains
    are, [mounting, load, displacement, ratio]; and of how likely displacement and ratio are before."""
    ways = mountings(supply)
    loads = tuple(possible_loads(supply, phases))
    pure = np.array([[shown(supply, way, load) for load in loads] for way in ways])
    ratios, weights = _ratios(len(gains))
    base, base_error = car_gain if car_gain is not None else (1.0, 0.0)
    log = np.zeros((len(ways), len(loads), len(_DISPLACEMENT), len(ratios)))
    for channel, gain in enumerate(gains):
        size = base * ratios[:, channel]
        error = np.hypot(size * _SHAPE_ERROR, ratios[:, channel] * base_error)
        log += _log_chance(gain, pure[:, :, channel], size, error)
    usual = -0.5 * (_DISPLACEMENT / _DISPLACEMENT_USUAL) ** 2
    usual -= np.logaddexp.reduce(usual)
    return pure, loads, log, usual[None, None, :, None] + np.log(weights)


def mounting_told(tests: Sequence[Explanations]) -> Told[Mounting]:
    """Of one meter, by all tests together: each may have been of another charger."""
    log = np.zeros(len(tests[0].mountings))
    for one in tests:
        log += np.log(np.maximum(one.likely.sum(axis=1), 1e-300))
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    best = int(np.argmax(chance))
    tops = [one.likely.max(axis=1) for one in tests]
    alike = np.flatnonzero(np.all([np.abs(top - top[best]) <= _SAME * top[best] for top in tops], axis=0))
    return Told(tuple(tests[0].mountings[number] for number in alike), float(chance[alike].sum()))


def load_told(test: Explanations) -> Told[Load]:
    """What the car is on the lines."""
    chance, top = test.likely.sum(axis=0), test.likely.max(axis=0)
    best = int(np.argmax(chance))
    alike = np.flatnonzero(np.abs(top - top[best]) <= _SAME * top[best])
    return Told(tuple(test.loads[number] for number in alike), float(chance[alike].sum()))


def clamps_told(told: Told[Mounting]) -> tuple[tuple[Clamp, ...], ...]:
    """By channel, all that its clamp can be."""
    return tuple(
        tuple(sorted(set(ways), key=lambda one: (one.line, one.turned))) for ways in zip(*told.of, strict=True)
    )


def _quantity(gains: Sequence[Gain]) -> Quantity:
    if any(gain.current is None for gain in gains):
        return Quantity.AMPS
    return Quantity.WATTS if any(gain.current_error[1] is None for gain in gains) else Quantity.VARS


def _ratios(channels: int) -> tuple[Floats, Floats]:
    """Ratios by channel, and how likely each is before the test: all channels alike, or one apart."""
    near = np.abs(_RATIOS - 1) <= RATIO_TOLERANCE
    rows = [np.full(channels, one) for one in _RATIOS]
    weights = list(_RATIO_WEIGHTS * (0.9 if channels > 1 else 1.0))
    if channels > 1:
        for channel in range(channels):
            for one, weight in zip(_RATIOS[~near], _RATIO_WEIGHTS[~near], strict=True):
                row = np.ones(channels)
                row[channel] = one
                rows.append(row)
                weights.append(0.1 * weight / _RATIO_WEIGHTS[~near].sum() / channels)
    return np.array(rows), np.array(weights)


def _ratio(
    gains: Sequence[Gain], pure: Sequence[complex], car_gain: tuple[float, float]
) -> tuple[tuple[float, ...], bool | None]:
    """Of every channel, and whether all are right, as far as the car draws on them."""
    base, base_error = car_gain
    if base < 3 * base_error or base < 0.1:
        return (1.0,) * len(gains), None
    found = [_ratio_of(gain, abs(one), base, base_error) for gain, one in zip(gains, pure, strict=True)]
    seen = [one for one in found if one is not None]
    if not seen:
        return (1.0,) * len(gains), None
    ratios = tuple(1.0 if one is None else one[0] for one in found)
    weight = sum(error**-2 for _, error in seen)
    together = sum(ratio * error**-2 for ratio, error in seen) / weight, weight**-0.5
    scatter = max((abs(ratio - together[0]) / error for ratio, error in seen), default=0.0)
    each = [_chance_right(*one) for one in seen]
    all_of_them = _chance_right(together[0], math.hypot(together[1], _SHAPE_ERROR)) if scatter < 3 else min(each)
    if all_of_them >= SURE and min(each) >= 0.9:
        return ratios, True
    return ratios, False if min(all_of_them, *each) <= 1 - SURE else None


def _ratio_of(gain: Gain, part: float, base: float, base_error: float) -> tuple[float, float] | None:
    """Of a channel on which an ampere of the car is `part`; None: it draws nothing there."""
    if part < 0.1:
        return None
    size, error = abs(gain.amps) / 0.98, gain.amps_error
    if gain.current is not None and gain.current_error[1] is not None:
        size, error = abs(gain.current), max(gain.current_error[0], gain.current_error[1])
    ratio = size / base / part
    off = ratio * math.hypot(error / max(size, 1e-6), base_error / base, _SHAPE_ERROR)
    if gain.by_report is None:
        return ratio, 1.3 * off
    direct, direct_error = abs(gain.by_report[0]) / part, gain.by_report[1] / part
    direct_error = math.hypot(direct_error, _SHAPE_ERROR * direct)
    apart = abs(direct - ratio)
    if direct_error < max(off, 0.06 * direct):
        ratio, off = direct, direct_error
    # Where two ways to find it contradict each other, neither is as good as it looks.
    return ratio, max(1.3 * off, 0.4 * apart if apart > 2.5 * math.hypot(off, direct_error) else 0.0)


def _chance_right(ratio: float, error: float) -> float:
    """How likely a ratio that was found so is a right one."""
    chance = _RATIO_WEIGHTS * np.exp(-0.5 * ((_RATIOS - ratio) / error) ** 2)
    near = np.abs(_RATIOS - 1) <= RATIO_TOLERANCE
    return float(chance[near].sum() / max(float(chance.sum()), 1e-300)) if chance.sum() > 0 else 0.0


def _ratio_weights() -> Floats:
    """How likely each ratio is before the test: right, wrong by a size or two, or anything."""
    near = np.abs(_RATIOS - 1) <= RATIO_TOLERANCE
    next_to = (~near) & (_RATIOS >= 0.45) & (_RATIOS <= 2.2)
    weights = np.where(near, 0.8 / near.sum(), 0.1 / (~near).sum()) + np.where(next_to, 0.1 / next_to.sum(), 0.0)
    return np.asarray(weights / weights.sum())


_RATIO_WEIGHTS = _ratio_weights()


def _log_chance(gain: Gain, pure: Floats, size: Floats, error: Floats) -> Floats:
    """Of a channel's gain: [mounting, load, displacement, ratio]. `pure`: what an ampere is there; `size`, `error`: of
    the car by each ratio."""
    turned = np.exp(-1j * _DISPLACEMENT)
    here = pure[:, :, None, None] * turned[None, None, :, None] * size[None, None, None, :]
    there = np.abs(pure)[:, :, None, None] * error[None, None, None, :]
    real_error, imaginary_error = gain.current_error
    log = np.zeros(here.shape)
    if gain.current is not None:
        log = log + _log_normal(gain.current.real - here.real, np.hypot(there, 1.2 * real_error))
        if imaginary_error is not None:
            log = log + _log_normal(gain.current.imag - here.imag, np.hypot(there, 1.2 * imaginary_error))
    if imaginary_error is None:
        # Beside what else flows on the line, the size of the current grows by somewhat less than the car draws.
        sizes = np.abs(here)
        near = _log_normal(abs(gain.amps) - 0.96 * sizes, np.hypot(0.07 * sizes, 1.2 * gain.amps_error))
        log = log + np.logaddexp(
            near, math.log(_STRANGE) + _log_normal(abs(gain.amps) - 0.7 * sizes, 0.3 * sizes + 0.01)
        )
    return np.logaddexp(log, math.log(_STRAY))


def _log_normal(off: Floats, error: Floats) -> Floats:
    return np.asarray(-0.5 * (off / error) ** 2 - np.log(error))
