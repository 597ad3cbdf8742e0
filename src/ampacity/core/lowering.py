"""Down: setpoints are lowered until no place is above its limit; where minimums alone are too much, cars are paused."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ampacity.core.allocate import Room
from ampacity.core.breaker import trip_time_s
from ampacity.core.cars import DRAWING_A, SPARE_A, sure_a
from ampacity.core.decision import Rule
from ampacity.core.memory import CircuitMemory, Want
from ampacity.core.plan import TOLERANCE_A, Car, cause_at
from ampacity.core.site import PauseMode, Site, on_step_a

SLACK_A = 0.2
"""A cut goes this much further, so that a load that creeps up is not answered by a message a second."""

LIKELY_S = 2.0
"""A car has most probably followed a raise after so long, though no report says so yet."""

BEARABLE_SHARE = 0.15
"""An excess that only a pause can remove is small while its ampere-seconds, with those until a pause works, are no more
than the limit carries in this share of the grace."""

BEARABLE_BUDGET = 0.25
"""And while no more of the breaker's trip budget is used than this."""

REACTION_S = 6.0
"""From a pause to the car's current gone."""

_NONE = -1


def cut(site: Site, cars: Sequence[Car], room: Room, now_s: float) -> tuple[list[int], list[float]]:
    """Lowers setpoints until no place is above its limit.

    Returns the places where minimums alone are too much; and for every place what cars give back beyond what counts as
    relief: a raise that they have most probably followed, though no report says so yet.
    """
    held: list[int] = []
    likely = [0.0] * site.topology.places
    while True:
        worst, excess = _worst(room, held)
        if worst == _NONE:
            return held, likely
        able = [car for car in cars if _is_able(car) and car.loads(worst)]
        if not able:
            held.append(worst)
            continue
        car = max(able, key=lambda one: first_to_cut(one, excess, now_s))
        # A raise that the car may not have followed yet is taken back, and does not count as relief.
        sure = min(car.limit_a, sure_a(car.memory, now_s))
        target = max(car.floor_a, on_step_a(sure - (excess + SLACK_A) / car.pull_at(worst), car.charger.step_a))
        if now_s - car.memory.sent_s >= LIKELY_S:
            for place, re, im in car.pulls:
                likely[place] += max(0.0, car.limit_a - max(sure, target)) * math.hypot(re, im)
        _lower(car, target, room, sure)
        car.reason = cause_at(site, Rule.CIRCUIT_FULL, worst)


def _is_able(car: Car) -> bool:
    """Whether lowering its setpoint helps."""
    refuses = car.memory.refusals > 0 and car.holds_a > 0.0
    return car.movable and car.limit_a > car.floor_a and not refuses


def first_to_cut(car: Car, excess_a: float, now_s: float) -> tuple[bool, bool, int, bool, float, int]:
    """What is not used goes first; then those that surely help, the lowest rank, those that can give all of it, so that
    one message does; among them the best served."""
    unused = car.limit_a - car.memory.draw_a > SPARE_A and car.memory.draw_s is not None
    whole = car.limit_a - car.floor_a >= excess_a
    return (
        unused or sure_a(car.memory, now_s) < car.limit_a,
        car.charger.wiring is not None,
        car.rank,
        whole,
        car.served(now_s) if whole else car.limit_a / car.charger.weight,
        -car.number,
    )


def pause(
    site: Site,
    cars: Sequence[Car],
    room: Room,
    held: Sequence[int],
    likely: Sequence[float],
    circuits: Sequence[CircuitMemory],
    now_s: float,
) -> list[bool]:
    """Where minimums alone are too much: pauses the fewest cars, as late as the mode allows. Returns where it waits."""
    waits = [False] * len(site.circuits)
    for place in held:
        circuit, line = divmod(place, site.topology.lines)
        on_it = [car for car in cars if car.movable and car.limit_a > 0 and car.loads(place)]
        for car in on_it:
            if car.want is Want.START and car.memory.draw_a < DRAWING_A and room.excess_a(place) > TOLERANCE_A:
                _lower(car, 0.0, room)
                car.reason = cause_at(site, Rule.CIRCUIT_FULL, place)
        excess = room.excess_a(place)
        if excess <= TOLERANCE_A:
            continue
        if _bearable(site, circuits[circuit], circuit, line, excess, likely[place], now_s):
            waits[circuit] = True
            continue
        for car in sorted((car for car in on_it if car.limit_a > 0), key=lambda one: _first_to_pause(one, now_s)):
            if room.excess_a(place) <= TOLERANCE_A:
                break
            _lower(car, 0.0, room)
            car.reason = cause_at(site, Rule.CIRCUIT_FULL, place)
    return waits


def _worst(room: Room, held: Sequence[int]) -> tuple[int, float]:
    worst, most = _NONE, TOLERANCE_A
    for place, limit in enumerate(room.limit):
        re, im = room.re[place], room.im[place]
        excess = re - limit if im == 0.0 else math.copysign(math.hypot(re, im), re) - limit
        if excess > most and place not in held:
            worst, most = place, excess
    return worst, most


def _lower(car: Car, limit_a: float, room: Room, counts_a: float | None = None) -> None:
    """`counts_a`: what of its setpoint counts in the room; None: all."""
    room.add(car.pulls, min(0.0, limit_a - (car.limit_a if counts_a is None else counts_a)))
    car.limit_a = limit_a


def _bearable(
    site: Site, memory: CircuitMemory, circuit: int, line: int, excess_a: float, likely_a: float, now_s: float
) -> bool:
    """Whether to wait, in the hope that the excess goes away by itself."""
    if site.pause_mode is PauseMode.STRICT or not memory.places:
        return False
    if excess_a - likely_a <= TOLERANCE_A:
        return True  # most probably it is gone already, and the next sample shows it
    so_far_s = 0.0 if memory.over_s is None else now_s - memory.over_s
    if so_far_s >= site.grace_s:
        return False
    if excess_a * (so_far_s + REACTION_S) > BEARABLE_SHARE * site.grace_s * site.limits_a[circuit][line]:
        return False
    place = memory.places[line]
    ratio = math.hypot(place.measured_re, place.measured_im) / site.circuits[circuit].rating_a[line]
    return place.budget + REACTION_S / trip_time_s(ratio) < BEARABLE_BUDGET


def _first_to_pause(car: Car, now_s: float) -> tuple[int, bool, int, float, int]:
    """Those that do not draw; then those that surely help, the lowest rank, the best served."""
    return car.want, car.charger.wiring is None, -car.rank, -car.served(now_s), car.number
