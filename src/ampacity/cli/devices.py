"""`ampacity devices`: what is in the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table

from ampacity.cli.device_option import DeviceFiles
from ampacity.cli.out import fail, print_json, stdout
from ampacity.core.errors import AmpacityError
from ampacity.devices.catalogue import charger_families, direct_families, json_families, meter_families, p1_families
from ampacity.devices.charger_family import ChargerFamily
from ampacity.devices.direct_family import DirectFamily
from ampacity.devices.json_family import JsonFamily
from ampacity.devices.meter_family import MeterFamily
from ampacity.devices.p1_family import P1Family


def devices(
    device: DeviceFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """List the meters and chargers that are known."""
    try:
        meters, chargers = meter_families().values(), charger_families().values()
        direct = direct_families().values()
        telling: list[P1Family | JsonFamily] = [*p1_families().values(), *json_families().values()]
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json(
            {
                "meters": [
                    {"id": f.id, "maker": f.maker, "models": f.models, "verified": f.verified}
                    for f in (*meters, *telling)
                ],
                "chargers": [{"id": f.id, "maker": f.maker, "models": f.models} for f in chargers],
                "direct_chargers": [
                    {
                        "id": f.id,
                        "maker": f.maker,
                        "models": f.models,
                        "protocol": f.protocol,
                        "guardable": f.guardable,
                        "verified": f.verified,
                        "hardware": f.hardware or None,
                    }
                    for f in direct
                ],
            }
        )
        return
    listed: list[tuple[str, Iterable[MeterFamily | P1Family | JsonFamily | ChargerFamily | DirectFamily]]] = [
        ("Meters (Modbus)", meters),
        ("Meters (P1, HTTP, MQTT)", telling),
        ("Chargers (OCPP)", chargers),
        ("Chargers (Modbus, HTTP): device = ...", direct),
    ]
    for title, families in listed:
        table = Table(title=title, title_justify="left")
        for heading in ("id", "maker", "models"):
            table.add_column(heading)
        for family in families:
            table.add_row(family.id, family.maker, ", ".join(family.models))
        stdout.print(table)
