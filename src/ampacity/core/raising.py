"""Up: who may have more. Starts first; then the least served; one message rather than many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ampacity.core.allocate import Claim, share
from ampacity.core.decision import Cause, Rule
from ampacity.core.lowering import first_to_cut
from ampacity.core.plan import NEAR_A, RAISE_A, TOLERANCE_A, Car
from ampacity.core.rooms import Rooms, Wait
from ampacity.core.site import Site, on_step_a

WORTH_A = 4.0
WORTH_SHARE = 0.08
"""A raise by so much, or by this share of the tightest limit, is worth a message at once; a smaller one only when the
room for it has lasted longer."""

BEYOND_A = 4.0
"""Room too small to be worth a message to everyone goes to one car, which may so get ahead of its fair share."""

UNFAIR_A = 1.0
UNFAIR_S = 60.0
UNFAIR_AS = 600.0
"""A car that could use this much more, because others have more than their share, gets it when that has lasted so long
and the others are ahead by so many ampere-seconds."""

RETURN_S = 30.0
"""Who can use more again than it could gets its share back at once: for so long after the report that shows it, what
others have beyond their shares is not left to them."""

LOOK_S = 5.0
"""How often it is looked whether all have their fair share, when nobody can be raised."""

QUIET_S = 600.0
"""When nothing has happened for so long, the smallest differences are settled as well."""

IDLE_CHANGE_S = 30.0
"""A car that does not draw loses its minimum no sooner after it was offered."""

IDLE_OFFER_S = 900.0
"""And is offered it again no sooner after that: a message for a car that most probably is full."""

_SHARING = Cause(Rule.SHARING)


@dataclass(frozen=True, slots=True)
class Times:
    """What is remembered of the sharing."""

    unfair_s: float | None
    """Since when somebody has less than a fair share because others have more."""
    looked_s: float | None
    """When it was last looked."""
    stirred_s: float | None
    """When something last happened."""

    def settling(self, now_s: float) -> bool:
        return self.unfair_s is not None and now_s - self.unfair_s >= UNFAIR_S

    def trimming(self, now_s: float) -> bool:
        return self.stirred_s is not None and now_s - self.stirred_s >= QUIET_S


def give(
    site: Site, admitted: Sequence[Car], soon: Sequence[Car], rooms: Rooms, times: Times, now_s: float
) -> bool | None:
    """Raises who may have more. Returns whether somebody has less than a fair share because others have more; None:
    it was not looked at."""
    hungry = [car for car in admitted if car.limit_a < car.cap_a - NEAR_A]
    if not hungry or not _worth_looking(hungry, rooms, times, now_s):
        return None
    fair = _fair_shares(site, admitted, rooms)
    starting = sorted((car for car in hungry if car.limit_a == 0), key=_place_in_line)
    raising = sorted((car for car in hungry if car.limit_a > 0), key=lambda car: (car.rank, car.served(now_s)))
    for car in starting:
        _start(car, fair[car.number], rooms, now_s)
    _make_room([car for car in starting if car.limit_a == 0], admitted, rooms, now_s)
    for car in soon:
        if car not in admitted and rooms.reach(Wait.RAISE, car)[0] >= car.floor_a:
            rooms.take(car, car.floor_a)
    trimming = times.trimming(now_s)
    returning = any(car.memory.back_s is not None and now_s - car.memory.back_s < RETURN_S for car in raising)
    everyone = trimming or returning or times.settling(now_s)
    least_a = _least_a(site, raising, 0.0 if trimming else RAISE_A if everyone else None)
    for car in raising:
        _raise(car, fair[car.number], least_a[car.number], rooms, now_s, trimming=trimming)
    if not everyone and all(fair[car.number] - car.limit_a < least_a[car.number] for car in raising):
        for car in raising:
            _raise(car, fair[car.number] + BEYOND_A, least_a[car.number], rooms, now_s)
    return _level(admitted, fair, rooms, times, now_s, at_once=returning)


def make_way(idle: Sequence[Car], admitted: Sequence[Car], rooms: Rooms, now_s: float) -> None:
    """Takes their minimum from cars that do not draw, where it holds back one that would."""
    for car in idle:
        if car.limit_a == 0 or now_s - car.memory.sent_s < IDLE_CHANGE_S:
            continue
        if _holds_back(car, admitted, rooms):
            car.limit_a = 0.0  # what it had stays reserved until the charger has agreed


def offer_to_idle(idle: Sequence[Car], admitted: Sequence[Car], rooms: Rooms, now_s: float) -> None:
    """Gives cars that do not draw their minimum, so that they can start again, where it takes nothing from others."""
    for car in idle:
        if car.limit_a == 0 and car.memory.answered and now_s - car.memory.sent_s >= IDLE_OFFER_S:
            reach, _ = rooms.reach(Wait.RAISE, car)
            if reach >= car.floor_a + RAISE_A and not _holds_back(car, admitted, rooms):
                rooms.take(car, car.floor_a)
                car.limit_a = car.floor_a


def _holds_back(idle: Car, admitted: Sequence[Car], rooms: Rooms) -> bool:
    """Whether a car that wants more is stopped at a place that the idle one loads."""
    for car in admitted:
        if car.limit_a < car.cap_a - RAISE_A:
            reach, stop = rooms.reach(Wait.RAISE, car)
            if stop is not None and idle.loads(stop) and reach < car.cap_a - max(car.limit_a, 0.0):
                return True
    return False


def _worth_looking(hungry: Sequence[Car], rooms: Rooms, times: Times, now_s: float) -> bool:
    """Whether somebody can be raised, or it is time to look whether all have their fair share."""
    if times.looked_s is None or now_s - times.looked_s >= LOOK_S:
        return True
    return any(
        car.limit_a == 0
        or rooms.reach(Wait.RAISE, car)[0] + car.memory.ceiling_a - car.limit_a >= min(RAISE_A, car.cap_a - car.limit_a)
        for car in hungry
    )


def _fair_shares(site: Site, admitted: Sequence[Car], rooms: Rooms) -> dict[int, float]:
    """The max-min fair division among all who may charge, by the number of the car."""
    free = rooms.expected[Wait.RAISE].copy()
    amps: dict[int, float] = {}
    for car in admitted:
        amps[car.way] = amps.get(car.way, 0.0) + car.settled_a
    for way, sum_a in amps.items():
        free.add(site.topology.pulls[way], -sum_a)
    claims = [Claim(car.floor_a, car.cap_a, car.charger.weight, car.rank, car.pulls) for car in admitted]
    return {car.number: amps_a for car, (amps_a, _) in zip(admitted, share(claims, free), strict=True)}


def _place_in_line(car: Car) -> tuple[int, float, int]:
    return car.rank, car.memory.waiting_s or 0.0, car.number


def _least_a(site: Site, raising: Sequence[Car], fixed_a: float | None) -> dict[int, float]:
    """The least raise that is worth a message at once, by the number of the car."""
    if fixed_a is not None:
        return dict.fromkeys([car.number for car in raising], fixed_a)
    lines = site.topology.lines
    by_way: dict[int, float] = {}
    for car in raising:
        if car.way not in by_way:
            tightest = min(site.limits_a[place // lines][place % lines] for place, _, _ in car.pulls)
            by_way[car.way] = max(RAISE_A, min(WORTH_A, WORTH_SHARE * tightest))
    return {car.number: by_way[car.way] for car in raising}


def _is_ready(car: Car, now_s: float) -> bool:
    """It has followed its last command, and its charger's smallest interval has passed."""
    memory = car.memory
    if not memory.answered or now_s - memory.sent_s < car.charger.min_interval_s:
        return False
    return memory.limit_a is None or car.limit_a >= memory.limit_a  # what this pass takes away it does not give back


def _start(car: Car, fair_a: float, rooms: Rooms, now_s: float) -> None:
    if not _is_ready(car, now_s):
        return
    reach, _ = rooms.reach(Wait.SPARE if car.spare else Wait.START, car)
    if reach <= 0.0:
        return  # there may be less than none: what is reserved for it is no room then
    reserved = car.reserved_a
    target = on_step_a(min(fair_a, reserved + reach, car.cap_a), car.charger.step_a)
    if target >= car.floor_a:
        rooms.take(car, target - reserved)
        car.limit_a = target


def _make_room(starting: Sequence[Car], admitted: Sequence[Car], rooms: Rooms, now_s: float) -> None:
    """Takes from others what cars that may start lack, and keeps it for them."""
    if not starting:
        return
    planned = rooms.expected[Wait.START].copy()
    for car in admitted:
        if car.limit_a > 0 and (pending := car.settled_a - car.limit_a) > 0:
            planned.add(car.pulls, -pending)
    for car in starting:
        while True:
            reach, stop = planned.reach_a(car.pulls)
            lacking = car.floor_a - reach
            if lacking <= TOLERANCE_A or stop is None:
                planned.add(car.pulls, car.floor_a)
                rooms.keep(car, car.floor_a)
                break
            able = [one for one in admitted if one.limit_a > one.floor_a and one.loads(stop)]
            if not able:
                break
            giver = max(able, key=partial(first_to_cut, excess_a=lacking, now_s=now_s))
            target = max(giver.floor_a, on_step_a(giver.limit_a - lacking / giver.pull_at(stop), giver.charger.step_a))
            planned.add(giver.pulls, target - giver.limit_a)
            giver.limit_a = target
            giver.reason = _SHARING


def _raise(car: Car, fair_a: float, least_a: float, rooms: Rooms, now_s: float, *, trimming: bool = False) -> None:
    """Towards its fair share: by `least_a` or more at once, by less where the room has lasted longer."""
    step = car.charger.step_a
    smallest = step if trimming else RAISE_A
    if not _is_ready(car, now_s) or fair_a + step - car.limit_a < min(smallest, car.cap_a - car.limit_a):
        return
    reserved = car.reserved_a
    for wait, worth in ((Wait.RAISE, least_a), (Wait.SMALL, smallest)):
        reach, _ = rooms.reach(wait, car)
        if reach <= 0.0:
            continue  # as at a start
        # What rounding leaves goes round: the coarser step is filled up where there is room.
        target = on_step_a(min(fair_a + step - NEAR_A if step > 0.2 else fair_a, reserved + reach, car.cap_a), step)
        gain = target - car.limit_a
        if gain > NEAR_A and (gain >= max(step, worth) - NEAR_A or target >= car.cap_a - NEAR_A):
            rooms.take(car, target - reserved)
            car.limit_a = target
            return


def _level(
    admitted: Sequence[Car], fair: dict[int, float], rooms: Rooms, times: Times, now_s: float, *, at_once: bool
) -> bool:
    """Takes from those above their fair share what others lack, when that has lasted. Returns whether somebody lacks
    something."""
    trimming = times.trimming(now_s)

    def least_a(car: Car) -> float:
        return car.charger.step_a + TOLERANCE_A if trimming else max(UNFAIR_A, car.charger.step_a)

    poor = [
        car
        for car in admitted
        if 0 < car.limit_a < car.cap_a - NEAR_A
        and (lacking := fair[car.number] - car.limit_a) > least_a(car)
        and rooms.reach(Wait.RAISE, car)[0] < min(lacking, RAISE_A)
    ]
    if not poor:
        return False
    if not trimming and not at_once and not times.settling(now_s):
        return True
    lacking_at = {pull[0] for car in poor for pull in car.pulls}
    ahead_as = min(car.served(now_s) for car in poor) + UNFAIR_AS
    first_rank = min(car.rank for car in poor)
    for car in admitted:
        is_ahead = trimming or at_once or car.rank > first_rank or car.served(now_s) >= ahead_as
        rich = is_ahead and car.limit_a - fair[car.number] > least_a(car)
        if rich and any(pull[0] in lacking_at for pull in car.pulls):
            car.limit_a = max(car.floor_a, on_step_a(fair[car.number], car.charger.step_a))
            car.reason = _SHARING
    return True
