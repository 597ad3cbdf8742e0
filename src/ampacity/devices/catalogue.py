"""What is on the market, as far as we know it: one TOML file a product family; and files that a user adds."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from ampacity.core.errors import DeviceError
from ampacity.devices.announced import Announcement, announcement_of
from ampacity.devices.charger_family import ChargerFamily, charger_family_of
from ampacity.devices.direct_family import DirectFamily
from ampacity.devices.direct_file import direct_family_of, is_direct
from ampacity.devices.json_family import JsonFamily, json_family_of
from ampacity.devices.meter_family import MeterFamily, family_of
from ampacity.devices.p1_family import P1Family, p1_family_of

ADDED_FILES = "AMPACITY_DEVICES"
"""The variable of the environment with files of the user's own, separated as in PATH. `--device FILE` adds to it. In
the environment, since site.toml is read again at each save, in several threads, and after a restart."""

METER, CHARGER, DIRECT, P1, JSON = "meter", "charger", "direct", "p1", "json"
"""Kinds of families: of meters over Modbus, of chargers over OCPP and of those that are asked, of meters with a
customer port, and with documents."""

Family = TypeVar("Family", MeterFamily, ChargerFamily, DirectFamily, P1Family, JsonFamily)


class DeviceUnknown(DeviceError):
    """A catalogue id that does not exist."""

    code = "device-unknown"
    remedy = "`ampacity devices` lists what is known."


class DeviceFileWrong(DeviceError):
    """A file of the user's own that is no family."""

    code = "device-file"
    remedy = "Correct the file, or leave it out; docs/how-to tells what stands in it."


def meter_families() -> dict[str, MeterFamily]:
    """All families of meters over Modbus by id, in alphabetical order; a file of the user's own comes before ours.

    Raises:
        DeviceFileWrong: a file of the user's own can't be used.
    """
    return _families("meters", METER, family_of)


def p1_families() -> dict[str, P1Family]:
    """All families of meters with a customer port by id, as `meter_families`."""
    return _families("meters", P1, p1_family_of)


def json_families() -> dict[str, JsonFamily]:
    """All families of meters that speak JSON by id, as `meter_families`."""
    return _families("meters", JSON, json_family_of)


def charger_families() -> dict[str, ChargerFamily]:
    """All families of chargers with OCPP by id, as `meter_families`."""
    return _families("chargers", CHARGER, charger_family_of)


def direct_families() -> dict[str, DirectFamily]:
    """All families of chargers that are asked over Modbus or HTTP by id, as `meter_families`."""
    return _families("chargers", DIRECT, direct_family_of)


def kind_of(document: Mapping[str, Any]) -> str:
    """What a family's file is about, by its content."""
    if is_direct(document):
        return DIRECT
    if "registers" in document:
        return METER
    if "specification" in document:
        return P1
    return JSON if "places" in document else CHARGER


def added_files() -> list[Path]:
    """Files of the user's own, in their order."""
    return [Path(name) for name in os.environ.get(ADDED_FILES, "").split(os.pathsep) if name]


def _families(folder: str, kind: str, made: Callable[[Mapping[str, Any]], Family]) -> dict[str, Family]:
    shipped = [(file, document) for file, document in _shipped(folder) if kind_of(document) == kind]
    found = {family.id: family for family in (_made(file, document, made) for file, document in shipped)}
    for file in added_files():
        document = _document(file)
        if kind_of(document) == kind:
            family = _made(file, document, made)
            found[family.id] = family  # in the place of ours, if there is one
    return found


def _made(file: Path, document: Mapping[str, Any], made: Callable[[Mapping[str, Any]], Family]) -> Family:
    try:
        return made(document)
    except KeyError as error:
        raise DeviceFileWrong(f"{file}: {error.args[0]} is missing.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise DeviceFileWrong(f"{file}: {str(error).rstrip('.')}.") from error


def _document(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeviceFileWrong(f"{file} can't be read ({error.strerror}).", remedy="Check its path.") from error
    except (ValueError, RecursionError) as error:
        raise DeviceFileWrong(f"{file} is not TOML: {str(error).rstrip('.')}.") from error


@cache
def _shipped(folder: str) -> tuple[tuple[Path, Mapping[str, Any]], ...]:
    """Read once: it takes as long as many passes of the loop."""
    files = resources.files("ampacity.devices").joinpath(folder)
    return tuple(
        (Path(folder, file.name), tomllib.loads(file.read_text(encoding="utf-8")))
        for file in sorted(files.iterdir(), key=lambda f: f.name)
        if file.name.endswith(".toml")
    )


def announcements() -> list[Announcement]:
    """Services by which meters and chargers may be found on the network."""
    text = resources.files("ampacity.devices").joinpath("announced.toml").read_text(encoding="utf-8")
    return [announcement_of(entry) for entry in tomllib.loads(text)["service"]]
