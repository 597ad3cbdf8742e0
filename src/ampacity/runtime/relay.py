"""Between the meters and the loop: meters that are made of others, and standby meters that take over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import structlog

from ampacity.core.combined import combined
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.site import MeterId

GOOD_AGAIN = 5
"""So many good samples in a row, and the first meter is used again."""
SHORTEST_SILENCE_S = 3.0
"""Less than the shortest deadline, so that the circuit is not blind before the standby meter takes over."""
SILENT_PERIODS = 2.0

_log = structlog.get_logger("ampacity.meter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A meter that is made of others."""

    plus: tuple[MeterId, ...]
    minus: tuple[MeterId, ...] = ()


@dataclass(slots=True)
class _Pair:
    """A first meter and its standby."""

    standby: MeterId
    silent_s: float
    """So long the first one may say nothing."""
    standby_silent_s: float
    """The same of the standby one."""
    first_period_s: float
    standby_period_s: float
    first_s: float | None = None
    """When the first one last gave a good sample; None: not yet."""
    standby_s: float | None = None
    began_s: float | None = None
    """When it was first looked for."""
    good: int = 0
    """Good samples of the first one in a row while the standby one serves."""
    serving: bool = False
    """The standby one stands in."""


def _silent_s(period_s: float) -> float:
    return max(SHORTEST_SILENCE_S, SILENT_PERIODS * period_s)


class Relay:
    """What comes in goes through `passed`, and what it returns to the loop. On the loop's thread."""

    def __init__(self) -> None:
        self._made: Mapping[MeterId, Made] = {}
        self._pairs: dict[MeterId, _Pair] = {}
        self._newest: dict[MeterId, MeterReading] = {}
        self._told_s: dict[MeterId, float] = {}
        self._nominal_v = 230.0
        self._shown: Collection[MeterId] | None = None

    def use(
        self,
        made: Mapping[MeterId, Made],
        standbys: Mapping[MeterId, MeterId],
        *,
        period_s: Mapping[MeterId, float],
        nominal_v: float,
        shown: Collection[MeterId] | None = None,
    ) -> None:
        """From now on. `standbys`: the standby meter by the one it stands in for; `nominal_v`: of a line; `shown`: the
        loop is to see these meters alone; None: all."""
        self._made = made
        self._shown = shown
        self._nominal_v = nominal_v
        self._newest.clear()
        self._told_s.clear()
        self._pairs = {
            first: _Pair(
                standby,
                silent_s=_silent_s(period_s.get(first, 1.0)),
                standby_silent_s=_silent_s(period_s.get(standby, 1.0)),
                first_period_s=period_s.get(first, 1.0),
                standby_period_s=period_s.get(standby, 1.0),
            )
            for first, standby in standbys.items()
        }

    def standins(self) -> Mapping[MeterId, MeterId | None]:
        """Of every meter that has a standby one, the standby that serves in its place; None: it is not needed."""
        return {first: pair.standby if pair.serving else None for first, pair in self._pairs.items()}

    def passed(self, one: Observation) -> list[Observation]:
        """What the loop is to see of it."""
        if not isinstance(one, MeterReading) or not (self._made or self._pairs):
            return [one]
        out: list[Observation] = []
        for reading in self._stood_in(one):
            out.append(reading)
            self._newest[reading.meter] = reading
            out += self._sums(reading.meter)
        return [one for one in out if self._is_shown(one)]

    def _is_shown(self, one: Observation) -> bool:
        return self._shown is None or not isinstance(one, MeterReading) or one.meter in self._shown

    def _stood_in(self, one: MeterReading) -> list[MeterReading]:
        """The reading, unless a standby meter serves in its place; and once more, where it stands in for another."""
        out = self._own(one)
        for first, pair in self._pairs.items():
            if pair.standby != one.meter:
                continue
            if pair.began_s is None:
                pair.began_s = one.at_s
            if not len(one.currents):
                continue
            pair.standby_s = one.at_s
            last_s = pair.began_s if pair.first_s is None else pair.first_s
            takes_over = not pair.serving and one.at_s - last_s > pair.silent_s
            if takes_over:
                pair.serving, pair.good = True, 0
                _log.warning(
                    "meter-standby",
                    meter=first,
                    standby=one.meter,
                    what=f"Meter {first} is silent: {one.meter} stands in for it.",
                    remedy=f"Look into meter {first}; it is used again when it answers.",
                )
            if pair.serving:
                # Its own number and counter are another meter's.
                period_s = pair.standby_period_s if takes_over else None
                out.append(replace(one, meter=first, serial=None, energy_import_wh=None, period_s=period_s))
        return out

    def _own(self, one: MeterReading) -> list[MeterReading]:
        """Works in a sample, and returns it; nothing where it is a first meter's, and the standby one is seen in its
        place."""
        pair = self._pairs.get(one.meter)
        if pair is None:
            return [one]
        if pair.began_s is None:
            pair.began_s = one.at_s
        usable = bool(len(one.currents))
        silent_s = pair.standby_silent_s if pair.serving else pair.silent_s
        there = pair.standby_s is not None and one.at_s - pair.standby_s <= silent_s
        if not pair.serving:
            if usable:
                pair.first_s = one.at_s
            # What can't be is passed over, as long as the standby meter can take over in time.
            return [] if there and not usable else [one]
        pair.good = pair.good + 1 if usable else 0
        if usable and (pair.good >= GOOD_AGAIN or not there):
            pair.serving, pair.first_s = False, one.at_s
            _log.info("meter-first-again", meter=one.meter, standby=pair.standby)
            return [replace(one, period_s=pair.first_period_s)]
        return [] if there else [one]

    def _sums(self, meter: MeterId) -> list[MeterReading]:
        out = []
        for made, of in self._made.items():
            if meter not in (*of.plus, *of.minus):
                continue
            parts = [
                *((self._newest.get(one), False) for one in of.plus),
                *((self._newest.get(one), True) for one in of.minus),
            ]
            seen = [(reading, taken_off) for reading, taken_off in parts if reading is not None]
            if len(seen) < len(parts):
                continue
            reading = combined(made, seen, self._nominal_v)
            if self._told_s.get(made) == reading.at_s and len(reading.currents):
                continue  # the oldest part is the same: this is no new evidence
            self._told_s[made] = reading.at_s
            out.append(reading)
        return out
