"""An installation as it can be steered: the file's wishes, within what the device families can do."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from ampacity.config.installation import Installation
from ampacity.core.site import Charger, Site
from ampacity.devices.catalogue import DeviceUnknown, charger_families, direct_families
from ampacity.devices.charger_family import ChargerFamily
from ampacity.devices.direct_family import DirectFamily
from ampacity.devices.meter_family import MeterFamily

Family = TypeVar("Family", MeterFamily, ChargerFamily, DirectFamily)


def effective(installation: Installation) -> Site:
    """The site as it can be steered: with each charger's grid and lease as its family needs them.

    Raises:
        DeviceUnknown: a family is not in the catalogue.
    """
    families, directs = charger_families(), direct_families()
    chargers = []
    for charger, connection in zip(installation.site.chargers, installation.chargers, strict=True):
        if connection.direct is not None:
            direct = family_named(directs, connection.direct.device, f"chargers.{charger.id}.device")
            chargers.append(charger if direct is None else _as_direct(charger, direct))
            continue
        family = family_named(families, connection.family, f"chargers.{charger.id}.family")
        chargers.append(charger if family is None else _as_family(charger, family))
    site = installation.site
    return replace(site, chargers=tuple(chargers))


def _as_family(charger: Charger, family: ChargerFamily) -> Charger:
    least_a = max(charger.min_a, family.least_a)
    return Charger(
        id=charger.id,
        circuit=charger.circuit,
        wiring=charger.wiring,
        phases=charger.phases,
        min_a=least_a,
        max_a=max(least_a, charger.max_a),
        step_a=max(charger.step_a, family.step_a),
        safe_a=charger.safe_a if charger.safe_a >= least_a else 0.0,
        rank=charger.rank,
        weight=charger.weight,
        lease_s=max(charger.lease_s, family.lease_s or 0.0),
        min_interval_s=max(charger.min_interval_s, family.min_interval_s or 0.0),
        guarded=charger.guarded and not family.is_endless,
    )


def _as_direct(charger: Charger, family: DirectFamily) -> Charger:
    limit, watchdog = family.limit, family.watchdog
    least_a = max(charger.min_a, limit.least_a)
    # One that can't fall as low as its safe current, say to nothing, does not guard.
    guarded = family.guardable and watchdog is not None and charger.safe_a >= watchdog.safe_least_a
    return replace(
        charger,
        min_a=least_a,
        max_a=max(least_a, min(charger.max_a, limit.most_a)),
        step_a=max(charger.step_a, limit.step_a),
        min_interval_s=max(charger.min_interval_s, family.min_interval_s or 0.0),
        guarded=charger.guarded and guarded,
    )


def family_named(families: dict[str, Family], name: str, place: str) -> Family | None:
    """None for "auto".

    Raises:
        DeviceUnknown: there is none of that name.
    """
    if name == "auto":
        return None
    if name not in families:
        raise DeviceUnknown(f'{place}: "{name}" is not in the catalogue.')
    return families[name]
