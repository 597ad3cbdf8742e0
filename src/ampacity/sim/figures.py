"""What a run is judged by. Definitions are in docs/reference/simulate.md."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ampacity.core.decision import Command
from ampacity.core.site import Site
from ampacity.sim.breaker import Breaker
from ampacity.sim.plant import Plant

OVER_A = 0.05
COMMAND_A = 0.01
SHARED_S = 3600
"""Two cars are compared when they wanted current at the same time for so long."""


class CircuitFigures:
    """Of one circuit."""

    def __init__(self, site: Site, number: int, lag_s: int) -> None:
        circuit = site.circuits[number]
        self._limits = circuit.limit_a.values
        self._breakers = [Breaker(rating) for rating in circuit.rating_a]
        self._before: deque[tuple[float, ...]] = deque(maxlen=lag_s + 2)
        self._calm = 1.13 * min(circuit.rating_a)
        self.over_s = 0
        self.over_as = 0.0
        self.unavoidable_as = 0.0

    def second(self, total: Sequence[float], own: tuple[float, ...]) -> None:
        """`own`: the building's part."""
        self._before.append(own)
        worst = excess = 0.0
        for line, amps in enumerate(total):
            over = amps - self._limits[line]
            if over > excess:
                excess, worst = over, line
        if max(total) > self._calm or min(total) < -self._calm or any(b.budget for b in self._breakers):
            for breaker, amps in zip(self._breakers, total, strict=True):
                breaker.carry(amps)
        if excess > 0.0:
            if excess > OVER_A:
                self.over_s += 1
            self.over_as += excess
            rise = own[int(worst)] - self._before[0][int(worst)]
            self.unavoidable_as += min(excess, max(0.0, rise))

    def document(self) -> dict[str, Any]:
        return {
            "trips": sum(b.trips for b in self._breakers),
            "budget_worst": round(max(b.budget_worst for b in self._breakers), 4),
            "heat_worst_earliest": round(max(b.heat_worst[0] for b in self._breakers), 4),
            "heat_worst_latest": round(max(b.heat_worst[1] for b in self._breakers), 4),
            "over_s": self.over_s,
            "over_as": round(self.over_as, 2),
            "over_unavoidable_as": round(self.unavoidable_as, 2),
        }


class ChargerFigures:
    """Of one charger."""

    def __init__(self) -> None:
        self.limit_a = 0.0
        self.stops = 0
        self.paused_s = 0
        self.commands = 0
        self.renewals = 0


class Figures:
    """Of a whole run; fed second by second."""

    def __init__(self, site: Site, plant: Plant) -> None:
        self._site = site
        self._plant = plant
        self.circuits = [CircuitFigures(site, n, plant.lag_s) for n in range(len(site.circuits))]
        self.chargers = [ChargerFigures() for _ in site.chargers]
        self._served_ah: dict[str, float] = {}
        self._shared: dict[tuple[str, str], list[float]] = {}
        self._minute: dict[str, float] = {}

    def second(self, second: int) -> None:
        plant = self._plant
        for circuit, total, own in zip(self.circuits, plant.total, plant.own, strict=True):
            circuit.second(total, own)
        if second % 60 == 59:
            self._share()

    def sent(self, number: int, command: Command) -> None:
        charger, socket = self.chargers[number], self._plant.sockets[number]
        if abs(command.limit_a - charger.limit_a) > COMMAND_A:
            charger.commands += 1
            if charger.limit_a >= 6.0 > command.limit_a and socket.wants:
                charger.stops += 1
        else:
            charger.renewals += 1
        charger.limit_a = command.limit_a

    def waited(self) -> None:
        """After the commands of a second: who wants current and gets none."""
        for charger, socket in zip(self.chargers, self._plant.sockets, strict=True):
            if charger.limit_a < 6.0 and socket.session is not None and socket.wants:
                charger.paused_s += 1

    def _share(self) -> None:
        """A minute's energy of each pair that wanted current all through it."""
        wanting = []
        for socket in self._plant.sockets:
            if socket.session is not None:
                before = self._minute.get(socket.session.id)
                if socket.wants and before is not None:
                    wanting.append((socket, socket.energy_wh - before))
                self._minute[socket.session.id] = socket.energy_wh
        for place, (one, energy) in enumerate(wanting):
            for other, energy_other in wanting[place + 1 :]:
                if one.charger.rank != other.charger.rank or one.session is None or other.session is None:
                    continue
                # Per ampere that the car could take, and per weight: a small car is no worse served for being small.
                sums = self._shared.setdefault((one.session.id, other.session.id), [0.0, 0.0, 0.0])
                sums[0] += 60
                sums[1] += energy / one.watts_per_amp / one.charger.weight
                sums[2] += energy_other / other.watts_per_amp / other.charger.weight

    def least_to_best(self, max_a: dict[str, float]) -> float | None:
        """Least by best served, over all pairs that wanted current together for an hour; None: there is none."""
        worst: float | None = None
        for (one, other), (seconds, a, b) in self._shared.items():
            if seconds < SHARED_S:
                continue
            # A car that always got its own maximum is not less served than one that can take more.
            if a >= 0.97 * max_a[one] * seconds / 3600 and b > a:
                continue
            if b >= 0.97 * max_a[other] * seconds / 3600 and a > b:
                continue
            ratio = 1.0 if max(a, b) <= 0 else min(a, b) / max(a, b)
            worst = ratio if worst is None else min(worst, ratio)
        return worst

    def document(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Of these chargers."""
        chosen = [self.chargers[n] for n in numbers]
        return {
            "energy_wh": round(sum(self._plant.sockets[n].total_wh for n in numbers), 1),
            "stops": sum(c.stops for c in chosen),
            "paused_s": sum(c.paused_s for c in chosen),
            "commands": sum(c.commands for c in chosen),
            "renewals": sum(c.renewals for c in chosen),
        }
