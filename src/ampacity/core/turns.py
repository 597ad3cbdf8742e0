"""Who charges and who waits, when not all minimums fit; and what everyone who waits is told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ampacity.core.allocate import Room
from ampacity.core.decision import Cause, Place, Rule
from ampacity.core.memory import CircuitMemory, Want
from ampacity.core.patience import RAISE_S
from ampacity.core.plan import TOLERANCE_A, Car
from ampacity.core.rooms import Rooms, Wait
from ampacity.core.site import LOWEST_CHARGING_A, Site

AHEAD_SHARE = 0.4
"""A car gives way to one that waits when it was served better by at least this share of a turn at 6 A."""

OUTRANKED_S = 60.0
"""A car gives way to one of a higher rank, but not sooner after its start."""

SOON_S = 30.0
"""Room for a start that is due within so long is kept free."""

LATE_S = 5.0
"""And for so long after it was due."""


def admit(
    site: Site, cars: Sequence[Car], asking: list[Car], rooms: Rooms, now_s: float
) -> tuple[list[Car], list[bool | None]]:
    """Who may charge now: those who do, and those who wait and may start as soon as there is room.

    Also says for each circuit whether a car that waits finds no room there; None: nobody waits.
    """
    waiting = sorted((car for car in asking if car.limit_a == 0), key=_place_in_line)
    short: list[bool | None] = [None] * len(site.circuits)
    if not waiting:
        return asking, short
    inside = [car for car in asking if car.limit_a > 0]
    lasting = _with_minimums(site, cars, asking, rooms.expected[Wait.START])
    now = _with_minimums(site, cars, asking, rooms.expected[Wait.NOW])
    all_fit_now = _fits(now)
    _find_short(site, waiting, now, short)
    if _fits(lasting):
        for car in waiting:
            car.enters = True
        return asking, short
    _find_spare(asking, waiting, rooms.expected[Wait.SPARE])
    leaving = [] if all_fit_now else [car for car in inside if _gives_way(site, car, waiting, now_s)]
    return _changed_over(site, inside, waiting, leaving, lasting, now_s), short


def soon(site: Site, asking: Sequence[Car], circuits: Sequence[CircuitMemory], now_s: float) -> list[Car]:
    """Cars that wait for nothing but that room for them has lasted, and not for long any more."""
    out = []
    for car in asking:
        if car.limit_a == 0:
            left_s = [_left_s(circuits[place // site.topology.lines], now_s) for place, _, _ in car.pulls]
            if any(left is not None and -LATE_S <= left <= SOON_S for left in left_s):
                out.append(car)
    return out


def number_the_queue(
    site: Site, asking: Sequence[Car], admitted: Sequence[Car], circuits: Sequence[CircuitMemory], now_s: float
) -> None:
    """Everyone who waits sees a place, and a time by the turns of those inside or by how long room must last."""
    waiting = sorted((car for car in asking if car.limit_a == 0), key=_place_in_line)
    ahead: dict[int | None, int] = {}
    for number, car in enumerate(waiting):
        if car.enters:
            car.place = Place(number + 1, 0.0)
            continue
        before = ahead.get(car.stop, 0)
        ahead[car.stop] = before + 1
        car.place = Place(number + 1, _wait_s(site, car, before, admitted, circuits, now_s))


def _with_minimums(site: Site, cars: Sequence[Car], asking: Sequence[Car], room: Room) -> Room:
    """The room, if all who ask had their minimum, and those who do not draw nothing."""
    room = room.copy()
    amps: dict[int, float] = {}
    for car in cars:
        if car.movable and car.want is Want.START:
            amps[car.way] = amps.get(car.way, 0.0) - car.settled_a
    for car in asking:
        amps[car.way] = amps.get(car.way, 0.0) + car.floor_a - car.settled_a
    for way, sum_a in amps.items():
        room.add(site.topology.pulls[way], sum_a)
    return room


def _fits(room: Room) -> bool:
    return all(room.excess_a(place) <= TOLERANCE_A or limit < 0 for place, limit in enumerate(room.limit))


def _find_short(site: Site, waiting: Sequence[Car], now: Room, short: list[bool | None]) -> None:
    """Where those who wait would find no room now, beside those inside at their minimums."""
    for car in waiting:
        now.add(car.pulls, -car.floor_a)
    for car in waiting:
        reach, stop = now.reach_a(car.pulls)
        full = stop if reach < car.floor_a - TOLERANCE_A else None
        for place, _, _ in car.pulls:
            circuit = place // site.topology.lines
            if full is not None and full // site.topology.lines == circuit:
                short[circuit] = True
            elif short[circuit] is None:
                short[circuit] = False
    for car in waiting:  # in the order of the queue: what one takes is not there for the next
        reach, stop = now.reach_a(car.pulls)
        if reach < car.floor_a - TOLERANCE_A:
            car.stop = stop
        else:
            now.add(car.pulls, car.floor_a)


def _find_spare(asking: Sequence[Car], waiting: Sequence[Car], room: Room) -> None:
    """Marks those whose start takes nothing that others could use."""
    room = room.copy()
    for car in asking:
        room.add(car.pulls, (car.cap_a if car.limit_a > 0 else 0.0) - car.settled_a)
    for car in waiting:
        if room.reach_a(car.pulls)[0] >= car.floor_a:
            room.add(car.pulls, car.floor_a)
            car.spare = True


def _gives_way(site: Site, car: Car, waiting: Sequence[Car], now_s: float) -> bool:
    """Whether a car inside makes room for one that waits: for a higher rank, or for its equal after its turn."""
    since_s = car.memory.charging_s
    inside_s = 0.0 if since_s is None else now_s - since_s
    served = car.served(now_s)
    for other in waiting:
        if other.rank < car.rank and inside_s >= OUTRANKED_S:
            return True
        if other.rank == car.rank and inside_s >= site.turn_s and served - other.served(now_s) >= _ahead_as(site):
            return True
    return False


def _ahead_as(site: Site) -> float:
    return AHEAD_SHARE * site.turn_s * LOWEST_CHARGING_A


def _changed_over(
    site: Site, inside: Sequence[Car], waiting: Sequence[Car], leaving: Sequence[Car], lasting: Room, now_s: float
) -> list[Car]:
    """Lets in who fits when those who give way are out; who then still fits stays, the least served first."""
    for car in (*waiting, *leaving):
        lasting.add(car.pulls, -car.floor_a)
    barred: set[int] = set()
    entered: list[Car] = []
    for car in waiting:
        reach, stop = lasting.reach_a(car.pulls)
        fits = reach + TOLERANCE_A >= car.floor_a and not any(pull[0] in barred for pull in car.pulls)
        if fits or car.spare:
            lasting.add(car.pulls, car.floor_a)
            car.enters = True
            entered.append(car)
        elif stop is not None and _waited_s(car, now_s) > 2 * site.turn_s:
            barred.add(stop)  # nobody slips in before one who waits for a large gap
    admitted = [car for car in inside if car not in leaving]
    for car in sorted(leaving, key=lambda one: (one.rank, one.served(now_s), one.number)):
        reach, stop = lasting.reach_a(car.pulls)
        needed = stop is not None and (stop in barred or any(other.loads(stop) for other in entered))
        if reach + TOLERANCE_A < car.floor_a and needed:
            car.reason = Cause(Rule.TURN)
            car.limit_a = 0.0
            car.stop = stop
        else:
            lasting.add(car.pulls, car.floor_a)
            admitted.append(car)
    return admitted + entered


def _place_in_line(car: Car) -> tuple[int, float, int]:
    since = car.memory.waiting_s
    return car.rank, math.inf if since is None else since, car.number


def _waited_s(car: Car, now_s: float) -> float:
    return 0.0 if car.memory.waiting_s is None else now_s - car.memory.waiting_s


def _left_s(memory: CircuitMemory, now_s: float) -> float | None:
    """How long room for a start must last still; None: there is none."""
    if memory.room_s is None:
        return None
    return memory.room_s + max(memory.start_wait_s, RAISE_S) - now_s


def _wait_s(
    site: Site, car: Car, before: int, admitted: Sequence[Car], circuits: Sequence[CircuitMemory], now_s: float
) -> float | None:
    """About how long a car waits at most, `before` others that wait for the same place coming first; None: nobody can
    tell, since it is the building that takes the room."""
    if car.stop is None:
        left_s = [_left_s(circuits[place // site.topology.lines], now_s) for place, _, _ in car.pulls]
        return round(max((max(0.0, left) for left in left_s if left is not None), default=0.0), 1)
    ahead_as = _ahead_as(site)
    turns_s = []
    for other in admitted:
        if other.loads(car.stop):
            since_s = other.memory.charging_s
            turn_s = site.turn_s - (0.0 if since_s is None else now_s - since_s)
            pace_a = max(other.limit_a, other.floor_a) / other.charger.weight
            lead_s = (ahead_as - other.served(now_s) + car.served(now_s)) / pace_a
            turns_s.append(max(0.0, turn_s, lead_s))
    if not turns_s:
        return None
    rounds, slot = divmod(before, len(turns_s))
    return round(sorted(turns_s)[slot] + rounds * site.turn_s, 1)
