"""What something that was done or found was of: where that is exchanged, it has to be done again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ampacity.config.installation import Installation
from ampacity.core.observations import MeterReading
from ampacity.core.site import ChargerId, MeterId, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """A site, as far as it matters: by what each thing is known."""

    supply: str = ""
    chargers: Mapping[str, str] = field(default_factory=dict)
    """By charger: its identity, circuit and phases."""
    meters: Mapping[str, str] = field(default_factory=dict)
    """By meter: its kind, where it is reached, and its circuit."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    """By meter, its own number, where it tells one."""

    def of(self, *, chargers: Collection[str] = (), meters: Collection[str] = ()) -> Basis:
        """As far as it is of these."""
        return Basis(
            supply=self.supply,
            chargers={name: one for name, one in self.chargers.items() if name in chargers},
            meters={name: one for name, one in self.meters.items() if name in meters},
            numbers={name: one for name, one in self.numbers.items() if name in meters},
        )

    def holds(self, now: Basis) -> bool:
        """Whether all of it is still there, and is still the same."""
        return not self.gone(now)

    def gone(self, now: Basis) -> list[str]:
        """What of it is there no more, or is another one now."""
        if self.supply != now.supply:
            return [*self.chargers, *self.meters]
        chargers = [name for name, one in self.chargers.items() if now.chargers.get(name) != one]
        return chargers + [
            name
            for name, one in self.meters.items()
            if now.meters.get(name) != one or _is_another(self.numbers.get(name), now.numbers.get(name))
        ]

    def news(self, now: Basis) -> list[str]:
        """What of `now` was not there, or was another one, when this was. What is there no more is none of it."""
        if self.supply != now.supply:
            return [*now.chargers, *now.meters]
        chargers = [name for name, one in now.chargers.items() if self.chargers.get(name) != one]
        return chargers + [
            name
            for name, one in now.meters.items()
            if self.meters.get(name) != one or _is_another(self.numbers.get(name), now.numbers.get(name))
        ]


def basis_of(installation: Installation, readings: Mapping[MeterId, MeterReading]) -> Basis:
    """Of a site as it is installed, with what its meters tell of themselves."""
    site = installation.site
    circuits = {circuit.meter: circuit.id for circuit in site.circuits if circuit.meter is not None}
    return Basis(
        supply=f"{site.supply.value} {site.nominal_v:g} V",
        chargers={
            charger.id: f"{connection.ocpp_id} {charger.circuit} {charger.phases}"
            for charger, connection in zip(site.chargers, installation.chargers, strict=True)
        },
        meters={one.meter: f"{one.device} {one.address} {circuits.get(one.meter, '')}" for one in installation.meters},
        numbers={meter: one.serial for meter, one in readings.items() if one.serial is not None},
    )


def meters_above(site: Site, charger: ChargerId) -> list[MeterId]:
    """That see what it draws."""
    path = site.path(site.chargers[site.index_of_charger[charger]].circuit)
    return [one.meter for one in site.circuits if one.id in path and one.meter is not None]


def _is_another(then: str | None, now: str | None) -> bool:
    """Only where it told its number both times."""
    return then is not None and now is not None and then != now
