"""What more a step test needs to close what it left open."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ampacity.commission.steptest.judgement import Answer, MeterVerdict, Verdict
from ampacity.commission.steptest.procedure import Ending
from ampacity.commission.steptest.verdict import Quantity
from ampacity.core.site import MeterId


class Question(Enum):
    """What is open."""

    OBEYS = "obeys"
    SEES_CAR = "sees-car"
    CLAMPS = "clamps"
    RATIO = "ratio"
    WIRING = "wiring"


class Need(Enum):
    """What would close it."""

    CAR = "car"
    """A car that draws, at a charger that is online."""
    REPORTS = "reports"
    """The charger's reports of what its car draws."""
    METER = "meter"
    """The meter's readings."""
    POWER = "power"
    """The meter's power of each phase: from currents alone no line can be told."""
    REACTIVE = "reactive"
    """The meter's reactive power of each phase."""
    QUIET = "quiet"
    """The same test again: at a quieter time, or with more room for a larger step. Both count together."""
    OTHER_LINES = "other-lines"
    """A test of a charger that draws on other lines, or with a car on more phases."""
    FEWER_PHASES = "fewer-phases"
    """A car on one or two phases, phase switching, or daily life: a car that loads all lines alike shows no order."""


@dataclass(frozen=True, slots=True)
class Needed:
    """To close one question."""

    question: Question
    meter: MeterId | None
    """None: it is about the charger."""
    need: Need


def needed(verdict: Verdict) -> tuple[Needed, ...]:
    """For everything that a test left open; empty when nothing is."""
    found = []
    if verdict.obeys is Answer.OPEN:
        found.append(Needed(Question.OBEYS, None, _obeys_needs(verdict)))
    if verdict.ending is Ending.DONE:
        for meter in verdict.meters:
            found += [Needed(question, meter.meter, need) for question, need in _meter_needs(meter, verdict).items()]
    if len(verdict.wirings) > 1 and verdict.obeys is not Answer.NO:
        found.append(Needed(Question.WIRING, None, _wiring_needs(verdict)))
    return tuple(found)


def _obeys_needs(verdict: Verdict) -> Need:
    if verdict.ending is not Ending.DONE:
        return Need.CAR
    return Need.CAR if verdict.reports_current else Need.REPORTS


def _meter_needs(meter: MeterVerdict, verdict: Verdict) -> dict[Question, Need]:
    out: dict[Question, Need] = {}
    if meter.sees_car is Answer.NO:
        return out
    if meter.sees_car is Answer.OPEN:
        obeys = verdict.obeys is not Answer.NO
        return {Question.SEES_CAR: (Need.QUIET if obeys else Need.CAR) if meter.response is not None else Need.METER}
    if not meter.clamps:
        out[Question.CLAMPS] = Need.POWER if meter.quantity is Quantity.AMPS else Need.QUIET
        if meter.quantity is Quantity.WATTS:
            out[Question.CLAMPS] = Need.REACTIVE
    elif any(len(options) > 1 for options in meter.clamps):
        out[Question.CLAMPS] = Need.POWER if meter.quantity is Quantity.AMPS else Need.OTHER_LINES
    if meter.ratio_right is Answer.OPEN:
        out[Question.RATIO] = Need.QUIET if verdict.reports_current else Need.REPORTS
    return out


def _wiring_needs(verdict: Verdict) -> Need:
    if verdict.ending is not Ending.DONE:
        return Need.CAR
    seeing = [one for one in verdict.meters if one.sees_car is Answer.YES]
    if not seeing:
        return Need.METER
    if all(one.quantity is Quantity.AMPS for one in seeing):
        return Need.POWER
    if any(one.load is not None and one.load.is_sure for one in seeing):
        return Need.FEWER_PHASES
    return Need.QUIET
