"""What happened, for people: from decisions to events, few of them even where a link flaps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from ampacity.core.decision import Blindness, CircuitView, Decision, Flag, Rule, Setpoint
from ampacity.core.observations import (
    ChargerSeen,
    ChargerState,
    Observation,
    Observed,
    SessionEnded,
    SessionStarted,
    Wish,
)
from ampacity.core.site import ChargerId, CircuitId, MeterId, Site

Param = str | float | None
"""What a text may have filled in."""

BUDGET_BEGINS, BUDGET_ENDS = 0.5, 0.25
"""Shares of a trip budget: it is told above the first, and again only once it was below the second."""
FLAPS_S = 10.0
"""What is away for less, before it was told, has stood all the time."""
OVER_A = 0.5
"""Less above a limit is within a meter's accuracy."""


class Severity(Enum):
    """How much it concerns people."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"
    """Somebody should look soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""

    at_s: float
    """UTC seconds since 1970."""
    code: str
    """One of CODES: stable; its words are the text `events.<code>`."""
    params: Mapping[str, Param]
    """`charger` and `circuit` are names for people, as they were then; `charger_id` and `circuit_id` the site's own."""
    evidence: str | None = None
    """What shows it, as JSON, of which a picture can be made; None: there is none."""

    @property
    def severity(self) -> Severity:
        return CODES[self.code]

    @property
    def thing(self) -> str:
        """What it happened to; empty: the site."""
        of = self.params
        return str(of.get("charger_id") or of.get("circuit_id") or of.get("meter") or "")


CODES: Mapping[str, Severity] = {
    "meter-silent": Severity.ALARM,
    "meter-never-seen": Severity.ALARM,
    "meter-frozen": Severity.ALARM,
    "meter-absurd": Severity.ALARM,
    "meter-turned": Severity.ALARM,
    "meter-exchanged": Severity.WARNING,
    "meter-believed": Severity.INFO,
    "meter-standby": Severity.WARNING,
    "meter-first-again": Severity.INFO,
    "charger-offline": Severity.WARNING,
    "charger-online": Severity.INFO,
    "charger-disobeys": Severity.WARNING,
    "charger-obeys": Severity.INFO,
    "charger-stopped": Severity.ALARM,
    "charger-released": Severity.INFO,
    "charger-refuses": Severity.WARNING,
    "charger-accepts": Severity.INFO,
    "charger-unguarded": Severity.WARNING,
    "charger-guarded": Severity.INFO,
    "charger-faulted": Severity.ALARM,
    "charger-mended": Severity.INFO,
    "link-poor": Severity.WARNING,
    "link-fine": Severity.INFO,
    "budget-half": Severity.ALARM,
    "budget-fine": Severity.INFO,
    "limit-exceeded": Severity.WARNING,
    "limit-kept": Severity.INFO,
    "charging-paused": Severity.INFO,
    "charging-resumed": Severity.INFO,
    "session-started": Severity.INFO,
    "session-ended": Severity.INFO,
    "session-ended-unmeasured": Severity.INFO,
    "wish-pause": Severity.INFO,
    "wish-resume": Severity.INFO,
    "wish-first": Severity.INFO,
    "wish-first-ends": Severity.INFO,
    "controller-started": Severity.INFO,
    "site-changed": Severity.INFO,
    "record-gap": Severity.WARNING,
    "wiring-moved": Severity.ALARM,
    "charger-unseen": Severity.ALARM,
    "report-changed": Severity.WARNING,
    "steps-fit": Severity.INFO,
    "clamp-lost": Severity.ALARM,
    "clamp-turned": Severity.ALARM,
    "clamps-moved": Severity.ALARM,
    "ratio-changed": Severity.ALARM,
    "clamps-fit": Severity.INFO,
    "wiring-learned": Severity.INFO,
    "notification-failed": Severity.WARNING,
    "update-available": Severity.INFO,
}
"""Every code there is."""

OF_PEOPLE = frozenset({"wish-pause", "wish-resume", "wish-first", "wish-first-ends"})
"""They name somebody."""


class Names(Protocol):
    """What things are called. An installation is one."""

    def name_of(self, charger: ChargerId) -> str: ...

    def circuit_name_of(self, circuit: CircuitId) -> str: ...


class Condition(Enum):
    """What can be the matter with a thing, for a while."""

    BLIND = "blind"
    STANDBY = "standby"
    OFFLINE = "offline"
    DISOBEYS = "disobeys"
    STOPPED = "stopped"
    REFUSES = "refuses"
    UNGUARDED = "unguarded"
    FAULTED = "faulted"
    BUDGET = "budget"
    OVER_LIMIT = "over-limit"
    NO_ROOM = "no-room"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class _Told:
    """When a condition is worth a word, and when its end is."""

    over: str | None
    """What its end is called; None: nothing is said."""
    clear_s: float
    """Its end is told when it has not stood for so long: what comes back sooner never went."""


_CONDITIONS: Mapping[Condition, _Told] = {
    Condition.BLIND: _Told("meter-believed", 30.0),
    Condition.STANDBY: _Told("meter-first-again", 30.0),
    Condition.OFFLINE: _Told("charger-online", 30.0),
    Condition.DISOBEYS: _Told("charger-obeys", 60.0),
    Condition.STOPPED: _Told("charger-released", 0.0),
    Condition.REFUSES: _Told("charger-accepts", 300.0),
    Condition.UNGUARDED: _Told("charger-guarded", 60.0),
    Condition.FAULTED: _Told("charger-mended", 30.0),
    Condition.BUDGET: _Told("budget-fine", 0.0),
    Condition.OVER_LIMIT: _Told("limit-kept", 60.0),
    Condition.NO_ROOM: _Told("charging-resumed", 10.0),
    Condition.GAP: _Told(None, 600.0),
}

_AFTER_S: Mapping[str, float] = {
    "meter-never-seen": 30.0,  # a start is no event
    "charger-offline": 120.0,  # a charger that starts anew is back within two minutes
    "charger-refuses": 10.0,
    "charger-faulted": 5.0,
    "limit-exceeded": 15.0,  # longer than it takes the cars to make room
    "charging-paused": 30.0,
}
"""What has to stand for a while before it is told."""

_BLIND: Mapping[Blindness, str | None] = {
    Blindness.SILENT: "meter-silent",
    Blindness.NEVER_SEEN: "meter-never-seen",
    Blindness.FROZEN: "meter-frozen",
    Blindness.ABSURD: "meter-absurd",
    Blindness.TURNED: "meter-turned",
    Blindness.EXCHANGED: "meter-exchanged",
    Blindness.RECOVERING: None,
}
_FLAGS: Mapping[Flag, tuple[Condition, str]] = {
    Flag.DISOBEYS: (Condition.DISOBEYS, "charger-disobeys"),
    Flag.REFUSES: (Condition.REFUSES, "charger-refuses"),
    Flag.UNGUARDED: (Condition.UNGUARDED, "charger-unguarded"),
}
_ROOM = frozenset({Rule.CIRCUIT_FULL, Rule.TURN, Rule.SHARING})
"""Rules by which a car waits for room."""

_OF_CIRCUITS = frozenset({Condition.BLIND, Condition.BUDGET, Condition.OVER_LIMIT})

Key = tuple[Condition, str]
"""A condition and what it is of: a circuit, a meter, a charger, or the site (empty)."""


class _Seen(NamedTuple):
    """A condition stands now."""

    code: str | None
    """None: nothing new is known of it; what was told goes on."""
    params: Mapping[str, Param]


class Standing(NamedTuple):
    """A condition that stands, or stood a moment ago. Times are the controller's clock."""

    first_s: float
    last_s: float
    told: frozenset[str]
    """Codes that were told of it. Each is, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was told so far."""

    site: Site | None = None
    standing: Mapping[Key, Standing] = field(default_factory=dict)
    sessions: Mapping[ChargerId, str] = field(default_factory=dict)
    """The newest that was told of as started."""
    ended: Mapping[ChargerId, str] = field(default_factory=dict)
    """The newest that was told of as ended: chargers repeat themselves."""
    lost: int = 0


def followed(
    known: Known,
    site: Site,
    observed: Observed,
    seen: Sequence[Observation],
    decision: Decision,
    *,
    names: Names,
    at_s: float,
    lost: int = 0,
    standins: Mapping[MeterId, MeterId | None] | None = None,
) -> tuple[Known, list[Event]]:
    """What one pass of the loop adds. `observed` is after `seen`; `at_s`: UTC; `lost`: passes that could not be
    recorded so far; `standins`: of every meter that has a standby one the standby that serves, None while it is not
    needed."""
    words = _Words(names, at_s)
    events: list[Event] = []
    if known.site is not None and site is not known.site and site != known.site:
        events.append(words.event("site-changed"))
    sessions, ended = dict(known.sessions), dict(known.ended)
    for one in seen:
        events += _by_observation(words, site, one, sessions, ended, decision.at_s)
    now = _circuits(words, known, decision.circuits)
    for setpoint in decision.setpoints:
        now |= _charger(words, observed.chargers.get(setpoint.charger, _UNSEEN), setpoint)
    if lost > known.lost:
        now[Condition.GAP, ""] = _Seen("record-gap", {"passes": lost - known.lost})
    for first, standby in (standins or {}).items():
        if standby is not None:
            now[Condition.STANDBY, first] = _Seen("meter-standby", {"meter": first, "standby": standby})
    standing = _standing(words, site, observed, standins or {}, known.standing, now, decision.at_s, events)
    after = Known(site=site, standing=standing, sessions=sessions, ended=ended, lost=max(lost, known.lost))
    return after, events


_UNSEEN = ChargerSeen()


class _Words(NamedTuple):
    """Makes events."""

    names: Names
    at_s: float

    def event(self, code: str, params: Mapping[str, Param] | None = None) -> Event:
        return Event(at_s=self.at_s, code=code, params=params or {})

    def charger(self, charger: ChargerId, **params: Param) -> dict[str, Param]:
        return {"charger": self.names.name_of(charger), "charger_id": charger, **params}

    def circuit(self, circuit: CircuitId, **params: Param) -> dict[str, Param]:
        return {"circuit": self.names.circuit_name_of(circuit), "circuit_id": circuit, **params}

    def of(self, key: Key) -> dict[str, Param]:
        """What a condition's end names."""
        condition, of = key
        if condition in _OF_CIRCUITS:
            return self.circuit(CircuitId(of))
        if condition is Condition.STANDBY:
            return {"meter": of}
        return self.charger(ChargerId(of)) if of else {}


def _by_observation(
    words: _Words,
    site: Site,
    one: Observation,
    sessions: dict[ChargerId, str],
    ended: dict[ChargerId, str],
    now_s: float,
) -> list[Event]:
    match one:
        case SessionStarted() if one.charger in site.index_of_charger and sessions.get(one.charger) != one.session:
            sessions[one.charger] = one.session
            return [words.event("session-started", words.charger(one.charger))]
        case SessionEnded() if one.charger in site.index_of_charger and ended.get(one.charger) != one.session:
            ended[one.charger] = one.session
            if one.energy_wh is None:
                return [words.event("session-ended-unmeasured", words.charger(one.charger))]
            energy_kwh = round(one.energy_wh / 1000, 2)
            return [words.event("session-ended", words.charger(one.charger, energy_kwh=energy_kwh))]
        case Wish() if one.charger in site.index_of_charger:
            until_s = None if one.until_s is None else round(one.until_s - now_s + words.at_s, 1)
            params = words.charger(one.charger, by=one.by or "?", until_s=until_s)
            wished = {"wish-pause": one.paused is True, "wish-resume": one.paused is False}
            wished |= {"wish-first": one.first is True, "wish-first-ends": one.first is False}
            return [words.event(code, params) for code, so in wished.items() if so]
    return []


def _circuits(words: _Words, known: Known, views: Sequence[CircuitView]) -> dict[Key, _Seen]:
    now: dict[Key, _Seen] = {}
    for view in views:
        of = view.circuit
        if view.blind is not None:
            now[Condition.BLIND, of] = _Seen(_BLIND[view.blind], words.circuit(of))
        floor = BUDGET_ENDS if (Condition.BUDGET, of) in known.standing else BUDGET_BEGINS
        if view.budget >= floor:
            used = words.circuit(of, used_pct=round(100 * view.budget))
            now[Condition.BUDGET, of] = _Seen("budget-half", used)
        if view.measured_a is None:
            continue
        worst = min(range(len(view.headroom_a.values)), key=lambda line: view.headroom_a.values[line])
        if view.headroom_a.values[worst] < -OVER_A:
            measured_a, limit_a = round(view.measured_a.values[worst], 1), round(view.limit_a.values[worst], 1)
            over = words.circuit(of, line=f"L{worst + 1}", measured_a=measured_a, limit_a=limit_a)
            now[Condition.OVER_LIMIT, of] = _Seen("limit-exceeded", over)
    return now


def _charger(words: _Words, seen: ChargerSeen, setpoint: Setpoint) -> dict[Key, _Seen]:
    of, now = setpoint.charger, dict[Key, _Seen]()
    params = words.charger(of)
    rule = None if setpoint.held_by is None else setpoint.held_by.rule
    if not seen.online:
        # What is the matter with it beside that is not known now.
        now[Condition.OFFLINE, of] = _Seen("charger-offline", params)
        now[Condition.FAULTED, of] = now[Condition.NO_ROOM, of] = _Seen(None, params)
    elif seen.state is ChargerState.FAULTED:
        now[Condition.FAULTED, of] = _Seen("charger-faulted", params)
    if setpoint.flag is not None:
        condition, code = _FLAGS[setpoint.flag]
        now[condition, of] = _Seen(code, params)
    if rule is Rule.DISOBEYS:
        now[Condition.STOPPED, of] = _Seen("charger-stopped", params)
    if seen.online and seen.session is not None and setpoint.limit_a == 0.0:
        now[Condition.NO_ROOM, of] = _Seen("charging-paused" if rule in _ROOM else None, params)
    return now


def _standing(
    words: _Words,
    site: Site,
    observed: Observed,
    standins: Collection[MeterId],
    before: Mapping[Key, Standing],
    now: Mapping[Key, _Seen],
    now_s: float,
    events: list[Event],
) -> dict[Key, Standing]:
    """What stands after this pass; adds what is worth a word to `events`."""
    after: dict[Key, Standing] = {}
    for key, seen in now.items():
        one = before.get(key)
        if one is None:
            if seen.code is None:
                continue
            one = Standing(now_s, now_s, frozenset())
        told = one.told
        if seen.code is not None and seen.code not in told and now_s - one.first_s >= _AFTER_S.get(seen.code, 0.0):
            events.append(words.event(seen.code, seen.params))
            told |= {seen.code}
        after[key] = Standing(one.first_s, now_s, told)
    for key, one in before.items():
        if key in now or not _is_there(site, observed, standins, key):
            continue
        over, clear_s = _CONDITIONS[key[0]].over, _CONDITIONS[key[0]].clear_s
        if now_s - one.last_s < (clear_s if one.told else min(clear_s, FLAPS_S)):
            after[key] = one
        elif over is not None and one.told:
            events.append(words.event(over, words.of(key)))
    return after


def _is_there(site: Site, observed: Observed, standins: Collection[MeterId], key: Key) -> bool:
    """Whether what the condition is of still is."""
    condition, of = key
    if condition is Condition.GAP:
        return True
    if condition is Condition.STANDBY:
        return of in standins
    if condition in _OF_CIRCUITS:
        return of in site.index_of_circuit
    if of not in site.index_of_charger:
        return False
    return condition is not Condition.NO_ROOM or observed.chargers.get(ChargerId(of), _UNSEEN).session is not None


class Happenings:
    """A watcher of the loop, which tells events. It returns at once."""

    def __init__(
        self,
        names: Callable[[], Names],
        tell: Callable[[Collection[Event]], None],
        wall_s: Callable[[], float],
        lost: Callable[[], int] = lambda: 0,
        standins: Callable[[], Mapping[MeterId, MeterId | None]] = dict,
    ) -> None:
        """`tell` is called on the loop's thread, and must return at once; `lost`: passes that could not be recorded so
        far; `standins`: see `followed`."""
        self._names = names
        self._tell = tell
        self._wall_s = wall_s
        self._lost = lost
        self._standins = standins
        self._known = Known()

    def begin(self, version: str) -> None:
        """Tells that the controller is there."""
        self._tell([Event(at_s=self._wall_s(), code="controller-started", params={"version": version})])

    def __call__(self, site: Site, observed: Observed, seen: Sequence[Observation], decision: Decision) -> None:
        self._known, events = followed(
            self._known,
            site,
            observed,
            seen,
            decision,
            names=self._names(),
            at_s=self._wall_s(),
            lost=self._lost(),
            standins=self._standins(),
        )
        if events:
            self._tell(events)
