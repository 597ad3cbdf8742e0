"""Why every charger has what it has."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ampacity.core.cars import DRAWING_A, untold_a
from ampacity.core.decision import Cause, Flag, Place, Rule
from ampacity.core.memory import Want
from ampacity.core.plan import NEAR_A, RAISE_A, Car, cause_at
from ampacity.core.rooms import Rooms, Wait
from ampacity.core.site import Site

_NOT_ASKING = Cause(Rule.NOT_ASKING)
_NOT_NEEDED = Cause(Rule.NOT_NEEDED)
_PACING = Cause(Rule.PACING)
_STARTING = Cause(Rule.STARTING)
_REFUSED = Cause(Rule.REFUSED)


def explain(site: Site, cars: Sequence[Car], rooms: Rooms, now_s: float) -> None:
    """Gives every setpoint that has none yet a cause that is true."""
    for kept, amps in rooms.kept:
        rooms.take(kept, -amps)  # it is free, only not for the others
    charging = [car for car in cars if car.limit_a > 0]
    untold = [car for car in cars if untold_a(car.memory, now_s) >= DRAWING_A and car.settled_a > 0]
    alike: dict[tuple[int, float], Cause] = {}
    """Cars that charge and load the same places are held by the same."""
    for car in cars:
        if car.reason is None and car.memory.refusals > 0:
            car.reason = _REFUSED
        if car.reason is not None or car.limit_a >= car.charger.max_a - NEAR_A:
            continue
        if car.want is Want.START or car.limit_a >= car.cap_a - NEAR_A:
            car.reason = car.held_by or (_NOT_ASKING if car.want is Want.START else _NOT_NEEDED)
        elif car.limit_a == 0:
            car.reason = _why_it_waits(site, car, charging, untold, rooms)
            if car.reason.rule is Rule.UNCERTAIN and car.place is not None:
                car.place = Place(car.place.number, None)
        else:
            key = car.way, car.charger.step_a
            if (known := alike.get(key)) is None:
                known = alike[key] = _why_no_more(site, car, untold, rooms)
            car.reason = known


def flag_of(car: Car) -> Flag | None:
    memory = car.memory
    if memory.strays > 0:
        return Flag.DISOBEYS
    if memory.refusals > 0:
        return Flag.REFUSES
    return Flag.UNGUARDED if memory.unguarded else None


def _why_it_waits(site: Site, car: Car, charging: Sequence[Car], untold: Sequence[Car], rooms: Rooms) -> Cause:
    room, full = rooms.reach(Wait.NOW, car)
    lasting, bound = rooms.reach(Wait.SPARE if car.spare else Wait.START, car)
    wanted = car.floor_a - car.reserved_a
    if _is_dark(rooms, full):
        return _STARTING
    if room < wanted and full is not None and _is_untold(car, wanted, full, untold, rooms):
        return cause_at(site, Rule.UNCERTAIN, full)
    if room < wanted and full is not None and not car.enters:
        taken = any(other.loads(full) for other in charging)
        return cause_at(site, Rule.TURN if taken else Rule.CIRCUIT_FULL, full)
    if lasting < wanted <= room and bound is not None:
        return cause_at(site, Rule.PATIENCE, bound)
    return _PACING


def _why_no_more(site: Site, car: Car, untold: Sequence[Car], rooms: Rooms) -> Cause:
    room, full = rooms.reach(Wait.NOW, car)
    lasting, bound = rooms.reach(Wait.SMALL, car)
    wanted = max(RAISE_A, car.charger.step_a)
    if _is_dark(rooms, full):
        return _STARTING
    if room < wanted and full is not None:
        if _is_untold(car, wanted, full, untold, rooms):
            return cause_at(site, Rule.UNCERTAIN, full)
        return cause_at(site, Rule.CIRCUIT_FULL, full)
    if lasting < wanted and bound is not None:
        return cause_at(site, Rule.PATIENCE, bound)
    return _PACING


def _is_untold(car: Car, wanted_a: float, full: int, untold: Sequence[Car], rooms: Rooms) -> bool:
    """Whether a place is full only because nobody knows what some cars there draw."""
    if not any(other.loads(full) for other in untold):
        return False
    return car.enters or rooms.expected[Wait.NOW].reach_a(car.pulls)[0] >= wanted_a


def _is_dark(rooms: Rooms, place: int | None) -> bool:
    """Whether the meter of the place has not said enough yet."""
    return place is not None and rooms.sure[Wait.NOW].limit[place] == -math.inf
