"""A charger that may connect, as installed."""

from __future__ import annotations

from dataclasses import dataclass

from ampacity.core.site import ChargerId
from ampacity.devices.charger_family import ChargerFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A charger that may connect."""

    charger: ChargerId
    ocpp_id: str
    phases: int
    volts: float
    """What one of its phases sees, nominal."""
    safe_a: float
    password: str | None
    family: ChargerFamily | None
    """None: recognised by its BootNotification."""
    password_hash: str | None = None
    """argon2id; set at the most one of this and `password`."""
    security_profile: int = 0
    """The least it must come with, 0 to 3; a password that is set is asked for in any case below 3."""
    certificate_cn: str | None = None
    """The name in its certificate; None: `ocpp_id`."""
    versions: tuple[str, ...] = ()
    """The versions of OCPP that are spoken with it; empty: those that its family speaks well."""
    tells_supply: bool = False
    """What it says of the building's supply is a meter of the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarNeeds:
    """What the car asks for over ISO 15118, as its charger tells. Shown to people; nothing is raised by it."""

    min_a: float | None = None
    max_a: float | None = None
    """The most it takes of each phase."""
    energy_wh: float | None = None
    """What it wants until it leaves."""
    departure: str | None = None
    """ISO 8601, UTC."""
    mode: str = ""
    """How it wants its energy: `AC_three_phase`, `DC`, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimit:
    """A limit that the charger has from elsewhere: an energy manager, the grid's operator."""

    source: str
    limit_a: float | None
    """Of each phase; None: it does not say how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationFacts:
    """What a charger says of itself when it boots; empty: nothing yet."""

    vendor: str = ""
    model: str = ""
    firmware: str = ""
    family: str = ""
    """Catalogue id."""
    max_a: float | None = None
    """Its own maximum, as its configuration tells; None: it does not."""
    version: str = ""
    """Of OCPP, as spoken over this connection: "1.6", "2.0.1" or "2.1"."""
    car: CarNeeds | None = None
    """None: it tells nothing of a car's needs."""
    own_limit: OwnLimit | None = None
    """None: it tells of none."""
