"""Daily life of a building with cars, quickly: cars come, begin, pause, are full and go; a controller of a few lines
gives them what the building leaves. Time in which nothing happens to a car is passed over, but for some minutes of
every hour.

For what goes by steps that cars make by themselves. What the product's own controller does is in `simulate`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ampacity.core.decision import Command
from ampacity.core.observations import (
    ChargerReport,
    ChargerState,
    Observation,
    SessionEnded,
    SessionStarted,
)
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId, Site
from ampacity.sim.mounted import CarAtCharger, MountedCar, MountedMeter, reading

Load = Callable[[float], Sequence[complex]]
DAY_S = 86_400.0
BEFORE_S, AFTER_S = 130.0, 240.0
"""Round what happens to a car, every second is lived: so long before, and after."""
IDLE_S, IDLE_EVERY_S = 260.0, 3 * 3600.0
"""So long of every three hours as well."""
PATIENCE_S = 60.0
DECIDES_S = 5.0
FULL_SHARE = 0.9
"""From then on a car tapers, if it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A car that is there for a while."""

    car: CarAtCharger
    arrives_s: float
    leaves_s: float
    takes_s: float
    """So long it charges, if it gets all it can use."""
    pauses_s: tuple[float, ...] = ()
    """When it makes a pause of ten minutes by itself."""
    tapers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """A second of it."""

    at_s: float
    seen: Sequence[Observation]
    commands: Sequence[Command]


@dataclass(slots=True)
class _Socket:
    charger: ChargerId
    phases: int
    stays: list[Stay]
    stay: Stay | None = None
    car: MountedCar | None = None
    session: str = ""
    count: int = 0
    limit_a: float = 0.0
    raised_s: float = 0.0
    left_s: float = 0.0
    began_s: float = 0.0
    state: ChargerState = ChargerState.AVAILABLE
    """As told."""
    report_s: float = 0.0


class Daily:
    """A building. `meter`, `stays` and what `wired` says may be changed while it lives: faults."""

    def __init__(
        self,
        site: Site,
        building: Load,
        meter: MountedMeter,
        stays: Sequence[Stay],
        *,
        seed: int,
        after_s: float = AFTER_S,
    ) -> None:
        self.site = site
        self.building = building
        self.meter = meter
        self.wired: dict[ChargerId, tuple[int, ...]] = {}
        """Chargers that are connected in another order than their cars say."""
        self.unseen: set[ChargerId] = set()
        """Chargers that the meter does not see."""
        self.report_share: dict[ChargerId, float] = {}
        """Of what flows, what a charger reports."""
        self._after_s = after_s
        self._draw = random.Random(seed)
        self._noise = random.Random(self._draw.random())
        self._line_v = site.nominal_v / 3**0.5 if site.supply.value.endswith("line-to-line") else site.nominal_v
        self._sockets = [
            _Socket(
                one.id,
                one.phases,
                sorted((stay for stay in stays if stay.car.charger == one.id), key=lambda stay: stay.arrives_s),
            )
            for one in site.chargers
        ]
        self._limit_a = min(site.circuits[0].limit_a)
        self._room_s: float | None = None
        self._over_s: float | None = None
        self._next_sample_s = 0.0
        self._near_s = 0.0

    def stays_of(self, charger: ChargerId) -> Sequence[Stay]:
        """That are still to come."""
        return next(one.stays for one in self._sockets if one.charger == charger)

    def live(self, to_s: float, from_s: float = 0.0) -> Iterator[Now]:
        """Second by second, without those that are passed over."""
        now_s = from_s
        while now_s < to_s:
            yield self._second(now_s)
            now_s += 1.0
            if now_s > self._near_s and now_s % IDLE_EVERY_S > IDLE_S:
                then_s = min(self._next_s(), (now_s // IDLE_EVERY_S + 1) * IDLE_EVERY_S, to_s)
                if then_s > now_s:
                    now_s = self._next_sample_s = then_s

    def _next_s(self) -> float:
        """When something happens to a car, less the time before that is lived too."""
        soonest = math.inf
        for one in self._sockets:
            if one.stays:
                soonest = min(soonest, one.stays[0].arrives_s)
            if one.stay is not None:
                soonest = min(soonest, one.stay.leaves_s, *(at_s for at_s in one.stay.pauses_s if at_s > one.began_s))
                if one.car is not None and one.car.amps > 0:
                    soonest = min(soonest, one.began_s + one.left_s)
        return soonest if soonest == math.inf else float(math.floor(soonest - BEFORE_S))

    def _second(self, now_s: float) -> Now:
        seen: list[Observation] = []
        for one in self._sockets:
            self._live(one, now_s, seen)
        building = self.building(now_s)
        cars = self._cars(None)
        shown = self._cars(self.unseen) if self.unseen else cars
        commands = self._decide(now_s, building, cars)
        if now_s >= self._next_sample_s:
            self._next_sample_s = now_s + self.meter.period_s
            seen.append(reading(self.meter, self.site.supply, self._line_v, building, shown, now_s, self._noise))
        return Now(at_s=now_s, seen=seen, commands=commands)

    def _cars(self, without: set[ChargerId] | None) -> list[complex]:
        out = [0j] * len(self.site.supply.lines)
        for one in self._sockets:
            if one.car is None or one.car.amps <= 0 or (without and one.charger in without):
                continue
            wiring = self.wired.get(one.charger)
            car = one.car
            if wiring is not None:
                car = MountedCar(replace(one.car.car, wiring=wiring), self._draw)
                car.amps = one.car.amps
            out = [a + b for a, b in zip(out, car.on_lines(self.site.supply), strict=True)]
        return out

    def _live(self, one: _Socket, now_s: float, seen: list[Observation]) -> None:
        if one.stay is not None and now_s >= one.stay.leaves_s:
            self._tell(one, now_s, ChargerState.FINISHING, seen)
            seen.append(SessionEnded(charger=one.charger, at_s=now_s, session=one.session))
            self._tell(one, now_s, ChargerState.AVAILABLE, seen)
            one.stay = one.car = None
            self._near_s = now_s + self._after_s
        if one.stay is None and one.stays and now_s >= one.stays[0].arrives_s:
            self._arrive(one, now_s, seen)
        car, stay = one.car, one.stay
        if car is None or stay is None:
            return
        paused = any(at_s <= now_s < at_s + 600.0 for at_s in stay.pauses_s)
        full = one.left_s <= 0
        before_a = car.amps
        for quarter in range(4):
            car.step(now_s + quarter / 4)
        if paused or full:
            car.amps = 0.0
        elif stay.tapers and one.left_s < (1 - FULL_SHARE) * stay.takes_s:
            car.amps = min(car.amps, car.car.most_a * max(0.25, one.left_s / ((1 - FULL_SHARE) * stay.takes_s)))
        if abs(car.amps - before_a) > 0.5:
            self._near_s = now_s + self._after_s
        if car.amps > 0:
            one.left_s -= (now_s - one.began_s) * car.amps / car.car.most_a
        one.began_s = now_s
        state = ChargerState.CHARGING
        if car.amps <= 0:
            state = ChargerState.SUSPENDED_EV if one.limit_a > 0 else ChargerState.SUSPENDED_EVSE
        self._tell(one, now_s, state, seen)
        if now_s >= one.report_s:
            one.report_s = now_s + car.car.reports_s
            report = car.report(now_s)
            share = self.report_share.get(one.charger, 1.0)
            if report.currents is not None:
                report = replace(report, currents=PhaseAmps(tuple(round(amps * share, 1) for amps in report.currents)))
            if report.current_a is not None:
                report = replace(report, current_a=round(report.current_a * share, 1))
            seen.append(replace(report, state=state))

    def _arrive(self, one: _Socket, now_s: float, seen: list[Observation]) -> None:
        one.stay = one.stays.pop(0)
        one.car = MountedCar(one.stay.car, self._draw)
        one.count += 1
        one.session, one.left_s, one.began_s = f"{one.charger} {one.count}", one.stay.takes_s, now_s
        one.limit_a = one.raised_s = 0.0
        one.report_s = now_s + self._draw.uniform(0.0, one.stay.car.reports_s)
        self._near_s = now_s + self._after_s
        self._tell(one, now_s, ChargerState.PREPARING, seen)
        seen.append(SessionStarted(charger=one.charger, at_s=now_s, session=one.session))

    def _tell(self, one: _Socket, now_s: float, state: ChargerState, seen: list[Observation]) -> None:
        if state is not one.state:
            one.state = state
            seen.append(ChargerReport(charger=one.charger, at_s=now_s, state=state))

    def _decide(self, now_s: float, building: Sequence[complex], cars: Sequence[complex]) -> list[Command]:
        """Less at once, more after some patience, one car at a time."""
        if now_s % 1.0 or not any(one.stay for one in self._sockets):
            return []
        room_a = min(self._limit_a - abs(a + b) for a, b in zip(building, cars, strict=True))
        here = [one for one in self._sockets if one.stay is not None]
        if room_a < 0:
            self._room_s = None
            self._over_s = now_s if self._over_s is None else self._over_s
            if now_s - self._over_s < 2:
                return []
            self._over_s = now_s + DECIDES_S
            drawing = [one for one in here if one.limit_a > 0]
            each_a = -room_a / max(1, len(drawing)) + 0.5
            return [self._order(one, now_s, math.floor(one.limit_a - each_a)) for one in drawing]
        self._over_s = None
        wants = [one for one in here if one.limit_a < self._most_a(one) and now_s - one.raised_s > DECIDES_S]
        wants = [one for one in wants if one.left_s > 0]
        if room_a < 2 or not wants or (min(one.limit_a for one in wants) == 0 and room_a < 6.5):
            self._room_s = None
            return []
        self._room_s = now_s if self._room_s is None else self._room_s
        if now_s - self._room_s < (PATIENCE_S if any(one.raised_s for one in wants) else DECIDES_S):
            return []
        self._room_s = None
        one = min(wants, key=lambda one: one.limit_a)
        return [self._order(one, now_s, math.floor(min(self._most_a(one), one.limit_a + room_a - 0.5)))]

    def _most_a(self, one: _Socket) -> float:
        return self.site.chargers[self.site.index_of_charger[one.charger]].max_a

    def _order(self, one: _Socket, now_s: float, limit_a: float) -> Command:
        limit_a = limit_a if limit_a >= 6 else 0.0
        if limit_a > one.limit_a:
            one.raised_s = now_s
        one.limit_a = limit_a
        self._near_s = now_s + self._after_s
        assert one.car is not None
        one.car.order(now_s, limit_a)
        return Command(charger=one.charger, limit_a=limit_a, safe_a=0.0, lease_s=None, renewal=False)
