"""From what is known now to each charger's setpoint: first what must go down, then who waits, then what may go up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ampacity.core.allocate import Claim, Room, share
from ampacity.core.breaker import trip_time_s
from ampacity.core.building import GOOD_SAMPLES, headroom_a
from ampacity.core.cars import DRAWING_A, FIRST_REPORT_S, SPARE_A, sure_a
from ampacity.core.decision import Blindness, Cause, Place, Rule
from ampacity.core.memory import ChargerMemory, CircuitMemory, Want
from ampacity.core.observations import ChargerSeen, ChargerState
from ampacity.core.phases import Line
from ampacity.core.site import Charger, PauseMode, Site, on_step_a
from ampacity.core.topology import Pull

TOLERANCE_A = 0.03
"""An excess no larger than this is rounding."""

SLACK_A = 0.2
"""A cut goes this much further, so that a load that creeps up is not answered by a message a second."""

RAISE_A = 0.5
"""A raise by less is not worth a message, unless it is the last one."""

UNFAIR_A = 1.0
UNFAIR_S = 60.0
"""A car that could use this much more, because others have more than their share, waits at most so long for it."""

IDLE_CHANGE_S = 30.0
"""A car that does not draw is offered its minimum, or loses it, no more often than this."""

LEVEL_S = 5.0
"""How often it is looked whether all have their fair share, when nobody can be raised."""

GRACE_S = 24.0
"""How long an excess that only a pause can remove may last before the pause: 30 s, less the car's own 6."""

GRACE_BUDGET = 0.25
REACTION_S = 6.0
_NONE = -1
_NOT_ASKING = Cause(Rule.NOT_ASKING)
_NOT_NEEDED = Cause(Rule.NOT_NEEDED)
_PACING = Cause(Rule.PACING)
_SHARING = Cause(Rule.SHARING)
_STARTING = Cause(Rule.STARTING)
_OFFLINE = Cause(Rule.OFFLINE)
_REFUSED = Cause(Rule.REFUSED)
_FAULTED = Cause(Rule.FAULTED)
_PAUSED = Cause(Rule.PAUSED_BY_USER)
_NO_CAR = Cause(Rule.NO_CAR)


@dataclass(slots=True)
class Car:
    """A charger while it is being decided on."""

    number: int
    charger: Charger
    memory: ChargerMemory
    limit_a: float
    """The setpoint, as it grows into the decision."""
    way: int
    pulls: tuple[Pull, ...]
    floor_a: float
    cap_a: float
    rank: int
    want: Want
    movable: bool
    """It can be sent commands now."""
    reason: Cause | None = None
    place: Place | None = None


@dataclass(slots=True)
class Plan:
    """What was chosen."""

    cars: list[Car]
    over: list[bool]
    """Per circuit: there is an excess that only a pause can remove, and it is borne for now."""
    unfair: bool | None
    """Somebody has less than a fair share because others have more; None: it was not looked at."""


def planned(
    site: Site,
    seen: Sequence[ChargerSeen],
    chargers: Sequence[ChargerMemory],
    circuits: Sequence[CircuitMemory],
    blind: Sequence[Blindness | None],
    unfair_s: float | None,
    levelled_s: float | None,
    now_s: float,
) -> Plan:
    """Setpoint and cause of every charger. All sequences are in the site's order."""
    cars = _cars(site, seen, chargers, now_s)
    _hold_back_blind(site, cars, blind)
    down = _cut_room(site, cars, circuits, blind)
    held = _cut(site, cars, down, now_s)
    over = _pause(site, cars, down, held, circuits, now_s)
    up = _raise_room(site, cars, circuits, blind)
    late = _late_peaks(site, circuits, blind)
    for place, amps in enumerate(late):
        up.re[place] += amps
    admitted = _admit(site, cars, up, now_s)
    idle = [car for car in cars if car.movable and car.want is Want.START and car.cap_a >= car.floor_a]
    _make_way(idle, admitted, up, now_s)
    unfair = _give(site, admitted, up, unfair_s, levelled_s, now_s)
    _offer_to_idle(idle, admitted, up, now_s)
    _explain(site, cars, up, late)
    return Plan(cars, over, unfair)


def _cars(site: Site, seen: Sequence[ChargerSeen], chargers: Sequence[ChargerMemory], now_s: float) -> list[Car]:
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
        rank = charger.rank if one.rank is None else one.rank
        limit, pulls = memory.ceiling_a, all_pulls[way]
        car = Car(number, charger, memory, limit, way, pulls, charger.min_a, cap, rank, want, False)
        cars.append(car)
        if memory.online_s is None:
            car.reason = _OFFLINE
        elif memory.limit_a is None and _is_early(one, memory, now_s):
            car.reason = _STARTING
        else:
            car.movable = True
            if want is Want.NOTHING:
                car.limit_a = 0.0
                car.reason = _nothing(one)
            else:
                car.limit_a = min(cap, _limit_now(charger, one, memory))
    return cars


def _is_early(seen: ChargerSeen, memory: ChargerMemory, now_s: float) -> bool:
    """Whether a charger that has just come may still say what it does before it is told anything."""
    silent = seen.state is None and seen.measured_at_s is None
    return silent and memory.online_s is not None and now_s - memory.online_s < FIRST_REPORT_S


def _limit_now(charger: Charger, seen: ChargerSeen, memory: ChargerMemory) -> float:
    """The setpoint in force; before the first command, what the car draws: nobody is stopped by our start alone."""
    if memory.limit_a is not None:
        return memory.limit_a
    if memory.draw_a >= DRAWING_A:
        return min(charger.max_a, max(charger.min_a, _up(memory.draw_a, charger.step_a)))
    return charger.min_a if seen.state is ChargerState.CHARGING and seen.measured_at_s is None else 0.0


def _nothing(seen: ChargerSeen) -> Cause:
    """Why a socket wants nothing."""
    if seen.state is ChargerState.FAULTED or seen.state is ChargerState.UNAVAILABLE:
        return _FAULTED
    if seen.paused:
        return _PAUSED
    return _NOT_ASKING if seen.state is ChargerState.FINISHING else _NO_CAR


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


# --- down ------------------------------------------------------------------------------------------------------------


def _cut_room(
    site: Site, cars: list[Car], circuits: Sequence[CircuitMemory], blind: Sequence[Blindness | None]
) -> Room:
    """What the meters show, as it will be when all follow their setpoints."""
    room = _summed(site, [(car.way, 0.0 if car.want is Want.NOTHING and car.movable else car.limit_a) for car in cars])
    building = _buildings(site, circuits, blind, cautious=False)
    for place, (re, im, _) in enumerate(building):
        room.re[place] += re
        room.im[place] += im
    for number, limits in enumerate(site.limits_a):
        for line, limit in enumerate(limits):
            room.limit[number * site.topology.lines + line] = math.inf if blind[number] else limit
    return room


def _cut(site: Site, cars: list[Car], room: Room, now_s: float) -> list[int]:
    """Lowers setpoints until no place is above its limit. Returns the places where minimums alone are too much."""
    held: list[int] = []
    while True:
        worst, excess = _worst(room, held)
        if worst == _NONE:
            return held
        lowest = [car for car in cars if car.movable and car.limit_a > car.floor_a and _loads(car, worst)]
        if not lowest:
            held.append(worst)
            continue
        car = max(lowest, key=lambda one: _first_to_cut(one, now_s))
        pull = next(math.hypot(re, im) for place, re, im in car.pulls if place == worst)
        # A raise that the car may not have followed yet is taken back, and does not count as relief.
        sure = min(car.limit_a, sure_a(car.memory, now_s))
        target = on_step_a(sure - (excess + SLACK_A) / pull, car.charger.step_a)
        _lower(car, max(car.floor_a, target), room, sure)
        car.reason = _at(site, Rule.CIRCUIT_FULL, worst)


def _worst(room: Room, held: Sequence[int]) -> tuple[int, float]:
    worst, most = _NONE, TOLERANCE_A
    for place, limit in enumerate(room.limit):
        re, im = room.re[place], room.im[place]
        excess = re - limit if im == 0.0 else math.copysign(math.hypot(re, im), re) - limit
        if excess > most and place not in held:
            worst, most = place, excess
    return worst, most


def _loads(car: Car, place: int) -> bool:
    return any(pull[0] == place for pull in car.pulls)


def _first_to_cut(car: Car, now_s: float) -> tuple[bool, bool, int, float, int]:
    """What is not used goes first; then those that surely help, the lowest rank, the highest current."""
    unused = car.limit_a - car.memory.draw_a > SPARE_A and car.memory.draw_s is not None
    return (
        unused or sure_a(car.memory, now_s) < car.limit_a,
        car.charger.wiring is not None,
        car.rank,
        car.limit_a / car.charger.weight,
        -car.number,
    )


def _lower(car: Car, limit_a: float, room: Room, counts_a: float | None = None) -> None:
    """`counts_a`: what of its setpoint counts in the room; None: all."""
    room.add(car.pulls, min(0.0, limit_a - (car.limit_a if counts_a is None else counts_a)))
    car.limit_a = limit_a


def _pause(
    site: Site, cars: list[Car], room: Room, held: Sequence[int], circuits: Sequence[CircuitMemory], now_s: float
) -> list[bool]:
    """Where minimums alone are too much: pauses the fewest cars, as late as the breaker bears."""
    over = [False] * len(site.circuits)
    for place in held:
        circuit, line = divmod(place, site.topology.lines)
        on_it = [car for car in cars if car.movable and car.limit_a > 0 and _loads(car, place)]
        for car in on_it:
            if car.want is Want.START and car.memory.draw_a < DRAWING_A and room.excess_a(place) > TOLERANCE_A:
                _lower(car, 0.0, room)
                car.reason = _at(site, Rule.CIRCUIT_FULL, place)
        if room.excess_a(place) <= TOLERANCE_A:
            continue
        if _bearable(site, circuits[circuit], circuit, line, now_s):
            over[circuit] = True
            continue
        for car in sorted((car for car in on_it if car.limit_a > 0), key=lambda c: _first_to_pause(c, now_s)):
            if room.excess_a(place) <= TOLERANCE_A:
                break
            _lower(car, 0.0, room)
            car.reason = _at(site, Rule.CIRCUIT_FULL, place)
    return over


def _bearable(site: Site, memory: CircuitMemory, circuit: int, line: int, now_s: float) -> bool:
    """Whether the breaker's clock allows to wait, in the hope that the excess goes away by itself."""
    if site.pause_mode is PauseMode.STRICT or not memory.places:
        return False
    if memory.over_s is not None and now_s - memory.over_s >= GRACE_S:
        return False
    place = memory.places[line]
    ratio = math.hypot(place.measured_re, place.measured_im) / site.circuits[circuit].rating_a[line]
    return place.budget + REACTION_S / trip_time_s(ratio) < GRACE_BUDGET


def _first_to_pause(car: Car, now_s: float) -> tuple[int, bool, int, float, int]:
    """Those that do not draw; then those that surely help, the lowest rank, the longest inside."""
    since = car.memory.charging_s if car.memory.charging_s is not None else now_s
    return car.want, car.charger.wiring is None, -car.rank, since, car.number


# --- up --------------------------------------------------------------------------------------------------------------


def _raise_room(
    site: Site, cars: list[Car], circuits: Sequence[CircuitMemory], blind: Sequence[Blindness | None]
) -> Room:
    """The least the cars can be drawing off the meter, and the most they may draw on top."""
    room = _summed(site, [(car.way, _reserved_a(car)) for car in cars])
    for place, (re, im, limit) in enumerate(_buildings(site, circuits, blind, cautious=True)):
        room.re[place] += re
        room.im[place] += im
        room.limit[place] = limit
    return room


def _reserved_a(car: Car) -> float:
    if car.movable and car.want is Want.NOTHING and car.memory.draw_a < DRAWING_A:
        return 0.0
    return max(car.memory.ceiling_a, car.limit_a)


def _buildings(
    site: Site, circuits: Sequence[CircuitMemory], blind: Sequence[Blindness | None], *, cautious: bool
) -> list[tuple[float, float, float]]:
    """The building at each place: real and imaginary part, and the limit that goes with it."""
    lines, parents = site.topology.lines, site.topology.parents
    out: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)] * site.topology.places
    below = [(0.0, 0.0)] * site.topology.places
    for number in site.topology.upwards:
        circuit, memory = site.circuits[number], circuits[number]
        limits = site.limits_a[number]
        known = bool(memory.places) and not blind[number]
        for line in range(lines):
            at = number * lines + line
            limit = limits[line]
            if circuit.meter is None:
                re, im = circuit.other_load_a + below[at][0], below[at][1]
            elif not known:
                re, im = (limit if circuit.worst_load_a is None else circuit.worst_load_a[line]), 0.0
                limit = -math.inf if cautious else math.inf
            elif cautious:
                place = memory.places[line]
                re, im = place.high_re, place.high_im
                limit = place.high_limit_a if memory.good >= GOOD_SAMPLES else -math.inf
            else:
                place = memory.places[line]
                re, im = place.low_re, place.low_im
            out[at] = (re, im, limit)
            if (parent := parents[number]) != _NONE:
                up = parent * lines + line
                below[up] = (below[up][0] + re, below[up][1] + im)
    return out


def _late_peaks(site: Site, circuits: Sequence[CircuitMemory], blind: Sequence[Blindness | None]) -> list[float]:
    """By how much the building's latest peaks stand above what it does now, at each place."""
    late = [0.0] * site.topology.places
    for number, memory in enumerate(circuits):
        if blind[number]:
            continue
        for line, place in enumerate(memory.places):
            limit = site.limits_a[number][line]
            if place.high_limit_a == limit:
                now_a = limit - headroom_a(place.high_re, place.high_im, limit)
            else:
                now_a = math.copysign(math.hypot(place.low_re, place.low_im), place.low_re)
            late[number * site.topology.lines + line] = max(0.0, place.peaks[0][1] - now_a)
    return late


def _admit(site: Site, cars: list[Car], room: Room, now_s: float) -> list[Car]:
    """Who may charge now. When not all minimums fit, those who wait come in when a turn is over."""
    asking = [car for car in cars if car.movable and car.want is Want.CURRENT and car.cap_a >= car.floor_a]
    waiting = sorted((car for car in asking if car.limit_a == 0), key=_place_in_line)
    if not waiting:
        return asking
    least = room.copy()
    more: dict[int, float] = {}
    for car in cars:
        if car.movable and car.want is Want.START:
            more[car.way] = more.get(car.way, 0.0) - _reserved_a(car)  # it makes way
    for car in asking:
        more[car.way] = more.get(car.way, 0.0) + car.floor_a - _reserved_a(car)
    for way, amps in more.items():
        least.add(site.topology.pulls[way], amps)
    if all(least.excess_a(place) <= TOLERANCE_A or least.limit[place] < 0 for place in range(len(least.limit))):
        return asking
    inside = [car for car in asking if car.limit_a > 0]
    staying = [car for car in inside if not _turn_over(site, car, now_s)]
    leaving = sorted((car for car in inside if _turn_over(site, car, now_s)), key=_longest_inside)
    for car in waiting + leaving:
        least.add(car.pulls, -car.floor_a)
    admitted = list(staying)
    barred: set[int] = set()
    entered: list[Car] = []
    for car in waiting:
        reach, stop = least.reach_a(car.pulls)
        if reach + TOLERANCE_A >= car.floor_a and not any(pull[0] in barred for pull in car.pulls):
            least.add(car.pulls, car.floor_a)
            entered.append(car)
        elif stop is not None and _waited_s(car, now_s) > 2 * site.turn_s:
            barred.add(stop)  # nobody slips in before one who waits for a large gap
    for car in reversed(leaving):
        reach, stop = least.reach_a(car.pulls)
        if reach + TOLERANCE_A < car.floor_a and (
            stop in barred or any(_loads(other, stop) for other in entered if stop is not None)
        ):
            car.reason = Cause(Rule.TURN)
            car.limit_a = 0.0
            continue
        least.add(car.pulls, car.floor_a)
        admitted.append(car)
    admitted.extend(entered)
    _number_the_queue(site, [car for car in asking if car.limit_a == 0 and car not in entered], admitted, now_s)
    return admitted


def _place_in_line(car: Car) -> tuple[int, float, int]:
    since = car.memory.waiting_s
    return car.rank, math.inf if since is None else since, car.number


def _longest_inside(car: Car) -> tuple[int, float, int]:
    return -car.rank, car.memory.charging_s or 0.0, car.number


def _turn_over(site: Site, car: Car, now_s: float) -> bool:
    return car.memory.charging_s is not None and now_s - car.memory.charging_s >= site.turn_s


def _waited_s(car: Car, now_s: float) -> float:
    return 0.0 if car.memory.waiting_s is None else now_s - car.memory.waiting_s


def _number_the_queue(site: Site, waiting: list[Car], inside: Sequence[Car], now_s: float) -> None:
    """Everyone who waits sees a place, and a time by the turns of those inside."""
    left = sorted(max(0.0, site.turn_s - (now_s - (car.memory.charging_s or now_s))) for car in inside)
    for number, car in enumerate(sorted(waiting, key=_place_in_line)):
        rounds, slot = divmod(number, len(left)) if left else (number, 0)
        first = left[slot] if left else 0.0
        car.place = Place(number + 1, round(first + rounds * site.turn_s, 1))


def _make_way(idle: list[Car], admitted: list[Car], room: Room, now_s: float) -> None:
    """Takes their minimum from cars that do not draw, where it holds back one that would."""
    for car in idle:
        if car.limit_a == 0 or now_s - car.memory.sent_s < IDLE_CHANGE_S:
            continue
        if _holds_back(car, admitted, room):
            car.limit_a = 0.0  # what it had stays reserved until the charger has agreed


def _holds_back(idle: Car, admitted: list[Car], room: Room) -> bool:
    """Whether a car that wants more is stopped at a place that the idle one loads."""
    places = {place for place, _, _ in idle.pulls}
    for car in admitted:
        if car.limit_a < car.cap_a - RAISE_A:
            reach, stop = room.reach_a(car.pulls)
            if stop in places and reach < car.cap_a - max(car.limit_a, 0.0):
                return True
    return False


def _offer_to_idle(idle: list[Car], admitted: list[Car], room: Room, now_s: float) -> None:
    """Gives cars that do not draw their minimum, so that they can start again, where it takes nothing from others."""
    for car in idle:
        if car.limit_a == 0 and car.memory.answered and now_s - car.memory.sent_s >= IDLE_CHANGE_S:
            reach, _ = room.reach_a(car.pulls)
            if reach >= car.floor_a + RAISE_A and not _holds_back(car, admitted, room):
                room.add(car.pulls, car.floor_a)
                car.limit_a = car.floor_a


def _give(
    site: Site, admitted: list[Car], room: Room, unfair_s: float | None, levelled_s: float | None, now_s: float
) -> bool | None:
    """Raises who may have more. Returns whether somebody has less than a fair share because others have more; None:
    it was not looked at."""
    hungry = [car for car in admitted if car.limit_a < car.cap_a - 1e-6]
    if not hungry or not _worth_sharing(hungry, room, levelled_s, now_s):
        return None
    free = room.copy()
    for way, amps in _by_way(admitted).items():
        free.add(site.topology.pulls[way], -amps)
    claims = [Claim(car.floor_a, car.cap_a, car.charger.weight, car.rank, car.pulls) for car in admitted]
    fair = {car.number: amps for car, (amps, _) in zip(admitted, share(claims, free), strict=True)}
    for car in sorted(hungry, key=_first_to_raise):
        _raise(car, fair[car.number], room, now_s)
    return _level(admitted, fair, room, unfair_s, now_s)


def _worth_sharing(hungry: list[Car], room: Room, levelled_s: float | None, now_s: float) -> bool:
    """Whether somebody can be raised, or it is time to look whether all have their fair share."""
    if levelled_s is None or now_s - levelled_s >= LEVEL_S:
        return True
    reaches: dict[int, float] = {}
    for car in hungry:
        if car.limit_a == 0:
            return True
        if (reach := reaches.get(car.way)) is None:
            reach = reaches[car.way] = room.reach_a(car.pulls)[0]
        if reach + car.memory.ceiling_a - car.limit_a >= min(RAISE_A, car.cap_a - car.limit_a):
            return True
    return False


def _by_way(cars: list[Car]) -> dict[int, float]:
    sums: dict[int, float] = {}
    for car in cars:
        sums[car.way] = sums.get(car.way, 0.0) + _reserved_a(car)
    return sums


def _first_to_raise(car: Car) -> tuple[int, int, float, float, int]:
    if car.limit_a == 0:
        return (0, *_place_in_line(car)[:2], 0.0, car.number)
    return 1, car.rank, car.limit_a / car.charger.weight, 0.0, car.number


def _raise(car: Car, fair_a: float, room: Room, now_s: float) -> None:
    memory = car.memory
    if not memory.answered or now_s - memory.sent_s < car.charger.min_interval_s:
        return
    if memory.limit_a is not None and car.limit_a < memory.limit_a:
        return  # what this pass takes away it does not give back
    step = car.charger.step_a
    if fair_a + step - car.limit_a < min(RAISE_A, car.cap_a - car.limit_a):
        return
    reserved = _reserved_a(car)
    reach, _ = room.reach_a(car.pulls)
    target = on_step_a(min(fair_a + step - 1e-6 if step > 0.2 else fair_a, reserved + reach, car.cap_a), step)
    if target < car.floor_a:
        return
    gain = target - car.limit_a
    if gain <= 1e-6 or (gain < max(step, RAISE_A) - 1e-6 and target < car.cap_a - 1e-6):
        return
    room.add(car.pulls, target - reserved)
    car.limit_a = target


def _level(admitted: list[Car], fair: dict[int, float], room: Room, unfair_s: float | None, now_s: float) -> bool:
    """Takes from those above their fair share what others lack: at once for a start, else when it has lasted."""
    poor = [
        car
        for car in admitted
        if fair[car.number] - car.limit_a > max(UNFAIR_A, car.charger.step_a)
        and car.limit_a < car.cap_a - 1e-6
        and room.reach_a(car.pulls)[0] < min(fair[car.number] - car.limit_a, max(RAISE_A, car.floor_a - car.limit_a))
    ]
    if not poor:
        return False
    starting = any(car.limit_a == 0 for car in poor)
    if not starting and (unfair_s is None or now_s - unfair_s < UNFAIR_S):
        return True
    lacking = {pull[0] for car in poor if not starting or car.limit_a == 0 for pull in car.pulls}
    for car in admitted:
        rich = car.limit_a - fair[car.number] > max(UNFAIR_A, car.charger.step_a) or (
            starting and car.limit_a > fair[car.number] + 1e-6
        )
        if rich and any(pull[0] in lacking for pull in car.pulls):
            car.limit_a = max(car.floor_a, on_step_a(fair[car.number], car.charger.step_a))
            car.reason = _SHARING
    return not starting


# --- why -------------------------------------------------------------------------------------------------------------


def _explain(site: Site, cars: list[Car], up: Room, late: Sequence[float]) -> None:
    """Gives every setpoint a cause that is true."""
    plain = up.copy()
    for place, amps in enumerate(late):
        plain.re[place] -= amps
    reaches: dict[int, tuple[float, int | None, float, int | None]] = {}
    full_at: dict[int, Cause] = {}
    wait_at: dict[int, Cause] = {}
    for car in cars:
        if car.reason is None and car.memory.refusals > 0:
            car.reason = _REFUSED
        if car.reason is not None or car.limit_a >= car.charger.max_a - 1e-6:
            continue
        if car.want is Want.START or car.limit_a >= car.cap_a - 1e-6:
            car.reason = _NOT_ASKING if car.want is Want.START else _NOT_NEEDED
            continue
        if (reach := reaches.get(car.way)) is None:
            reach = reaches[car.way] = (*plain.reach_a(car.pulls), *up.reach_a(car.pulls))
        room_now, full, lasting, bounded = reach
        if full is not None and plain.limit[full] == -math.inf:
            car.reason = _STARTING
            continue
        wanted = car.floor_a - _reserved_a(car) if car.limit_a == 0 else max(RAISE_A, car.charger.step_a)
        if room_now < wanted and full is not None:
            if car.place is not None:
                car.reason = _at(site, Rule.TURN, full)
                continue
            if full not in full_at:
                full_at[full] = _at(site, Rule.CIRCUIT_FULL, full)
            car.reason = full_at[full]
        elif lasting < wanted and bounded is not None:
            if bounded not in wait_at:
                wait_at[bounded] = _at(site, Rule.PATIENCE, bounded)
            car.reason = wait_at[bounded]
        else:
            car.reason = _PACING


def _at(site: Site, rule: Rule, place: int) -> Cause:
    circuit, line = divmod(place, site.topology.lines)
    return Cause(rule, site.circuits[circuit].id, Line(line))


# --- small steps -----------------------------------------------------------------------------------------------------


def _summed(site: Site, amps_by_way: Sequence[tuple[int, float]]) -> Room:
    """Currents of chargers, added up at every place; no limits yet."""
    topology = site.topology
    sums = [0.0] * len(topology.pulls)
    for way, amps in amps_by_way:
        sums[way] += amps
    room = Room([0.0] * topology.places, [0.0] * topology.places, [0.0] * topology.places)
    for way, amps in enumerate(sums):
        if amps != 0.0:
            room.add(topology.pulls[way], amps)
    return room


def _up(amps: float, step_a: float) -> float:
    return round(math.ceil(amps / step_a - 1e-6) * step_a, 6)
