"""The steps that cars make by themselves in daily life: when one begins, ends, or is given more.

A step counts only if nothing else can be behind it. Steps down that the controller ordered are left out: it orders them
because the building has just drawn more, and both would fall into one window, one against the other. For the same
reason a raise by the sun is left out. And while one car steps, no other below the same meter may.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ampacity.core.decision import Command
from ampacity.core.observations import (
    Allowance,
    ChargerLink,
    ChargerReport,
    ChargerState,
    Hold,
    Observation,
    SessionEnded,
    SessionStarted,
)
from ampacity.core.phases import Supply
from ampacity.core.site import Charger, Site

LEAST_STEP_A = 4.0
STILL_A = 0.7
"""Two reports in a row that are no further apart: the car does not move. Its charger's reports may be that coarse."""
LONGEST_S = 90.0
"""A building does too much in a longer time."""
STATE_S = 6.0
"""By so much a charger's word that a car has begun or ended may come too early or too late."""
ORDER_S = 1.0
"""No car follows a raise before it was ordered; by so much clocks and meters may be off."""
FOLLOWS_S = 12.0
"""By then a car has followed an order, or soon will have."""
HELD_A = 1.5
"""A car that draws this much less than its limit, or more, is not held by it."""
STIRS_A = 1.0
"""Another car that may move by less is still."""
KEPT_S = 400.0

_ZERO = frozenset(
    {
        ChargerState.AVAILABLE,
        ChargerState.PREPARING,
        ChargerState.SUSPENDED_EV,
        ChargerState.SUSPENDED_EVSE,
        ChargerState.FINISHING,
    }
)
"""States in which no car draws."""

Amps = tuple[float, ...]
"""On each of the charger's own phases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A car that drew one thing, and then another. Times are the controller's clock."""

    from_s: float
    to_s: float
    before: tuple[Amps, ...]
    after: tuple[Amps, ...]
    """All that it can have drawn by its report; the same place in both is the same number of phases in use."""
    session: str
    """Empty: none was told of."""

    @property
    def most_a(self) -> float:
        """By how much it moved."""
        return max(_apart(a, b) for a, b in zip(self.before, self.after, strict=True))


@dataclass(frozen=True, slots=True)
class _Draw:
    at_s: float
    amps: tuple[Amps, ...]


@dataclass(slots=True)
class Track:
    """Of one charger. Give it everything in the order in which it came."""

    charger: Charger
    supply: Supply
    line_v: float
    stirs: deque[tuple[float, float]] = field(default_factory=deque)
    """Spans in which it moves or may move."""
    _still: _Draw | None = None
    _last: _Draw | None = None
    _idle_s: float | None = None
    """Since when no car draws by its state."""
    _limit_a: float | None = None
    _orders: deque[tuple[float, float, float]] = field(default_factory=lambda: deque(maxlen=60))
    """When, and from what to what."""
    _states_s: deque[float] = field(default_factory=lambda: deque(maxlen=20))
    _state: ChargerState | None = None
    _session: str = ""
    _by_the_sun: bool = False

    def ordered(self, command: Command, at_s: float) -> None:
        if command.renewal or command.limit_a == self._limit_a:
            return
        before_a = 0.0 if self._limit_a is None else self._limit_a
        self._orders.append((at_s, before_a, command.limit_a))
        self._limit_a = command.limit_a
        if abs(command.limit_a - before_a) >= STIRS_A and self._session:
            self._stir(at_s - ORDER_S, at_s + FOLLOWS_S)

    def link(self, one: ChargerLink) -> None:
        self._still = self._last = self._idle_s = None
        self._stir(one.at_s - FOLLOWS_S, one.at_s + FOLLOWS_S)

    def began(self, one: SessionStarted) -> None:
        self._session = one.session

    def ended(self, one: SessionEnded) -> None:
        self._session = ""
        self._stir(one.at_s - STATE_S, one.at_s + STATE_S)

    def allowed(self, one: Allowance) -> None:
        self._by_the_sun = one.hold is Hold.SURPLUS

    def reported(self, one: ChargerReport) -> Step | None:
        """The step that has come to its end with this."""
        step = None
        if one.state is not None and one.state is not self._state:
            step = self._changed(one.at_s, one.state)
        amps = drawn(self.charger, self.supply, self.line_v, one)
        if amps is None or (self._idle_s is not None and _size(amps) < 2 * STILL_A):
            return step
        if self._idle_s is not None:
            # Whatever its state says, it draws.
            self._begin(one.at_s)
        return self._drew(_Draw(one.at_s, amps)) or step

    def is_calm(self, from_s: float, to_s: float) -> bool:
        """Whether nothing stirred in this span, as far as is known now."""
        return not any(first <= to_s and last >= from_s for first, last in self.stirs)

    def is_idle_since(self, from_s: float) -> bool:
        """Whether no car has drawn since then, by its state."""
        return self._idle_s is not None and self._idle_s + STATE_S <= from_s

    def _changed(self, at_s: float, state: ChargerState) -> Step | None:
        before, self._state = self._state, state
        if state in _ZERO:
            if self._idle_s is not None:
                return None
            self._states_s.append(at_s)
            self._stir(at_s - STATE_S, at_s + STATE_S)
            self._idle_s = at_s
            still, self._still, self._last = self._still, None, None
            if still is None or before is None:
                return None
            zero = _Draw(at_s + STATE_S, tuple((0.0,) * len(one) for one in still.amps))
            return self._step(still, zero)
        if self._idle_s is not None:
            self._begin(at_s)
        return None

    def _begin(self, at_s: float) -> None:
        """It drew nothing until now."""
        self._states_s.append(at_s)
        self._stir(at_s - STATE_S, at_s + STATE_S)
        idle_s, self._idle_s = self._idle_s, None
        assert idle_s is not None
        known = at_s - STATE_S if at_s - STATE_S >= idle_s + STATE_S else None
        self._last = None
        self._still = None if known is None else _Draw(known, ((0.0,) * self.charger.phases,))

    def _drew(self, now: _Draw) -> Step | None:
        last, self._last = self._last, now
        if last is None:
            if self._still is None:
                return None
            self._stir(self._still.at_s, now.at_s)
            return None
        if now.at_s <= last.at_s:
            return None
        if now.at_s - last.at_s > LONGEST_S:
            self._still = None
            self._stir(last.at_s, now.at_s)
            return None
        if _moved(last.amps, now.amps) > max(STILL_A, 0.04 * _size(now.amps)):
            if _moved(last.amps, now.amps) > STIRS_A:
                self._stir(last.at_s, now.at_s)
            return None
        still, self._still = self._still, now
        if still is None or _moved(still.amps, now.amps) < LEAST_STEP_A:
            return None
        return self._step(still, last)

    def _step(self, before: _Draw, after: _Draw) -> Step | None:
        """None: something speaks against it."""
        first, last = _alike(before.amps, after.amps)
        up = sum(last[0]) > sum(first[0])
        lowered = any(now_a < was_a for at_s, was_a, now_a in self._orders if at_s >= before.at_s - FOLLOWS_S)
        if _moved(first, last) < LEAST_STEP_A or (self._by_the_sun if up else lowered):
            return None
        raised = [(at_s, was_a) for at_s, was_a, now_a in self._orders if now_a > was_a and before.at_s < at_s]
        from_s = before.at_s
        if up and raised and raised[0][1] - _size(before.amps) < HELD_A:
            from_s = max(from_s, raised[0][0] - ORDER_S)
        elif not up:
            told_s = [at_s for at_s in self._states_s if before.at_s <= at_s <= after.at_s]
            from_s = max(from_s, min(told_s) - STATE_S) if told_s else from_s
        if after.at_s - from_s > LONGEST_S:
            return None
        return Step(from_s=from_s, to_s=after.at_s, before=first, after=last, session=self._session)

    def _stir(self, from_s: float, to_s: float) -> None:
        self.stirs.append((from_s, to_s))
        while self.stirs and self.stirs[0][1] < to_s - KEPT_S:
            self.stirs.popleft()


def drawn(charger: Charger, supply: Supply, line_v: float, report: ChargerReport) -> tuple[Amps, ...] | None:
    """What a car can be drawing on the charger's own phases; None: the report does not say."""
    if report.currents is not None and len(report.currents) == charger.phases:
        return (report.currents.values,)
    between = charger.phases == 2 and supply is not Supply.THREE_PHASE
    uses = (2,) if between else range(1, charger.phases + 1)
    if report.current_a is not None:
        return tuple(_on(charger.phases, used, report.current_a) for used in uses)
    if report.power_w is not None:
        across_v = line_v * (2 if supply is Supply.SPLIT_PHASE else 3**0.5)
        return tuple(
            _on(charger.phases, used, report.power_w / (across_v if between else line_v * used)) for used in uses
        )
    return None


def _on(phases: int, used: int, amps: float) -> Amps:
    return tuple(amps if phase < used else 0.0 for phase in range(phases))


def _alike(before: tuple[Amps, ...], after: tuple[Amps, ...]) -> tuple[tuple[Amps, ...], tuple[Amps, ...]]:
    """As many on both sides."""
    most = max(len(before), len(after))
    return before * (most if len(before) < most else 1), after * (most if len(after) < most else 1)


def _moved(before: tuple[Amps, ...], after: tuple[Amps, ...]) -> float:
    first, last = _alike(before, after)
    return max(_apart(a, b) for a, b in zip(first, last, strict=True))


def _apart(before: Amps, after: Amps) -> float:
    return max(abs(a - b) for a, b in zip(before, after, strict=True))


def _size(amps: tuple[Amps, ...]) -> float:
    return max(max(one) for one in amps)


class Tracks:
    """Of all chargers of a site."""

    def __init__(self, site: Site) -> None:
        line_v = site.nominal_v / 3**0.5 if site.supply is Supply.LINE_TO_LINE else site.nominal_v
        self.of = {one.id: Track(one, site.supply, line_v) for one in site.chargers}

    def seen(self, seen: Iterable[Observation]) -> list[tuple[Charger, Step]]:
        """What has come to its end."""
        found = []
        for one in seen:
            if not isinstance(one, ChargerReport | ChargerLink | SessionStarted | SessionEnded | Allowance):
                continue
            if (track := self.of.get(one.charger)) is None:
                continue
            match one:
                case ChargerReport():
                    step = track.reported(one)
                    if step is not None:
                        found.append((track.charger, step))
                case ChargerLink():
                    track.link(one)
                case SessionStarted():
                    track.began(one)
                case SessionEnded():
                    track.ended(one)
                case Allowance():
                    track.allowed(one)
        return found

    def ordered(self, commands: Sequence[Command], at_s: float) -> None:
        for one in commands:
            if (track := self.of.get(one.charger)) is not None:
                track.ordered(one, at_s)
