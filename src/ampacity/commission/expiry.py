"""The expiry test: a charger is given a short lease, and nothing after it. It must fall to its safe current by itself;
first with the link up, then with the link cut. What it does is the whole protection when the controller is gone.

While nothing is sent nobody holds the car back, so the current for it must be sure without a meter: by what the
building draws at worst.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from ampacity.commission.steptest.ground import LEAST_STEP_A, NoGround, Room, room_for
from ampacity.commission.steptest.procedure import CLEAR_S, DRAWING_A, START_S, Ending
from ampacity.commission.witness import LOOKED_S, Witness
from ampacity.core.decision import Command, Decision
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    SetpointAnswer,
)
from ampacity.core.site import Charger, ChargerId, Site

LEASE_S = 40.0
"""Of the test, where the charger's family takes so short a one."""
RAISED_S = 3 * START_S
"""So long it may take until the car draws enough: the car's ramp, a report."""
AGAIN_S = 5.0
"""Before it is raised again it is paused so long: what it was told while nothing was sent is over then."""
STEADY_S, STEADY_A = 8.0, 1.0
"""What it draws is steady when it was told nothing new for so long, and two reports differ by no more."""
FALL_S = 20.0
"""Who draws more than its safe current so long after the end of its lease has not fallen: 5 s for the car, the rest for
a slow clock and a report."""
UNSEEN_S = 100.0
"""So long after the end of its lease it is waited for a report."""
CUT_S = LOOKED_S + 2.0
"""So long after the end of its lease a charger's link stays cut: until the meter has shown what it does alone."""
SHOWN, NOT_SHOWN = 0.5, 0.25
"""Shares of what the meter has shown of the first fall, each for an ampere less: more, and the second is shown as well;
less, and there was none as long as the link was cut."""
BACK_S = 150.0
"""So long after the end of its lease a charger whose link was cut is waited for."""
NEAR_A = 1.5
"""So near to its safe current a charger has fallen to it."""
ABOVE_A = 3.0
"""So much above the safe current it must draw before, to be seen to fall."""
SAME_A = 0.5
EARLY_S = 3.0
"""A fall by so much before the end of the lease is none that the end has made."""


class NoSureRoom(AmpacityError):
    """An expiry test can't be made safely."""

    code = "expiry-test-no-ground"
    remedy = (
        "State what the building draws at worst (worst_load_a) on every circuit above the charger, or lower it if it "
        "is less: while nothing is sent, only that keeps the breaker safe."
    )


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


class Open(Enum):
    """Why it could not be seen whether a charger falls."""

    UNSEEN = "unseen"
    """Nothing was heard of what it draws, after the end of its lease."""
    LEFT = "left"
    """Its car stopped by itself before, or was unplugged."""
    NOT_RAISED = "not-raised"
    """Its car never drew enough."""
    NO_CURRENT = "no-current"
    """It does not say what its car draws."""
    UNSHOWN = "unshown"
    """With the link up the meter has shown its fall; with the link cut it has not, for sure."""
    NEEDED = "needed"
    """The controller had to lower it meanwhile."""


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
    why: Open | None = None
    """Why it could not be seen."""


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


class _Drawn(NamedTuple):
    """What the car draws on its highest phase, as far as it is told: a power may be of one phase or of all."""

    least_a: float
    most_a: float
    at_s: float


def is_needless(charger: Charger) -> bool:
    """Its safe current is its maximum: there is nothing to fall from."""
    return charger.safe_a >= charger.max_a


def needed_a(charger: Charger) -> float:
    """So much its car must draw to be seen to fall."""
    return max(DRAWING_A, charger.safe_a + ABOVE_A)


def sure_room(site: Site, charger: ChargerId) -> Room:
    """What it may have while nobody holds it back.

    Raises:
        NoSureRoom: the worst loads do not leave enough above its safe current, or are not stated.
    """
    tested = site.chargers[site.index_of_charger[charger]]
    above = replace(tested, min_a=max(tested.min_a, tested.safe_a))
    if tested.max_a < above.min_a + LEAST_STEP_A:
        raise NoSureRoom(
            f"Charger {charger} goes from its safe {tested.safe_a:g} A to {tested.max_a:g} A: a fall of "
            f"{LEAST_STEP_A:g} A is needed to be seen.",
            remedy="Lower its safe current.",
        )
    chargers = tuple(above if one is tested else one for one in site.chargers)
    try:
        room = room_for(replace(site, chargers=chargers), charger, checked=False)
    except NoGround as error:
        raise NoSureRoom(error.what) from error
    restored = tuple(replace(one, min_a=tested.min_a) if one.id == charger else one for one in room.site.chargers)
    return replace(room, site=replace(room.site, chargers=restored))


def lease_site(room: Room, charger: ChargerId, lease_s: float) -> Site:
    """The site for the time of the test: the charger's leases are short."""
    chargers = tuple(replace(one, lease_s=lease_s) if one.id == charger else one for one in room.site.chargers)
    return replace(room.site, chargers=chargers)


class ExpiryTest:
    """Of one charger."""

    def __init__(self, site: Site, charger: ChargerId, now_s: float, *, lease_s: float = LEASE_S) -> None:
        """`site`: as installed. `lease_s`: the shortest that the charger's family takes.

        Raises:
            NoSureRoom
        """
        room = sure_room(site, charger)
        tested = site.chargers[site.index_of_charger[charger]]
        self.charger = charger
        self.site = lease_site(room, charger, lease_s)
        self._phases, self._volts = site.socket_of(charger)
        self._lease_s = lease_s
        self._safe_a = tested.safe_a
        self._needs_a = needed_a(tested)
        self._high_a = room.high_a
        self._since_s = self._now_s = now_s
        self.stage = Stage.CLEARING
        self.ending: Ending | None = None
        self._asked_a = 0.0
        self._drawn: _Drawn | None = None
        self._steady = False
        """The last two reports agree."""
        self._before: _Drawn | None = None
        """The last before the end of the lease, that was high."""
        self._state: ChargerState | None = None
        self._lease_end_s: float | None = None
        self._told_a = 0.0
        """What it accepted last."""
        self._told_s = now_s
        """Since when that is what it was told."""
        self._online = True
        self._needed = False
        self._linked: Fall | None = None
        self._cut: Fall | None = None
        self._seen: Fall | None = None
        """The fall, as it was seen first."""
        self._witness = Witness()
        self._shown: float | None = None
        """What the meter has shown of the fall with the link up, for an ampere less; None: it has shown none."""

    @property
    def muted(self) -> bool:
        """Nothing that keeps the charger where it is may reach it now."""
        return self.stage in (Stage.WAITING, Stage.CUT)

    @property
    def cut(self) -> bool:
        """Its link is to be down now."""
        return self.stage is Stage.CUT and self._lease_end_s is not None and self._now_s < self._lease_end_s + CUT_S

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

    def holds_back(self, command: Command, unseen: Iterable[Observation]) -> bool:
        """Whether a command is not to reach the charger. One that takes current away from its car always does: then
        nothing can be seen of a fall, and the test ends. One that takes what the car does not draw can wait.
        `unseen`: what has come since the test was told last."""
        if not self.muted:
            return False
        drawn = self._drawn
        for one in unseen:
            if isinstance(one, ChargerReport) and one.charger == self.charger:
                drawn = self._drawn_of(one) or drawn
        drawn_a = self._told_a if drawn is None else min(self._told_a, drawn.most_a)
        if command.stop or command.limit_a < drawn_a - SAME_A:
            self._needed = True
            return False
        return True

    def stop(self, why: Ending = Ending.STOPPED) -> None:
        """It ends now."""
        if self.stage is not Stage.ENDED:
            self.stage, self.ending, self._asked_a = Stage.ENDED, why, 0.0

    def see(self, seen: Iterable[Observation], decision: Decision | None, now_s: float) -> None:
        """What was seen since the last time."""
        self._now_s = now_s
        for one in seen:
            self._take(one)
        if self._needed and self.muted:
            self._come_of(self._open(Open.NEEDED))
            self.stop(Ending.DONE)
        match self.stage:
            case Stage.CLEARING:
                if not self._online:
                    self.stop(Ending.OFFLINE)
                elif now_s - self._since_s >= CLEAR_S:
                    self._raise(Stage.RAISING, now_s)
            case Stage.RAISING | Stage.RAISING_AGAIN:
                self._go_on_raising(now_s)
            case Stage.WAITING:
                self._wait(now_s)
            case Stage.CUT:
                self._wait_cut(now_s)
            case Stage.ENDED:
                pass

    def _raise(self, stage: Stage, now_s: float) -> None:
        self._asked_a, self.stage, self._since_s = 0.0, stage, now_s
        self._lease_end_s = self._seen = None

    def _go_on_raising(self, now_s: float) -> None:
        drawn = self._drawn
        if not self._online:
            self.stop(Ending.OFFLINE)
        elif self._has_no_car():
            self.stop(Ending.NO_CAR)
        elif self.stage is Stage.RAISING_AGAIN and now_s - self._since_s < AGAIN_S:
            self._asked_a = 0.0
        elif self._is_ready(now_s, drawn):
            self._before, self._witness = drawn, Witness()
            self.stage = Stage.WAITING if self.stage is Stage.RAISING else Stage.CUT
        elif now_s - self._since_s <= RAISED_S:
            self._asked_a = self._high_a
        else:
            stage, fall = self.stage, self._open(Open.NO_CURRENT if drawn is None else Open.NOT_RAISED)
            if stage is Stage.RAISING:
                self._linked = fall
            else:
                self._cut = fall
            self.stop(Ending.DONE)

    def _is_ready(self, now_s: float, drawn: _Drawn | None) -> bool:
        """It draws enough, on a lease whose end is known; and goes on as it is, or will not get there."""
        if drawn is None or self._lease_end_s is None or not self._is_high(drawn) or drawn.at_s < self._told_s:
            return False
        return (self._steady and now_s - self._told_s >= STEADY_S) or now_s - self._since_s > RAISED_S

    def _wait(self, now_s: float) -> None:
        if not self._online:
            self.stop(Ending.OFFLINE)
            return
        fall = self._seen = self._seen or self._fall(now_s, UNSEEN_S)
        if fall is None:
            return
        if fall.fell and now_s < self._end_s(now_s) + LOOKED_S:
            return  # the meter is still looked at
        self._linked = fall
        if fall.fell:
            shown = self._shown_of(fall, now_s)
            # A meter that does not show it is none of this charger, or its clamps are not right.
            self._shown = shown if shown is not None and shown >= SHOWN else None
            self._raise(Stage.RAISING_AGAIN, now_s)
        else:
            self.stop(Ending.DONE)  # it is found out, or it can't be

    def _wait_cut(self, now_s: float) -> None:
        fall = self._fall(now_s, BACK_S)
        if fall is None:
            return
        self._cut = self._as_shown(fall, now_s) if fall.fell else fall
        self.stop(Ending.DONE if self._online else Ending.OFFLINE)

    def _as_shown(self, fall: Fall, now_s: float) -> Fall:
        """It says that it has fallen, and only since it is back: what did it do as long as it was alone?"""
        shown = self._shown_of(fall, now_s)
        if self._shown is None or shown is None or shown >= SHOWN * self._shown:
            return fall
        if shown < NOT_SHOWN * self._shown:
            return replace(fall, fell=False, after_s=None, last_a=fall.before_a)
        return replace(fall, fell=None, after_s=None, why=Open.UNSHOWN)

    def _shown_of(self, fall: Fall, now_s: float) -> float | None:
        moved_a = self._witness.moved_a(self._end_s(now_s))
        return None if moved_a is None else moved_a / max(ABOVE_A, fall.before_a - self._safe_a)

    def _end_s(self, now_s: float) -> float:
        """Of the lease."""
        return now_s if self._lease_end_s is None else self._lease_end_s

    def _fall(self, now_s: float, within_s: float) -> Fall | None:
        """None: it has to be looked at longer."""
        end_s = self._end_s(now_s)
        drawn, before = self._drawn, self._before
        if drawn is None or before is None or self._has_no_car():
            return self._open(Open.LEFT)
        if drawn.at_s <= end_s:
            if self._is_high(drawn):
                self._before = drawn
            elif drawn.at_s < end_s - EARLY_S and not self._is_held_back(drawn):
                return self._open(Open.LEFT)
        if drawn.at_s > before.at_s and self._most_a(drawn, before) <= self._safe_a + NEAR_A:
            if drawn.at_s > end_s or (drawn.at_s < end_s - EARLY_S and self._is_held_back(drawn)):
                return Fall(True, max(0.0, drawn.at_s - end_s), before.least_a, drawn.least_a)
        elif drawn.at_s > end_s + FALL_S and self._least_a(drawn, before) > self._safe_a + NEAR_A:
            return Fall(False, None, before.least_a, drawn.least_a)
        return self._open(Open.UNSEEN) if now_s > end_s + within_s else None

    def _is_held_back(self, drawn: _Drawn) -> bool:
        """It is the charger that lets its car have no more, not the car."""
        if self._safe_a > 0:
            return drawn.least_a > self._safe_a - NEAR_A
        return self._state is ChargerState.SUSPENDED_EVSE

    def _most_a(self, drawn: _Drawn, before: _Drawn) -> float:
        """On the same phases it draws the same share of what it drew before, which was no more than it was given."""
        return min(drawn.most_a, drawn.most_a / before.most_a * self._high_a)

    def _least_a(self, drawn: _Drawn, before: _Drawn) -> float:
        return max(drawn.least_a, drawn.most_a / before.most_a * before.least_a)

    def _is_high(self, drawn: _Drawn) -> bool:
        return drawn.least_a >= self._needs_a

    def _has_no_car(self) -> bool:
        return self._state in (ChargerState.AVAILABLE, ChargerState.FINISHING, ChargerState.FAULTED)

    def _open(self, why: Open) -> Fall:
        before_a = 0.0 if self._before is None else self._before.least_a
        return Fall(None, None, before_a, None if self._drawn is None else self._drawn.least_a, why)

    def _come_of(self, fall: Fall) -> None:
        if self.stage is Stage.WAITING:
            self._linked = fall
        else:
            self._cut = fall

    def _take(self, one: Observation) -> None:
        match one:
            case ChargerReport() if one.charger == self.charger:
                self._take_report(one)
            case MeterReading():
                if self.muted and (self.stage is Stage.WAITING or not self._online):
                    self._witness.see(one)
            case ChargerLink() if one.charger == self.charger:
                self._online = one.online
            case SetpointAnswer() if one.charger == self.charger:
                if one.accepted and one.limit_a != self._told_a:
                    self._told_a, self._told_s = one.limit_a, one.at_s
                if one.accepted and one.limit_a >= self._needs_a and self._asked_a > 0.0:
                    # What it was told last before nothing more was sent may be answered later. A lease that is not held
                    # to end is looked at all the same.
                    end_s = one.at_s + self._lease_s if one.lease_end_s is None else one.lease_end_s
                    self._lease_end_s = max(end_s, self._lease_end_s or end_s)
            case _:
                pass

    def _take_report(self, one: ChargerReport) -> None:
        if one.state is not None:
            self._state = one.state
        if (drawn := self._drawn_of(one)) is not None:
            before = self._drawn
            self._steady = before is not None and abs(drawn.most_a - before.most_a) <= STEADY_A
            self._drawn = drawn

    def _drawn_of(self, one: ChargerReport) -> _Drawn | None:
        """None: it says nothing of that."""
        if one.currents is not None and len(one.currents):
            amps = max(one.currents)
            return _Drawn(amps, amps, one.at_s)
        if one.current_a is not None:
            # Of one phase, or the sum of all.
            return _Drawn(one.current_a / self._phases, one.current_a, one.at_s)
        if one.power_w is not None:
            amps = one.power_w / self._volts
            return _Drawn(amps / self._phases, amps, one.at_s)
        return None
