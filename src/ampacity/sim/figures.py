"""What a run is judged by. The definitions are in docs/reference/simulate.md."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from operator import sub
from typing import Any

from ampacity.core.decision import Command
from ampacity.core.site import CircuitId, Site
from ampacity.sim.breaker import Breaker
from ampacity.sim.plant import Plant, Socket

OVER_A = 0.05
COMMAND_A = 0.01
MINUTE_S = 60
SHARED_S = 3600
"""Two cars are compared when they wanted current at the same time for so long."""

OWN_MAXIMUM = 0.97
"""A car that got this share of its own maximum had no more to want."""


class CircuitFigures:
    """Of one circuit."""

    def __init__(self, site: Site, number: int, lag_s: int) -> None:
        circuit = site.circuits[number]
        self._limits = circuit.limit_a.values
        self._poles = [Breaker(rating) for rating in circuit.rating_a]
        self._before: deque[tuple[float, ...]] = deque(maxlen=lag_s + 2)
        self.trips = 0
        self.over_s = 0
        self.over_as = 0.0
        self.unavoidable_as = 0.0

    def second(self, total: Sequence[float], own: tuple[float, ...]) -> bool:
        """`own`: the building's part of `total`. Returns whether this second counts as over."""
        self._before.append(own)
        tripped = False
        for pole, amps in zip(self._poles, total, strict=True):
            tripped = pole.carry(amps) or tripped
        if tripped:
            self._trip()
        excess = max(map(sub, total, self._limits))
        if excess <= 0.0:
            return False
        line = max(range(len(total)), key=lambda n: total[n] - self._limits[n])
        rise = own[line] - self._before[0][line]
        self.over_as += excess
        self.unavoidable_as += min(excess, max(0.0, rise))
        if excess <= OVER_A:
            return False
        self.over_s += 1
        return True

    def _trip(self) -> None:
        """All poles open together; the breaker is closed again at once, cold."""
        self.trips += 1
        for pole in self._poles:
            pole.budget = 0.0

    def document(self) -> dict[str, Any]:
        return {
            "trips": self.trips,
            "budget_worst": round(max(b.budget_worst for b in self._poles), 4),
            "heat_worst_earliest": round(max(b.heat_worst_earliest for b in self._poles), 4),
            "heat_worst_latest": round(max(b.heat_worst_latest for b in self._poles), 4),
            "over_s": self.over_s,
            "over_as": round(self.over_as, 2),
            "over_unavoidable_as": round(self.unavoidable_as, 2),
        }


class ChargerFigures:
    """Of one charger."""

    def __init__(self) -> None:
        self.limit_a = 0.0
        self.stops = 0
        self.commands = 0
        self.renewals = 0
        self._paused_s = 0
        self._since_s: int | None = None

    def waits(self, waits: bool, second: int) -> None:
        """Whether its car wants current and gets none, from this second on."""
        if waits and self._since_s is None:
            self._since_s = second
        elif not waits and self._since_s is not None:
            self._paused_s += second - self._since_s
            self._since_s = None

    def paused_s(self, end_s: int) -> int:
        return self._paused_s + (0 if self._since_s is None else end_s - self._since_s)


class Shares:
    """How evenly cars of equal rank were served while both wanted current, minute by minute."""

    def __init__(self) -> None:
        self._before_wh: dict[str, float] = {}
        self._pairs: dict[tuple[str, str], list[float]] = {}
        """Seconds together; Ah per line and weight of the one, and of the other."""
        self._most_a: dict[str, float] = {}
        """What a car could take, per weight."""
        self._load: dict[str, tuple[object, ...]] = {}
        """Where a car loads the supply."""

    def minute(self, sockets: Sequence[Socket], end_s: int) -> None:
        """At the beginning of the run, and after each full minute."""
        wanting: list[tuple[str, int, float]] = []
        for socket in sockets:
            session, charger = socket.session, socket.charger
            if session is None:
                continue
            energy_wh = socket.session_wh(end_s)
            before_wh = self._before_wh.get(session.id)
            self._before_wh[session.id] = energy_wh
            if socket.wants and before_wh is not None:
                amp_hours = (energy_wh - before_wh) / socket.watts_per_amp / charger.weight
                wanting.append((session.id, charger.rank, amp_hours))
                if session.id not in self._load:
                    self._most_a[session.id] = min(session.max_a, charger.max_a) / charger.weight
                    self._load[session.id] = (charger.circuit, charger.wiring, socket.phasors)
        for place, (one, rank, one_ah) in enumerate(wanting):
            for other, other_rank, other_ah in wanting[place + 1 :]:
                if rank == other_rank:
                    sums = self._pairs.setdefault((one, other), [0.0, 0.0, 0.0])
                    sums[0] += MINUTE_S
                    sums[1] += one_ah
                    sums[2] += other_ah

    def least_to_best(self, *, alike: bool) -> float | None:
        """The least over all pairs with an hour together; None: there is none. `alike`: only pairs on the same lines
        of the same circuit."""
        worst: float | None = None
        for (one, other), (seconds, one_ah, other_ah) in self._pairs.items():
            if seconds < SHARED_S or (alike and self._load[one] != self._load[other]):
                continue
            less = one if one_ah <= other_ah else other
            if min(one_ah, other_ah) >= OWN_MAXIMUM * self._most_a[less] * seconds / 3600:
                continue  # it had all that it could take, and is not less served than one that can take more
            ratio = 1.0 if max(one_ah, other_ah) <= 0 else min(one_ah, other_ah) / max(one_ah, other_ah)
            worst = ratio if worst is None else min(worst, ratio)
        return worst


class Figures:
    """Of a whole run; fed second by second."""

    def __init__(self, site: Site, plant: Plant) -> None:
        self._site = site
        self._plant = plant
        self._circuits = [CircuitFigures(site, n, plant.lag_s) for n in range(len(site.circuits))]
        self._chargers = [ChargerFigures() for _ in site.chargers]
        self._shares = Shares()
        self._told: list[int] = []
        self._over_s = 0

    def second(self, second: int) -> None:
        """After the plant's step, before the controller's."""
        plant = self._plant
        if second == 0:
            self._shares.minute(plant.sockets, 0)
        over = False
        for circuit, total, own in zip(self._circuits, plant.total, plant.own, strict=True):
            over = circuit.second(total, own) or over
        self._over_s += over
        if second % MINUTE_S == MINUTE_S - 1:
            self._shares.minute(plant.sockets, second + 1)

    def sent(self, number: int, command: Command) -> None:
        charger, socket = self._chargers[number], self._plant.sockets[number]
        if abs(command.limit_a - charger.limit_a) > COMMAND_A:
            charger.commands += 1
            if charger.limit_a >= socket.charger.min_a > command.limit_a and socket.wants:
                charger.stops += 1
        else:
            charger.renewals += 1
        charger.limit_a = command.limit_a
        self._told.append(number)

    def decided(self, second: int) -> None:
        """After all commands of a second."""
        for number in (*self._told, *self._plant.touched):
            charger, socket = self._chargers[number], self._plant.sockets[number]
            charger.waits(charger.limit_a < socket.charger.min_a and socket.wants, second)
        self._told.clear()

    def document(self, optimum_wh: Mapping[CircuitId, float], end_s: int) -> dict[str, Any]:
        """All figures: the whole first, then each circuit. `optimum_wh`: of the chargers below each circuit."""
        circuits = {
            circuit.id: {
                **self._circuits[number].document(),
                **self._charging(self._site.topology.below[number], optimum_wh[circuit.id], end_s),
            }
            for number, circuit in enumerate(self._site.circuits)
        }
        main = next(circuit.id for circuit in self._site.circuits if circuit.parent is None)
        parts = list(circuits.values())
        whole = {
            **circuits[main],
            "trips": sum(part["trips"] for part in parts),
            **{key: round(sum(part[key] for part in parts), 2) for key in ("over_as", "over_unavoidable_as")},
            **{
                key: max(part[key] for part in parts)
                for key in ("budget_worst", "heat_worst_earliest", "heat_worst_latest")
            },
            "over_s": self._over_s,
        }
        ratios = {
            "least_to_best": self._shares.least_to_best(alike=False),
            "least_to_best_alike": self._shares.least_to_best(alike=True),
        }
        return {
            **whole,
            **{key: None if ratio is None else round(ratio, 4) for key, ratio in ratios.items()},
            "circuits": circuits,
        }

    def _charging(self, numbers: Sequence[int], optimum_wh: float, end_s: int) -> dict[str, Any]:
        chosen = [self._chargers[n] for n in numbers]
        energy_wh = sum(self._plant.sockets[n].total_wh(end_s) for n in numbers)
        return {
            "energy_wh": round(energy_wh, 1),
            "energy_optimum_wh": round(optimum_wh, 1),
            "headroom_used": round(energy_wh / optimum_wh, 4) if optimum_wh > 0 else None,
            "stops": sum(c.stops for c in chosen),
            "paused_s": sum(c.paused_s(end_s) for c in chosen),
            "commands": sum(c.commands for c in chosen),
            "renewals": sum(c.renewals for c in chosen),
        }
