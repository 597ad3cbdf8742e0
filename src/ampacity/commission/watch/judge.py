"""What the steps of many days say together, of one meter and the chargers below it.

For everything that could be wrong a sum is kept of how much better it explains each step than the base does; it never
falls below nothing (Page's test), so that a fault counts from the day on which it comes, however long all was well. A
single step counts no more than CAP, whatever it shows: buildings do strange things, once. A sum of ALARM comes about by
chance less than once in e to the power of ALARM steps.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ampacity.commission.steptest.mounting import Mounting, Wiring
from ampacity.commission.watch.explanations import (
    Claim,
    Clamps,
    Held,
    Kind,
    Place,
    clamps_claim,
    in_order,
    other_clamps,
    other_places,
    place_claim,
)
from ampacity.commission.watch.noise import Floats
from ampacity.core.phases import Line, Supply
from ampacity.core.site import ChargerId

CAP = 4.0
ALARM = math.log(1e8)
"""Odds before anything is said."""
FITS = math.log(1e5)
"""Odds before it is said that all is as it should be again."""
MARGIN = math.log(1e3)
"""Odds against everything else that could be wrong."""
COVERED = -0.5
"""The same, where the words are true of both; but where all chargers speak for the clamps, those are waited for."""
LEARNED = math.log(1e4)
"""Odds of an order of the phases against each other one."""
TELLS = 0.5
"""A step that speaks for something by less shows nothing."""
LEAST_STEPS, LEAST_OCCASIONS = 5, 3
OCCASION_S = 600.0
"""Steps of one session that are nearer to each other are of one occasion: whatever else happened may go on so long."""
SHARE_FROM_A = 3.0
KEPT_STEPS, KEPT = 40, 16
"""By charger; and of these, in the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A step that was held against all explanations."""

    at_s: float
    """UTC."""
    session: str
    charger: ChargerId
    clamps: Floats
    """By explanation: the logarithm of how likely what was shown is."""
    places: Floats
    proof: Mapping[str, Any]
    """For the picture."""

    def kept(self) -> dict[str, Any]:
        return {
            "at_s": self.at_s,
            "session": self.session,
            "clamps": [round(float(one), 1) for one in self.clamps],
            "places": [round(float(one), 1) for one in self.places],
            "proof": dict(self.proof),
        }


@dataclass(slots=True)
class Sums:
    """Of some explanations; the base is the first of them."""

    values: Floats
    since_s: Floats
    """When each was last nothing."""

    def add(self, log: Floats, at_s: float) -> None:
        zero = self.values <= 0
        self.since_s[zero] = at_s
        self.values = np.maximum(0.0, self.values + np.clip(log - log[0], -CAP, CAP))

    def suspect_since_s(self) -> float:
        suspect = self.since_s[self.values > 1.0]
        return float(suspect.min()) if len(suspect) else math.inf

    def kept(self) -> dict[str, list[float]]:
        """By number, those that are something."""
        return {
            str(number): [round(float(self.values[number]), 2), round(float(self.since_s[number]), 1)]
            for number in np.flatnonzero(self.values > 0)
        }

    def resume(self, kept: Mapping[str, Sequence[float]]) -> None:
        for number, (value, since_s) in kept.items():
            self.values[int(number)], self.since_s[int(number)] = float(value), float(since_s)


def _sums(count: int) -> Sums:
    return Sums(np.zeros(count), np.zeros(count))


@dataclass(slots=True)
class Charged:
    """What is believed of a charger, and what is summed up of it."""

    phases: int
    expected: Place
    base: Place
    open: tuple[Wiring, ...]
    """Orders of which it is not known yet which it is; none: nothing is to be learned."""
    places: list[Place] = field(default_factory=list)
    unlikely: Floats = field(default_factory=lambda: np.zeros(0))
    sums: Sums = field(default_factory=lambda: _sums(0))
    orders: Floats = field(default_factory=lambda: np.zeros(0))
    """By open order."""
    learned_at_s: list[tuple[float, str]] = field(default_factory=list)
    steps: deque[Weighed] = field(default_factory=lambda: deque(maxlen=KEPT_STEPS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What has been found."""

    claim: Claim
    """Of kind None: it is as expected again."""
    before: Claim
    """What was said before of the same thing."""
    charger: ChargerId | None
    """None: of the meter."""
    odds: float
    """Logarithm, against what was believed."""
    steps: tuple[Weighed, ...]
    """That say so; the newest last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """In which order a charger's phases are connected."""

    charger: ChargerId
    wirings: tuple[Wiring, ...]
    """One, or those that are left."""
    steps: tuple[Weighed, ...]


class Judge:
    """Of one meter."""

    def __init__(self, supply: Supply, mounting: Mounting | None, *, signed: bool) -> None:
        """`mounting`: as a step test has found it; None: it is taken to be right."""
        self._supply = supply
        self._signed = signed
        self.expected = in_order(supply, mounting)
        self.base = self.expected
        self.chargers: dict[ChargerId, Charged] = {}
        self.weighed = 0
        """Steps so far."""
        self._ways: list[Clamps] = []
        self._unlikely = np.zeros(0)
        self.sums = _sums(0)
        self._begin()

    def knows(self, charger: ChargerId, phases: int, expected: Place, open_orders: Sequence[Wiring]) -> None:
        """A charger below the meter, and how it is connected as far as is known."""
        self.chargers[charger] = one = Charged(phases, expected, expected, tuple(open_orders))
        self._begin_charger(one)

    def forget(self, charger: ChargerId) -> None:
        """It is not there any more, or not as it was."""
        self.chargers.pop(charger, None)

    def weigh(
        self, charger: ChargerId, held: Held, *, at_s: float, session: str, proof: Mapping[str, Any]
    ) -> list[Said | Learned]:
        """A step, held against all that could be so. Returns what is sure by now."""
        one = self.chargers[charger]
        step = Weighed(
            at_s=at_s,
            session=session,
            charger=charger,
            clamps=held.clamps(self._ways, one.base),
            places=held.places(one.places, self.base),
            proof=proof,
        )
        self.weighed += 1
        one.steps.append(step)
        self.sums.add(step.clamps, at_s)
        one.sums.add(step.places, at_s)
        learned = self._learn(one, step)
        said = self._clamps_said() or self._place_said(charger, one)
        return [found for found in (said, learned) if found is not None]

    def kept(self) -> dict[str, Any]:
        """For the record: what is believed, summed up, and the steps that matter for it."""
        ways = other_clamps(self._supply, self.expected, self.expected, signed=self._signed)[0]
        return {
            "base": ways.index(self.base),
            "sums": self.sums.kept(),
            "chargers": {
                name: {
                    "base": {"share": one.base.share, "wirings": _numbers(one.base.wirings)},
                    "sums": one.sums.kept(),
                    "open": _numbers(one.open),
                    "orders": [round(float(odds), 1) for odds in one.orders],
                    "learned": one.learned_at_s[-LEAST_STEPS * LEAST_OCCASIONS :],
                    "steps": [step.kept() for step in one.steps if step.at_s >= self._suspect_since_s(one)][-KEPT:],
                }
                for name, one in self.chargers.items()
            },
        }

    def resume(self, kept: Mapping[str, Any], charger: Callable[[str], bool]) -> None:
        """What an earlier run kept, of those chargers that are as they were.

        Raises:
            ValueError, LookupError, TypeError: it is damaged. Forget this then.
        """
        ways = other_clamps(self._supply, self.expected, self.expected, signed=self._signed)[0]
        self.base = ways[kept["base"]]
        self._begin()
        self.sums.resume(kept["sums"])
        for name, found in kept["chargers"].items():
            one = self.chargers.get(name)
            if one is None or not charger(name):
                continue
            now_open = _wirings(found["open"])
            if set(now_open) <= set(one.open) and len(now_open) == len(found["orders"]):
                one.open, one.orders = now_open, np.array(found["orders"], dtype=float)
                one.learned_at_s = [(float(at_s), str(session)) for at_s, session in found["learned"]]
            one.base = Place(_wirings(found["base"]["wirings"]), float(found["base"]["share"]))
            self._begin_charger(one)
            one.sums.resume(found["sums"])
            for step in found["steps"]:
                weighed = _resumed(name, step)
                if weighed.clamps.shape == self.sums.values.shape and weighed.places.shape == one.sums.values.shape:
                    one.steps.append(weighed)

    def _suspect_since_s(self, one: Charged) -> float:
        """Since when something speaks against what is believed; never: for ever."""
        return min(self.sums.suspect_since_s(), one.sums.suspect_since_s())

    # --- what is said ---

    def _clamps_said(self) -> Said | None:
        before = clamps_claim(self._supply, self.base, self.expected)
        for way in _by_odds(self.sums):
            claim = clamps_claim(self._supply, self._ways[way], self.expected)
            odds = float(self.sums.values[way])
            if odds < (FITS if claim.kind is None else ALARM):
                continue
            steps = self._since(float(self.sums.since_s[way]))
            if not _enough(steps) or not self._beats_all(claim, way, steps):
                continue
            claim = self._clamps_common(claim, way, steps)
            steps = [step for step in steps if step.clamps[way] > step.clamps[0] + TELLS]
            self.base = self._ways[way]
            self._begin()
            for one in self.chargers.values():
                self._begin_charger(one)
            return None if claim == before else _said(claim, before, None, odds, steps)
        return None

    def _place_said(self, charger: ChargerId, one: Charged) -> Said | None:
        before = place_claim(one.base, one.expected)
        for number in _by_odds(one.sums):
            claim, odds = place_claim(one.places[number], one.expected), float(one.sums.values[number])
            if odds < (FITS if claim.kind is None else ALARM):
                continue
            if claim.kind is None and one.places[number] != one.expected:
                continue  # one of the orders that it may be in
            steps = self._since(float(one.sums.since_s[number]))
            own = [step for step in steps if step.charger == charger]
            if not _enough(own) or not self._place_beats_all(charger, claim, number, steps):
                continue
            place = one.places[number] if claim.kind is not Kind.WIRING else self._like(one, number, own)
            claim = place_claim(place, one.expected)
            own = [step for step in own if step.places[number] > step.places[0] + TELLS]
            one.base = place
            self._begin()
            self._begin_charger(one)
            return None if claim == before else _said(claim, before, charger, odds, own)
        return None

    def _since(self, since_s: float) -> list[Weighed]:
        steps = [step for one in self.chargers.values() for step in one.steps if step.at_s >= since_s]
        return sorted(steps, key=lambda step: step.at_s)

    def _beats_all(self, claim: Claim, way: int, steps: Sequence[Weighed]) -> bool:
        """Whether clamps that are so explain the steps better than anything that says something else."""
        margin = _margin(claim)
        own = np.array([step.clamps for step in steps])
        others = _against(own[:, way], own) + self._unlikely[way] - self._unlikely
        for number, odds in enumerate(others):
            if not _alike(clamps_claim(self._supply, self._ways[number], self.expected), claim) and odds < margin:
                return False
        return bool(self._chargers_lead(own[:, way], steps) + self._unlikely[way] >= margin)

    def _chargers_lead(self, own: Floats, steps: Sequence[Weighed]) -> float:
        """By how much an explanation leads one in which each charger is connected otherwise for itself."""
        total, changed = 0.0, 0
        for name, one in self.chargers.items():
            places = [number for number, step in enumerate(steps) if step.charger == name]
            if not places:
                continue
            log = np.array([steps[number].places for number in places])
            odds = _against(own[places], log) - one.unlikely
            total += float(odds.min())
            changed += int(odds.argmin()) != 0
        return total + 6.0 * max(0, changed - 1)

    def _place_beats_all(self, charger: ChargerId, claim: Claim, number: int, steps: Sequence[Weighed]) -> bool:
        one = self.chargers[charger]
        own = [step for step in steps if step.charger == charger]
        log = np.array([step.places for step in own])
        odds = _against(log[:, number], log) + one.unlikely[number] - one.unlikely
        for other, lead in enumerate(odds):
            if not _alike(place_claim(one.places[other], one.expected), claim) and lead < _margin(claim):
                return False
        # If the clamps were the cause, other chargers would show it as well.
        mine = np.array([step.places[number] if step.charger == charger else step.clamps[0] for step in steps])
        ways = np.array([step.clamps for step in steps])
        lead_of = _against(mine, ways) + one.unlikely[number] - self._unlikely
        for way, lead in enumerate(lead_of):
            covers = _covers(claim, clamps_claim(self._supply, self._ways[way], self.expected))
            if lead < (COVERED if covers else _margin(claim)):
                return False
        return True

    def _clamps_common(self, claim: Claim, way: int, steps: Sequence[Weighed]) -> Claim:
        """What all agree on that explain the steps about as well."""
        log = np.array([step.clamps for step in steps])
        odds = _against(log[:, way], log) + self._unlikely[way] - self._unlikely
        lines = set(claim.lines)
        for number in np.flatnonzero(odds < MARGIN):
            lines &= set(clamps_claim(self._supply, self._ways[number], self.expected).lines)
        if claim.kind is Kind.CLAMP_TURNED:
            # Between two lines, two clamps that are exchanged show what two show that are turned.
            near = [self._ways[number].mounting for number in np.flatnonzero(_against(log[:, way], log) < MARGIN)]
            best = self._ways[way].mounting
            if any(one[line].line is not best[line].line for one in near for line in claim.lines):
                return Claim(Kind.CLAMPS_MOVED)
        return replace(claim, lines=tuple(sorted(lines)))

    def _like(self, one: Charged, number: int, steps: Sequence[Weighed]) -> Place:
        """In all orders that explain the steps about as well: no car may have used all phases yet."""
        log = np.array([step.places for step in steps])
        odds = _against(log[:, number], log)
        near = [
            place.wirings[0]
            for place, lead in zip(one.places, odds, strict=True)
            if place.share == 1.0 and len(place.wirings) == 1 and lead < MARGIN
        ]
        return Place(tuple(near))

    # --- what is learned ---

    def _learn(self, one: Charged, step: Weighed) -> Learned | None:
        if len(one.open) < 2 or self.base != self.expected:
            return None
        places = [one.places.index(Place((wiring,))) for wiring in one.open]
        log = step.places[places]
        best = float(log.max())
        if float(log.min()) > best - 0.5:
            return None
        one.orders = one.orders + np.maximum(log - best, -CAP)
        one.learned_at_s.append((step.at_s, step.session))
        left = tuple(
            wiring for wiring, sum_ in zip(one.open, one.orders, strict=True) if sum_ >= one.orders.max() - LEARNED
        )
        if len(left) == len(one.open) or not _often(one.learned_at_s):
            return None
        if self._is_suspect(one):
            return None
        kept = [place for place, wiring in enumerate(one.open) if wiring in left]
        one.open, one.orders = left, one.orders[kept]
        steps = tuple(one.steps)[-12:]
        if len(one.base.wirings) > 1:
            one.base = one.expected = Place(left)
            self._begin_charger(one)
        return Learned(charger=step.charger, wirings=left, steps=steps)

    def _is_suspect(self, one: Charged) -> bool:
        """Something else may be the matter; then nothing is learned from it."""
        claims = [place_claim(place, one.expected) for place in one.places]
        of_it = [odds for odds, claim in zip(one.sums.values, claims, strict=True) if claim.kind is not None]
        return bool(max(*of_it, float(self.sums.values.max())) > ALARM / 2)

    # --- anew ---

    def _begin(self) -> None:
        self._ways, unlikely = other_clamps(self._supply, self.base, self.expected, signed=self._signed)
        self._unlikely = np.array(unlikely)
        self.sums = _sums(len(self._ways))

    def _begin_charger(self, one: Charged) -> None:
        one.places, unlikely = other_places(self._supply, one.phases, one.base, one.expected)
        one.unlikely = np.array(unlikely)
        one.sums = _sums(len(one.places))
        one.steps.clear()
        if len(one.orders) != len(one.open):
            one.orders = np.zeros(len(one.open))


def _numbers(orders: Sequence[Wiring]) -> list[list[int]]:
    return [[int(line) for line in wiring] for wiring in orders]


def _wirings(kept: Sequence[Sequence[int]]) -> tuple[Wiring, ...]:
    return tuple(tuple(Line(line) for line in wiring) for wiring in kept)


def _resumed(charger: ChargerId, kept: Mapping[str, Any]) -> Weighed:
    return Weighed(
        at_s=float(kept["at_s"]),
        session=str(kept["session"]),
        charger=charger,
        clamps=np.array(kept["clamps"], dtype=float),
        places=np.array(kept["places"], dtype=float),
        proof=dict(kept["proof"]),
    )


def _said(claim: Claim, before: Claim, charger: ChargerId | None, odds: float, steps: Sequence[Weighed]) -> Said:
    return Said(claim=claim, before=before, charger=charger, odds=odds, steps=tuple(steps[-12:]))


def share_of(said: Said) -> float:
    """What the meter shows of what it should, where that is what is said: as in most of the steps."""
    lines = set(said.claim.lines) or None
    found = []
    for step in said.steps:
        pairs = zip(step.proof["expected_a"], step.proof["shown_a"], strict=True)
        for line, (expected_a, shown_a) in enumerate(pairs):
            if (lines is None or line in lines) and abs(expected_a) >= SHARE_FROM_A:
                found.append(shown_a / expected_a)
    return statistics.median(found) if found else said.claim.share


def _by_odds(sums: Sums) -> list[int]:
    """Numbers of what is likelier than the base, the likeliest first."""
    return [int(number) for number in np.argsort(-sums.values) if sums.values[number] >= FITS]


def _against(own: Floats, others: Floats) -> Floats:
    """Odds of an explanation against others, [step] and [step, other] -> [other]. A step counts no more than CAP."""
    return np.asarray(np.clip(own[:, None] - others, -CAP, CAP).sum(axis=0))


def _margin(claim: Claim) -> float:
    """Lead over everything else. That all is well is believed before what no car can show, as on a line without one."""
    return MARGIN if claim.kind is not None else -0.1


def _alike(one: Claim, other: Claim) -> bool:
    """Whether they say the same, but for figures."""
    if one.kind is not other.kind:
        return False
    return one.kind in (None, Kind.WIRING, Kind.UNSEEN, Kind.REPORT, Kind.CLAMPS_MOVED) or bool(
        set(one.lines) & set(other.lines)
    )


def _covers(claim: Claim, other: Claim) -> bool:
    """Whether the words for the charger's claim are true as well if it is the clamps."""
    return (claim.kind, other.kind) in ((Kind.UNSEEN, Kind.CLAMP_LOST), (Kind.REPORT, Kind.RATIO))


def _enough(steps: Sequence[Weighed]) -> bool:
    return _often([(step.at_s, step.session) for step in steps])


def _often(steps: Sequence[tuple[float, str]]) -> bool:
    """Whether there are enough steps, on enough occasions."""
    if len(steps) < LEAST_STEPS:
        return False
    occasions, last = 0, (-math.inf, "")
    for at_s, session in sorted(steps):
        if at_s - last[0] > OCCASION_S or session != last[1]:
            occasions += 1
        last = at_s, session
    return occasions >= LEAST_OCCASIONS
