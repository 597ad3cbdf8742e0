"""The plant in virtual time, second by second: cars with dead time behind chargers, a building, meters.

In second t the cars draw by the setpoints that were in force at the beginning of second t - LAG, before the controller
ran in it: a decision of second s is felt from s + LAG + 1. Only what changes in a second is worked out anew in it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    SessionEnded,
    SessionStarted,
)
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.site import Charger, CircuitId, MeterId, Site
from ampacity.sim.loads import line_phasors, magnitude, reported_amps, watts_per_amp
from ampacity.sim.tables import FLOOR_A, Session

TAPER_STEP_S = 10
"""How often a car in its taper lowers its current."""

TAPER_LEAST = 0.1
"""Share of its maximum that a car never goes below while it tapers."""

FULL_WH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class CarModel:
    """How all cars of a run follow, after the dead time. The default follows at once and draws evenly to the end."""

    ramp_a_per_s: float | None = None
    """How fast the current rises; None: at once. It always falls at once."""

    taper_from: float | None = None
    """From this share of the wanted energy on, the current falls towards a tenth of the maximum; None: it doesn't."""


class Socket:
    """A charger and the car at it. Energy is settled when something changes, not second by second."""

    def __init__(self, site: Site, charger: Charger, stays: Sequence[Session], model: CarModel) -> None:
        self.charger = charger
        self.circuits = [site.index_of_circuit[circuit] for circuit in site.path(charger.circuit)]
        self._site = site
        self._stays = deque(stays)
        self._model = model
        self.session: Session | None = None
        self.felt_a = 0.0
        """The setpoint that the car feels now."""
        self.amps = 0.0
        self.phasors: tuple[complex, ...] = (0j,) * len(site.supply.lines)
        self.watts_per_amp = 0.0
        self.next_s: float = self._stays[0].arrival_s if self._stays else math.inf
        """When something happens here by itself: a car comes, goes, is full, or changes its current."""
        self.full = False
        self._session_wh = 0.0
        """Settled up to `_since_s`."""
        self._since_s = 0
        self._earlier_wh = 0.0
        """Of the sessions before this one."""
        self._gone_wh: dict[str, float] = {}
        """By session, of those that are over."""

    @property
    def wants(self) -> bool:
        """A car is there and would draw if it could."""
        return self.session is not None and not self.full

    @property
    def is_expected(self) -> bool:
        """A car is still to come."""
        return bool(self._stays)

    @property
    def state(self) -> ChargerState:
        if self.session is None:
            return ChargerState.AVAILABLE
        if self.amps > 0:
            return ChargerState.CHARGING
        return ChargerState.SUSPENDED_EV if self.full else ChargerState.SUSPENDED_EVSE

    def session_wh(self, second: int) -> float:
        """What this session has got up to the beginning of a second."""
        if self.session is None:
            return 0.0
        energy_wh = self._session_wh + self.amps * self.watts_per_amp * (second - self._since_s) / 3600
        return min(energy_wh, self.session.energy_wh)

    def total_wh(self, second: int) -> float:
        """What the charger has given up to the beginning of a second."""
        return self._earlier_wh + self.session_wh(second)

    def delivered_wh(self, second: int) -> dict[str, float]:
        """By session, up to the beginning of a second."""
        now = {} if self.session is None else {self.session.id: self.session_wh(second)}
        return {**self._gone_wh, **now}

    def step(self, second: int) -> list[tuple[Session, bool]]:
        """What happens here in this second. Returns who came (True) and went (False), in order."""
        self._session_wh = self.session_wh(second)
        self._since_s = second
        moves: list[tuple[Session, bool]] = []
        if self.session is not None and second >= self.session.departure_s:
            moves.append((self.session, False))
            self._earlier_wh += self._session_wh
            self._gone_wh[self.session.id] = self._session_wh
            self.session = None
            self.amps = self._session_wh = 0.0
        while self.session is None and self._stays and second >= self._stays[0].arrival_s:
            session = self._stays.popleft()
            if session.departure_s > second:
                moves.append((session, True))
                self._plug_in(session)
        self.full = self.session is not None and self._session_wh >= self.session.energy_wh - FULL_WH
        before_a, self.amps = self.amps, 0.0
        if self.session is not None and not self.full and self.felt_a >= FLOOR_A:
            self.amps = self._drawn_a(self.session, before_a)
        self.next_s = self._next_s(second)
        return moves

    def _plug_in(self, session: Session) -> None:
        self.session = session
        self._session_wh = 0.0
        supply, volts = self._site.supply, self._site.nominal_v
        self.phasors = line_phasors(supply, self.charger, session.lines)
        self.watts_per_amp = watts_per_amp(supply, self.charger, session.lines, volts)

    def _drawn_a(self, session: Session, before_a: float) -> float:
        most_a = min(self.felt_a, session.max_a, self.charger.max_a)
        if self._tapers(session):
            left = (1 - self._session_wh / session.energy_wh) / (1 - (self._model.taper_from or 0.0))
            most_a = min(most_a, session.max_a * max(TAPER_LEAST, left))
        if self._model.ramp_a_per_s is None:
            return most_a
        return min(most_a, before_a + self._model.ramp_a_per_s)

    def _tapers(self, session: Session) -> bool:
        share = self._model.taper_from
        return share is not None and self._session_wh >= share * session.energy_wh - FULL_WH

    def _next_s(self, second: int) -> float:
        if self.session is None:
            return self._stays[0].arrival_s if self._stays else math.inf
        soonest: float = self.session.departure_s
        if self.amps <= 0:
            return soonest
        energy_wh, wh_per_s = self._session_wh, self.amps * self.watts_per_amp / 3600
        aims = [self.session.energy_wh]
        if self._tapers(self.session):
            soonest = min(soonest, second + TAPER_STEP_S)
        elif self._model.taper_from is not None:
            aims.append(self._model.taper_from * self.session.energy_wh)
        for aim_wh in aims:
            soonest = min(soonest, second + max(1, math.ceil((aim_wh - energy_wh) / wh_per_s - 1e-9)))
        ramp = self._model.ramp_a_per_s
        if ramp is not None and self.amps < min(self.felt_a, self.session.max_a, self.charger.max_a):
            soonest = min(soonest, second + 1)
        return soonest


@dataclass(frozen=True, slots=True)
class _Spot:
    """A circuit in the order of measuring, each after those below it."""

    number: int
    load: Sequence[tuple[float, ...]] | None
    """Its own, by second; None: nothing but what is below."""
    children: tuple[int, ...]
    meter: MeterId | None
    every_s: int
    """Period of the meter."""


class Plant:
    """All sockets of a site, and its meters."""

    def __init__(
        self,
        site: Site,
        building: Mapping[CircuitId, Sequence[tuple[float, ...]]],
        sessions: Sequence[Session],
        *,
        lag_s: int,
        report_every_s: int,
        offsets_s: Sequence[int],
        cars: CarModel,
    ) -> None:
        """`building`: by circuit, its own load per second. `offsets_s`: when in its interval each charger reports."""
        self.site = site
        self.lag_s = lag_s
        self._report_every_s = report_every_s
        stays: dict[str, list[Session]] = {charger.id: [] for charger in site.chargers}
        for session in sessions:
            stays[session.charger].append(session)
        self.sockets = [Socket(site, charger, stays[charger.id], cars) for charger in site.chargers]
        self._due: list[list[int]] = [[] for _ in range(report_every_s)]
        for number, offset in enumerate(offsets_s):
            self._due[offset % report_every_s].append(number)
        self._orders: deque[tuple[int, int, float]] = deque()
        """When it is felt, by whom, and what."""
        self._lease_end_s = [math.inf] * len(self.sockets)
        self._soonest_s = 0.0
        self._states: list[ChargerState | None] = [None] * len(self.sockets)
        self._lines = len(site.supply.lines)
        self._phasors = site.supply is Supply.LINE_TO_LINE
        self._spots = [self._spot(number, building) for number in site.topology.upwards]
        circuits = range(len(site.circuits))
        self.cars: list[list[complex]] = [[0.0] * self._lines for _ in circuits]
        """By circuit: the cars' current on each line; real where all is in phase."""
        self.own: list[tuple[float, ...]] = [(0.0,) * self._lines for _ in circuits]
        """By circuit: the building's part on each line."""
        self.total: list[tuple[float, ...]] = [(0.0,) * self._lines for _ in circuits]
        """By circuit: what flows on each line."""
        self.touched: list[int] = []
        """Sockets where something happened in this second."""
        self.changed: list[int] = []
        """Those of them whose current or car changed."""

    def _spot(self, number: int, building: Mapping[CircuitId, Sequence[tuple[float, ...]]]) -> _Spot:
        circuit = self.site.circuits[number]
        period_s = 1.0 if circuit.meter is None else self.site.meters[self.site.index_of_meter[circuit.meter]].period_s
        return _Spot(
            number=number,
            load=building.get(circuit.id),
            children=tuple(n for n, other in enumerate(self.site.circuits) if other.parent == circuit.id),
            meter=circuit.meter,
            every_s=max(1, round(period_s)),
        )

    @property
    def is_done(self) -> bool:
        """No car wants current, and none is to come."""
        return not any(socket.wants or socket.is_expected for socket in self.sockets)

    def delivered_wh(self, second: int) -> dict[str, float]:
        """By session, up to the beginning of a second; those that have not begun are left out."""
        return {name: wh for socket in self.sockets for name, wh in socket.delivered_wh(second).items()}

    def highest_own(self) -> list[float]:
        """The highest building load of the whole run, by place (circuit by circuit, line by line)."""
        highest = [-math.inf] * (len(self.own) * self._lines)
        none = (0.0,) * self._lines
        for second in range(max((len(spot.load) for spot in self._spots if spot.load is not None), default=1)):
            sums: dict[int, list[float]] = {}
            for spot in self._spots:
                sums[spot.number] = here = list(spot.load[second] if spot.load is not None else none)
                for child in spot.children:
                    here[:] = [a + b for a, b in zip(here, sums[child], strict=True)]
                for line, amps in enumerate(here):
                    place = spot.number * self._lines + line
                    highest[place] = max(highest[place], amps)
        return highest

    def order(self, second: int, number: int, limit_a: float, lease_s: float | None) -> None:
        """A setpoint, decided in this second. The charger leaves it for its safe current when the lease ends."""
        self._orders.append((second + self.lag_s + 1, number, limit_a))
        self._lease_end_s[number] = math.inf if lease_s is None else second + lease_s
        self._soonest_s = min(self._soonest_s, second + self.lag_s + 1, self._lease_end_s[number])

    def step(self, second: int) -> list[Observation]:
        """Moves the plant through this second; returns what is seen of it. Seconds are 0, 1, 2, ..."""
        seen: list[Observation] = []
        at_s = float(second)
        self.touched, self.changed = [], []
        if second == 0:
            seen.extend(ChargerLink(charger=s.charger.id, at_s=at_s, online=True) for s in self.sockets)
            self.touched = list(range(len(self.sockets)))
        if second >= self._soonest_s:
            self._find_touched(second)
        if self.touched:
            for number in self.touched:
                self._touch(number, second, seen)
            self._soonest_s = self._next_s()
            if self.changed:
                self._sum_up()
        for number in self._due[second % self._report_every_s]:
            socket = self.sockets[number]
            if socket.session is not None:
                amps = reported_amps(self.site.supply, socket.charger, socket.session.lines, socket.amps)
                seen.append(ChargerReport(charger=socket.charger.id, at_s=at_s, currents=PhaseAmps(amps)))
        self._measure(second, seen)
        return seen

    def _next_s(self) -> float:
        soonest = min(min((socket.next_s for socket in self.sockets), default=math.inf), min(self._lease_end_s))
        return min(soonest, self._orders[0][0]) if self._orders else soonest

    def _find_touched(self, second: int) -> None:
        for number, end_s in enumerate(self._lease_end_s):
            if end_s <= second:
                self._lease_end_s[number] = math.inf
                self._orders.append((second + self.lag_s, number, self.sockets[number].charger.safe_a))
        touched = set(self.touched)
        while self._orders and self._orders[0][0] <= second:
            _, number, limit_a = self._orders.popleft()
            self.sockets[number].felt_a = limit_a
            touched.add(number)
        touched.update(n for n, socket in enumerate(self.sockets) if socket.next_s <= second)
        self.touched = sorted(touched)

    def _touch(self, number: int, second: int, seen: list[Observation]) -> None:
        socket = self.sockets[number]
        name, at_s = socket.charger.id, float(second)
        before_a, before_wh = socket.amps, socket.session_wh(second)
        moves = socket.step(second)
        for session, came in moves:
            if came:
                seen.append(ChargerReport(charger=name, at_s=at_s, state=ChargerState.PREPARING))
                seen.append(SessionStarted(charger=name, at_s=at_s, session=session.id))
            else:
                seen.append(ChargerReport(charger=name, at_s=at_s, state=ChargerState.FINISHING))
                seen.append(SessionEnded(charger=name, at_s=at_s, session=session.id, energy_wh=round(before_wh)))
        if moves or socket.amps != before_a:
            self.changed.append(number)
        state = socket.state
        if moves or state is not self._states[number]:
            self._states[number] = state
            seen.append(ChargerReport(charger=name, at_s=at_s, state=state))

    def _sum_up(self) -> None:
        sums: list[list[complex]] = [[0.0] * self._lines for _ in self.site.circuits]
        for socket in self.sockets:
            if socket.amps <= 0:
                continue
            loads = [(line, socket.amps * z) for line, z in enumerate(socket.phasors) if z]
            for circuit in socket.circuits:
                here = sums[circuit]
                for line, amps in loads:
                    here[line] += amps if self._phasors else amps.real
        self.cars = sums

    def _measure(self, second: int, seen: list[Observation]) -> None:
        """The building's own load counts on its circuit and all above."""
        for spot in self._spots:
            number = spot.number
            own = spot.load[second] if spot.load is not None else (0.0,) * self._lines
            for child in spot.children:
                own = tuple([a + b for a, b in zip(own, self.own[child], strict=True)])
            self.own[number] = own
            flow = [a + b for a, b in zip(own, self.cars[number], strict=True)]
            self.total[number] = total = tuple(magnitude(flow))
            if spot.meter is not None and second % spot.every_s == 0:
                seen.append(MeterReading(meter=spot.meter, at_s=float(second), currents=PhaseAmps(total)))
