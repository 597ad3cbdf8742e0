"""What the building does beside the cars, line by line, from the newest sample of each circuit's meter.

A meter shows building and cars together, and the cars' reports come at other instants. So two figures are kept: `low`
takes from the meter the most the cars may be drawing, `high` the least. A cut goes by the low one: it answers what the
meter shows and no error of ours. A raise goes by the high one: no ramp under way is ever handed out a second time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ampacity.core.breaker import budget_after
from ampacity.core.memory import CircuitMemory, PlaceMemory, SignMark
from ampacity.core.observations import MeterReading
from ampacity.core.patience import waits_s
from ampacity.core.phases import Supply
from ampacity.core.site import Circuit
from ampacity.core.trust import GOOD_SAMPLES, KNOWN_A, against, credible, feeds_back, frozen, renewed

PEAK_STEP_A = 0.2
"""Peaks nearer to each other than this are one."""


_Phasor = tuple[float, float, bool]
"""Current of a line in the frame of its voltage to neutral, and whether its angle is known."""


@dataclass(frozen=True, slots=True)
class CarsBelow:
    """Phasor sums of the cars below a circuit at its newest sample, one a line, in amperes."""

    low_re: Sequence[float]
    low_im: Sequence[float]
    most_re: Sequence[float]
    most_im: Sequence[float]
    obeyed: bool
    """None of them draws more than it may, as far as they report."""
    moved_a: float
    """By how much their draws changed in sum, between reports that all came after the meter last changed."""
    stills_a: tuple[float | None, ...]
    """The draws from which that is counted."""


def sampled(
    circuit: Circuit,
    supply: Supply,
    line_v: float,
    reading: MeterReading,
    memory: CircuitMemory,
    cars: CarsBelow,
    silent_s: float,
) -> CircuitMemory:
    """The memory after a fresh sample. `line_v` is the nominal voltage from line to neutral; a meter that did not speak
    for longer than `silent_s` was silent."""
    memory = renewed(memory, reading)
    least_a = max(map(math.hypot, cars.low_re, cars.low_im), default=0.0)
    at_s = reading.at_s
    if not credible(circuit, reading, memory, least_a, silent_s):
        return memory._replace(absurd_s=at_s if memory.absurd_s is None else memory.absurd_s, good=0, marks=())
    gap_s = 0.0 if memory.at_s is None else at_s - memory.at_s
    same = bool(memory.places) and all(
        abs(now - then) < 1e-9 for now, then in zip(_sizes(reading), _remembered(memory), strict=True)
    )
    changed_s = memory.changed_s if same else at_s
    period_s = _period_s(memory, gap_s) if reading.period_s is None else reading.period_s
    memory = frozen(
        memory._replace(stills_a=cars.stills_a if same else ()), reading, period_s, same=same, moved_a=cars.moved_a
    )
    phasors = [_phasor(reading, line, supply, line_v) for line in range(len(reading.currents))]
    marks, beyond = _marks(circuit, at_s, phasors, cars)
    memory = against(memory, at_s, marks, beyond=beyond, silent_s=silent_s)
    window_s = max(waits_s(memory, scarce=False))
    places = tuple(
        [_place(circuit, phasor, at_s, memory, cars, line, gap_s, window_s) for line, phasor in enumerate(phasors)]
    )
    return memory._replace(
        at_s=at_s,
        period_s=period_s,
        good=0 if memory.frozen_s is not None or memory.turned_s is not None else min(memory.good + 1, 1000),
        absurd_s=None,
        changed_s=changed_s,
        exchanged=memory.exchanged and memory.good + 1 < GOOD_SAMPLES,
        places=places,
    )


def _marks(
    circuit: Circuit, at_s: float, phasors: Sequence[_Phasor], cars: CarsBelow
) -> tuple[tuple[SignMark | None, ...], bool]:
    """By line: meter and cars, where the angle is known and the cars draw what they draw for sure. And whether by the
    meter the building feeds back more than it can on some line."""
    out: list[SignMark | None] = []
    beyond = False
    for line, (re, im, known) in enumerate(phasors):
        low_re, most_re, most_im = cars.low_re[line], cars.most_re[line], cars.most_im[line]
        sure = known and cars.obeyed and math.hypot(most_re - low_re, most_im - cars.low_im[line]) <= KNOWN_A
        out.append(SignMark(at_s, re, im, most_re, most_im) if sure else None)
        beyond = beyond or (known and feeds_back(circuit, line, re - low_re))
    return tuple(out), beyond


def _sizes(reading: MeterReading) -> list[float]:
    return [abs(amps) for amps in reading.currents]


def _remembered(memory: CircuitMemory) -> list[float]:
    return [math.hypot(place.measured_re, place.measured_im) for place in memory.places]


def _period_s(memory: CircuitMemory, gap_s: float) -> float | None:
    if gap_s <= 0:
        return memory.period_s
    if memory.period_s is None:
        return min(max(gap_s, 0.05), 60.0)
    # A gap is no new rate: it counts at twice the known one at the most.
    return memory.period_s + 0.2 * (min(gap_s, 2.0 * memory.period_s) - memory.period_s)


def _phasor(reading: MeterReading, line: int, supply: Supply, line_v: float) -> _Phasor:
    """Current of a line in the frame of its voltage to neutral, and whether its angle is known."""
    amps = reading.currents[line]
    if reading.powers is None or len(reading.powers) <= line:
        return amps, 0.0, supply is not Supply.LINE_TO_LINE
    volts = line_v
    if reading.voltages is not None and len(reading.voltages) > line and reading.voltages[line] > 0:
        volts = reading.voltages[line]
        if supply is Supply.LINE_TO_LINE and volts > 1.4 * line_v:
            volts /= math.sqrt(3)  # the meter counts from line to line
    size = abs(amps)
    re = max(-size, min(size, reading.powers[line] / volts))
    im = math.sqrt(max(0.0, size * size - re * re))
    if reading.reactive is not None and len(reading.reactive) > line:
        # Current that lags its voltage (positive var) has a negative imaginary part.
        return re, math.copysign(im, -reading.reactive[line]), True
    # Of the reactive part only the size is known; where all cars are real, its sign does not matter.
    return re, im, supply is not Supply.LINE_TO_LINE or im < 0.05 * size + 0.3


def _place(
    circuit: Circuit,
    phasor: _Phasor,
    at_s: float,
    memory: CircuitMemory,
    cars: CarsBelow,
    line: int,
    gap_s: float,
    window_s: float,
) -> PlaceMemory:
    limit = circuit.rating_a[line] * circuit.continuous_factor
    re, im, known = phasor
    low_re, low_im = re - cars.most_re[line], im - cars.most_im[line]
    high_re, high_im, high_limit = re - cars.low_re[line], im - cars.low_im[line], limit
    if not known:
        # |new| <= |measured| + |change of the cars|: what is left bounds the change, about what they draw now.
        size = math.copysign(math.hypot(re, im), re)
        high_re, high_im, high_limit = -cars.low_re[line], -cars.low_im[line], limit - size
        along = math.hypot(cars.most_re[line], cars.most_im[line])
        turned_re, turned_im = (cars.most_re[line] / along, cars.most_im[line] / along) if along else (1.0, 0.0)
        low_re, low_im = size * turned_re - cars.most_re[line], size * turned_im - cars.most_im[line]
        re, im = size, 0.0
    before = memory.places[line] if memory.places else None
    size = math.hypot(re, im)
    unseen, until, budget, last = 0.0, 0.0, 0.0, low_re
    peaks: tuple[tuple[float, float], ...] = ()
    if before is not None:
        fall = math.hypot(before.measured_re, before.measured_im) - size
        until = before.unseen_until_s
        unseen = max(0.0, before.unseen_a - max(0.0, fall)) if at_s < until else 0.0
        budget = budget_after(before.budget, size / circuit.rating_a[line], min(gap_s, 60.0))
        peaks, last = before.peaks, before.building_a
    low_re -= unseen
    height = limit - headroom_a(low_re, low_im, limit) if known else math.copysign(math.hypot(low_re, low_im), low_re)
    return PlaceMemory(
        measured_re=re,
        measured_im=im,
        low_re=low_re,
        low_im=low_im,
        high_re=high_re,
        high_im=high_im,
        high_limit_a=high_limit,
        peaks=_peaks(peaks, at_s, height, window_s),
        unseen_a=unseen,
        unseen_until_s=until,
        building_a=min(max(last, low_re), max(low_re, high_re)) if known else low_re,
        budget=budget,
    )


def headroom_a(re: float, im: float, limit: float) -> float:
    """What a real current may still add until |re + x + j im| is the limit; negative: by how much it is above."""
    if abs(im) >= limit:
        return limit - math.hypot(re, im)
    return math.sqrt(limit * limit - im * im) - re


def _peaks(
    peaks: tuple[tuple[float, float], ...], at_s: float, height: float, window_s: float
) -> tuple[tuple[float, float], ...]:
    oldest = at_s - window_s
    kept = [peak for peak in peaks if peak[0] >= oldest]
    top = height
    while kept and kept[-1][1] <= height + PEAK_STEP_A:
        top = max(top, kept.pop()[1])
    kept.append((at_s, top))
    return tuple(kept)
