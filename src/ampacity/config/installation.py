"""All of site.toml as values: the site the controller decides on, and how to reach what stands on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import URL

from ampacity.config.direct_place import DirectConnection
from ampacity.config.meter_place import MeterConnection
from ampacity.core.features import Features
from ampacity.core.schedule import Schedule
from ampacity.core.site import ChargerId, CircuitId, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerConnection:
    """How a charger names itself, or where it is asked."""

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
    ocpp_versions: tuple[str, ...] = ()
    """The versions of OCPP that are spoken with it; empty: those that its family speaks well."""
    direct: DirectConnection | None = None
    """None: it connects by itself, over OCPP. Else nothing of the above counts, but for its name."""


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
    check_messages: bool
    """Every message is held against the official schemas: for who looks for what is wrong."""
    adopt_into: CircuitId | None
    """The circuit on which chargers that are not in the file are taken in; None: they are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """The database and how long it keeps what."""

    place: Path | URL
    """A file of SQLite, or a PostgreSQL server."""
    keep_1s_days: float
    keep_1min_days: float
    keep_15min_days: float
    keep_journal_days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """Where people find the app."""

    enabled: bool = True
    listen: str = "0.0.0.0"
    port: int = 8443
    tls: bool = True
    """With the certificate that is given or, without one, that is made at the first start."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    host_names: tuple[str, ...] = ()
    """Names under which it may be called, beside addresses and the machine's own name."""


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
    document: Mapping[str, Any]
    """The same, as it was read."""
    site: Site
    """As it is to be steered: static load management is a circuit in it that spans all chargers; and where nothing
    reads the meters, it has none."""
    region: str
    time_zone: ZoneInfo
    features: Features
    schedules: tuple[Schedule, ...]
    primary: ChargerId | None
    """None: the first charger."""
    charger_count: int | None
    """How many chargers there are to be, the Primary included; None: as many as are in the file."""
    circuit_names: Mapping[CircuitId, str]
    """For people; those that have a name of their own."""
    charger_names: Mapping[ChargerId, str]
    meters: tuple[MeterConnection, ...]
    chargers: tuple[ChargerConnection, ...]
    ocpp: OcppSettings
    app: AppSettings
    storage: StorageSettings
    log: LogSettings
    warnings: tuple[str, ...]
    """What is allowed and yet worth a look, each with what to do."""

    def name_of(self, charger: ChargerId) -> str:
        """For people."""
        return self.charger_names.get(charger, charger)

    def circuit_name_of(self, circuit: CircuitId) -> str:
        """For people."""
        return self.circuit_names.get(circuit, circuit)
