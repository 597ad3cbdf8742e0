"""What is on the market, as far as we know it: one TOML file a product family."""

from __future__ import annotations

import tomllib
from importlib import resources

from ampacity.core.errors import DeviceError
from ampacity.devices.announced import Announcement, announcement_of
from ampacity.devices.charger_family import ChargerFamily, charger_family_of
from ampacity.devices.meter_family import MeterFamily, family_of


class DeviceUnknown(DeviceError):
    """A catalogue id that does not exist."""

    code = "device-unknown"
    remedy = "`ampacity devices` lists what is known."


def meter_families() -> dict[str, MeterFamily]:
    """All families of meters by id, in alphabetical order."""
    families = [family_of(tomllib.loads(text)) for text in _texts("meters")]
    return {family.id: family for family in families}


def _texts(folder: str) -> list[str]:
    files = resources.files("ampacity.devices").joinpath(folder)
    return [
        file.read_text(encoding="utf-8")
        for file in sorted(files.iterdir(), key=lambda f: f.name)
        if file.name.endswith(".toml")
    ]


def charger_families() -> dict[str, ChargerFamily]:
    """All families of chargers by id, in alphabetical order."""
    families = [charger_family_of(tomllib.loads(text)) for text in _texts("chargers")]
    return {family.id: family for family in families}


def announcements() -> list[Announcement]:
    """Services by which meters and chargers may be found on the network."""
    text = resources.files("ampacity.devices").joinpath("announced.toml").read_text(encoding="utf-8")
    return [announcement_of(entry) for entry in tomllib.loads(text)["service"]]
