"""Meters as site.toml names them, made into sources."""

from __future__ import annotations

from collections.abc import Callable

from ampacity.config.installation import MeterConnection
from ampacity.config.steered import family_named
from ampacity.core.phases import Supply
from ampacity.core.site import Site
from ampacity.devices.catalogue import meter_families
from ampacity.links.modbus import Bus, ModbusMeter, SerialPort

SHORTEST_ANSWER_S = 1.0


class Sources:
    """Makes them, and keeps the connections that they share."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s`: the controller's clock."""
        self._now_s = now_s
        self._buses: dict[object, Bus] = {}

    def meter(self, site: Site, connection: MeterConnection) -> ModbusMeter:
        """
        Raises:
            AmpacityError: there is no such family.
        """
        families = meter_families()
        family = family_named(families, connection.device, f"meters.{connection.meter}.device")
        answer_s = max(SHORTEST_ANSWER_S, family.answer_max_s if family is not None else 0.0)
        volts = [site.nominal_v]
        if site.supply is Supply.LINE_TO_LINE:
            volts.append(site.nominal_v / 3**0.5)
        return ModbusMeter(
            connection.meter,
            self._bus(connection, answer_s),
            address=connection.address,
            unit=connection.unit,
            family=family,
            families=families,
            period_s=connection.period_s,
            lines=len(site.supply.lines),
            nominal_v=volts,
            now_s=self._now_s,
            stated={} if connection.ct_ratio is None else {"ct_ratio": connection.ct_ratio},
        )

    async def close(self) -> None:
        for bus in self._buses.values():
            await bus.close()

    def _bus(self, connection: MeterConnection, answer_s: float) -> Bus:
        """One for each serial line, and one for each address: many gateways allow a single connection."""
        if connection.host is not None:
            key: object = (connection.host, connection.port)
            bus = self._buses.get(key) or Bus.tcp(connection.host, connection.port, answer_s=answer_s)
        else:
            key = str(connection.serial)
            port = SerialPort(str(connection.serial), connection.baud, connection.parity, connection.stop_bits)
            bus = self._buses.get(key) or Bus.rtu(port, answer_s=answer_s)
        self._buses[key] = bus
        return bus
