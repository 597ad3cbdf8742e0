"""All of site.toml as values: the site the controller decides on, and how to reach what stands on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ampacity.core.site import ChargerId, CircuitId, MeterId, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConnection:
    """Where a meter is. Either `host` or `serial` is set."""

    meter: MeterId
    device: str
    """Catalogue id of its family, or "auto"."""
    unit: int
    host: str | None
    port: int
    serial: str | None
    baud: int
    parity: str
    stop_bits: int
    period_s: float
    """How often it is read."""

    @property
    def address(self) -> str:
        """For people: `10.0.0.7:502, unit 1`."""
        place = f"{self.host}:{self.port}" if self.host is not None else str(self.serial)
        return f"{place}, unit {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerConnection:
    """How a charger names itself."""

    charger: ChargerId
    ocpp_id: str
    family: str
    """Catalogue id of its family, or "auto"."""
    password: str | None
    """Basic auth; None: none is asked for, unless `password_hash` is set."""
    password_hash: str | None
    """argon2id, instead of `password`."""
    security_profile: int
    """The least it must come with: 0 nothing, 1 a password, 2 TLS and a password, 3 TLS and a certificate."""
    certificate_cn: str | None
    """The name in its certificate; None: `ocpp_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OcppSettings:
    """Where chargers connect to."""

    listen: str
    port: int
    tls_port: int | None
    """For TLS, beside the plain `port`; None: there is one port, with TLS if there is a certificate."""
    tls_certificate: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    """The authority that signs the chargers' certificates."""
    security_profile: int
    """The least that every charger must come with which has no profile of its own."""
    adopt_into: CircuitId | None
    """The circuit on which chargers that are not in the file are taken in; None: they are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """The database and how long it keeps what."""

    file: Path
    keep_1s_days: float
    keep_1min_days: float
    keep_15min_days: float
    keep_journal_days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged, and how."""

    level: str
    json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A site.toml that was read without a mistake."""

    path: Path
    text: str
    site: Site
    region: str
    meters: tuple[MeterConnection, ...]
    chargers: tuple[ChargerConnection, ...]
    ocpp: OcppSettings
    storage: StorageSettings
    log: LogSettings
    warnings: tuple[str, ...]
    """What is allowed and yet worth a look, each with what to do."""
