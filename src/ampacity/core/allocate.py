"""Who gets what: the max-min fair division of the room on every place among claims.

Max-min fair by weight: nobody's amperes per weight can grow without taking from somebody who has as little or less.
Found by filling: all claims rise together, in amperes per weight, each from its floor; a claim stops at its cap, or
when a place it loads is full. Ranks fill one after another. (Bertsekas and Gallager, Data Networks, section 6.5.2.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from ampacity.core.topology import Pull

_NEAR = 1e-9


@dataclass(frozen=True, slots=True)
class Claim:
    """What one charger asks for."""

    floor_a: float
    """It has this much in any case. At least 0."""
    cap_a: float
    """It can't use more. At least `floor_a`."""
    weight: float
    rank: int
    pulls: tuple[Pull, ...]
    """Where one ampere of it lands, on its circuit and all above."""


@dataclass(slots=True)
class Room:
    """What is taken at each place, and how much the place bears: |re + j im| <= limit. Lists by place, in amperes."""

    re: list[float]
    im: list[float]
    limit: list[float]

    def add(self, pulls: Sequence[Pull], amps: float) -> None:
        for place, re, im in pulls:
            self.re[place] += re * amps
            self.im[place] += im * amps

    def excess_a(self, place: int) -> float:
        """By how much the place is above its limit; negative: room."""
        re, im = self.re[place], self.im[place]
        return (re if im == 0.0 else math.copysign(math.hypot(re, im), re)) - self.limit[place]

    def reach_a(self, pulls: Sequence[Pull]) -> tuple[float, int | None]:
        """How far one claim can grow from here, and the place that stops it (None: nothing does)."""
        most, stop = math.inf, None
        for place, re, im in pulls:
            far = _reach(self.re[place], self.im[place], re, im, self.limit[place])
            if far < most:
                most, stop = far, place
        return most, stop

    def copy(self) -> Room:
        return Room(self.re.copy(), self.im.copy(), self.limit.copy())


def _reach(re: float, im: float, grow_re: float, grow_im: float, limit: float) -> float:
    """The largest t >= 0 with |(re, im) + t (grow_re, grow_im)| <= limit; 0 if there is none."""
    if limit < 0:
        return 0.0
    if im == 0.0 and grow_im == 0.0:
        if grow_re <= 0:
            return math.inf
        return max(0.0, (limit - re) / grow_re)
    a = grow_re * grow_re + grow_im * grow_im
    if a == 0.0:
        return math.inf
    b = re * grow_re + im * grow_im
    root = b * b - a * (re * re + im * im - limit * limit)
    return max(0.0, (math.sqrt(root) - b) / a) if root >= 0 else 0.0


@dataclass(slots=True)
class _Group:
    """Claims alike in everything, which rise as one."""

    claims: list[int]
    claim: Claim
    amps: float


def share(claims: Sequence[Claim], room: Room) -> list[tuple[float, int | None]]:
    """Amperes of each claim, and the place that stopped it (None: its own cap).

    `room` is what is taken by all others; it is left as it was. Where the floors alone are more than a place bears,
    the claims on it stay at their floors.
    """
    room = room.copy()
    groups: dict[tuple[int, float, float, float, int], _Group] = {}
    for number, claim in enumerate(claims):
        room.add(claim.pulls, claim.floor_a)
        key = (id(claim.pulls), claim.floor_a, claim.cap_a, claim.weight, claim.rank)
        if (group := groups.get(key)) is None:
            groups[key] = _Group([number], claim, claim.floor_a)
        else:
            group.claims.append(number)
    shares: list[tuple[float, int | None]] = [(0.0, None)] * len(claims)
    for rank in sorted({group.claim.rank for group in groups.values()}):
        members = [group for group in groups.values() if group.claim.rank == rank]
        for group, stop in zip(members, _fill(members, room), strict=True):
            for number in group.claims:
                shares[number] = (group.amps, stop)
    return shares


def _fill(groups: list[_Group], room: Room) -> list[int | None]:
    """Raises the groups together; leaves what they got in them and in `room`. Returns the place that stopped each."""
    count = len(room.limit)
    grow_re, grow_im = [0.0] * count, [0.0] * count
    since = [0.0] * count
    """Level up to which `room` already holds the growth at a place."""
    full_at = [math.inf] * count
    rising_at: list[set[int]] = [set() for _ in range(count)]
    stops: list[int | None] = [None] * len(groups)
    rising: set[int] = set()
    entries = [(g.claim.floor_a / g.claim.weight, i) for i, g in enumerate(groups) if g.claim.cap_a > g.claim.floor_a]
    exits: list[tuple[float, int]] = []
    heapify(entries)

    def turn(number: int, level: float, sign: int) -> None:
        """A group begins (+1) or ends (-1) to rise at this level."""
        group = groups[number]
        speed = sign * group.claim.weight * len(group.claims)
        for place, re, im in group.claim.pulls:
            passed = level - since[place]
            if passed:
                room.re[place] += grow_re[place] * passed
                room.im[place] += grow_im[place] * passed
                since[place] = level
            if sign > 0:
                rising_at[place].add(number)
            else:
                rising_at[place].discard(number)
            if rising_at[place]:
                grow_re[place] += speed * re
                grow_im[place] += speed * im
                full_at[place] = level + _reach(
                    room.re[place], room.im[place], grow_re[place], grow_im[place], room.limit[place]
                )
            else:
                grow_re[place] = grow_im[place] = 0.0
                full_at[place] = math.inf

    def end(number: int, level: float, stop: int | None) -> None:
        group = groups[number]
        turn(number, level, -1)
        rising.discard(number)
        stops[number] = stop
        group.amps = group.claim.cap_a if stop is None else max(group.claim.floor_a, group.claim.weight * level)

    while entries or rising:
        full = min(full_at)
        entry = entries[0][0] if entries else math.inf
        leave = exits[0][0] if exits else math.inf
        if entry <= full and entry <= leave:
            _, number = heappop(entries)
            rising.add(number)
            turn(number, entry, +1)
            heappush(exits, (groups[number].claim.cap_a / groups[number].claim.weight, number))
        elif leave <= full + _NEAR:
            _, number = heappop(exits)
            if number in rising:
                end(number, leave, None)
        else:
            place = full_at.index(full)
            for number in sorted(rising_at[place]):
                end(number, full, place)
            full_at[place] = math.inf
    return stops
