"""What was seen: the only things, besides the site and the time, that a decision depends on.

All times are seconds on one monotonic clock, the controller's own. `None` in a field means: this observation
says nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, assert_never

from ampacity.core.memory import Memory
from ampacity.core.phases import PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts
from ampacity.core.site import ChargerId, MeterId, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """One sample of a meter."""

    meter: MeterId
    at_s: float
    """When it was received, or measured, where that is known."""

    currents: PhaseAmps
    """One a line of the supply; signed, positive is import. Empty: it answered with what can't be."""

    powers: PhaseWatts | None = None
    voltages: PhaseVolts | None = None
    reactive: PhaseVars | None = None
    energy_import_wh: int | None = None

    serial: str | None = None
    """The meter's own number: another one means another meter. None: it does not tell."""

    period_s: float | None = None
    """How often it tells, where another meter than before tells in this one's name; None: as often as it did."""


class ChargerState(Enum):
    """What the charger says of its socket, in the terms of OCPP 1.6."""

    AVAILABLE = "available"
    """No car."""
    PREPARING = "preparing"
    """A car, and no transaction yet: it waits for authorisation or for its driver."""
    CHARGING = "charging"
    SUSPENDED_EV = "suspended-ev"
    """The car does not want current now."""
    SUSPENDED_EVSE = "suspended-evse"
    """The charger offers nothing."""
    FINISHING = "finishing"
    """The transaction is over, the car still connected."""
    FAULTED = "faulted"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerReport:
    """What a charger says of itself; a report may say only some of it."""

    charger: ChargerId
    at_s: float
    """When it was received, or measured, where the charger's clock is known."""

    state: ChargerState | None = None

    currents: PhaseAmps | None = None
    """Measured draw on the charger's own phases, in its own order. At least 0 each."""

    current_a: float | None = None
    """Measured draw, where the charger does not say on which phase. At least 0."""

    power_w: float | None = None
    """Measured draw of all phases together. At least 0."""

    energy_wh: int | None = None
    """The charger's energy register."""

    soc_pct: float | None = None

    phases_on: int | None = None
    """On how many phases it charges, where it can change that; 0: it changes it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerLink:
    """A charger's connection came up or went down."""

    charger: ChargerId
    at_s: float
    online: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetpointAnswer:
    """What became of a command."""

    charger: ChargerId
    at_s: float
    limit_a: float
    accepted: bool
    lease_end_s: float | None = None
    """When the charger leaves this limit for its safe current by itself; None: never, or refused."""

    reason: str = ""
    """Why it was not accepted, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted:
    """A car's transaction began."""

    charger: ChargerId
    at_s: float
    session: str
    meter_wh: int | None = None
    """The charger's energy register then."""

    tag: str | None = None
    """What was held to the charger; None: nothing, or it is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """A car's transaction ended."""

    charger: ChargerId
    at_s: float
    session: str
    energy_wh: int | None = None
    """None: its begin was not seen."""
    reason: str = ""
    meter_wh: int | None = None
    """The charger's energy register then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for a charger. It ends with the session, or when the car leaves, if not before."""

    charger: ChargerId
    at_s: float
    paused: bool | None = None
    first: bool | None = None
    """It comes before all that are not: priority."""

    until_s: float | None = None
    """When what is wished here ends; None: with the session."""

    by: str = ""


class Hold(Enum):
    """What a charger may be held by beside circuits and people."""

    SCHEDULE = "schedule"
    SURPLUS = "surplus"
    """Solar charging: it gets what the building would feed into the grid."""
    TEST = "test"
    """A test of the installation is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The most a charger may have by what goes by the clock or the sun, or by a test of the installation, from now on
    until the next one."""

    charger: ChargerId
    at_s: float
    most_a: float | None
    """At least 0. Less than the charger's minimum is a pause; None: they set no limit."""
    hold: Hold
    """Which of them sets it."""


Observation = (
    MeterReading | ChargerReport | ChargerLink | SetpointAnswer | SessionStarted | SessionEnded | Wish | Allowance
)


class ChargerSeen(NamedTuple):
    """The newest of everything seen of one charger. Never seen: all None, offline."""

    news: int = 0
    """How many observations are in it."""

    online: bool = False
    link_at_s: float | None = None
    state: ChargerState | None = None
    state_at_s: float | None = None
    currents: PhaseAmps | None = None
    current_a: float | None = None
    power_w: float | None = None
    measured_at_s: float | None = None
    """When the draw was last measured, in whichever form."""

    energy_wh: int | None = None
    soc_pct: float | None = None
    answer: SetpointAnswer | None = None
    """The newest answer to a command."""

    session: str | None = None
    session_at_s: float | None = None
    paused: bool = False
    paused_until_s: float | None = None
    """None: with the session."""
    first: bool = False
    first_until_s: float | None = None
    most_a: float | None = None
    """By the features that go by the clock or the sun; None: no limit."""
    hold: Hold | None = None
    phases_on: int | None = None
    """None: it can't change them, or has not told."""

    def is_paused(self, now_s: float) -> bool:
        """Whether a person's wish to pause it holds."""
        return self.paused and (self.paused_until_s is None or now_s < self.paused_until_s)

    def is_first(self, now_s: float) -> bool:
        """Whether a person's wish to put it first holds."""
        return self.first and (self.first_until_s is None or now_s < self.first_until_s)


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision depends on: the newest of each observation, and what the decision before it remembered."""

    meters: Mapping[MeterId, MeterReading] = field(default_factory=dict)
    chargers: Mapping[ChargerId, ChargerSeen] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)

    def with_(self, site: Site, seen: Iterable[Observation]) -> Observed:
        """This, after `seen`, in order. Observations of things that are not on the site are left out."""
        meters, chargers = dict(self.meters), dict(self.chargers)
        for one in seen:
            if isinstance(one, MeterReading):
                if one.meter in site.index_of_meter:
                    meters[one.meter] = one
            elif one.charger in site.index_of_charger:
                chargers[one.charger] = _merged(chargers.get(one.charger, _UNSEEN), one)
        return Observed(meters, chargers, self.memory)

    def remembering(self, memory: Memory) -> Observed:
        return Observed(self.meters, self.chargers, memory)


_UNSEEN = ChargerSeen()


def _merged(seen: ChargerSeen, one: Observation) -> ChargerSeen:
    news = seen.news + 1
    match one:
        case ChargerReport():
            return _with_report(seen, one)
        case ChargerLink():
            return seen._replace(news=news, online=one.online, link_at_s=one.at_s)
        case SetpointAnswer():
            return seen._replace(news=news, answer=one)
        case SessionStarted():
            return seen._replace(news=news, session=one.session, session_at_s=one.at_s)
        case SessionEnded():
            return _unwished(seen._replace(news=news, session=None, session_at_s=one.at_s))
        case Wish():
            return _with_wish(seen._replace(news=news), one)
        case Allowance():
            return seen._replace(news=news, most_a=one.most_a, hold=None if one.most_a is None else one.hold)
        case MeterReading():
            return seen
    assert_never(one)


def _with_wish(seen: ChargerSeen, wish: Wish) -> ChargerSeen:
    if wish.paused is not None:
        seen = seen._replace(paused=wish.paused, paused_until_s=wish.until_s)
    if wish.first is not None:
        seen = seen._replace(first=wish.first, first_until_s=wish.until_s)
    return seen


def _unwished(seen: ChargerSeen) -> ChargerSeen:
    """What was wished without an end ends with the session."""
    if seen.paused and seen.paused_until_s is None:
        seen = seen._replace(paused=False)
    if seen.first and seen.first_until_s is None:
        seen = seen._replace(first=False)
    return seen


def _with_report(seen: ChargerSeen, report: ChargerReport) -> ChargerSeen:
    if report.state is ChargerState.AVAILABLE and seen.state not in (None, ChargerState.AVAILABLE):
        seen = _unwished(seen)
    measured = report.currents is not None or report.current_a is not None or report.power_w is not None
    return seen._replace(
        news=seen.news + 1,
        state=seen.state if report.state is None else report.state,
        state_at_s=seen.state_at_s if report.state is None else report.at_s,
        currents=report.currents if measured else seen.currents,
        current_a=report.current_a if measured else seen.current_a,
        power_w=report.power_w if measured else seen.power_w,
        measured_at_s=report.at_s if measured else seen.measured_at_s,
        energy_wh=seen.energy_wh if report.energy_wh is None else report.energy_wh,
        soc_pct=seen.soc_pct if report.soc_pct is None else report.soc_pct,
        phases_on=seen.phases_on if report.phases_on is None else report.phases_on,
    )
