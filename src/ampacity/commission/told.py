"""What the tests tell, as findings: each with what it means and what to do in the text `commission.<code>`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ampacity.commission.expiry import ABOVE_A, Expiry, Fall, Open
from ampacity.commission.selfcheck import Finding, Params, Verdict
from ampacity.commission.steptest.judgement import Answer, MeterVerdict
from ampacity.commission.steptest.judgement import Verdict as StepVerdict
from ampacity.commission.steptest.mounting import Clamp, Wiring
from ampacity.commission.steptest.needs import Need, Question, needed
from ampacity.commission.steptest.procedure import DRAWING_A, Ending
from ampacity.commission.steptest.verdict import Quantity
from ampacity.core.phases import Line
from ampacity.core.site import MeterId

MOST_OPTIONS = 4
"""More are not worth naming."""


def step_findings(verdict: StepVerdict, meter_name: Callable[[MeterId], str]) -> list[Finding]:
    """Of a step test, in the order in which somebody would look into them."""
    found: list[Finding] = []
    needs = {(one.question, one.meter): one.need for one in needed(verdict)}
    if verdict.ending is not Ending.DONE:
        found.append(_finding(f"step-{verdict.ending.value}", Verdict.WRONG))
    if verdict.obeys is Answer.NO and verdict.ending is not Ending.DISOBEYS:
        found.append(_finding("step-disobeys", Verdict.WRONG))
    if verdict.ending is Ending.DONE and verdict.obeys is Answer.OPEN:
        is_silent = needs[Question.OBEYS, None] is Need.REPORTS
        found.append(_finding("obeys-unreported" if is_silent else "obeys-open", Verdict.UNKNOWN))
    if verdict.ending is not Ending.DONE:
        return found
    for meter in verdict.meters:
        found += _meter_findings(meter, meter_name(meter.meter), verdict, needs.get((Question.SEES_CAR, meter.meter)))
    found += _wiring_findings(verdict, needs.get((Question.WIRING, None)))
    if verdict.follows is not None:
        dead_s, rate = round(verdict.follows.dead_s, 1), verdict.follows.up_a_per_s
        how = Verdict.FINE if dead_s <= 6.0 else Verdict.NOTE
        if rate > 20:
            found.append(_finding("car-follows-at-once", how, dead_s=dead_s))
        else:
            found.append(_finding("car-follows", how, dead_s=dead_s, rate=round(rate, 1)))
    return found


def came_to_nothing(ending: Ending) -> bool:
    """It was not the charger or the meter that ended the test so."""
    return ending in (Ending.NO_CAR, Ending.OFFLINE, Ending.METER_SILENT, Ending.STOPPED)


def expiry_findings(result: Expiry) -> list[Finding]:
    """Of an expiry test."""
    found: list[Finding] = []
    if result.ending is not Ending.DONE:
        found.append(_finding(f"step-{result.ending.value}", Verdict.UNKNOWN))
    for kind, fall in (("linked", result.linked), ("cut", result.cut)):
        if fall is not None:
            found.append(_fall_finding(kind, fall, result.safe_a))
    return found


def _fall_finding(kind: str, fall: Fall, safe_a: float) -> Finding:
    if fall.fell:
        after_s = round(fall.after_s or 0.0, 1)
        return _finding(f"expiry-{kind}", Verdict.FINE, safe=safe_a, after_s=after_s, before=round(fall.before_a, 1))
    if fall.fell is not None:
        return _finding(f"expiry-{kind}-not", Verdict.WRONG, safe=safe_a, last=round(fall.last_a or 0.0, 1))
    match fall.why:
        case Open.NOT_RAISED:
            return _finding("expiry-not-raised", Verdict.UNKNOWN, needs=round(max(DRAWING_A, safe_a + ABOVE_A), 1))
        case Open.LEFT | Open.NO_CURRENT | Open.NEEDED | Open.UNSHOWN:
            return _finding(f"expiry-{fall.why.value}", Verdict.UNKNOWN)
        case _:
            return _finding(f"expiry-{kind}-open", Verdict.UNKNOWN)


def _meter_findings(meter: MeterVerdict, name: str, verdict: StepVerdict, to_see: Need | None) -> list[Finding]:
    """`to_see`: what it takes to tell whether it sees the car; None: that is told."""
    found: list[Finding] = []
    if meter.sees_car is Answer.OPEN:
        code = "meter-sees-unread" if to_see is Need.METER else "meter-sees-open"
        found.append(_finding(code, Verdict.UNKNOWN, meter=name))
        return found
    if meter.sees_car is Answer.NO:
        found.append(_finding("meter-sees-no-car", Verdict.WRONG, meter=name))
        return found
    found.append(_finding("meter-sees-car", Verdict.FINE, meter=name))
    if meter.shows_more is Answer.NO:
        found.append(_finding("meter-only-cars", Verdict.WRONG, meter=name))
    elif meter.shows_more is Answer.YES:
        found.append(_finding("meter-sees-building", Verdict.FINE, meter=name))
    found += clamp_findings(meter.clamps, name, meter.quantity)
    found += _ratio_findings(meter, name, verdict)
    return found


def clamp_findings(clamps: Sequence[Sequence[Clamp]], name: str, quantity: Quantity) -> list[Finding]:
    """`clamps`: by channel, all that its clamp can be; empty: nothing is told."""
    if quantity is Quantity.AMPS:
        return [_finding("clamps-no-power", Verdict.UNKNOWN, meter=name)]
    if not clamps:
        code = "clamps-no-reactive" if quantity is Quantity.WATTS else "clamps-open"
        return [_finding(code, Verdict.UNKNOWN, meter=name)]
    found = []
    right, unseen = 0, []
    for channel, options in enumerate(clamps):
        should = Clamp(Line(channel), turned=False)
        if list(options) == [should]:
            right += 1
        elif len(options) == 1:
            found.append(_clamp(name, channel, options[0]))
        elif len(options) > MOST_OPTIONS:
            unseen.append(Line(channel).name)
        else:
            said = " / ".join(f"{one.line.name}{' ↺' if one.turned else ''}" for one in options)
            fits = should in options
            code = "clamp-either" if not fits else "clamp-maybe"
            verdict = Verdict.WRONG if not fits else Verdict.NOTE
            found.append(_finding(code, verdict, meter=name, channel=Line(channel).name, options=said))
    if right == len(clamps):
        return [_finding("clamps-right", Verdict.FINE, meter=name)]
    if unseen:
        found.append(_finding("clamps-unseen", Verdict.NOTE, meter=name, channels=", ".join(unseen)))
    return found


def _clamp(name: str, channel: int, clamp: Clamp) -> Finding:
    params: Params = {"meter": name, "channel": Line(channel).name, "line": clamp.line.name}
    if int(clamp.line) == channel:
        return Finding(code="clamp-turned", verdict=Verdict.WRONG, params=params)
    code = "clamp-elsewhere-turned" if clamp.turned else "clamp-elsewhere"
    return Finding(code=code, verdict=Verdict.WRONG, params=params)


def _ratio_findings(meter: MeterVerdict, name: str, verdict: StepVerdict) -> list[Finding]:
    if not verdict.reports_current:
        return [_finding("ratio-unreported", Verdict.UNKNOWN, meter=name)]
    if meter.ratio_right is Answer.YES:
        return [_finding("ratio-right", Verdict.FINE, meter=name)]
    if meter.ratio_right is Answer.OPEN or meter.ratios is None:
        return [_finding("ratio-open", Verdict.UNKNOWN, meter=name)]
    shown = ", ".join(f"{Line(channel).name} {ratio:.2f}" for channel, ratio in enumerate(meter.ratios))
    return [_finding("ratio-wrong", Verdict.WRONG, meter=name, ratios=shown)]


def _wiring_findings(verdict: StepVerdict, need: Need | None) -> list[Finding]:
    if not any(one.sees_car is Answer.YES for one in verdict.meters):
        return []
    found = []
    if verdict.phases_used is not None:
        found.append(_finding("car-phases", Verdict.FINE, count=float(verdict.phases_used)))
    if len(verdict.wirings) == 1:
        found.append(_finding("wiring-known", Verdict.FINE, lines=lines_of(verdict.wirings[0])))
    elif need is Need.POWER:
        found.append(_finding("wiring-no-power", Verdict.NOTE))
    elif 1 < len(verdict.wirings) <= MOST_OPTIONS:
        options = " / ".join(lines_of(one) for one in verdict.wirings)
        found.append(_finding("wiring-some", Verdict.NOTE, options=options))
    elif verdict.wirings:
        found.append(_finding("wiring-unsure" if need is Need.QUIET else "wiring-open", Verdict.NOTE))
    return found


def lines_of(wiring: Wiring) -> str:
    """For people."""
    return "-".join(line.name for line in wiring)


def _finding(code: str, verdict: Verdict, **params: str | float | None) -> Finding:
    return Finding(code=code, verdict=verdict, params=params)
