"""What was decided: a setpoint and its cause for every charger, commands to make it so, and how each circuit stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ampacity.core.memory import Memory
from ampacity.core.phases import Line, PhaseAmps
from ampacity.core.site import ChargerId, CircuitId


class Rule(Enum):
    """What can hold a setpoint where it is."""

    CIRCUIT_FULL = "circuit-full"
    """The named line of the named circuit carries all it may."""
    PATIENCE = "patience"
    """There is room, and it has not lasted long enough yet."""
    PACING = "pacing"
    """There is room; a charger's smallest interval, a ramp, a cut or another car's start has to pass first."""
    UNCERTAIN = "uncertain"
    """There may be room on the named line, and it can't be promised: a charger there can't be reached, or does not tell
    what its car draws, or on how many phases."""
    SHARING = "sharing"
    """It gives up what is more than its share, for others."""
    TURN = "turn"
    """Not all minimums fit; others charge first."""
    BLIND = "blind"
    """The named circuit's meter can't be trusted now."""
    NOT_NEEDED = "not-needed"
    """The car takes less than it could get."""
    NO_CAR = "no-car"
    NOT_ASKING = "not-asking"
    """A car is connected and does not want to charge now: full, paused by itself, or not authorised."""
    PAUSED_BY_USER = "paused-by-user"
    OFFLINE = "offline"
    """The charger can't be reached."""
    REFUSED = "refused"
    """The charger refused the last command; it is asked again later."""
    FAULTED = "faulted"
    """The charger reports a fault, or that it is out of service."""
    DISOBEYS = "disobeys"
    """It drew more than it may again and again, and is stopped."""
    STARTING = "starting"
    """The controller has just started and waits for the first readings."""
    SCHEDULE = "schedule"
    """By a schedule it may not have more now."""
    SURPLUS = "surplus"
    """Solar charging: the sun does not give more now."""
    TEST = "test"
    """A test of the installation is under way."""
    OFF = "off"
    """Load management is off: the charger has its safe current."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a charger does not get more."""

    rule: Rule
    circuit: CircuitId | None = None
    line: Line | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting car stands in the queue."""

    number: int
    """1 is next."""

    wait_s: float | None
    """At most about so long, when nothing else changes; None: nobody can tell, the building takes the room."""


class Flag(Enum):
    """What is wrong with a charger, though it is steered."""

    DISOBEYS = "disobeys"
    """It draws more than it may, or did so within the last hour."""
    REFUSES = "refuses"
    """It refused the last command, or did not answer it."""
    UNGUARDED = "unguarded"
    """It takes limits, and they do not end by themselves: when it can't be reached it counts at its maximum."""


class Setpoint(NamedTuple):
    """What one charger may draw on each of its phases, and what held it there."""

    charger: ChargerId

    limit_a: float
    """0.0 means pause. Never between 0 and the charger's minimum."""

    held_by: Cause | None
    """The full circuit and line, or the rule; None when the charger gets its own maximum."""

    place: Place | None = None
    """For a car that waits for its turn."""

    flag: Flag | None = None
    """The gravest; None: nothing is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A message to a charger."""

    charger: ChargerId
    limit_a: float
    safe_a: float
    """What the charger goes to by itself when the lease ends."""

    lease_s: float | None
    """The limit holds so long unless renewed; None: for ever (it is the safe current)."""

    renewal: bool
    """True: nothing changes, the lease is renewed."""

    stop: bool = False
    """It draws although it may not: its transaction is to be ended, if it can be."""


class Blindness(Enum):
    """Why a circuit's meter is not believed."""

    SILENT = "silent"
    FROZEN = "frozen"
    ABSURD = "absurd"
    TURNED = "turned"
    """It moves against the cars: its sign is wrong."""
    EXCHANGED = "exchanged"
    """It is another meter than before, and not known yet."""
    RECOVERING = "recovering"
    """Good samples again, not yet enough of them."""
    NEVER_SEEN = "never-seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitView:
    """How a circuit stands at this decision. All per line of the supply."""

    circuit: CircuitId
    limit_a: PhaseAmps
    measured_a: PhaseAmps | None
    """The meter's currents; None without a meter, or while it is blind."""

    building_a: PhaseAmps | None
    """What is not cars, best estimate; None as above."""

    cars_a: PhaseAmps
    """What the cars draw, best estimate."""

    offered_a: PhaseAmps
    """What the cars may draw by the setpoints in force."""

    headroom_a: PhaseAmps
    """What is left below the limit by the meter, or by what is offered where there is none. Negative: above it."""

    budget: float
    """Worst share of the breaker's trip budget used, over its lines; 1 trips."""

    blind: Blindness | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Everything one pass of the controller says."""

    at_s: float
    setpoints: tuple[Setpoint, ...]
    """One a charger, in the site's order."""

    commands: tuple[Command, ...]
    """In the order of sending: reductions first."""

    circuits: tuple[CircuitView, ...]
    """In the site's order."""

    memory: Memory
