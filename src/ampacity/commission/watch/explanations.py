"""All that could be so, and what a meter would show of a car's step by each of it.

One thing is wrong at a time: with the meter's clamps, for all chargers, or with one charger. What is the case so far,
or is believed to be, is the base; everything else is held against it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import numpy.typing as npt

from ampacity.commission.steptest.mounting import (
    Load,
    Mounting,
    Wiring,
    load_of,
    mountings,
    right,
    shown,
    wirings,
)
from ampacity.commission.watch.noise import Floats, Noise
from ampacity.commission.watch.steps import Amps
from ampacity.core.phases import Supply

Complexes = npt.NDArray[np.complex128]

SHARES = (0.2, 0.33, 0.5, 0.67, 1.5, 2.0, 3.0, 5.0)
"""Of what it should show. Less off than that is what meters, clamps and chargers err."""
TOLERANCE_A, TOLERANCE = 0.5, 0.06
"""By so much what a charger reports may be off, in amperes and relative."""
LAGS = 0.2
"""A car's current leads or lags by up to so many radians."""
SIZES = 0.2
"""Beside other loads the size of a current grows by up to this share less than the car draws."""
DRAWS_A = 3.0


class Kind(Enum):
    """What can be wrong."""

    CLAMP_LOST = "clamp-lost"
    CLAMP_TURNED = "clamp-turned"
    CLAMPS_MOVED = "clamps-moved"
    RATIO = "ratio-changed"
    WIRING = "wiring-moved"
    UNSEEN = "charger-unseen"
    REPORT = "report-changed"


@dataclass(frozen=True, slots=True)
class Clamps:
    """How a meter's clamps are."""

    mounting: Mounting
    shares: tuple[float, ...]
    """By channel, amperes shown for one that flows. 0: the clamp is off."""


@dataclass(frozen=True, slots=True)
class Place:
    """How a charger is connected."""

    wirings: tuple[Wiring, ...]
    """More than one: it is not known which."""
    share: float = 1.0
    """Amperes that flow here for one that it reports. 0: it is not seen here."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of it."""

    kind: Kind | None
    """None: all is as it should be."""
    lines: tuple[int, ...] = ()
    """Of the channels it is about, or, by phase of the charger, where it is connected; -1: not known."""
    share: float = 1.0


def _unlikely(expected: Mounting, way: Mounting) -> float:
    """Logarithm of how likely it is that the clamps come to sit so: the more of them, the less."""
    moved = sum(one.line is not other.line for one, other in zip(expected, way, strict=True))
    turned = sum(one.turned is not other.turned for one, other in zip(expected, way, strict=True))
    if not moved:
        return 0.0 if turned in (0, 1, len(way)) else -4.0
    return -7.5 - 1.5 * (moved - 2) - 2.0 * turned


def in_order(supply: Supply, mounting: Mounting | None = None) -> Clamps:
    return Clamps(right(supply) if mounting is None else mounting, (1.0,) * len(supply.lines))


def other_clamps(supply: Supply, base: Clamps, expected: Clamps, *, signed: bool) -> tuple[list[Clamps], list[float]]:
    """The base first; with how likely each is before anything is seen, as a logarithm. `signed`: the meter shows more
    than sizes."""
    lines = range(len(supply.lines))
    sure = (1.0,) * len(supply.lines)
    found: dict[Clamps, float] = {base: 0.0, expected: 0.0}
    found.setdefault(in_order(supply), 0.0)
    for off in (*((line,) for line in lines), tuple(lines)):
        found.setdefault(replace(expected, shares=tuple(0.0 if line in off else 1.0 for line in lines)), 0.0)
    for some in (*((line,) for line in lines), tuple(lines)):
        for share in SHARES:
            found.setdefault(replace(expected, shares=tuple(share if line in some else 1.0 for line in lines)), -1.0)
    if signed:
        for way in mountings(supply):
            found.setdefault(Clamps(way, sure), _unlikely(expected.mounting, way))
    return list(found), list(found.values())


def other_places(supply: Supply, phases: int, base: Place, expected: Place) -> tuple[list[Place], list[float]]:
    """The base first; see `other_clamps`."""
    found: dict[Place, float] = {base: 0.0, expected: 0.0}
    for way in wirings(supply, phases):
        found.setdefault(Place((way,)), 0.0)
    found.setdefault(replace(expected, share=0.0), -1.0)
    for share in SHARES:
        found.setdefault(replace(expected, share=share), -2.0)
    return list(found), list(found.values())


def clamps_claim(supply: Supply, clamps: Clamps, expected: Clamps) -> Claim:
    lines = range(len(clamps.shares))
    if clamps in (expected, in_order(supply)):
        return Claim(None)
    off = tuple(line for line in lines if clamps.shares[line] == 0.0)
    if off:
        return Claim(Kind.CLAMP_LOST, off)
    other = tuple(line for line in lines if clamps.shares[line] != 1.0)
    if other:
        return Claim(Kind.RATIO, other, clamps.shares[other[0]])
    moved = [line for line in lines if clamps.mounting[line].line is not expected.mounting[line].line]
    if moved:
        return Claim(Kind.CLAMPS_MOVED)
    turned = tuple(line for line in lines if clamps.mounting[line].turned is not expected.mounting[line].turned)
    return Claim(Kind.CLAMP_TURNED, turned)


def place_claim(place: Place, expected: Place) -> Claim:
    if place == expected or (place.share == 1.0 and set(place.wirings) <= set(expected.wirings)):
        return Claim(None)
    if place.share == 0.0:
        return Claim(Kind.UNSEEN)
    if place.share != 1.0:
        return Claim(Kind.REPORT, (), place.share)
    phases = zip(*place.wirings, strict=True)
    return Claim(Kind.WIRING, tuple(int(lines[0]) if len(set(lines)) == 1 else -1 for lines in phases))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a meter showed of a step: how far each channel moved."""

    lag: int
    amps: tuple[complex, ...]
    """In the frame of the channel's own voltage. Real, where only sizes or powers are known."""
    lost: tuple[float, ...]
    """By channel, what speaks for a lost clamp beside that: whether it showed nothing both before and after, and how
    often it does so by itself. Logarithms of odds."""
    measured: str
    """vars: real and imaginary parts; watts: real ones; amps: sizes."""


def on_lines(supply: Supply, wiring: Wiring, amps: Amps) -> tuple[complex, ...]:
    """What a car draws on each line, in the frame of the line's voltage to neutral."""
    used = [drawn for drawn in amps if drawn > 0.5]
    if supply in (Supply.THREE_PHASE, Supply.SINGLE_PHASE) or (len(wiring) == 1):
        out = [0j] * len(supply.lines)
        for line, drawn in zip(wiring, amps, strict=True):
            out[line] += drawn
        return tuple(out)
    if not used:
        return (0j,) * len(supply.lines)
    mean = sum(used) / len(used)
    return tuple(mean * one for one in load_of(supply, wiring, len(used)).on)


class Held:
    """A step held against all explanations: the logarithm of how likely what was shown is by each."""

    def __init__(self, supply: Supply, noise: Noise, moved: Moved, before: Sequence[Amps], after: Sequence[Amps]):
        self._supply = supply
        self._noise = noise
        self._moved = moved
        self._cars: dict[Wiring, Complexes] = {}
        self._before, self._after = before, after
        self._knows_phases = len(after) == 1
        """Else what a car draws on which line could be made to fit too much: only whether, and how much of it, is seen
        at all is gone by."""

    def clamps(self, ways: Sequence[Clamps], place: Place) -> Floats:
        """By every way the clamps can be, the charger being connected so. The base is the first."""
        cars = self._all(place)
        if not self._knows_phases:
            return np.full(len(ways), self._log((cars @ matrix_of(self._supply, ways[0]).T)[None])[0])
        matrix = np.array([matrix_of(self._supply, way) for way in ways])
        log = self._log(np.einsum("hkl,cl->hck", matrix, cars))
        return np.asarray(log + self._dead(ways, cars))

    def places(self, places: Sequence[Place], clamps: Clamps) -> Floats:
        """By every way the charger can be connected, the clamps being so. The base is the first."""
        matrix = matrix_of(self._supply, clamps)
        log = np.array([self._log(np.einsum("kl,cl->ck", matrix, self._all(one))[None])[0] for one in places])
        if not self._knows_phases:
            log[[one.wirings != places[0].wirings for one in places]] = log[0]
        return log

    def expected(self, place: Place, clamps: Clamps) -> tuple[complex, ...]:
        """What it should have shown; of several, what comes nearest."""
        ways = self._all(place) @ matrix_of(self._supply, clamps).T
        if self._moved.measured == "amps":
            ways = np.abs(ways) * np.where(ways.real < -1e-9, -1, 1)
        off = np.abs(ways - np.array(self._moved.amps)).sum(axis=1)
        return tuple(complex(one) for one in ways[int(np.argmin(off))])

    def _all(self, place: Place) -> Complexes:
        """What flows on the lines, of all that can be, [what, line]."""
        cars: Complexes = np.concatenate([self._on(wiring) for wiring in place.wirings])
        return cars * place.share

    def _on(self, wiring: Wiring) -> Complexes:
        """Lines of all that the car can have drawn, [what, line]."""
        if wiring not in self._cars:
            self._cars[wiring] = np.array(
                [
                    np.array(on_lines(self._supply, wiring, after)) - np.array(on_lines(self._supply, wiring, before))
                    for before, after in zip(self._before, self._after, strict=True)
                ]
            )
        return self._cars[wiring]

    def _log(self, shown_a: Complexes) -> Floats:
        """[explanation, what the car drew, channel] -> [explanation]."""
        seen = np.array(self._moved.amps)
        size = np.abs(shown_a)
        near = TOLERANCE_A + TOLERANCE * size
        if self._moved.measured == "amps":
            signs = np.where(shown_a.real < -1e-9, -1.0, 1.0)
            over = np.abs(seen.real - signs * size * (1 - SIZES / 2)) - near - size * SIZES / 2
            off = np.maximum(over, 0.0)
        else:
            # The part across the car's current is less sure: nobody knows by how much it lags.
            lags = LAGS * size
            off = np.maximum(np.abs(seen.real - shown_a.real) - near - LAGS * np.abs(shown_a.imag), 0.0)
            if self._moved.measured == "vars":
                across = np.maximum(np.abs(seen.imag - shown_a.imag) - near - lags, 0.0)
                off = np.concatenate([off, across], axis=-1)
        log = self._noise.log_density(self._moved.lag, off).sum(axis=-1)
        return np.asarray(np.logaddexp.reduce(log, axis=1) - math.log(log.shape[1]))

    def _dead(self, ways: Sequence[Clamps], cars: Complexes) -> Floats:
        draws = np.abs(cars).max(axis=0) >= DRAWS_A
        return np.array(
            [
                sum(
                    self._moved.lost[line]
                    for line, share in enumerate(way.shares)
                    if share == 0.0 and draws[way.mounting[line].line]
                )
                for way in ways
            ]
        )


def matrix_of(supply: Supply, clamps: Clamps) -> Complexes:
    """What an ampere of each line is on each channel."""
    lines = len(supply.lines)
    columns = []
    for line in range(lines):
        one = Load(tuple(1 + 0j if other == line else 0j for other in range(lines)))
        columns.append(shown(supply, clamps.mounting, one))
    return np.asarray(np.array(columns).T * np.array(clamps.shares)[:, None])
