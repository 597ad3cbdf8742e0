"""From what is known now to each charger's setpoint: first what must go down, then who waits, then what may go up."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ampacity.core import lowering, raising, turns
from ampacity.core.cars import DRAWING_A, FIRST_REPORT_S, FOLLOW_S, STALE_S
from ampacity.core.causes import explain
from ampacity.core.decision import Blindness, Cause, Rule
from ampacity.core.memory import ChargerMemory, CircuitMemory, Want
from ampacity.core.observations import ChargerSeen, ChargerState, Hold
from ampacity.core.plan import Car, Plan
from ampacity.core.raising import Times
from ampacity.core.rooms import cut_room, rooms_of
from ampacity.core.site import Charger, Site, on_step_a

_NONE = -1
_NOT_ASKING = Cause(Rule.NOT_ASKING)
_STARTING = Cause(Rule.STARTING)
_OFFLINE = Cause(Rule.OFFLINE)
_FAULTED = Cause(Rule.FAULTED)
_PAUSED = Cause(Rule.PAUSED_BY_USER)
_DISOBEYS = Cause(Rule.DISOBEYS)
_PACING = Cause(Rule.PACING)
_REFUSED = Cause(Rule.REFUSED)
_NO_CAR = Cause(Rule.NO_CAR)
_OFF = Cause(Rule.OFF)
_HOLDS = {Hold.SCHEDULE: Cause(Rule.SCHEDULE), Hold.SURPLUS: Cause(Rule.SURPLUS), Hold.TEST: Cause(Rule.TEST)}
_FIRST = 0
"""Before every rank that a site may give."""


def planned(
    site: Site,
    seen: Sequence[ChargerSeen],
    chargers: Sequence[ChargerMemory],
    circuits: Sequence[CircuitMemory],
    blind: Sequence[Blindness | None],
    times: Times,
    now_s: float,
) -> Plan:
    """Setpoint and cause of every charger. All sequences are in the site's order."""
    cars = _cars(site, seen, chargers, circuits, now_s)
    _hold_back_blind(site, cars, blind)
    down = cut_room(site, cars, circuits, blind)
    held, likely = lowering.cut(site, cars, down, now_s)
    over = lowering.pause(site, cars, down, held, likely, circuits, now_s)
    asking = [car for car in cars if car.movable and car.want is Want.CURRENT and car.cap_a >= car.floor_a]
    rooms = rooms_of(site, cars, circuits, blind, _scarce(site, asking))
    admitted, short = turns.admit(site, cars, asking, rooms, now_s)
    idle = [car for car in cars if car.movable and car.want is Want.START and car.cap_a >= car.floor_a]
    raising.make_way(idle, admitted, rooms, now_s)
    unfair = raising.give(site, admitted, turns.soon(site, asking, circuits, now_s), rooms, times, now_s)
    raising.offer_to_idle(idle, admitted, rooms, now_s)
    turns.number_the_queue(site, asking, admitted, circuits, now_s)
    explain(site, cars, rooms, now_s)
    return Plan(cars, over, short, unfair, times.trimming(now_s))


def _scarce(site: Site, asking: Sequence[Car]) -> set[int]:
    """Circuits where a car waits for current."""
    lines = site.topology.lines
    return {place // lines for car in asking if car.limit_a == 0 for place, _, _ in car.pulls}


def _cars(
    site: Site,
    seen: Sequence[ChargerSeen],
    chargers: Sequence[ChargerMemory],
    circuits: Sequence[CircuitMemory],
    now_s: float,
) -> list[Car]:
    """Every charger as this pass finds it, with what follows from its own state alone."""
    ways, all_pulls, tops = site.topology.way, site.topology.pulls, site.top_a
    cars = []
    for number, charger in enumerate(site.chargers):
        memory, one = chargers[number], seen[number]
        want = memory.want
        way = ways[number][memory.mask]
        cap = tops[number]
        if want is Want.START:
            cap = charger.min_a
        elif 0.0 < memory.cap_a < cap:
            cap = max(charger.min_a, on_step_a(memory.cap_a, charger.step_a))
        cap, held_by = _held_to(site, charger, one, cap)
        if cap < charger.min_a:
            want = Want.NOTHING
        rank = _FIRST if one.is_first(now_s) else charger.rank
        limit, pulls = memory.ceiling_a, all_pulls[way]
        car = Car(number, charger, memory, limit, way, pulls, charger.min_a, cap, rank, want, False)
        car.held_by = held_by
        cars.append(car)
        if memory.online_s is None:
            car.reason = _OFFLINE
        elif memory.limit_a is None and _is_early(one, memory, now_s):
            car.reason = _STARTING
        else:
            car.movable = True
            if memory.limit_a is not None:
                if memory.before_a > memory.limit_a and now_s < memory.sent_s + FOLLOW_S:
                    car.follows = _has_followed(site, car, circuits)
                car.holds_a = _held_a(memory, memory.limit_a, now_s)
            if want is Want.NOTHING:
                car.limit_a = 0.0
                car.reason = _nothing(one, memory, held_by, now_s)
            else:
                car.limit_a = min(cap, _limit_now(charger, one, memory))
                if memory.limit_a is None or not memory.answered:
                    # What it may hold is reserved; that is no room to give it before it has confirmed less.
                    car.cap_a = car.limit_a
                    car.reason = _STARTING if memory.limit_a is None else (_REFUSED if memory.refusals else _PACING)
    return cars


def _has_followed(site: Site, car: Car, circuits: Sequence[CircuitMemory]) -> bool:
    """Whether its own report or a later sample of every meter above shows what it draws since it was lowered."""
    memory = car.memory
    if memory.draw_s is not None and memory.draw_s > memory.sent_s and memory.draw_a <= (memory.limit_a or 0.0) + 0.5:
        return True
    for place, _, _ in car.pulls:
        circuit = place // site.topology.lines
        sampled_s = circuits[circuit].at_s
        if site.circuits[circuit].meter is None or sampled_s is None or sampled_s <= memory.sent_s:
            return False
    return True


def _held_a(memory: ChargerMemory, limit_a: float, now_s: float) -> float:
    """What a charger has beyond its setpoint, when it should have followed by now."""
    if now_s < memory.sent_s + FOLLOW_S:
        return 0.0
    most_a = memory.ceiling_a
    if memory.draw_s is not None and memory.sent_s + FOLLOW_S <= memory.draw_s and now_s - memory.draw_s < STALE_S:
        most_a = max(most_a, memory.draw_a)
    return most_a - limit_a if most_a > limit_a + DRAWING_A else 0.0


def _is_early(seen: ChargerSeen, memory: ChargerMemory, now_s: float) -> bool:
    """Whether a charger that has just come may still say what it does before it is told anything."""
    silent = seen.measured_at_s is None and (seen.state is None or seen.state is ChargerState.CHARGING)
    return silent and memory.online_s is not None and now_s - memory.online_s < FIRST_REPORT_S


def _limit_now(charger: Charger, seen: ChargerSeen, memory: ChargerMemory) -> float:
    """The setpoint in force; before the first command, what the car draws: nobody is stopped by our start alone."""
    if memory.limit_a is not None:
        return memory.limit_a
    if memory.draw_a >= DRAWING_A:
        return min(charger.max_a, max(charger.min_a, _up(memory.draw_a, charger.step_a)))
    return charger.min_a if seen.state is ChargerState.CHARGING and seen.measured_at_s is None else 0.0


def _held_to(site: Site, charger: Charger, seen: ChargerSeen, cap_a: float) -> tuple[float, Cause | None]:
    """The most it may have by what is switched on, and what sets that; None: nothing does."""
    cause = None
    if seen.most_a is not None and seen.hold is not None and seen.most_a < cap_a:
        cap_a, cause = on_step_a(seen.most_a, charger.step_a), _HOLDS[seen.hold]
    if not site.active and charger.safe_a < cap_a:
        cap_a, cause = charger.safe_a, _OFF
    return cap_a, cause


def _nothing(seen: ChargerSeen, memory: ChargerMemory, held_by: Cause | None, now_s: float) -> Cause:
    """Why a socket wants nothing."""
    if seen.state is ChargerState.FAULTED or seen.state is ChargerState.UNAVAILABLE:
        return _FAULTED
    if memory.stopped_s is not None:
        return _DISOBEYS
    if seen.state is ChargerState.FINISHING:
        return _NOT_ASKING
    if seen.state is ChargerState.AVAILABLE:
        return _NO_CAR
    if seen.is_paused(now_s):
        return _PAUSED
    return held_by or _NO_CAR


def _hold_back_blind(site: Site, cars: list[Car], blind: Sequence[Blindness | None]) -> None:
    """Below a blind circuit nobody has more than the safe current, and nobody is raised."""
    if not any(blind):
        return
    parents = site.topology.parents
    for car in cars:
        circuit = site.index_of_circuit[car.charger.circuit]
        while circuit != _NONE:
            if blind[circuit]:
                if car.movable:
                    car.limit_a = min(car.limit_a, car.charger.safe_a)
                car.cap_a = car.limit_a
                if car.reason is None:
                    car.reason = Cause(Rule.BLIND, site.circuits[circuit].id)
                break
            circuit = parents[circuit]


def _up(amps: float, step_a: float) -> float:
    return round(math.ceil(amps / step_a - 1e-6) * step_a, 6)
