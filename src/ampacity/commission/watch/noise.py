"""What a building does by itself: how far a meter's channels move over some seconds in which no car does.

Nothing is taken from a model. Moves are counted, of the last hour and of the last weeks, by size; what is far out
keeps some chance always, since no building is known for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LAGS_S = (6.0, 12.0, 24.0, 48.0, 96.0)
"""Moves over other times count to the next of these."""
_EDGES_A = np.array(
    [0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 10.0, 15.0, 22.0, 33.0, 50.0, 75.0, 100.0]
)
_WIDTHS_A = 2 * np.diff(_EDGES_A)
"""A size is of both signs."""
BINS = len(_WIDTHS_A)
_PRIOR = 1 / (1 + _EDGES_A[:-1] / 1.0) - 1 / (1 + _EDGES_A[1:] / 1.0)
_PRIOR = _PRIOR / _PRIOR.sum()
"""What a building that nobody has watched yet may do."""
PRIOR_WEIGHT, SHORT_PRIOR_WEIGHT = 20.0, 8.0
"""Moves that it counts as; and that the last weeks count as, beside the last hour."""
SHORT, LONG = 0.97, 0.9997
"""What an earlier move counts after one more: the last ones, and the last few thousand."""
_ANYTHING = 0.01 / 200.0
"""Per ampere: once in a hundred times a move is anything at all."""


def lag_of(seconds: float) -> int:
    """Which of the lags a move over this time counts to."""
    return next((number for number, lag_s in enumerate(LAGS_S) if seconds <= lag_s * 1.42), len(LAGS_S) - 1)


@dataclass(slots=True)
class Noise:
    """Of one meter. A part is a channel's real or imaginary part."""

    parts: int
    short: Floats = field(init=False)
    long: Floats = field(init=False)
    """Moves by lag, part and size."""

    def __post_init__(self) -> None:
        self.short = np.zeros((len(LAGS_S), self.parts, BINS))
        self.long = np.zeros((len(LAGS_S), self.parts, BINS))

    def add(self, lag: int, moves: Sequence[float]) -> None:
        """One move of all parts, in amperes."""
        places = np.minimum(np.searchsorted(_EDGES_A, np.abs(moves), side="right") - 1, BINS - 1)
        for kept, fades in ((self.short, SHORT), (self.long, LONG)):
            kept[lag] *= fades
            kept[lag, np.arange(self.parts), places] += 1.0

    def seen(self, lag: int) -> float:
        """How many moves it goes by."""
        return float(self.long[lag, 0].sum())

    def log_density(self, lag: int, off: Floats) -> Floats:
        """Of moves by so much, [..., part], in amperes: the logarithm of how likely each is, per ampere."""
        density = self._shares(lag) / _WIDTHS_A
        # What is further out is never likelier: the steps of one load are no rule.
        density = np.maximum.accumulate(density[:, ::-1], axis=1)[:, ::-1]
        places = np.minimum(np.searchsorted(_EDGES_A, np.abs(off), side="right") - 1, BINS - 1)
        return np.asarray(np.log(0.99 * density[np.arange(self.parts), places] + _ANYTHING))

    def usual_a(self, lag: int) -> list[float]:
        """By part, what nine of ten moves are within."""
        shares = np.cumsum(self._shares(lag), axis=1)
        return [float(_EDGES_A[1 + int(np.searchsorted(row, 0.9))]) for row in shares]

    def _shares(self, lag: int) -> Floats:
        """By part and size."""
        long = _share(self.long[lag] + PRIOR_WEIGHT * _PRIOR)
        return 0.5 * (_share(self.short[lag] + SHORT_PRIOR_WEIGHT * long) + long)

    def kept(self) -> dict[str, list[list[list[float]]]]:
        """For the record."""
        return {"short": _rounded(self.short), "long": _rounded(self.long)}

    def resume(self, kept: Mapping[str, object]) -> None:
        """What does not fit is left out."""
        for name in ("short", "long"):
            found = np.array(kept.get(name), dtype=float)
            if found.shape == self.long.shape and bool(np.isfinite(found).all()) and bool((found >= 0).all()):
                setattr(self, name, found)


def _share(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _rounded(values: Floats) -> list[list[list[float]]]:
    found: list[list[list[float]]] = np.round(values, 2).tolist()
    return found
