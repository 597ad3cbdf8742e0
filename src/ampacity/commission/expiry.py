"""The expiry test: a charger is given a short lease, and nothing after it. It must fall to its safe current by itself;
first with the link up, then with the link cut. What it does is the whole protection when the controller is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from ampacity.commission.steptest.ground import Room
from ampacity.commission.steptest.procedure import CLEAR_S, DRAWING_A, START_S, Ending
from ampacity.core.decision import Decision
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    Observation,
    SetpointAnswer,
)
from ampacity.core.site import Charger, ChargerId, Site

LEASE_S = 40.0
"""Of the test, where the charger's family takes so short a one."""
FALL_S = 20.0
"""So long after the end of its lease a charger may take to be seen at its safe current: 5 s for the car, a report."""
BACK_S = 150.0
"""So long after the end of its lease a charger whose link was cut is waited for."""
NEAR_A = 1.5
"""So near to its safe current a charger has fallen to it."""
ABOVE_A = 3.0
"""So much above the safe current it must draw before, to be seen to fall."""


class Stage(Enum):
    """How far a test is."""

    CLEARING = "clearing"
    RAISING = "raising"
    """The charger is given more than its safe current."""
    WAITING = "waiting"
    """Nothing is sent any more."""
    RAISING_AGAIN = "raising-again"
    CUT = "cut"
    """Its link is cut."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Fall:
    """What came of one lease."""

    fell: bool | None
    """None: that could not be seen."""
    after_s: float | None
    """The end of the lease, when it was first seen at its safe current; at most so long."""
    before_a: float
    """What it drew last before the end of the lease."""
    last_a: float | None
    """What it drew when it was seen last."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """What came of a test."""

    charger: ChargerId
    ending: Ending
    safe_a: float
    linked: Fall | None
    """With the link up; None: it did not come to that."""
    cut: Fall | None
    """With the link cut."""

    @property
    def honoured(self) -> bool | None:
        """None: that could not be seen."""
        falls = [one.fell for one in (self.linked, self.cut) if one is not None]
        if False in falls:
            return False
        return True if falls == [True, True] else None


def lease_site(room: Room, charger: ChargerId) -> Site:
    """The site for the time of the test: the charger's leases are short."""
    chargers = tuple(
        replace(one, lease_s=min(one.lease_s, LEASE_S)) if one.id == charger else one for one in room.site.chargers
    )
    return replace(room.site, chargers=chargers)


class ExpiryTest:
    """Of one charger."""

    def __init__(self, charger: Charger, room: Room, now_s: float) -> None:
        self.charger = charger.id
        self.site = lease_site(room, charger.id)
        self._safe_a = charger.safe_a
        self._high_a = room.high_a
        self.began_s = self._since_s = now_s
        self.stage = Stage.CLEARING
        self.ending: Ending | None = None
        self._asked_a = 0.0
        self._drawn_a: float | None = None
        self._drawn_s = 0.0
        self._lease_end_s: float | None = None
        self._before_a = 0.0
        self._now_s = now_s
        self._online = True
        self._no_car = False
        self._linked: Fall | None = None
        self._cut: Fall | None = None

    @property
    def muted(self) -> bool:
        """No command may reach the charger now."""
        return self.stage in (Stage.WAITING, Stage.CUT)

    @property
    def cut(self) -> bool:
        """Its link is to be down now."""
        return self.stage is Stage.CUT and self._lease_end_s is not None and self._now_s < self._lease_end_s + 5.0

    @property
    def share(self) -> float:
        """How much of it is over, about."""
        return {
            Stage.CLEARING: 0.0,
            Stage.RAISING: 0.1,
            Stage.WAITING: 0.2,
            Stage.RAISING_AGAIN: 0.5,
            Stage.CUT: 0.6,
            Stage.ENDED: 1.0,
        }[self.stage]

    @property
    def result(self) -> Expiry:
        """Once it has ended."""
        return Expiry(self.charger, self.ending or Ending.STOPPED, self._safe_a, self._linked, self._cut)

    def most_a(self) -> Mapping[ChargerId, float]:
        """What every charger may have now."""
        return {one.id: self._asked_a if one.id == self.charger else 0.0 for one in self.site.chargers}

    def stop(self, why: Ending = Ending.STOPPED) -> None:
        """It ends now."""
        if self.stage is not Stage.ENDED:
            self.stage, self.ending, self._asked_a = Stage.ENDED, why, 0.0

    def see(self, seen: Iterable[Observation], decision: Decision | None, now_s: float) -> None:
        """What was seen since the last time."""
        self._now_s = now_s
        for one in seen:
            self._take(one)
        match self.stage:
            case Stage.CLEARING:
                if now_s - self._since_s >= CLEAR_S:
                    self._raise(Stage.RAISING, now_s)
            case Stage.RAISING | Stage.RAISING_AGAIN:
                self._go_on_raising(now_s)
            case Stage.WAITING:
                self._look(now_s)
            case Stage.CUT:
                self._look_after_cut(now_s)
            case Stage.ENDED:
                pass

    def _raise(self, stage: Stage, now_s: float) -> None:
        self._asked_a, self.stage, self._since_s, self._lease_end_s = self._high_a, stage, now_s, None

    def _go_on_raising(self, now_s: float) -> None:
        gone_s = now_s - self._since_s
        if not self._online or self._no_car:
            self.stop(Ending.NO_CAR if self._no_car else Ending.OFFLINE)
        elif (
            self._lease_end_s is not None
            and self._drawn_a is not None
            and self._drawn_s > self._since_s + 5.0
            and self._drawn_a >= self._safe_a + ABOVE_A
            and self._drawn_a >= DRAWING_A
        ):
            self._before_a = self._drawn_a
            self.stage = Stage.WAITING if self.stage is Stage.RAISING else Stage.CUT
        elif gone_s > 3 * START_S:
            # Nothing to be seen: it does not report its current, or its car draws too little.
            if self.stage is Stage.RAISING:
                self._linked = Fall(None, None, self._drawn_a or 0.0, self._drawn_a)
            self.stop(Ending.NO_CAR if self._drawn_a is None else Ending.DONE)

    def _look(self, now_s: float) -> None:
        end_s = self._lease_end_s or now_s
        fall = self._fall(now_s, end_s, FALL_S)
        if not self._online:
            self.stop(Ending.OFFLINE)
        elif fall is not None:
            self._linked = fall
            self._raise(Stage.RAISING_AGAIN, now_s)

    def _look_after_cut(self, now_s: float) -> None:
        end_s = self._lease_end_s or now_s
        if self._online and self._drawn_s > end_s + 5.0 and self._drawn_a is not None:
            fell = self._drawn_a <= self._safe_a + NEAR_A
            self._cut = Fall(fell, self._drawn_s - end_s if fell else None, self._before_a, self._drawn_a)
            self.stop(Ending.DONE)
        elif now_s > end_s + BACK_S:
            self._cut = Fall(None, None, self._before_a, None)
            self.stop(Ending.OFFLINE if not self._online else Ending.DONE)

    def _fall(self, now_s: float, end_s: float, within_s: float) -> Fall | None:
        """None: it has to be looked at longer."""
        if self._drawn_s > end_s and self._drawn_a is not None and self._drawn_a <= self._safe_a + NEAR_A:
            return Fall(True, self._drawn_s - end_s, self._before_a, self._drawn_a)
        if now_s <= end_s + within_s:
            return None
        known = self._drawn_s > end_s + within_s / 2
        return Fall(False if known else None, None, self._before_a, self._drawn_a)

    def _take(self, one: Observation) -> None:
        match one:
            case ChargerReport() if one.charger == self.charger:
                self._take_report(one)
            case ChargerLink() if one.charger == self.charger:
                self._online = one.online
            case SetpointAnswer() if one.charger == self.charger and not self.muted:
                if one.accepted and one.limit_a >= self._high_a - 0.5 and one.lease_end_s is not None:
                    self._lease_end_s = one.lease_end_s
            case _:
                pass

    def _take_report(self, one: ChargerReport) -> None:
        if one.currents is not None and len(one.currents):
            self._drawn_a, self._drawn_s = max(one.currents), one.at_s
        elif one.current_a is not None:
            self._drawn_a, self._drawn_s = one.current_a, one.at_s
        elif one.state is ChargerState.SUSPENDED_EVSE and self.muted:
            self._drawn_a, self._drawn_s = 0.0, one.at_s
        if one.state is not None:
            self._no_car = one.state in (ChargerState.AVAILABLE, ChargerState.FINISHING, ChargerState.FAULTED)
