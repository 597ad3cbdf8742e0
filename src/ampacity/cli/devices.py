"""`ampacity devices`: what is in the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from ampacity.cli.device_option import DeviceFiles
from ampacity.cli.out import print_json, stdout
from ampacity.devices.catalogue import charger_families, meter_families


def devices(
    device: DeviceFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """List the meters and chargers that are known."""
    meters, chargers = meter_families().values(), charger_families().values()
    if as_json:
        print_json(
            {
                "meters": [{"id": f.id, "maker": f.maker, "models": f.models, "verified": f.verified} for f in meters],
                "chargers": [{"id": f.id, "maker": f.maker, "models": f.models} for f in chargers],
            }
        )
        return
    for title, families in (("Meters", meters), ("Chargers (OCPP 1.6J)", chargers)):
        table = Table(title=title, title_justify="left")
        for heading in ("id", "maker", "models"):
            table.add_column(heading)
        for family in families:
            table.add_row(family.id, family.maker, ", ".join(family.models))
        stdout.print(table)
