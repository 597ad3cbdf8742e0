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
