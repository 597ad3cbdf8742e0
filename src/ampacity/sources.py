"""Meters as site.toml names them, made into sources."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, assert_never

from ampacity.config.direct_place import DirectConnection
from ampacity.config.installation import Installation
from ampacity.config.meter_place import (
    HttpPlace,
    InletPlace,
    MadePlace,
    MeterConnection,
    ModbusPlace,
    MqttPlace,
    P1Place,
)
from ampacity.config.steered import family_named
from ampacity.core.errors import DeviceError
from ampacity.core.phases import Supply
from ampacity.core.site import Charger, Site
from ampacity.devices.catalogue import DeviceUnknown, direct_families, json_families, meter_families, p1_families
from ampacity.devices.direct_family import HTTP
from ampacity.devices.json_family import JsonFamily
from ampacity.links.direct.charger import DirectCharger, DirectEndpoint
from ampacity.links.direct.wires import HttpWire, ModbusWire, Wire
from ampacity.links.json_meter import Document, HttpPoll, JsonDecoder, MqttTopics, Pushes, broker_of
from ampacity.links.meter_settings import Setup
from ampacity.links.modbus import Bus, ModbusMeter, SerialPort
from ampacity.links.ocpp.inlet import InletMeter
from ampacity.links.p1 import P1Decoder, P1Port, P1Stream
from ampacity.links.stream import Stream, StreamMeter
from ampacity.links.tally import Tally
from ampacity.runtime.ports import Source
from ampacity.runtime.relay import Made, Relay

SHORTEST_ANSWER_S = 1.0


class MeterLink(Source, Protocol):
    """A meter as a source, with what is known of its link."""

    @property
    def connected(self) -> bool: ...

    @property
    def tally(self) -> Tally: ...

    @property
    def setup(self) -> Setup:
        """What its settings are, and what it says of its own wiring."""
        ...

    @property
    def identified(self) -> str | None:
        """Its model, once recognised."""
        ...

    @property
    def trouble(self) -> DeviceError | None:
        """Why its newest answer is missing or can't be used; None: it is good, or it was not asked yet."""
        ...


class Sources:
    """Makes them, and keeps the connections that they share."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s`: the controller's clock."""
        self._now_s = now_s
        self._buses: dict[object, Bus] = {}

    def meter(self, site: Site, connection: MeterConnection) -> MeterLink | None:
        """None: it is made of other meters.

        Raises:
            AmpacityError: there is no such family.
        """
        place = connection.place
        match place:
            case ModbusPlace():
                return self._modbus(site, connection, place)
            case P1Place():
                return self._p1(site, connection, place)
            case HttpPlace():
                return self._http(site, connection, place)
            case MqttPlace():
                stream = MqttTopics(
                    broker_of(place.broker, place.user, place.password), place.topics, now_s=self._now_s
                )
                return self._document(site, connection, stream, pushed="")
            case InletPlace():
                return InletMeter(
                    connection.meter,
                    place.charger,
                    every_s=connection.period_s,
                    lines=len(site.supply.lines),
                    nominal_v=nominal_voltages(site),
                    now_s=self._now_s,
                )
            case MadePlace():
                return None
        assert_never(place)

    def charger(self, charger: Charger, connection: DirectConnection, wall_s: Callable[[], float]) -> DirectCharger:
        """
        Raises:
            AmpacityError: there is no such family.
        """
        family = direct_families().get(connection.device)
        if family is None:
            raise DeviceUnknown(f'chargers.{charger.id}.device: "{connection.device}" is not in the catalogue.')
        wire: Wire
        if family.protocol == HTTP:
            wire = HttpWire(family, host=str(connection.host), port=connection.port)
        else:
            place = ModbusPlace(
                unit=connection.unit,
                host=connection.host,
                port=connection.port,
                rtu_frames=False,
                serial=connection.serial,
                baud=connection.baud,
                parity=connection.parity,
                stop_bits=connection.stop_bits,
            )
            bus = self._bus(place, max(SHORTEST_ANSWER_S, family.answer_max_s))
            wire = ModbusWire(bus, family, unit=connection.unit, socket=connection.socket)
        return DirectCharger(endpoint_of(charger, connection), family, wire, now_s=self._now_s, wall_s=wall_s)

    async def close(self) -> None:
        for bus in self._buses.values():
            await bus.close()

    def _modbus(self, site: Site, connection: MeterConnection, place: ModbusPlace) -> ModbusMeter:
        families = meter_families()
        family = family_named(families, connection.device, f"meters.{connection.meter}.device")
        answer_s = max(SHORTEST_ANSWER_S, family.answer_max_s if family is not None else 0.0)
        return ModbusMeter(
            connection.meter,
            self._bus(place, answer_s),
            address=connection.address,
            unit=place.unit,
            family=family,
            families=families,
            period_s=connection.period_s,
            lines=len(site.supply.lines),
            nominal_v=nominal_voltages(site),
            now_s=self._now_s,
            stated={} if place.ct_ratio is None else {"ct_ratio": place.ct_ratio},
        )

    def _bus(self, place: ModbusPlace, answer_s: float) -> Bus:
        """One for each serial line, and one for each address: many gateways allow a single connection."""
        if place.host is not None:
            key: object = (place.host, place.port)
            made = Bus.rtu_over_tcp if place.rtu_frames else Bus.tcp
            bus = self._buses.get(key) or made(place.host, place.port, answer_s=answer_s)
        else:
            key = str(place.serial)
            port = SerialPort(str(place.serial), place.baud, place.parity, place.stop_bits)
            bus = self._buses.get(key) or Bus.rtu(port, answer_s=answer_s)
        self._buses[key] = bus
        bus.allow(answer_s)
        return bus

    def _p1(self, site: Site, connection: MeterConnection, place: P1Place) -> StreamMeter[str]:
        family = p1_families()[connection.device]
        port = P1Port(place.serial, place.host, place.port, family.serial)
        decoder = P1Decoder(
            connection.meter,
            family,
            key=place.key,
            lines=len(site.supply.lines),
            nominal_v=nominal_voltages(site),
        )
        return StreamMeter(
            connection.meter,
            P1Stream(port, encrypted=family.encrypted),
            decoder,
            address=connection.address,
            model=family.id,
            every_s=connection.period_s,
            now_s=self._now_s,
        )

    def _http(self, site: Site, connection: MeterConnection, place: HttpPlace) -> StreamMeter[Document]:
        family = _json_family(connection)
        if place.push:
            hello = "" if family is None else family.hello
            pushes = Pushes(place.url, hello=hello, every_s=connection.period_s, now_s=self._now_s)
            return self._document(site, connection, pushes, pushed="" if family is None else family.pushed)
        login = None if place.password is None else (place.user or "admin", place.password)
        poll = HttpPoll(
            place.url,
            every_s=connection.period_s,
            now_s=self._now_s,
            login=login,
            headers=None if place.token is None else {"Authorization": f"Bearer {place.token}"},
            check_certificate=place.check_certificate,
        )
        return self._document(site, connection, poll, pushed="")

    def _document(
        self, site: Site, connection: MeterConnection, stream: Stream[Document], *, pushed: str
    ) -> StreamMeter[Document]:
        family = _json_family(connection)
        where = connection.places if family is None else family.map
        if where is None:
            raise ValueError(f"meter {connection.meter}: it is not said where its quantities stand")
        decoder = JsonDecoder(
            connection.meter,
            where,
            lines=len(site.supply.lines),
            nominal_v=nominal_voltages(site),
            wall_s=time.time,
            pushed=pushed,
        )
        return StreamMeter(
            connection.meter,
            stream,
            decoder,
            address=connection.address,
            model=connection.device,
            every_s=connection.period_s,
            now_s=self._now_s,
        )


def endpoint_of(charger: Charger, connection: DirectConnection) -> DirectEndpoint:
    """As it is installed."""
    return DirectEndpoint(
        charger=charger.id,
        address=connection.address,
        phases=charger.phases,
        safe_a=charger.safe_a,
        lease_s=charger.lease_s,
    )


def relay_for(relay: Relay, installation: Installation) -> None:
    """Sets up which meters are made of others, and which stand in."""
    made = {
        one.meter: Made(plus=one.place.plus, minus=one.place.minus)
        for one in installation.meters
        if isinstance(one.place, MadePlace)
    }
    relay.use(
        made,
        {one.meter: one.standby for one in installation.meters if one.standby is not None},
        period_s={one.meter: one.period_s for one in installation.meters},
        nominal_v=nominal_voltages(installation.site)[-1],
        shown={one.id for one in installation.site.meters},
    )


def nominal_voltages(site: Site) -> list[float]:
    """What may stand in a meter's registers; the last one is that of a line to neutral."""
    volts = [site.nominal_v]
    if site.supply is Supply.LINE_TO_LINE:
        volts.append(site.nominal_v / 3**0.5)
    return volts


def _json_family(connection: MeterConnection) -> JsonFamily | None:
    return json_families().get(connection.device)
