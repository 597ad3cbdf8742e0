"""Fitting that single large loads of a building don't lead astray."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ampacity.commission.steptest.following import Floats

FLOOR_A = 0.08
"""Moves below this are nobody's."""
SHAPE = 0.08
"""Of a move of the car: by so much it is not quite as it is reckoned."""
LEAST_ERROR = 0.01
LARGE = 0.2
CORE = 0.8
CORE_SIZES = {1: ((0.5, 0.674), (0.683, 1.0), (0.8, 1.282)), 2: ((0.5, 1.177), (0.683, 1.515), (0.8, 1.794))}
"""Shares of a normal distribution, and the size they are below, by its number of parts."""
ASTRAY_BEYOND = 3.5
"""What is further off than so many errors was led astray by single large loads."""
ASTRAY_COUNTS = 5.0
UNSEEN = 0.1
"""So many codes more are taken to lead astray than did."""
QUIET_SHARE, QUIET_SIZES = 0.3, {1: 0.51, 2: 1.02}
"""So many moves are below this in a Cauchy distribution of size 1, by its number of parts."""
QUIET = 0.6
"""A building that so often moves by less than by such a distribution mostly rests, and has single large loads."""
STAGES = (16.0, 4.0, 2.0, 1.0, 1.0)
"""First what lies far off counts as well, in the end hardly: so no start leads astray."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """How a building moves: usual sizes along two angles."""

    whiten: Floats
    """[part, part]: makes usual moves of size 1."""

    def blurred(self, by_a: float) -> Scatter:
        """Every usual move is larger by so much."""
        size = np.linalg.inv(self.whiten) + by_a * np.eye(len(self.whiten))
        return Scatter(np.asarray(np.linalg.inv(size), dtype=float))

    def loss(self, rest: Floats) -> Floats:
        """The negative logarithm of how likely it is that this is the building's, [pair, part, way] to [way]."""
        white = np.einsum("qp,npw->nqw", self.whiten, rest)
        return np.asarray((rest.shape[1] + 1) / 2 * np.log1p((white**2).sum(axis=1)).sum(axis=0))


def pairs(times_s: Floats, lag_s: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Numbers of samples that are about so far apart, and of neighbours if all are further."""
    period_s = float(np.median(np.diff(times_s)))
    early = np.arange(len(times_s))
    late = np.maximum(np.searchsorted(times_s, times_s + lag_s - 0.3 * period_s), early + 1)
    held = late < len(times_s)
    early, late = early[held], late[held]
    near = times_s[late] - times_s[early] < lag_s + 1.5 * period_s
    return early[near], late[near]


def scatter_of(moves: Floats) -> Scatter:
    """Of moves, [pair, part], by Tyler and Kent's estimate for the Cauchy distribution."""
    parts = moves.shape[1]
    spread = np.eye(parts) * float(np.median((moves**2).sum(axis=1)) + FLOOR_A**2)
    for _ in range(12):
        far = np.einsum("np,pq,nq->n", moves, np.linalg.inv(spread), moves)
        weights = (parts + 1) / (1.0 + far)
        spread = np.einsum("n,np,nq->pq", weights, moves, moves) / len(moves) + FLOOR_A**2 * np.eye(parts)
    sizes, axes = np.linalg.eigh(spread)
    return Scatter(np.asarray((axes / np.sqrt(np.maximum(sizes, FLOOR_A**2))) @ axes.T))


def scatters_of(moves: Floats) -> list[Scatter]:
    """That of all moves, and that of the quieter ones, if those are much smaller."""
    whole = scatter_of(moves)
    far = np.sqrt(((moves @ whole.whiten) ** 2).sum(axis=1))
    core = max(float(np.quantile(far, QUIET_SHARE)) / QUIET_SIZES[moves.shape[1]], 1e-3)
    floor = FLOOR_A * float(np.linalg.norm(whole.whiten, 2))
    factor = max(core, floor)
    return [whole, Scatter(whole.whiten / factor)] if factor < QUIET else [whole]


def gain_of(moved: Floats, move: Floats, scatter: Scatter, rounds: int = 3) -> tuple[Floats, Floats]:
    """Gains, [part, way], and the loss that is left, [way]. `moved`: [pair, part], or [pair, part, way]; `move`:
    [pair, way]."""
    parts = moved.shape[1]
    white = np.einsum("qp,np...->qn...", scatter.whiten, moved).reshape(parts, len(moved), -1)
    gains = np.zeros((parts, move.shape[1]))
    square = move**2
    weights = np.ones_like(move)
    far, scale = np.ones_like(move), np.ones_like(move)
    for stage in STAGES:
        for _ in range(rounds):
            weighted = weights * move
            energy = np.maximum(np.einsum("nw,nw->w", weighted, move), 1e-12)
            gains = np.array([_summed(weighted, one) for one in white]) / energy
            scale = square * (SHAPE**2 * (gains**2).sum(axis=0))
            scale += stage**2
            far = np.zeros_like(move)
            for one, gain in zip(white, gains, strict=True):
                rest = move * gain
                rest -= one
                rest *= rest
                far += rest
            far /= scale
            weights = 1.0 / (scale * (1.0 + far))
    loss = ((parts + 1) / 2 * np.log1p(far) + 0.5 * parts * np.log(scale)).sum(axis=0)
    return np.asarray(np.linalg.solve(scatter.whiten, gains), dtype=float), np.asarray(loss)


def _summed(weighted: Floats, seen: Floats) -> Floats:
    """Over pairs; `seen`: [pair, 1 or way]."""
    if seen.shape[1] == 1:
        return np.asarray(seen[:, 0] @ weighted)
    return np.asarray(np.einsum("nw,nw->w", weighted, seen))


@dataclass(frozen=True, slots=True)
class Found:
    """A gain, and how far off it may be."""

    gain: Floats
    """[part]"""
    spread: Floats
    """[part, part]: the covariance of its error, unless it is led astray."""
    astray: float
    """So likely the building has led it astray."""
    astray_a: float
    """And then by about so much."""

    @property
    def error(self) -> Floats:
        """Of each part, with being led astray: [part]."""
        return np.sqrt(np.diag(self.spread) + self.astray * self.astray_a**2)

    @property
    def vagueness(self) -> float:
        """The less, the better."""
        size = 0.5 * math.log(float(np.trace(self.spread)))
        return size + ASTRAY_COUNTS * self.astray * max(0.0, math.log(self.astray_a) - size)


def found_again(gain: Floats, rest: Floats, others: Floats, late: Floats, scatter: Scatter) -> Found:
    """How far off the gain may be: a car of this gain is put on what is left of the building by codes that were not
    sent, [pair, way], its messages `late`, and found again."""
    moved = rest[:, :, None] + late[:, None, :] * gain[None, :, None]
    again = gain_of(moved, others, scatter, rounds=2)[0]
    size = float(np.hypot.reduce(gain))
    off = again - gain[:, None]
    if size > LARGE:
        # Messages that take differently long make a gain look smaller than it is, by as much as they do here.
        along = float(np.median((gain[:, None] * again).sum(axis=0))) / size**2
        if 0.7 < along < 1.1:
            gain, off = gain / along, again / along - gain[:, None] / along
    return _found(gain, off)


def _found(gain: Floats, off: Floats) -> Found:
    """`off`: by how much it was found wrong, [part, way]."""
    parts, ways = off.shape
    far = np.sqrt((off**2).sum(axis=0))
    kept = far <= np.quantile(far, CORE)
    spread = off[:, kept] @ off[:, kept].T / int(kept.sum()) + 1e-12 * np.eye(parts)
    reach = np.sqrt(np.einsum("pw,pq,qw->w", off, np.linalg.inv(spread), off))
    factor = max(float(np.quantile(reach, share)) / size for share, size in CORE_SIZES[parts])
    spread = spread * factor**2 + LEAST_ERROR**2 * np.eye(parts)
    reach = np.sqrt(np.einsum("pw,pq,qw->w", off, np.linalg.inv(spread), off))
    beyond = reach > ASTRAY_BEYOND
    wide_a = math.sqrt(float((far[beyond] ** 2).mean())) if beyond.any() else 0.5
    least_a = 5.0 * math.sqrt(float(np.trace(spread)))
    return Found(gain, spread, (int(beyond.sum()) + UNSEEN) / (ways + 2 * UNSEEN), max(wide_a, least_a))
