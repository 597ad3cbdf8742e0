"""The plant in virtual time, second by second: cars with dead time behind chargers, a building, meters.

In second t the cars draw by the setpoints that were in force at the beginning of second t - LAG, before the controller
ran in it: a decision of second s is felt from s + LAG + 1.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    SessionEnded,
    SessionStarted,
)
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import Charger, Site
from ampacity.sim.loads import line_phasors, magnitude, reported_amps, watts_per_amp
from ampacity.sim.tables import Session

FLOOR_A = 6.0


class Socket:
    """A charger and the car at it."""

    def __init__(self, site: Site, charger: Charger, stays: Sequence[Session]) -> None:
        self.charger = charger
        self.circuits = [site.index_of_circuit[circuit] for circuit in site.path(charger.circuit)]
        self._site = site
        self._stays = deque(stays)
        self.session: Session | None = None
        self.felt_a = 0.0
        """The setpoint that the car feels now."""
        self.amps = 0.0
        self.phasors: tuple[complex, ...] = (0j,) * len(site.supply.lines)
        self.watts_per_amp = 0.0
        self.energy_wh = 0.0
        """Of this session."""
        self.total_wh = 0.0
        self.ended: Session | None = None

    @property
    def full(self) -> bool:
        return self.session is not None and self.energy_wh >= self.session.energy_wh - 1e-6

    @property
    def wants(self) -> bool:
        """A car is there and would draw if it could."""
        return self.session is not None and not self.full

    @property
    def state(self) -> ChargerState:
        if self.session is None:
            return ChargerState.AVAILABLE
        if self.amps > 0:
            return ChargerState.CHARGING
        return ChargerState.SUSPENDED_EV if self.full else ChargerState.SUSPENDED_EVSE

    def next_event_s(self) -> float:
        """When its car comes or goes."""
        if self.session is not None:
            return self.session.departure_s
        return self._stays[0].arrival_s if self._stays else math.inf

    def step(self, second: int) -> None:
        """Arrivals and departures of this second; then what the car draws in it."""
        self.ended = None
        if self.session is not None and second >= self.session.departure_s:
            self.ended, self.session = self.session, None
        if self.session is None and self._stays and second >= self._stays[0].arrival_s:
            self.session = self._stays.popleft()
            self.energy_wh = 0.0
            lines = self.session.lines
            self.phasors = line_phasors(self._site.supply, self.charger, lines)
            self.watts_per_amp = watts_per_amp(self._site.supply, self.charger, lines, self._site.nominal_v)
        if self.session is None or self.full or self.felt_a < FLOOR_A:
            self.amps = 0.0
        else:
            self.amps = min(self.felt_a, self.session.max_a, self.charger.max_a)

    def charge(self) -> float:
        """One second of its current; the energy in Wh."""
        if self.amps <= 0 or self.session is None:
            return 0.0
        energy = min(self.amps * self.watts_per_amp / 3600, self.session.energy_wh - self.energy_wh)
        self.energy_wh += energy
        self.total_wh += energy
        return energy


class Plant:
    """All sockets of a site, and its meters."""

    def __init__(
        self,
        site: Site,
        building: Mapping[str, Sequence[tuple[float, ...]]],
        sessions: Sequence[Session],
        *,
        lag_s: int,
        report_every_s: int,
        offsets_s: Sequence[int],
    ) -> None:
        """`building`: by metered circuit, its own load per second. `offsets_s`: when in its interval each reports."""
        self.site = site
        self.lag_s = lag_s
        self._building = building
        self._report_every_s = report_every_s
        stays: dict[str, list[Session]] = {charger.id: [] for charger in site.chargers}
        for session in sessions:
            stays[session.charger].append(session)
        self.sockets = [Socket(site, charger, stays[charger.id]) for charger in site.chargers]
        self._due: list[list[int]] = [[] for _ in range(report_every_s)]
        for number, offset in enumerate(offsets_s):
            self._due[offset % report_every_s].append(number)
        self._orders: deque[tuple[int, int, float]] = deque()
        self._states: list[ChargerState | None] = [None] * len(self.sockets)
        self._next_event_s = [socket.next_event_s() for socket in self.sockets]
        self._lines = len(site.supply.lines)
        circuits = range(len(site.circuits))
        self.cars: list[list[complex]] = [[0j] * self._lines for _ in circuits]
        self.own: list[tuple[float, ...]] = [(0.0,) * self._lines for _ in circuits]
        self.total: list[list[float]] = [[0.0] * self._lines for _ in circuits]
        """By circuit: what flows on each line."""
        self.changed: list[int] = []
        """Sockets whose current changed in this second."""
        self._charging: list[int] = []

    def order(self, second: int, number: int, limit_a: float) -> None:
        """A setpoint, decided in this second."""
        self._orders.append((second + self.lag_s + 1, number, limit_a))

    def step(self, second: int) -> list[Observation]:
        """Moves the plant through this second; returns what is seen of it."""
        touched = set()
        while self._orders and self._orders[0][0] <= second:
            _, number, limit_a = self._orders.popleft()
            self.sockets[number].felt_a = limit_a
            touched.add(number)
        touched.update(n for n, at_s in enumerate(self._next_event_s) if at_s <= second)
        touched.update(n for n in self._charging if self.sockets[n].full)
        seen: list[Observation] = []
        at_s = float(second)
        if second == 0:
            seen.extend(ChargerLink(charger=s.charger.id, at_s=0.0, online=True) for s in self.sockets)
            touched.update(range(len(self.sockets)))
        self.changed = []
        for number in sorted(touched):
            self._touch(number, second, seen)
        if self.changed:
            self._sum_up()
        for number in self._charging:
            self.sockets[number].charge()
        for number in self._due[second % self._report_every_s]:
            socket = self.sockets[number]
            if socket.session is not None:
                amps = reported_amps(self.site.supply, socket.charger, socket.session.lines, socket.amps)
                seen.append(ChargerReport(charger=socket.charger.id, at_s=at_s, currents=PhaseAmps(amps)))
        self._measure(second, seen)
        return seen

    def _touch(self, number: int, second: int, seen: list[Observation]) -> None:
        socket = self.sockets[number]
        before, session = socket.amps, socket.session
        socket.step(second)
        self._next_event_s[number] = socket.next_event_s()
        name, at_s = socket.charger.id, float(second)
        if socket.ended is not None:
            seen.append(
                SessionEnded(charger=name, at_s=at_s, session=socket.ended.id, energy_wh=round(socket.energy_wh))
            )
        if socket.session is not session and socket.session is not None:
            seen.append(SessionStarted(charger=name, at_s=at_s, session=socket.session.id))
        if socket.amps != before or socket.session is not session:
            self.changed.append(number)
        state = socket.state
        if state is not self._states[number]:
            self._states[number] = state
            seen.append(ChargerReport(charger=name, at_s=at_s, state=state))

    def _sum_up(self) -> None:
        self._charging = [n for n, socket in enumerate(self.sockets) if socket.amps > 0]
        for line_sums in self.cars:
            for line in range(self._lines):
                line_sums[line] = 0j
        for number in self._charging:
            socket = self.sockets[number]
            for circuit in socket.circuits:
                sums = self.cars[circuit]
                for line, phasor in enumerate(socket.phasors):
                    sums[line] += socket.amps * phasor

    def _measure(self, second: int, seen: list[Observation]) -> None:
        """The building's own load counts on its circuit and all above."""
        at_s = float(second)
        for number in self.site.topology.upwards:
            circuit = self.site.circuits[number]
            trace = self._building.get(circuit.id)
            own = trace[second] if trace is not None else (0.0,) * self._lines
            for child, other in enumerate(self.site.circuits):
                if other.parent == circuit.id:
                    own = tuple(a + b for a, b in zip(own, self.own[child], strict=True))
            self.own[number] = own
            cars = self.cars[number]
            self.total[number] = magnitude([own[line] + cars[line] for line in range(self._lines)])
            if circuit.meter is not None:
                seen.append(MeterReading(meter=circuit.meter, at_s=at_s, currents=PhaseAmps(tuple(self.total[number]))))
