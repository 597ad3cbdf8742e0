"""A step test in virtual time: the procedure, the controller's own `decide`, and a building as it may be found."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ampacity.commission.steptest.ground import Ground, Room, worst_lines
from ampacity.commission.steptest.judgement import Verdict, judged
from ampacity.commission.steptest.procedure import Record, Stage, StepTest
from ampacity.core.decide import decide
from ampacity.core.observations import (
    Allowance,
    ChargerLink,
    ChargerReport,
    ChargerState,
    Hold,
    Observation,
    Observed,
    SessionStarted,
    SetpointAnswer,
)
from ampacity.core.site import ChargerId, Site
from ampacity.sim.mounted import TICK_S, CarAtCharger, MountedCar, MountedMeter, reading

Load = Callable[[float], Sequence[complex]]
"""What the building draws on each line at a time, in the frame of L1's voltage."""

MESSAGE_S = 2.0
"""From a pass to the next one, and from there to the charger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A building as it is, and as it is described."""

    site: Site
    """As described."""
    limit_a: Sequence[float]
    """Of the main breaker, by line."""
    building: Load
    meter: MountedMeter
    car: CarAtCharger
    checked: bool = False
    """Somebody held the meter against a clamp."""
    seed: int = 1


@dataclass(slots=True)
class Told:
    """What came of it."""

    verdict: Verdict
    record: Record
    room: Room
    seconds: float
    over_s: float = 0.0
    """Above the limit on some line on which the car drew what it was given, for longer than it takes to answer a
    building's step. A car that takes more than it is given is not counted."""
    orders: int = 0
    highest_a: list[float] = field(default_factory=list)


def tested(found: Found, room: Room) -> Told:
    """Runs the test to its end."""
    site, supply = room.site, found.site.supply
    line_v = found.site.nominal_v / 3**0.5 if supply.value.endswith("line-to-line") else found.site.nominal_v
    draw = random.Random(found.seed)
    test = StepTest(found.site, found.car.charger, room, 0.0, random.Random(draw.random()))
    car = MountedCar(found.car, random.Random(draw.random()))
    noise = random.Random(draw.random())
    observed = Observed()
    waiting: list[Observation] = [
        *(ChargerLink(charger=one.id, at_s=0.0, online=True) for one in site.chargers),
        ChargerReport(charger=found.car.charger, at_s=0.0, state=ChargerState.CHARGING),
        SessionStarted(charger=found.car.charger, at_s=0.0, session="1"),
    ]
    held: dict[ChargerId, float] = {}
    late: list[tuple[float, Observation]] = []
    over_s, calm_s, orders, tick = 0.0, 0.0, 0, 0
    highest = [0.0] * len(found.limit_a)
    # No building's step can be answered sooner by this meter and this car.
    fall_s = (room.high_a - room.low_a) / found.car.down_a_per_s
    answer_s = found.meter.period_s + found.meter.latency_s + MESSAGE_S + found.car.dead_s + fall_s
    next_sample_s, next_report_s, next_pass_s = 0.5, draw.uniform(0.5, found.car.reports_s), 0.0
    while test.stage is not Stage.ENDED:
        now_s = tick * TICK_S
        tick += 1
        car.step(now_s)
        building = found.building(now_s)
        cars = car.on_lines(supply)
        both = [abs(a + b) for a, b in zip(building, cars, strict=True)]
        highest = [max(a, b) for a, b in zip(highest, both, strict=True)]
        over = [line for line, amps in enumerate(both) if amps > found.limit_a[line] + 0.05 and abs(cars[line]) > 0]
        calm_s = calm_s + TICK_S if over else 0.0
        if over and found.car.obeys and (room.ground is Ground.WORST_LOAD or calm_s > answer_s):
            over_s += TICK_S
        raw: list[Observation] = []
        if now_s >= next_sample_s:
            next_sample_s += found.meter.period_s
            one = reading(found.meter, supply, line_v, building, cars, now_s, noise)
            late.append((now_s + found.meter.latency_s, one))
        while late and late[0][0] <= now_s:
            raw.append(late.pop(0)[1])
        if now_s >= next_report_s:
            next_report_s += found.car.reports_s
            waiting.append(car.report(now_s))
        if not raw and now_s < next_pass_s:
            continue
        next_pass_s = now_s + 1.0
        caps = test.most_a()
        for charger, most_a in caps.items():
            if held.get(charger) != most_a:
                held[charger] = most_a
                waiting.append(Allowance(charger=charger, at_s=now_s, most_a=most_a, hold=Hold.TEST))
        told = [worst_lines(one) for one in raw] if room.ground is Ground.METER else []  # type: ignore[arg-type]
        observed = observed.with_(site, [*waiting, *told])
        decision = decide(site, observed, now_s)
        observed = observed.remembering(decision.memory)
        test.see([*waiting, *raw], decision, now_s)
        waiting = []
        for command in decision.commands:
            end_s = None if command.lease_s is None else now_s + command.lease_s
            waiting.append(
                SetpointAnswer(
                    charger=command.charger, at_s=now_s + 0.1, limit_a=command.limit_a, accepted=True, lease_end_s=end_s
                )
            )
            if command.charger == found.car.charger and not command.renewal:
                car.order(now_s, command.limit_a)
                orders += 1
    assert test.ending is not None
    verdict = judged(found.site, test.record, test.ending, random.Random(draw.random()))
    return Told(verdict, test.record, room, tick * TICK_S, over_s, orders, highest)
