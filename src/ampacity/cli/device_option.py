"""`--device FILE`, for every command that looks into the catalogue."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ampacity.devices.catalogue import ADDED_FILES, added_files


def _add(files: list[Path] | None) -> list[Path] | None:
    """From now on they are in the catalogue of this process, and of those that it starts."""
    for file in files or ():
        place = file.resolve()
        if place not in added_files():
            os.environ[ADDED_FILES] = os.pathsep.join([*map(str, added_files()), str(place)])
    return files


DeviceFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--device",
        metavar="FILE",
        callback=_add,
        help="A meter or charger of your own, as a file of the catalogue; several times.",
    ),
]
"""A command's argument: `device: DeviceFiles = None`."""
