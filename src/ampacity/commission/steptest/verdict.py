"""What a step test tells: of everything that could be installed, what explains the meter's answer.

Every mounting of the clamps, every load that the car can be, every ratio and a car's own displacement are held against
the gains. What is said is only what all explanations with 0.99 of the weight agree on; the rest is open, with what it
takes to close it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ampacity.commission.steptest.following import Floats
from ampacity.commission.steptest.mounting import Clamp, Load, Mounting, mountings, possible_loads, shown
from ampacity.commission.steptest.response import Gain
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

_RIGHT, _ANY = 0.8, 0.03
"""So many meters have the right ratio, and so many one that is nothing usual."""
_PRIMARIES_A = (10.0, 12.5, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 75.0)
"""Rated primary currents of current transformers, and their decades (IEC 61869-2)."""
_RATIO_SCATTER = 0.03
_RATIOS = np.geomspace(0.02, 50.0, 161)
_DISPLACEMENT = np.radians(np.arange(-25.0, 26.0, 5.0))
_DISPLACEMENT_USUAL = math.radians(7.0)
_SHAPE_ERROR = 0.03
"""Of a gain, relative: the car does not follow quite as it is reckoned."""
_SAME = 1e-6
"""Explanations whose likelihoods are as near as this show exactly the same."""
_MAY_BE = 1e-3
"""Of the likeliest explanation: what is less likely is none."""
_USED = 0.99
"""So often a charger is right about which of its phases are in use."""
_CAUTION = 1.2
"""Errors are taken for somewhat larger than they look."""
_BESIDE, _BESIDE_BETWEEN = (0.96, 0.07), (0.91, 0.09)
"""Of a car's current the size of a line's current grows by so much, give or take: what else flows there is not quite in
step with it; still less with a car between lines."""
_STRANGE = {Supply.LINE_TO_LINE: 0.02}
_STRANGE_ELSEWHERE = 0.002
"""So often a car's current and the building's are far out of step, and sizes add up to less: where cars are between
lines it happens, elsewhere only beside what feeds back."""
_ALONE, _ALONE_A = 1e-6, 8.0
"""And hardly where less than so much flows beside the car: what flows beside must be more than the car's minimum."""
_ONE_APART = 0.03
"""So often one channel's clamp is of another ratio than the others."""
_CHECKED_WRONG, _CHECKED_APART = 0.005, 0.001
"""So often ratios are wrong after somebody has held a clamp against every line."""
_STRAY = 1e-4
"""A channel's gain is anything, of any size, with about this chance: no single one decides beyond it."""


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
    pure: npt.NDArray[np.complex128]
    """What an ampere of the car is, [mounting, load, channel]."""
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


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside a meter's answer."""

    beside_a: Sequence[float] | None = None
    """What every channel shows while no car draws; None: that was not seen."""
    used: int | None = None
    """On how many of its phases the car draws, as the charger reports."""
    checked: bool = False
    """The sizes of the meter's currents were held against a clamp."""


NOTHING = Known()


def answers(
    supply: Supply,
    phases: int,
    gains: Sequence[Gain],
    car_gain: tuple[float, float] | None,
    known: Known = NOTHING,
) -> bool | None:
    """Whether the meter sees the car at all; None: can't be told. See `explained`."""
    if car_gain is not None and car_gain[0] < 3 * car_gain[1] + 0.15:
        return None  # the car itself does not follow
    if any(_plainly_sees(gain) for gain in gains):
        return True
    held = _held_against(supply, phases, gains, car_gain, replace(known, used=None))
    chances = held.log + np.log(_SEES / held.log.shape[0] / held.log.shape[1])
    sees = float(np.logaddexp.reduce(chances.ravel()))
    well = float(np.logaddexp.reduce(chances[..., held.ratios.min(axis=1) >= LEAST_RATIO].ravel()))
    nothing, one = np.zeros(1, dtype=complex), np.ones(1)
    silent = math.log(1 - _SEES) + sum(float(_log_chance(gain, nothing, one, 0 * one, 1.0)[0, 0, 0]) for gain in gains)
    if sees - silent > _ODDS:
        return True
    return False if silent - well > _ODDS else None


def _plainly_sees(gain: Gain) -> bool:
    """By so many errors that nothing else needs to be asked."""
    by_size = math.hypot(gain.amps_error, gain.amps_astray.share**0.5 * gain.amps_astray.size)
    if gain.amps > _PLAIN + _PLAIN_ERRORS * by_size:
        return True
    if gain.current is None:
        return False
    real_error, imaginary_error = gain.current_error
    wide = gain.astray.share * gain.astray.size**2
    if imaginary_error is None:
        return abs(gain.current.real) > _PLAIN + _PLAIN_ERRORS * math.sqrt(real_error**2 + wide)
    both = gain.slant * real_error * imaginary_error
    spread = np.array([[real_error**2 + wide, both], [both, imaginary_error**2 + wide]])
    current = np.array([gain.current.real, gain.current.imag])
    reach = math.sqrt(float(current @ np.linalg.solve(spread, current)))
    return abs(gain.current) > _PLAIN and reach > _PLAIN_ERRORS


def explained(
    supply: Supply,
    phases: int,
    gains: Sequence[Gain],
    car_gain: tuple[float, float] | None,
    known: Known = NOTHING,
) -> Explanations:
    """`gains`: of a meter that answers. `car_gain`: what the charger itself reports of the car, amperes for an ampere
    of the setpoint, and its error; None: it does not report it."""
    held = _held_against(supply, phases, gains, car_gain, known)
    chance = np.exp(held.log - held.log.max())
    chance /= chance.sum()
    likely = chance.sum(axis=(2, 3))
    way, load = divmod(int(np.argmax(likely)), likely.shape[1])
    ratios, right = (None, None) if car_gain is None else _ratio(gains, held, chance.sum(axis=2), way, load, car_gain)
    return Explanations(
        mountings=tuple(mountings(supply)),
        loads=held.loads,
        pure=held.pure,
        likely=likely,
        ratios=ratios,
        ratio_right=right,
        quantity=_quantity(gains),
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """Everything that could be installed, held against the gains."""

    pure: npt.NDArray[np.complex128]
    """What an ampere of the car is, [mounting, load, channel]."""
    loads: tuple[Load, ...]
    ratios: Floats
    """[row, channel]"""
    log: Floats
    """Logarithm of how likely, [mounting, load, displacement, row of ratios]; of all but mounting and load with how
    likely it is before."""


def _held_against(
    supply: Supply,
    phases: int,
    gains: Sequence[Gain],
    car_gain: tuple[float, float] | None,
    known: Known,
) -> _Held:
    ways, possible = mountings(supply), possible_loads(supply, phases)
    pure = np.array([[shown(supply, way, load) for load in possible] for way in ways])
    # Where the charger does not say what its car draws, a car that takes less looks like a ratio.
    rows, weights = _ratios(len(gains), checked=known.checked and car_gain is not None)
    base, base_error = car_gain if car_gain is not None else (1.0, 0.0)
    size = base * _RATIOS
    error = np.hypot(size * _SHAPE_ERROR, _RATIOS * base_error)
    log = np.zeros((len(ways), len(possible), len(_DISPLACEMENT), len(rows)))
    for channel, gain in enumerate(gains):
        kinds, which = np.unique(np.round(pure[:, :, channel], 9), return_inverse=True)
        alone = known.beside_a is not None and known.beside_a[channel] < _ALONE_A
        strange = _ALONE if alone else _STRANGE.get(supply, _STRANGE_ELSEWHERE)
        beside = _BESIDE_BETWEEN if supply is Supply.LINE_TO_LINE and not alone else _BESIDE
        each = _log_chance(gain, kinds, size, error, strange, beside)[:, :, rows[:, channel]]
        log += each[which.reshape(pure.shape[:2])]
    usual = -0.5 * (_DISPLACEMENT / _DISPLACEMENT_USUAL) ** 2
    usual -= np.logaddexp.reduce(usual)
    log += usual[None, None, :, None] + np.log(weights)
    if known.used is not None:
        fits = np.array([any(count == known.used for _, count in ways) for ways in possible.values()])
        if fits.any():
            log += np.log(np.where(fits, _USED, 1 - _USED))[None, :, None, None]
    return _Held(pure, tuple(possible), _RATIOS[rows], log)


def mounting_told(tests: Sequence[Explanations]) -> Told[Mounting]:
    """Of one meter, by all tests together: each may have been of another charger."""
    log = np.zeros(len(tests[0].mountings))
    for one in tests:
        log += np.log(np.maximum(one.likely.sum(axis=1), 1e-300))
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    best = int(np.argmax(chance))
    tops = [one.likely.max(axis=1) for one in tests]
    alike = np.all([np.abs(top - top[best]) <= _SAME * top[best] for top in tops], axis=0)
    if float(chance[alike].sum()) < SURE:
        alike |= np.all([_looks_like(one)[best].any(axis=(0, 2)) for one in tests], axis=0)
    return Told(tuple(tests[0].mountings[number] for number in np.flatnonzero(alike)), float(chance[alike].sum()))


def load_told(test: Explanations) -> Told[Load]:
    """What the car is on the lines."""
    chance, top = test.likely.sum(axis=0), test.likely.max(axis=0)
    best = int(np.argmax(chance))
    alike = np.abs(top - top[best]) <= _SAME * top[best]
    if float(chance[alike].sum()) < SURE:
        alike |= _looks_like(test)[:, best].any(axis=(0, 1))
    return Told(tuple(test.loads[number] for number in np.flatnonzero(alike)), float(chance[alike].sum()))


def _looks_like(test: Explanations) -> npt.NDArray[np.bool_]:
    """Which explanations that may be look alike to a meter that measures no more, [mounting, load, mounting, load]: by
    active power what leads looks as what lags, unless the car is out of step itself."""
    seen = {
        Quantity.AMPS: np.abs(test.pure),
        Quantity.WATTS: np.concatenate([np.abs(test.pure), test.pure.real], axis=2),
        Quantity.VARS: np.concatenate([test.pure.real, test.pure.imag], axis=2),
    }[test.quantity]
    kinds = np.unique(np.round(seen, 6).reshape(-1, seen.shape[2]) + 0.0, axis=0, return_inverse=True)[1]
    which = kinds.reshape(test.likely.shape)
    may_be = test.likely >= _MAY_BE * test.likely.max()
    same = which[:, :, None, None] == which[None, None, :, :]
    return np.asarray(same & may_be[:, :, None, None] & may_be[None, None, :, :])


def clamps_told(told: Told[Mounting]) -> tuple[tuple[Clamp, ...], ...]:
    """By channel, all that its clamp can be."""
    return tuple(
        tuple(sorted(set(ways), key=lambda one: (one.line, one.turned))) for ways in zip(*told.of, strict=True)
    )


def _quantity(gains: Sequence[Gain]) -> Quantity:
    if any(gain.current is None for gain in gains):
        return Quantity.AMPS
    return Quantity.WATTS if any(gain.current_error[1] is None for gain in gains) else Quantity.VARS


def _ratios(channels: int, *, checked: bool) -> tuple[npt.NDArray[np.intp], Floats]:
    """Ratios by channel, as numbers in the list of all, [row, channel], and how likely each row is before the test: all
    channels alike, or one apart."""
    far = np.flatnonzero(np.abs(_RATIOS - 1) > RATIO_TOLERANCE)
    apart = _CHECKED_APART if checked else _ONE_APART
    alike = _RATIO_WEIGHTS.copy()
    if checked:
        alike[far] *= _CHECKED_WRONG / alike[far].sum()
        alike /= alike.sum()
    rows = [np.full(channels, number) for number in range(len(_RATIOS))]
    weights = list(alike * (1 - apart if channels > 1 else 1.0))
    if channels > 1:
        right = int(np.argmin(np.abs(_RATIOS - 1)))
        for channel in range(channels):
            for number in far:
                row = np.full(channels, right)
                row[channel] = number
                rows.append(row)
                weights.append(apart * _RATIO_WEIGHTS[number] / _RATIO_WEIGHTS[far].sum() / channels)
    return np.array(rows), np.array(weights)


def _ratio(
    gains: Sequence[Gain], held: _Held, chance: Floats, way: int, load: int, car_gain: tuple[float, float]
) -> tuple[tuple[float, ...], bool | None]:
    """Of every channel by the likeliest explanation, and whether by all of them those on which the car draws are right.
    `chance`: [mounting, load, row of ratios]."""
    base, base_error = car_gain
    if base < 3 * base_error or base < 0.1:
        return (1.0,) * len(gains), None
    parts = np.abs(held.pure[way, load])
    ratios = tuple(
        abs(gain.amps) / base / float(part) if part > 0.1 else 1.0 for gain, part in zip(gains, parts, strict=True)
    )
    near = np.abs(held.ratios - 1) <= RATIO_TOLERANCE
    unseen = np.abs(held.pure) < 0.1
    right = np.all(near[None, None] | unseen[:, :, None, :], axis=3)
    surely = float(chance[right].sum())
    return ratios, True if surely >= SURE else False if surely <= 1 - SURE else None


def _ratio_weights() -> Floats:
    """How likely each ratio is before the test: right, of another current transformer, or anything."""
    near = np.abs(_RATIOS - 1) <= RATIO_TOLERANCE
    primaries = np.array([size * decade for decade in (1, 10, 100) for size in _PRIMARIES_A])
    others = np.log(np.array([a / b for a in primaries for b in primaries if a != b]))
    swapped = np.exp(-0.5 * ((np.log(_RATIOS)[:, None] - others[None, :]) / _RATIO_SCATTER) ** 2).sum(axis=1)
    weights = np.where(near, _RIGHT / near.sum(), 0.0)
    weights += np.where(near, 0.0, (1 - _RIGHT - _ANY) * swapped / swapped[~near].sum() + _ANY / (~near).sum())
    return np.asarray(weights / weights.sum())


_RATIO_WEIGHTS = _ratio_weights()


def _log_chance(
    gain: Gain,
    pure: npt.NDArray[np.complex128],
    size: Floats,
    error: Floats,
    strange: float,
    beside: tuple[float, float] = _BESIDE,
) -> Floats:
    """Of a channel's gain: [kind, displacement, ratio]. `pure`: what an ampere is there, [kind]; `size`, `error`: of
    the car by each ratio."""
    turned = np.exp(-1j * _DISPLACEMENT)
    here = pure[:, None, None] * turned[None, :, None] * size[None, None, :]
    there = np.abs(pure)[:, None, None] * error[None, None, :]
    real_error, imaginary_error = gain.current_error
    close, astray, strayed = np.zeros(here.shape), np.zeros(here.shape), gain.amps_astray.share
    if gain.current is not None and imaginary_error is not None:
        off = gain.current - here
        close = _log_normal_pair(off, there, real_error, imaginary_error, gain.slant)
        astray = _log_normal_pair(off, there, gain.astray.size, gain.astray.size, 0.0)
        strayed = gain.astray.share
    else:
        # Beside what else flows on the line, the size of the current grows by somewhat less than the car draws.
        sizes = np.abs(here)
        share, scatter = beside
        off = abs(gain.amps) - share * sizes
        close = np.logaddexp(
            _log_normal(off, np.hypot(scatter * sizes, _CAUTION * gain.amps_error)),
            math.log(strange) + _log_normal(abs(gain.amps) - 0.7 * sizes, 0.3 * sizes + 0.01),
        )
        astray = _log_normal(off, np.hypot(scatter * sizes, gain.amps_astray.size))
        if gain.current is not None:
            # The same load of the building leads both astray.
            real = gain.current.real - here.real
            close = close + _log_normal(real, np.hypot(there, _CAUTION * real_error))
            astray = astray + _log_normal(real, np.hypot(there, gain.astray.size))
            strayed = max(strayed, gain.astray.share)
    log = _either(close, astray, strayed)
    axes = 1 if imaginary_error is None else 2
    return np.logaddexp(log, math.log(_STRAY) - axes * math.log(1.0 + abs(gain.amps)))


def _either(close: Floats, astray: Floats, share: float) -> Floats:
    """Of a gain that the building has led astray so likely."""
    return np.asarray(np.logaddexp(math.log1p(-share) + close, math.log(share) + astray))


def _log_normal_pair(
    off: npt.NDArray[np.complex128], there: Floats, real_error: float, imaginary_error: float, slant: float
) -> Floats:
    """`there`: an error along both axes, beside those of the gain."""
    real = (_CAUTION * real_error) ** 2 + there**2
    imaginary = (_CAUTION * imaginary_error) ** 2 + there**2
    both = slant * _CAUTION**2 * real_error * imaginary_error
    area = real * imaginary - both**2
    square = (imaginary * off.real**2 - 2 * both * off.real * off.imag + real * off.imag**2) / area
    return np.asarray(-0.5 * square - 0.5 * np.log(area))


def _log_normal(off: Floats, error: Floats) -> Floats:
    return np.asarray(-0.5 * (off / error) ** 2 - np.log(error))
