"""`decide`, second by second, over a plant that stands still: what it settles on is the pilot of a period.

ACN-Sim goes in periods of minutes, and has no dynamics within one. The controller is made for seconds. So at the
beginning of each period the sockets are shown to it as they are, with a meter sample a second and a report of each
car every ten, and cars follow their pilots in the next second. When its setpoints have stood still for a while they
are the pilots of the period; then the clock goes on to the next one.

The controller sees what a charger sees: whether a car is connected, and what it draws. Not when it leaves, what it
asked for, nor what it still lacks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from acn_network import Network, readings_a
from ampacity.core.decide import decide
from ampacity.core.decision import Command
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    SetpointAnswer,
)
from ampacity.core.phases import PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts
from ampacity.core.site import Charger, ChargerId, Site

QUIET_S = 90
"""Setpoints that stood still for so long have settled: who has less than a fair share waits a minute and more."""
UNCHANGED_S = 5
"""The same, where the cars are as they were and all had settled: only what was due in the meantime moves anything."""
REPORT_EVERY_S = 10
_ANSWER_S = 0.5
_DRAWS_A = 0.05


@dataclass(frozen=True, slots=True)
class Car:
    """A car as its charger sees it."""

    takes_a: float
    """What it draws when it may; 0: it is full."""


class Steering:
    """The controller over one run. Not for several runs: it remembers."""

    def __init__(self, network: Network, site: Site) -> None:
        self.network = network
        self.site = site
        self.pilots_a: dict[str, float] = {charger.id: 0.0 for charger in site.chargers}
        """What each socket offers now."""
        self.commands = 0
        """Sent so far, without renewals."""
        self.stops = 0
        """How often a car that drew current was set to 0."""
        self.worst_a = -math.inf
        """The most that a row of the network was above its limit in any second; negative: never above."""
        self.seconds = 0
        """Passes of the controller."""
        self._observed = Observed().with_(
            site, [ChargerLink(charger=charger.id, at_s=0.0, online=True) for charger in site.chargers]
        )
        self._answers: list[Observation] = []
        self._settled_with: Mapping[str, Car] | None = None
        self._shown: dict[ChargerId, tuple[ChargerState, float]] = {}
        self._volts = network.volts / 3**0.5

    def period(self, start_s: int, length_s: int, cars: Mapping[str, Car]) -> Mapping[str, float]:
        """The pilots of the period that begins now, by socket."""
        last_s = start_s + length_s
        quiet_s = UNCHANGED_S if self._settled_with == cars else QUIET_S
        quiet_from = now_s = start_s
        while now_s < last_s and now_s - quiet_from < quiet_s:
            if self._pass(now_s, cars, every=now_s == start_s):
                quiet_from, quiet_s = now_s + 1, QUIET_S
            elif self._observed.memory.unfair_s is not None:
                quiet_from, quiet_s = now_s, QUIET_S
            now_s += 1
        self._settled_with = dict(cars) if now_s - quiet_from >= quiet_s else None
        return dict(self.pilots_a)

    def _pass(self, now_s: int, cars: Mapping[str, Car], *, every: bool) -> bool:
        """One second. Returns whether a setpoint changed, or a car that was not there before is."""
        self.seconds += 1
        draws = {name: min(self.pilots_a[name], car.takes_a) for name, car in cars.items()}
        self.worst_a = max(self.worst_a, self.network.worst_a(draws))
        seen: list[Observation] = [*self._answers, *self._samples(now_s, draws)]
        reports = [
            report for charger in self.site.chargers if (report := self._report(charger, now_s, cars, draws, every))
        ]
        decision = decide(self.site, self._observed_with([*seen, *reports]), float(now_s))
        self._observed = self._observed.remembering(decision.memory)
        self._answers = [_answer(command, now_s) for command in decision.commands]
        moved = [command for command in decision.commands if not command.renewal]
        self.commands += len(moved)
        for command in moved:
            if command.limit_a == 0.0 and draws.get(command.charger, 0.0) > _DRAWS_A:
                self.stops += 1
            self.pilots_a[command.charger] = command.limit_a
        return bool(moved)

    def _observed_with(self, seen: list[Observation]) -> Observed:
        self._observed = self._observed.with_(self.site, seen)
        return self._observed

    def _samples(self, now_s: int, draws: Mapping[str, float]) -> list[Observation]:
        out: list[Observation] = []
        for meter, phasors in readings_a(self.network, self.site, draws).items():
            out.append(
                MeterReading(
                    meter=meter,
                    at_s=float(now_s),
                    currents=PhaseAmps(tuple(abs(one) for one in phasors)),
                    powers=PhaseWatts(tuple(one.real * self._volts for one in phasors)),
                    reactive=PhaseVars(tuple(-one.imag * self._volts for one in phasors)),
                    voltages=PhaseVolts((self._volts,) * 3),
                )
            )
        return out

    def _report(
        self, charger: Charger, now_s: int, cars: Mapping[str, Car], draws: Mapping[str, float], every: bool
    ) -> ChargerReport | None:
        """What a charger says now; None: nothing new. A draw is measured when it changes, and every ten seconds."""
        car = cars.get(charger.id)
        draw = draws.get(charger.id, 0.0)
        state = _state(car, draw)
        shown = self._shown.get(charger.id)
        due = car is not None and (every or (now_s + self.site.index_of_charger[charger.id]) % REPORT_EVERY_S == 0)
        if shown is not None and shown[0] is state and abs(shown[1] - draw) < _DRAWS_A and not due:
            return None
        self._shown[charger.id] = state, draw
        return ChargerReport(charger=charger.id, at_s=float(now_s), state=state, currents=PhaseAmps((draw, draw)))


def _state(car: Car | None, draw: float) -> ChargerState:
    if car is None:
        return ChargerState.AVAILABLE
    if draw > _DRAWS_A:
        return ChargerState.CHARGING
    return ChargerState.SUSPENDED_EVSE if car.takes_a > _DRAWS_A else ChargerState.SUSPENDED_EV


def _answer(command: Command, now_s: int) -> SetpointAnswer:
    return SetpointAnswer(
        charger=command.charger,
        at_s=now_s + _ANSWER_S,
        limit_a=command.limit_a,
        accepted=True,
        lease_end_s=None if command.lease_s is None else now_s + command.lease_s,
    )
