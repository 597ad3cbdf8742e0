"""Reads where a charger is that is asked over Modbus or HTTP, from its table in site.toml."""

from __future__ import annotations

from collections.abc import Mapping

from ampacity.config.direct_place import DirectConnection
from ampacity.config.meters_toml import HOST, host_remedy
from ampacity.config.mistakes import Caution
from ampacity.config.table import Table, shown
from ampacity.core.site import ChargerId
from ampacity.devices.charger_family import ChargerFamily
from ampacity.devices.direct_family import HTTP, DirectFamily, SerialDefaults
from ampacity.devices.verified import unconfirmed

OF_OCPP = (
    "ocpp_id",
    "family",
    "password",
    "password_file",
    "password_hash",
    "security_profile",
    "certificate_cn",
    "ocpp_versions",
)
"""Keys of chargers that connect by themselves."""
OF_DIRECT = ("host", "port", "unit", "socket", "serial", "baud", "parity", "stop_bits")
"""Keys that say where one is that is asked."""
_NO_SERIAL = SerialDefaults(9600, "N", 1)


def direct_of(table: Table, families: Mapping[str, DirectFamily]) -> DirectConnection | None:
    """Where it is; None: it connects by itself, over OCPP."""
    if "device" not in table:
        for key in OF_DIRECT:
            if key in table and table.raw(key) is not None:
                table.wrong(key, "no device is set.", "Set device to a family from `ampacity devices`, or remove it.")
        return None
    device = table.text("device", "", choices=list(families))
    for key in OF_OCPP:
        if key in table and table.raw(key) is not None:
            table.wrong(key, "it is for chargers with OCPP, and a device is set.", "Remove one of the two.")
    family = families.get(device)
    host, serial = table.optional_text("host"), table.optional_text("serial")
    _check_way(table, host, serial, family)
    port = _NO_SERIAL if family is None or family.serial is None else family.serial
    return DirectConnection(
        device=device,
        protocol="" if family is None else family.protocol,
        unit=table.whole("unit", 1 if family is None else family.unit, *((0, 255) if serial is None else (1, 247))),
        socket=table.whole("socket", 1, 1, 1 if family is None else family.sockets),
        host=host,
        port=table.whole("port", 502 if family is None else family.port, 1, 65535),
        serial=serial,
        baud=table.whole("baud", port.baud, 300, 1_000_000),
        parity=table.text("parity", port.parity, choices=["N", "E", "O"]),
        stop_bits=table.whole("stop_bits", port.stop_bits, 1, 2),
    )


def direct_warnings(name: ChargerId, family: DirectFamily, safe_a: float) -> list[str]:
    """What is allowed and worth a look."""
    warnings: list[str] = []
    least_a = 0.0 if family.watchdog is None else family.watchdog.safe_least_a
    if family.guardable and safe_a < least_a:
        warnings.append(
            Caution(
                "device-safe-current",
                f"chargers.{name}: {family.id} falls back to {least_a:g} A at least. With a safe current below that it "
                f"does not guard, and counts at max_a out of reach. Set safe_a = {least_a:g}, where the site bears it.",
                charger=name,
                device=family.id,
                least_a=least_a,
            )
        )
    if not family.hardware:
        warnings.append(_unconfirmed(name, family))
    if not family.guardable:
        warnings.append(
            Caution(
                "device-unguarded",
                f"chargers.{name}: {family.id} can't fall back to a safe current in a way that can be read back. Out "
                "of reach it counts at max_a: set that as low as the charger's own.",
                charger=name,
                device=family.id,
            )
        )
    return warnings


def _check_way(table: Table, host: str | None, serial: str | None, family: DirectFamily | None) -> None:
    ways = ("tcp", "rtu") if family is None else family.transports
    remedy = 'Give host = "10.0.0.7"'
    if "rtu" in ways:
        remedy = 'Give serial = "/dev/ttyUSB0", or host = "10.0.0.7" of the charger or of a Modbus TCP gateway'
    if ("host" in table) == ("serial" in table):
        what = "both host and serial are given." if "host" in table else "it is not said where it is."
        table.wrong("", what, f"{remedy}.")
    elif serial is not None and "rtu" not in ways:
        table.wrong("serial", "this device has no serial line for this.", f"{remedy}.")
    if host and not HOST.fullmatch(host):
        table.wrong("host", f"{shown(host)} is no host name or address.", host_remedy(host))
    if family is not None and family.protocol == HTTP:
        for key in ("unit", "baud", "parity", "stop_bits"):
            if key in table:
                table.wrong(key, "this device is asked over HTTP.", "Remove it.")


def family_warnings(name: ChargerId, family: ChargerFamily) -> list[str]:
    """Of a charger over OCPP whose family is named."""
    return [_unconfirmed(name, family)] if family.is_unconfirmed else []


def _unconfirmed(name: ChargerId, family: DirectFamily | ChargerFamily) -> Caution:
    return Caution(
        "device-unconfirmed",
        f"chargers.{name}: {unconfirmed(family.id, family.verified)} Make the step test and the expiry test before you "
        "rely on it, and tell the project what came of them.",
        charger=name,
        device=family.id,
    )
