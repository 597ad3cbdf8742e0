"""What one step test tells of the charger, its car, and every meter above it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from ampacity.commission.steptest.following import Follows, Order, Reports
from ampacity.commission.steptest.mounting import Clamp, Load, Mounting, Wiring, possible_loads
from ampacity.commission.steptest.pattern import like
from ampacity.commission.steptest.procedure import CarReport, Ending, Record
from ampacity.commission.steptest.response import OTHER_CODES, Gain, Response, Sample, reported, response
from ampacity.commission.steptest.verdict import (
    Explanations,
    Known,
    Quantity,
    Told,
    answers,
    clamps_told,
    explained,
    load_told,
    mounting_told,
)
from ampacity.core.phases import Supply
from ampacity.core.site import ChargerId, MeterId, Site

NOTHING_A = 0.15
"""A meter on which no line has more than this while no car draws shows nothing but cars."""
FEWEST_REPORTS = 5
FEWEST_ORDERS = 6
"""Fewer steps a building may have made by chance."""
BEYOND_ASKED, BEYOND_ERRORS = 1.5, 7.0
"""Amperes more on a line for each that was asked, by so many errors: no car that obeys draws so much."""
USED_A = 2.0
"""A phase with so much is in use."""


class Answer(Enum):
    """To a question that may stay open."""

    YES = "yes"
    NO = "no"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class MeterVerdict:
    """Of one meter above the charger."""

    meter: MeterId
    sees_car: Answer
    shows_more: Answer
    """Whether something else than the car flows through it: the household."""
    quantity: Quantity
    explanations: Explanations | None
    """None: it does not see the car, or that is open."""
    mounting: Told[Mounting] | None
    load: Told[Load] | None
    ratio_right: Answer
    ratios: tuple[float, ...] | None
    response: Response | None

    @property
    def clamps(self) -> tuple[tuple[Clamp, ...], ...]:
        """By channel, all that its clamp can be; empty while that is open."""
        return () if self.mounting is None or not self.mounting.is_sure else clamps_told(self.mounting)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one charger's test."""

    charger: ChargerId
    ending: Ending
    obeys: Answer
    reports_current: bool
    phases_used: int | None
    """Of the car, as the charger reports it."""
    wirings: tuple[Wiring, ...]
    """All orders in which the charger may be connected."""
    wiring_chance: float
    follows: Follows | None
    meters: tuple[MeterVerdict, ...]


def judged(site: Site, record: Record, ending: Ending, draw: random.Random) -> Verdict:
    """`draw` makes the codes that were not sent."""
    charger = site.chargers[site.index_of_charger[record.charger]]
    others = like(record.orders, _end_s(record), OTHER_CODES, draw)
    verdicts = [_meter(site.supply, charger.phases, meter, record, others) for meter in _above(site, record.charger)]
    answered = [one for one in verdicts if one.sees_car is Answer.YES and one.response is not None]
    best = max(answered, key=lambda one: one.load.chance if one.load is not None else 0.0, default=None)
    used = _phases_used(record.reports)
    wirings, chance = _wirings(site.supply, charger.phases, used, best)
    car = _car_gain(record, None if best is None else best.response)
    steps = _steps_only(record)
    stepped = car if steps is record else _car_gain(steps, None)
    return Verdict(
        charger=record.charger,
        ending=ending,
        obeys=_obeys(record, ending, stepped, verdicts, answered=bool(answered)),
        reports_current=car is not None,
        phases_used=used,
        wirings=wirings,
        wiring_chance=chance,
        follows=None if best is None or best.response is None else best.response.follows,
        meters=tuple(verdicts),
    )


def _end_s(record: Record) -> float:
    """When a meter was last looked at."""
    return max(
        (samples[-1].at_s for samples in record.samples.values() if samples),
        default=record.orders[-1].at_s if record.orders else 0.0,
    )


def _above(site: Site, charger: ChargerId) -> list[MeterId]:
    circuits = site.path(site.chargers[site.index_of_charger[charger]].circuit)
    meters = [site.circuits[site.index_of_circuit[one]].meter for one in circuits]
    return [meter for meter in meters if meter is not None]


def _meter(supply: Supply, phases: int, meter: MeterId, record: Record, others: list[list[Order]]) -> MeterVerdict:
    found = response(record.samples.get(meter, []), record.orders, others, _reports(record))
    if found is None or len(record.orders) < FEWEST_ORDERS:
        return MeterVerdict(meter, Answer.OPEN, Answer.OPEN, Quantity.AMPS, None, None, None, Answer.OPEN, None, found)
    car = _car_gain(record, found)
    known = Known(
        beside_a=_beside_a(record.without.get(meter, [])), used=_phases_used(record.reports), checked=record.checked
    )
    sees = None if _beyond_asked(record, found) else answers(supply, phases, found.gains, car, known)
    shows_more = _shows_more(record.without.get(meter, []))
    quantity = _quantity(found.gains)
    if not sees:
        answer = Answer.OPEN if sees is None else Answer.NO
        return MeterVerdict(meter, answer, shows_more, quantity, None, None, None, Answer.OPEN, None, found)
    told = explained(supply, phases, found.gains, car, known)
    ratio = Answer.OPEN if told.ratio_right is None else Answer.YES if told.ratio_right else Answer.NO
    mounting = mounting_told([told])
    return MeterVerdict(
        meter, Answer.YES, shows_more, quantity, told, mounting, load_told(told), ratio, told.ratios, found
    )


def _quantity(gains: tuple[Gain, ...]) -> Quantity:
    if any(gain.current is None for gain in gains):
        return Quantity.AMPS
    return Quantity.WATTS if any(gain.current_error[1] is None for gain in gains) else Quantity.VARS


def _beside_a(without: list[Sample]) -> tuple[float, ...] | None:
    """What each channel shows while no car draws."""
    if not without:
        return None
    return tuple(float(np.median([one.amps[line] for one in without])) for line in range(len(without[0].amps)))


def _shows_more(without: list[Sample]) -> Answer:
    beside_a = _beside_a(without)
    if beside_a is None:
        return Answer.OPEN
    highest_a = max(beside_a)
    return Answer.YES if highest_a > 2 * NOTHING_A else Answer.NO if highest_a < NOTHING_A else Answer.OPEN


def _reports(record: Record) -> Reports | None:
    """When the charger said what its car draws, and what; None: too seldom."""
    since_s = record.orders[0].at_s if record.orders else 0.0
    told = [(one.at_s, one.most_a) for one in record.reports if one.most_a is not None and one.at_s >= since_s]
    if len(told) < FEWEST_REPORTS:
        return None
    return Reports(np.array([at_s for at_s, _ in told]), np.array([amps for _, amps in told]))


def _car_gain(record: Record, answer: Response | None) -> tuple[float, float] | None:
    """What the charger reports of the car, for an ampere of the setpoint, and its error."""
    reports = _reports(record)
    stepped = len({one.limit_a for one in record.orders}) > 1
    return reported(record.orders, reports, answer) if reports is not None and stepped else None


def _steps_only(record: Record) -> Record:
    """Until the controller paused the charger: one that only stops does not follow its setpoint."""
    pauses = [one.at_s for one in record.orders if one.limit_a == 0.0]
    if not pauses:
        return record
    return replace(
        record,
        orders=[one for one in record.orders if one.at_s < pauses[0]],
        reports=[one for one in record.reports if one.at_s < pauses[0]],
    )


def _beyond_asked(record: Record, found: Response | None) -> bool:
    """By a meter whose sizes are right, the car moves by much more than it was asked to: it only starts and stops."""
    paused = any(one.limit_a == 0.0 for one in record.orders)
    return paused and record.checked and found is not None and any(_is_beyond(gain) for gain in found.gains)


def _is_beyond(gain: Gain) -> bool:
    error = math.hypot(gain.amps_error, gain.amps_astray.share**0.5 * gain.amps_astray.size)
    return gain.amps - BEYOND_ERRORS * error > BEYOND_ASKED


def _obeys(
    record: Record,
    ending: Ending,
    car: tuple[float, float] | None,
    verdicts: Sequence[MeterVerdict],
    *,
    answered: bool,
) -> Answer:
    if ending is Ending.DISOBEYS or any(_beyond_asked(record, one.response) for one in verdicts):
        return Answer.NO
    if answered:
        return Answer.YES
    if car is None:
        return Answer.OPEN
    gain, error = car
    if gain - 3 * error > 0.4:
        return Answer.YES
    since_s = record.orders[0].at_s if record.orders else 0.0
    drawn = [one.most_a for one in record.reports if one.most_a is not None and one.at_s >= since_s]
    over = bool(drawn) and max(drawn) > record.low_a + 1.5
    return Answer.NO if gain + 3 * error < 0.25 and over else Answer.OPEN


def _phases_used(reports: list[CarReport]) -> int | None:
    """The most that were in use at once, where the charger tells; only the first phases can be."""
    used = 0
    for one in reports:
        if one.by_phase_a is None:
            continue
        flags = [amps >= USED_A for amps in one.by_phase_a]
        if flags != sorted(flags, reverse=True):
            return None
        used = max(used, sum(flags))
    return used or None


def _wirings(
    supply: Supply, phases: int, used: int | None, meter: MeterVerdict | None
) -> tuple[tuple[Wiring, ...], float]:
    loads = possible_loads(supply, phases)
    likely = list(loads)
    chance = 1.0
    if meter is not None and meter.load is not None and meter.load.is_sure:
        likely, chance = list(meter.load.of), meter.load.chance
    found = {wiring for load in likely for wiring, count in loads[load] if used is None or count == used}
    return tuple(sorted(found)), chance
