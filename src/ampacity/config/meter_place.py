"""Where a meter is, and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

from ampacity.core.site import ChargerId, MeterId
from ampacity.devices.json_family import JsonMap


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusPlace:
    """Either `host` or `serial` is set."""

    unit: int
    host: str | None
    port: int
    rtu_frames: bool
    """Frames of a serial line, over the network: as a plain adapter gives them."""
    serial: str | None
    baud: int
    parity: str
    stop_bits: int
    ct_ratio: float | None = None
    """What the labels of its current transformers say, primary by secondary; None: nobody has stated it."""

    @property
    def address(self) -> str:
        """For people: `10.0.0.7:502, unit 1`."""
        place = f"{self.host}:{self.port}" if self.host is not None else str(self.serial)
        return f"{place}, unit {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class P1Place:
    """A customer port. Either `host` or `serial` is set."""

    host: str | None
    port: int
    serial: str | None
    key: str = field(repr=False)
    """Of a meter that encrypts; empty: none."""

    @property
    def address(self) -> str:
        return f"P1 at {self.host}:{self.port}" if self.host is not None else f"P1 at {self.serial}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPlace:
    """Documents over HTTP, or over a websocket."""

    url: str
    push: bool
    """It is a websocket."""
    user: str | None
    password: str | None = field(repr=False)
    token: str | None = field(repr=False)
    """Sent as `Authorization: Bearer`."""
    check_certificate: bool = True
    serial: None = None

    @property
    def address(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttPlace:
    """Documents over MQTT."""

    broker: str
    """`mqtt://HOST:PORT`"""
    user: str | None
    password: str | None = field(repr=False)
    topics: tuple[str, ...]
    serial: None = None

    @property
    def address(self) -> str:
        return f"{self.broker}, {', '.join(self.topics)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InletPlace:
    """What a charger says of the building's supply, over OCPP."""

    charger: ChargerId
    serial: None = None

    @property
    def address(self) -> str:
        return f"charger {self.charger}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePlace:
    """It is made of other meters."""

    plus: tuple[MeterId, ...]
    minus: tuple[MeterId, ...]
    serial: None = None

    @property
    def address(self) -> str:
        return " − ".join([" + ".join(self.plus), *self.minus])


MeterPlace = ModbusPlace | P1Place | HttpPlace | MqttPlace | InletPlace | MadePlace


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConnection:
    """A meter of a site, and where it is."""

    meter: MeterId
    device: str
    """Catalogue id of its family, or "auto", or how it is reached: "json", "mqtt", "charger", "sum"."""
    place: MeterPlace
    period_s: float
    """How often it is read, or tells."""
    places: JsonMap | None = None
    """Where its quantities stand in its documents, where site.toml says so."""
    standby: MeterId | None = None
    """The meter that stands in for it when it is silent."""

    @property
    def address(self) -> str:
        """For people."""
        return self.place.address

    @property
    def serial(self) -> str | None:
        """The serial line it is on; None: it is on none."""
        return self.place.serial
