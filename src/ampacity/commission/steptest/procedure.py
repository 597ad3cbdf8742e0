"""A step test, from its begin to its end: what the chargers may have meanwhile, and the record of what was seen.

Pure: it is asked again and again what each charger may have at most, and told what was seen. The controller stays
in force: what it is asked for here is a limit from above, and the controller's own site for the time of the test leaves
no more than is sure.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from ampacity.commission.steptest.following import Order
from ampacity.commission.steptest.ground import Ground, Room
from ampacity.commission.steptest.pattern import held_s
from ampacity.commission.steptest.response import Sample
from ampacity.core.cars import STRAY_A, STRAY_SHARE
from ampacity.core.decision import Decision
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    SetpointAnswer,
)
from ampacity.core.phases import Supply
from ampacity.core.site import ChargerId, MeterId, Site

CLEAR_S = 9.0
"""So long the cars are given to stop, and the meter to show what flows without them."""
STOPPED_S = 6.5
"""From then on no car draws."""
START_S = 20.0
"""So long a car is given to draw its minimum, once its charger was told."""
ROOM_S = 90.0
"""So long the controller is given to find room for that."""
SLOWEST_S = 15.0
"""A car that draws more than it was asked to at any time since then does not obey: some fall slowly."""
LAST_S = 8.0
"""So long after the last step the meter is still looked at."""
LONGEST_S = 178.0
"""Whatever happens."""
WAIT_S = 20.0
"""For so long the controller is asked for a step that it does not give; then the other way is tried again."""
SLOW_S = 13.0
"""For so long a car that is still on its way, by its charger's reports, is waited for."""
NEAR_A = 0.6
"""A car that is so near to its setpoint has arrived; one that moves by less from report to report stays where it is."""
STILL_S = 2.0
"""Between such reports."""
WAITED_S, LOT_S = 1.0, 5.0
"""After more than so much waiting, by lot for up to so much longer."""
FOLLOWS_S = 6.0
"""Sooner a car need not move at all."""
SILENT_S = 31.0
"""Meters say something every 10 s at least; three times nothing is silence."""
DRAWING_A = 3.0


class Stage(Enum):
    """How far a test is."""

    CLEARING = "clearing"
    """The other cars stop."""
    STARTING = "starting"
    """The car begins to draw its minimum."""
    STEPPING = "stepping"
    ENDED = "ended"


class Ending(Enum):
    """Why a test has ended."""

    DONE = "done"
    NO_CAR = "no-car"
    OFFLINE = "offline"
    METER_SILENT = "meter-silent"
    DISOBEYS = "disobeys"
    """The car draws more than it was asked to."""
    STOPPED = "stopped"
    """Somebody stopped it."""


@dataclass(frozen=True, slots=True)
class CarReport:
    """What the charger says of its car."""

    at_s: float
    by_phase_a: tuple[float, ...] | None
    most_a: float | None
    """On its highest phase, or without saying on which."""


@dataclass(slots=True)
class Record:
    """What was asked and seen of one charger."""

    charger: ChargerId
    low_a: float
    high_a: float
    orders: list[Order] = field(default_factory=list)
    samples: dict[MeterId, list[Sample]] = field(default_factory=dict)
    without: dict[MeterId, list[Sample]] = field(default_factory=dict)
    """While no car draws."""
    reports: list[CarReport] = field(default_factory=list)
    states: list[ChargerState] = field(default_factory=list)
    checked: bool = False
    """The meter's currents were held against a clamp, and agreed."""
    refusals: int = 0
    """Commands that it did not accept."""


class StepTest:
    """Of one charger."""

    def __init__(self, site: Site, charger: ChargerId, room: Room, now_s: float, draw: random.Random) -> None:
        """`site`: as installed; the meters of all its circuits are looked at."""
        self._site = site
        self._charger = site.chargers[site.index_of_charger[charger]]
        self.room = room
        self.began_s = now_s
        self._since_s = now_s
        self._started_s = now_s
        self._seen_s = now_s
        self._heard_s = now_s
        """When a meter above the charger last said something."""
        self._meters = _meters_above(site, charger)
        self.stage = Stage.CLEARING
        self.ending: Ending | None = None
        self.record = Record(charger, room.low_a, room.high_a, checked=room.ground is Ground.METER)
        self._draw = draw
        self._high = False
        """The car is asked for the upper setpoint."""
        self._asked_s = now_s
        self._told_s: float | None = None
        """When the charger was told what is asked; None: not yet."""
        self._start_s: float | None = None
        """When the charger was told that the car may start."""
        self._held_s = 0.0
        """What is asked now is held for so long after that."""
        self._has_waited = False
        """For the car to arrive."""
        self._needs_s = {False: SLOW_S, True: SLOW_S}
        """So long after it was told, down and up, the car was seen to have arrived."""
        self._asked_a = 0.0
        self._online = True

    @property
    def share(self) -> float:
        """How much of it is over, 0 to 1."""
        match self.stage:
            case Stage.CLEARING:
                return 0.0
            case Stage.STARTING:
                return 0.05
            case Stage.STEPPING:
                gone_s, rest_s = self._seen_s - self._since_s, LONGEST_S - (self._since_s - self.began_s)
                return min(1.0, 0.1 + 0.9 * gone_s / rest_s)
            case Stage.ENDED:
                return 1.0

    def most_a(self) -> Mapping[ChargerId, float]:
        """What every charger may have now."""
        return {one.id: self._asked_a if one.id == self._charger.id else 0.0 for one in self._site.chargers}

    def stop(self, why: Ending = Ending.STOPPED) -> None:
        """It ends now."""
        if self.stage is not Stage.ENDED:
            self.stage, self.ending, self._asked_a = Stage.ENDED, why, 0.0

    def see(self, seen: Iterable[Observation], decision: Decision | None, now_s: float) -> None:
        """What was seen since the last time, with the meters' own readings, and what was decided on it."""
        if self.stage is Stage.ENDED:
            return
        self._seen_s = now_s
        for one in seen:
            self._take(one)
        if decision is not None:
            self._note(decision, now_s)
        if not self._online:
            self.stop(Ending.OFFLINE)
        elif self._draws_too_much():
            self.stop(Ending.DISOBEYS)
        elif self._meters and now_s - self._heard_s > SILENT_S:
            self.stop(Ending.METER_SILENT)
        elif self.stage is Stage.STEPPING and self._has_no_car():
            self.stop(Ending.NO_CAR)
        elif now_s - self.began_s > LONGEST_S:
            self.stop(Ending.DONE if self.stage is Stage.STEPPING else Ending.NO_CAR)
        else:
            self._go_on(now_s)

    def _go_on(self, now_s: float) -> None:
        gone_s = now_s - self._since_s
        match self.stage:
            case Stage.CLEARING:
                if gone_s >= CLEAR_S:
                    self._asked_a, self.stage, self._since_s = self.room.low_a, Stage.STARTING, now_s
                    self._started_s = now_s
            case Stage.STARTING:
                started = self._start_s is not None and now_s - self._start_s >= START_S
                if started or gone_s >= ROOM_S or (gone_s >= 6.0 and self._draws()):
                    if self._has_no_car():
                        self.stop(Ending.NO_CAR)
                    else:
                        self.stage, self._since_s = Stage.STEPPING, now_s
                        self.record.orders.append(Order(now_s, self.room.low_a))
                        self._ask(now_s, high=True)
            case Stage.STEPPING:
                self._step(now_s)
            case Stage.ENDED:
                pass

    def _step(self, now_s: float) -> None:
        """The other way, once what is asked was held for its time."""
        if now_s - self.began_s > LONGEST_S - LAST_S:
            return
        if self._told_s is None:
            if now_s - self._asked_s >= WAIT_S:
                self._ask(now_s, high=not self._high)
        elif self._is_held(now_s - self._told_s, self._told_s):
            self._ask(now_s, high=not self._high)

    def _is_held(self, gone_s: float, told_s: float) -> bool:
        """Long enough for the car to arrive. What is waited for goes by the charger's own clock, and some buildings by
        the same one: so after waiting the lot decides again."""
        if gone_s < self._held_s:
            return False
        if not self._has_waited:
            if gone_s < self._needs_s[self._high] and not self._has_arrived(told_s):
                return False
            self._has_waited = True
            if gone_s > self._held_s + WAITED_S:
                self._held_s = gone_s + self._draw.uniform(0.0, LOT_S)
        return gone_s >= self._held_s

    def _ask(self, now_s: float, *, high: bool) -> None:
        self._high, self._asked_s, self._told_s = high, now_s, None
        self._asked_a = self.room.high_a if high else self.room.low_a
        self._held_s, self._has_waited = held_s(self._charger.min_interval_s, self._draw), False

    def _note(self, decision: Decision, now_s: float) -> None:
        """What the charger is told."""
        for command in decision.commands:
            if command.charger != self._charger.id or command.renewal:
                continue
            if self.stage is Stage.STARTING and command.limit_a > 0 and self._start_s is None:
                self._start_s = now_s
            elif self.stage is Stage.STEPPING:
                self.record.orders.append(Order(now_s, command.limit_a))
                if self._told_s is None:
                    self._told_s = now_s

    def _has_arrived(self, told_s: float) -> bool:
        """By its reports since it was told; where there are none, nobody waits."""
        lately = [one for one in self.record.reports if one.at_s > told_s and one.most_a is not None]
        if not lately:
            return not any(one.most_a is not None for one in self.record.reports)
        latest_a = lately[-1].most_a or 0.0
        earlier = [one for one in lately if told_s + FOLLOWS_S < one.at_s <= lately[-1].at_s - STILL_S]
        still = bool(earlier) and abs(latest_a - (earlier[-1].most_a or 0.0)) < NEAR_A
        if abs(latest_a - self._asked_a) < NEAR_A or still:
            self._needs_s[self._high] = min(self._needs_s[self._high], lately[-1].at_s - told_s)
            return True
        return False

    def _take(self, one: Observation) -> None:
        match one:
            case MeterReading():
                if one.meter in self._meters and len(one.currents) == len(self._site.supply.lines):
                    self._heard_s = max(self._heard_s, one.at_s)
                    if self.stage is Stage.STEPPING:
                        self.record.samples.setdefault(one.meter, []).append(sample_of(one, self._site))
                    elif self.stage is Stage.CLEARING and one.at_s >= self._since_s + STOPPED_S:
                        self.record.without.setdefault(one.meter, []).append(sample_of(one, self._site))
            case ChargerReport() if one.charger == self._charger.id:
                if one.state is not None:
                    self.record.states.append(one.state)
                if (report := _car_report(one, self._site, self._charger.phases)) is not None:
                    self.record.reports.append(report)
            case ChargerLink() if one.charger == self._charger.id:
                self._online = one.online
            case SetpointAnswer() if one.charger == self._charger.id:
                if not one.accepted:
                    self.record.refusals += 1
            case _:
                pass

    def _draws_too_much(self) -> bool:
        """By its own report, later than it takes to follow, and by more than an error of measurement."""
        latest = self.record.reports[-1] if self.record.reports else None
        if latest is None or latest.most_a is None or self.stage not in (Stage.STARTING, Stage.STEPPING):
            return False
        if latest.at_s - self._started_s < SLOWEST_S:
            return False
        lately = [one.limit_a for one in self.record.orders if one.at_s > latest.at_s - SLOWEST_S]
        before = [one.limit_a for one in self.record.orders if one.at_s <= latest.at_s - SLOWEST_S][-1:]
        most_a = max([*lately, *before, self.room.low_a])
        return latest.most_a > most_a + max(STRAY_A, STRAY_SHARE * most_a)

    def _draws(self) -> bool:
        latest = self.record.reports[-1] if self.record.reports else None
        return latest is not None and latest.most_a is not None and latest.most_a >= DRAWING_A

    def _has_no_car(self) -> bool:
        return bool(self.record.states) and self.record.states[-1] in (
            ChargerState.AVAILABLE,
            ChargerState.FINISHING,
            ChargerState.FAULTED,
            ChargerState.UNAVAILABLE,
            ChargerState.PREPARING,
        )


def _meters_above(site: Site, charger: ChargerId) -> frozenset[MeterId]:
    path = site.path(site.chargers[site.index_of_charger[charger]].circuit)
    meters = (site.circuits[site.index_of_circuit[one]].meter for one in path)
    return frozenset(meter for meter in meters if meter is not None)


def sample_of(reading: MeterReading, site: Site) -> Sample:
    """The reading of a meter with one current a line."""
    lines = len(site.supply.lines)
    line_v = site.nominal_v / 3**0.5 if site.supply is Supply.LINE_TO_LINE else site.nominal_v
    volts = [line_v] * lines
    if reading.voltages is not None and len(reading.voltages) == lines:
        for line, seen_v in enumerate(reading.voltages):
            if seen_v > 0:
                # On a supply without neutral the meter may count from line to line.
                across = site.supply is Supply.LINE_TO_LINE and seen_v > 1.4 * line_v
                volts[line] = seen_v / 3**0.5 if across else seen_v
    watts = reading.powers.values if reading.powers is not None and len(reading.powers) == lines else None
    reactive = reading.reactive.values if reading.reactive is not None and len(reading.reactive) == lines else None
    return Sample(
        at_s=reading.at_s,
        amps=tuple(abs(amps) for amps in reading.currents),
        watts=watts,
        vars=reactive if watts is not None else None,
        volts=tuple(volts),
    )


def _car_report(report: ChargerReport, site: Site, phases: int) -> CarReport | None:
    if report.currents is not None and len(report.currents) == phases:
        return CarReport(report.at_s, report.currents.values, max(report.currents))
    if report.currents is not None and len(report.currents) > 0:
        return CarReport(report.at_s, None, max(report.currents))
    if report.current_a is not None:
        return CarReport(report.at_s, None, report.current_a)
    return None
