"""Whether a circuit's meter is believed: how old its newest sample may be, and what can't be true.

A meter whose sign is wrong shows export where there is import: the more the cars draw, the more room it shows. That
can't be told from a building with its own generation by any single sample, only by how the meter moves when the cars
do. So the meter and the cars are noted whenever what the cars draw is known for sure; from one such moment to the next
the meter must have moved with them, not against them.
"""

from __future__ import annotations

import math

from ampacity.core.decision import Blindness
from ampacity.core.memory import CircuitMemory, SignMark
from ampacity.core.observations import MeterReading
from ampacity.core.site import Circuit, Meter

SHORTEST_DEADLINE_S = 5.0
GOOD_SAMPLES = 3
"""So many in a row end blindness, and come before the first raise."""

ABSURD_RATIO = 20.0
"""A current so many times the rating is no current: the breaker would have opened at once."""

MOVED_A = 2.0
"""Cars that moved by more than this in sum must show on the meter."""

DEAD_V = 50.0
"""A meter that sees less on every line has no supply to measure."""

START_S = 60.0
"""A meter that has just started shows its figures within this time. After it, nothing may be the truth: on a circuit
of chargers alone all cars are paused by then."""

KNOWN_A = 0.5
"""What the cars draw is known for sure when the least and the most are no further apart."""

TELLING_A = 3.0
"""A move of the cars by less tells nothing of the sign."""

STRONG_A = 8.0
"""A move by so much counts twice."""

ALIKE = 0.35
"""The meter moved as the cars did, or against them, when it differs from that by no more than this share."""

TURNED = 2
"""So much evidence against the sign, and none for it in between, and the meter is not believed. By chance that takes a
load that steps by twice what the cars do, against them. Then the cut that follows speaks for the sign, and ends it."""

BACKFEED = 1.2
"""No building feeds back more than this share of its breaker's rating, with what its cars take of it."""

BEYOND_S = 20.0
"""A meter by which it does so for so long has its sign turned: reports of the cars may be as old as this."""

MARK_S = 60.0
"""The building itself changes too much in a longer time."""

CONFIRM_S = 45.0
"""The cut that follows must confirm it within this time: it is a move of the cars as well. Else it was the building."""

AGAIN_S, AGAIN_MOST_S = 300.0, 3600.0
"""So long after its sign was found wrong, or after it showed nothing while cars drew, a meter is tried again; each time
twice as long."""


def deadline_s(meter: Meter, memory: CircuitMemory) -> float:
    """How old a sample may be: three of the meter's own periods, at least 5 s."""
    if meter.deadline_s is not None:
        return meter.deadline_s
    return max(SHORTEST_DEADLINE_S, 3.0 * (memory.period_s or meter.period_s))


def is_fresh(memory: CircuitMemory, reading: MeterReading | None) -> bool:
    """Whether this sample has not been worked in yet."""
    return reading is not None and (memory.at_s is None or reading.at_s > memory.at_s)


def blindness(meter: Meter, memory: CircuitMemory, now_s: float, start_s: float) -> Blindness | None:
    """Why the circuit's meter is not believed now; None: it is."""
    if memory.at_s is None:
        if memory.absurd_s is not None and now_s - start_s > deadline_s(meter, memory):
            return Blindness.ABSURD
        return Blindness.NEVER_SEEN if now_s - start_s > deadline_s(meter, memory) else None
    if now_s - memory.at_s > deadline_s(meter, memory):
        return Blindness.SILENT if memory.absurd_s is None else Blindness.ABSURD
    if memory.frozen_s is not None:
        return Blindness.FROZEN
    if memory.turned_s is not None:
        return Blindness.TURNED
    if memory.good >= GOOD_SAMPLES or not (memory.blind or memory.exchanged):
        return None
    return Blindness.EXCHANGED if memory.exchanged else Blindness.RECOVERING


def credible(circuit: Circuit, reading: MeterReading, memory: CircuitMemory, cars_a: float, silent_s: float) -> bool:
    """Whether a sample can be what flows. `cars_a`: the least that the cars draw on any line; a meter that did not
    speak for longer than `silent_s` was silent."""
    amps = reading.currents.values
    if len(amps) != len(circuit.rating_a) or not all(
        math.isfinite(one) and abs(one) <= ABSURD_RATIO * rating
        for one, rating in zip(amps, circuit.rating_a, strict=True)
    ):
        return False
    if reading.voltages is not None and all(volts < DEAD_V for volts in reading.voltages):
        return False
    # Nothing at all, where something flowed and cars draw, or after a silence: the meter has just started.
    empty = not any(amps) and not any(reading.powers or ())
    flowed = any(place.measured_re or place.measured_im for place in memory.places)
    if memory.absurd_s is not None:
        starting = reading.at_s - memory.absurd_s < START_S
    else:
        starting = memory.at_s is not None and reading.at_s - memory.at_s > silent_s
    return not (empty and flowed and (starting or cars_a > MOVED_A))


def renewed(memory: CircuitMemory, reading: MeterReading) -> CircuitMemory:
    """The memory before a sample, which may be of another meter than the last one."""
    if reading.serial is None or reading.serial == memory.serial:
        return memory
    if memory.serial is None:
        return memory._replace(serial=reading.serial)
    # What was learned is of another meter.
    return CircuitMemory(serial=reading.serial, exchanged=True, blind=memory.blind, at_s=memory.at_s)


def frozen(
    memory: CircuitMemory, reading: MeterReading, period_s: float | None, *, same: bool, moved_a: float
) -> CircuitMemory:
    """The memory with whether not a digit changes although the cars have moved, and since when they have."""
    at_s, moved_s = reading.at_s, None
    if not same:
        return memory._replace(frozen_s=None, moved_s=None)
    if memory.frozen_s is not None:
        # On a circuit of chargers alone nothing changes any more once all are paused: it is tried again.
        idle = not any(reading.currents) and at_s - memory.frozen_s > _again_s(memory)
        return memory._replace(frozen_s=None, moved_s=None, stills_a=()) if idle else memory
    if abs(moved_a) > MOVED_A:
        moved_s = at_s if memory.moved_s is None else memory.moved_s
    # A report may be ahead of the meter, but not for so long.
    if moved_s is None or at_s <= moved_s + 2 * (period_s or 1.0) + 1.0:
        return memory._replace(moved_s=moved_s)
    return memory._replace(moved_s=moved_s, frozen_s=at_s, turns=min(memory.turns + 1, 9))


def _confirm_s(memory: CircuitMemory) -> float:
    return max(CONFIRM_S, 4.0 * (memory.period_s or 1.0))


def _again_s(memory: CircuitMemory) -> float:
    return float(min(AGAIN_S * 2 ** max(0, memory.turns - 1), AGAIN_MOST_S))


def against(
    memory: CircuitMemory, at_s: float, marks: tuple[SignMark | None, ...], *, beyond: bool, silent_s: float
) -> CircuitMemory:
    """The memory with the moments to go on from, the evidence against the sign, and since when it is held wrong.

    `beyond`: by this sample the building would feed back more than it can, see `feeds_back`.
    `marks`: one a line, now; None where the cars are not known for sure. A meter that was silent for longer than
    `silent_s` may have been put right meanwhile: it is believed anew.
    """
    none = (0,) * len(marks)
    scores, turned_s, turns = memory.against or none, memory.turned_s, memory.turns
    if memory.at_s is not None and at_s - memory.at_s > silent_s:
        scores, turned_s, turns = none, None, 0
    elif turned_s is not None and at_s - turned_s > (_again_s(memory) if memory.turned_sure else _confirm_s(memory)):
        scores, turned_s = tuple(min(score, TURNED - 1) for score in scores), None
    kept, after = [], []
    sure = memory.turned_sure and turned_s is not None
    for before, now, score in zip(memory.marks or (None,) * len(marks), marks, scores, strict=True):
        mark, told = _told(before, now)
        kept.append(mark)
        after.append(0 if told < 0 else min(TURNED, score + told))
        turns = 0 if told < 0 else turns
        sure = sure or (told > 0 and turned_s is not None)
    beyond_s = None if not beyond else (at_s if memory.beyond_s is None else memory.beyond_s)
    if beyond_s is not None and at_s - beyond_s >= BEYOND_S:
        after, sure = [TURNED] * len(after), True
    if max(after) < TURNED:
        turned_s = None
    elif turned_s is None:
        turned_s, turns = at_s, min(turns + 1, 9)
    return memory._replace(
        marks=tuple(kept),
        against=tuple(after),
        beyond_s=beyond_s,
        turned_s=turned_s,
        turned_sure=sure,
        turns=turns,
    )


def feeds_back(circuit: Circuit, line: int, building_a: float) -> bool:
    """Whether a building's current on a line, without the cars, is more than it can feed back."""
    return building_a < -BACKFEED * circuit.rating_a[line]


def _told(before: SignMark | None, now: SignMark | None) -> tuple[SignMark | None, int]:
    """The moment to go on from, and what a move of the cars since the one before says: 1 or 2 against the sign, -1 for
    it, 0 nothing."""
    if now is None:
        return before, 0
    if before is None or now.at_s - before.at_s > MARK_S:
        return now, 0
    cars_re, cars_im = now.cars_re - before.cars_re, now.cars_im - before.cars_im
    step = math.hypot(cars_re, cars_im)
    if step < TELLING_A:
        return (before if step > KNOWN_A else now), 0  # a small step may still grow into one that tells something
    meter_re, meter_im = now.meter_re - before.meter_re, now.meter_im - before.meter_im
    if math.hypot(meter_re - cars_re, meter_im - cars_im) <= ALIKE * step:
        return now, -1
    if math.hypot(meter_re + cars_re, meter_im + cars_im) <= ALIKE * step:
        return now, 2 if step >= STRONG_A else 1
    return now, 0
