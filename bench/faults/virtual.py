"""Stories in virtual time: random sites of 2 to 60 chargers under real buildings, where one to four things go wrong.

The plant is the one that the safety properties are tried on, tests/properties/house.py: cars with dead time and ramps,
chargers that keep their leases, meters with faults. Here it follows a real building, and each line has a breaker.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

from tests.properties.house import Car, ChargerKind, Fault, Fittings, House, MeterKind, Obeys, Shows

from ampacity.core.decision import Rule, Setpoint
from ampacity.core.memory import Want
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.proof import proof
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, PauseMode, Site
from ampacity.sim.breaker import Breaker
from ampacity.sim.tables import Building, read_building
from faults.town import DATA, TRACES

WIRINGS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (0,), (1,), (2,))
DAY_S = 86_400
QUIET_S = 240.0
"""Before anything goes wrong."""

WITHIN_S = 180.0
"""All that goes wrong begins within this time."""

RECOVER_S = 1200.0
NEAR_A = 0.1
MAIN, GARAGE = CircuitId("main"), CircuitId("garage")
_HELD = frozenset({Rule.TURN, Rule.CIRCUIT_FULL, Rule.DISOBEYS, Rule.NOT_ASKING, Rule.NO_CAR})
"""Causes for 0 A that may last when all is well."""


@dataclass(slots=True, kw_only=True)
class Told:
    """How a story went."""

    seed: int
    chargers: int
    deeds: list[str]
    trips: int = 0
    budget: float = 0.0
    safe_s: float = 0.0
    """The longest time in which any line was above its limit without a break."""
    recover_s: float | None = None
    """From the end of the last deed until every car that wants current gets some, or has a lasting reason why not;
    None: it took too long."""
    unexplained: int = 0

    @property
    def is_broken(self) -> bool:
        return self.trips > 0 or self.recover_s is None or self.unexplained > 0

    def row(self) -> dict[str, Any]:
        return asdict(self)


@lru_cache(maxsize=3)
def _building(trace: str) -> Building:
    return read_building(DATA / trace, 3)


class Story:
    """One of them; the same seed is the same story."""

    def __init__(self, seed: int) -> None:
        chance = self.chance = random.Random(seed)
        trace = chance.choice(TRACES)
        begin_s = chance.randrange(0, DAY_S - 2400)
        self.rows = _building(trace).by_second()[begin_s : begin_s + 2400]
        self.house = House(self._fittings(chance))
        self.told = Told(seed=seed, chargers=len(self.house.posts), deeds=[])
        self.breakers = [[Breaker(a) for a in circuit.rating_a] for circuit in self.house.site.circuits]
        self._over_since_s: float | None = None
        self._second = 0
        self.house.after = self._after

    def _fittings(self, chance: random.Random) -> Fittings:
        count = chance.choice((chance.randint(2, 8), chance.randint(8, 25), chance.randint(25, 60)))
        worst = PhaseAmps(tuple(max(1.0, *(row[line] for row in self.rows)) + 1.0 for line in range(3)))
        garage = chance.random() < 0.5
        safe_a = 6.0 if count <= 6 and chance.random() < 0.4 else 0.0
        chargers = tuple(self._charger(chance, number, garage, safe_a) for number in range(count))
        none = PhaseAmps((0.0,) * 3)
        wide = PhaseAmps((10_000.0,) * 3)
        loose = self._site(chargers, wide, wide if garage else None, worst, none, metered=True)
        # What the safe currents need, what one car that obeys nobody takes, and some room to share.
        spare_a = 36.0 + chance.uniform(0.1, 0.6) * 10.0 * count
        needs: dict[CircuitId, float] = {}
        for line in proof(loose):
            needs[line.circuit] = max(needs.get(line.circuit, 0.0), (line.load_a or 0.0) + line.safe_a)
        main = PhaseAmps((round(needs[MAIN] + spare_a),) * 3)
        below = PhaseAmps((min(main.values[0], round(needs[GARAGE] + spare_a)),) * 3) if garage else None
        metered = chance.random() < 0.5
        site = self._site(chargers, main, below, worst, none, metered=metered)
        meter_kinds = tuple(
            MeterKind(
                period_s=chance.choice((1.0, 1.0, 2.0, 5.0, 10.0)),
                age_s=chance.uniform(0.0, 0.9),
                shows=chance.choice(list(Shows)),
            )
            for _ in site.meters
        )
        site = self._site(chargers, main, below, worst, none, metered=metered, kinds=meter_kinds)
        kinds = tuple(
            ChargerKind(
                message_s=chance.uniform(0.02, 1.0),
                report_s=chance.choice((5.0, 10.0, 10.0, 30.0)),
                first_report_s=chance.uniform(0.0, 5.0),
                runs_away_after_s=None if charger.guarded else chance.choice((None, 10.0, 60.0)),
            )
            for charger in chargers
        )
        return Fittings(site=site, meters=meter_kinds, chargers=kinds)

    def _charger(self, chance: random.Random, number: int, garage: bool, safe_a: float) -> Charger:
        wiring = tuple(Line(line) for line in chance.choice(WIRINGS))
        return Charger(
            id=ChargerId(f"c{number:02}"),
            circuit=GARAGE if garage and chance.random() < 0.7 else MAIN,
            wiring=wiring,
            phases=len(wiring),
            max_a=32.0 if len(wiring) == 1 else 16.0,
            safe_a=safe_a,
            step_a=chance.choice((0.1, 1.0)),
            lease_s=chance.choice((30.0, 60.0, 120.0)),
            guarded=chance.random() > 0.07,
        )

    def _site(
        self,
        chargers: tuple[Charger, ...],
        main: PhaseAmps,
        garage: PhaseAmps | None,
        worst: PhaseAmps,
        none: PhaseAmps,
        *,
        metered: bool,
        kinds: tuple[MeterKind, ...] = (),
    ) -> Site:
        ids = [MeterId("main"), *([MeterId("garage")] if garage is not None and metered else [])]
        periods = [kind.period_s for kind in kinds] or [1.0] * len(ids)
        circuits = [Circuit(id=MAIN, rating_a=main, meter=MeterId("main"), worst_load_a=worst)]
        if garage is not None:
            meter = MeterId("garage") if metered else None
            circuits.append(Circuit(id=GARAGE, parent=MAIN, rating_a=garage, meter=meter, worst_load_a=none))
        return Site(
            name="any",
            supply=Supply.THREE_PHASE,
            nominal_v=230.0,
            circuits=tuple(circuits),
            meters=tuple(Meter(id=name, period_s=one) for name, one in zip(ids, periods, strict=True)),
            chargers=chargers,
            pause_mode=self.chance.choice(list(PauseMode)),
        )

    # --- telling it ---

    def tell(self) -> Told:
        house, chance = self.house, self.chance
        house.follow(0, self.rows)
        for post in house.posts:
            if chance.random() < 0.8:
                house.plug_in(post.number, self._car())
        house.run(QUIET_S)
        self.told.deeds = chance.sample(sorted(DEEDS), chance.randint(1, 4))
        moments: list[tuple[float, Callable[[], None]]] = []
        for name in self.told.deeds:
            begin_s = house.now_s + chance.uniform(0.0, WITHIN_S)
            end_s = begin_s + chance.choice((chance.uniform(1.0, 20.0), chance.uniform(20.0, 240.0)))
            moments += DEEDS[name](self, begin_s, end_s)
        for at_s, act in sorted(moments, key=lambda one: one[0]):
            house.run(max(0.0, at_s - house.now_s))
            act()
        ended_s = house.now_s
        while house.now_s - ended_s < RECOVER_S:
            if self._is_well():
                self.told.recover_s = round(house.now_s - ended_s, 1)
                break
            house.run(1.0)
        house.run(30.0)
        self.told.budget = round(max(one.budget_worst for lines in self.breakers for one in lines), 3)
        return self.told

    def _car(self) -> Car:
        return Car(
            lines=self.chance.choice((1, 3)),
            dead_s=self.chance.uniform(0.2, 5.0),
            ramp_a_per_s=self.chance.choice((32.0, 8.0, 2.0, 0.5)),
            most_a=self.chance.choice((32.0, 16.0, 16.0, 10.0)),
        )

    def someone(self) -> int:
        return self.chance.choice([post.number for post in self.house.posts if post.car is not None] or [0])

    def _after(self, house: House) -> None:
        while self._second < int(house.now_s):
            self._second += 1
            self._carry(house)
        decision = house.decision
        if decision is None or decision.at_s != house.now_s:
            return
        for charger, setpoint, top_a in zip(house.site.chargers, decision.setpoints, house.site.top_a, strict=True):
            if setpoint.held_by is None and setpoint.limit_a < top_a - 1e-6:
                self.told.unexplained += 1
            assert setpoint.limit_a == 0.0 or setpoint.limit_a >= charger.min_a, setpoint

    def _carry(self, house: House) -> None:
        over = False
        for circuit, flow, breakers in zip(house.site.circuits, house.flows(), self.breakers, strict=True):
            for current, limit, breaker in zip(flow, circuit.limit_a, breakers, strict=True):
                amps = abs(current)
                over = over or amps > limit + NEAR_A
                self.told.trips += breaker.carry(amps)
        if not over:
            self._over_since_s = None
            return
        if self._over_since_s is None:
            self._over_since_s = house.now_s
        self.told.safe_s = max(self.told.safe_s, round(house.now_s - self._over_since_s + 1.0, 1))

    def _is_well(self) -> bool:
        house = self.house
        decision = house.decision
        if decision is None or house.dead_s is not None or any(view.blind for view in decision.circuits):
            return False
        memory = decision.memory.chargers or {}
        for post, setpoint in zip(house.posts, decision.setpoints, strict=True):
            wants = memory[post.charger.id].want is Want.CURRENT
            if post.car is not None and wants and setpoint.limit_a == 0.0 and not _may_last(setpoint):
                return False
            if post.car is not None and setpoint.limit_a > 0.0 and house.amps(post) <= 0.0:
                return False
        return True


def _may_last(setpoint: Setpoint) -> bool:
    return setpoint.held_by is not None and setpoint.held_by.rule in _HELD


# --- what goes wrong -------------------------------------------------------------------------------------------------

Moments = list[tuple[float, Callable[[], None]]]
Deed = Callable[[Story, float, float], Moments]


def _meter(fault: Fault, story: Story, begin_s: float, end_s: float) -> Moments:
    sensor = story.chance.choice(story.house.sensors)
    moments: Moments = [(begin_s, partial(story.house.spoil, sensor, fault))]
    if fault is Fault.TURNED:
        # Somebody puts it right, and for that it is without power.
        moments.append((end_s, partial(story.house.spoil, sensor, Fault.SILENT)))
        end_s += 120.0
    return [*moments, (end_s, partial(story.house.spoil, sensor, Fault.NONE))]


def _meter_exchanged(story: Story, begin_s: float, end_s: float) -> Moments:
    sensor = story.chance.choice(story.house.sensors)
    return [(begin_s, partial(story.house.exchange, sensor))]


def _link_lost(story: Story, begin_s: float, end_s: float) -> Moments:
    number, house = story.someone(), story.house
    noticed_s = story.chance.uniform(0.0, 40.0)
    return [(begin_s, partial(house.lose_link, number, noticed_s)), (end_s, partial(house.regain_link, number))]


def _all_links_lost(story: Story, begin_s: float, end_s: float) -> Moments:
    noticed_s = story.chance.uniform(0.0, 40.0)
    numbers = [post.number for post in story.house.posts]
    lost = [(begin_s, partial(story.house.lose_link, number, noticed_s)) for number in numbers]
    return [*lost, *((end_s, partial(story.house.regain_link, number)) for number in numbers)]


def _refuses(story: Story, begin_s: float, end_s: float) -> Moments:
    number, refuses = story.someone(), story.house.refuses
    return [(begin_s, partial(refuses, number, True)), (end_s, partial(refuses, number, False))]


def _disobeys(obeys: Obeys, story: Story, begin_s: float, end_s: float) -> Moments:
    number, house = story.someone(), story.house
    return [(begin_s, partial(house.obeys, number, obeys)), (end_s, partial(house.obeys, number, Obeys.ALWAYS))]


def _lies(story: Story, begin_s: float, end_s: float) -> Moments:
    post = story.house.posts[story.someone()]
    lie_a = story.chance.choice((0.0, 6.0, 16.0, 32.0, 500.0))
    return [(begin_s, partial(setattr, post, "lie_a", lie_a)), (end_s, partial(setattr, post, "lie_a", None))]


def _reboots(story: Story, begin_s: float, end_s: float) -> Moments:
    return [(begin_s, partial(story.house.reboot, story.someone()))]


def _dies(story: Story, begin_s: float, end_s: float) -> Moments:
    house = story.house

    def comes_back() -> None:
        if house.dead_s is not None:
            house.dead_s = None
            house.restart_controller()

    return [(begin_s, house.kill_controller), (end_s, comes_back)]


def _car_changes(story: Story, begin_s: float, end_s: float) -> Moments:
    number, house = story.someone(), story.house
    return [(begin_s, partial(house.unplug, number)), (end_s, partial(house.plug_in, number, story._car()))]


DEEDS: Mapping[str, Deed] = {
    **{f"meter-{fault.name.lower()}": partial(_meter, fault) for fault in Fault if fault is not Fault.NONE},
    "meter-exchanged": _meter_exchanged,
    "charger-cut": _link_lost,
    "chargers-all-cut": _all_links_lost,
    "charger-refuses": _refuses,
    "charger-disobeys": partial(_disobeys, Obeys.WHEN_PAUSED),
    "charger-disobeys-wholly": partial(_disobeys, Obeys.NEVER),
    "charger-lies": _lies,
    "charger-reboots": _reboots,
    "controller-killed": _dies,
    "car-comes-and-goes": _car_changes,
}


def tell(seed: int) -> Told:
    return Story(seed).tell()
