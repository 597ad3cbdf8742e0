"""A family of chargers as data: how it names itself, and what is special in steering it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ampacity.devices.firmware import is_older, is_version

GENERIC = "generic"
"""The family of what the standard alone says."""
LEASE_FORMS = ("two-period", "duration", "none")
"""How a setpoint ends by itself: a second period at the safe current; the schedule's own end over a lasting default
profile; or not at all."""


OCPP_VERSIONS = ("2.1", "2.0.1", "1.6")
"""Those that are spoken here, the one liked best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """A BootNotification, and where it was seen."""

    vendor: str
    model: str
    firmware: str
    seen: str
    """"assumed": nowhere in public; put together from the maker's name and the model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerFamily:
    """What is special about a family. Defaults are what the standard says."""

    id: str
    maker: str
    models: tuple[str, ...] = ()
    match: tuple[dict[str, str], ...] = ()
    """Beginnings of vendor, model and firmware in its BootNotification, in lower case; "" where it says none. Any one
    entry suffices."""

    connector: int = 0
    """On which connector the operating profile is set; 0: all of them."""
    stack_level: int = 1
    """Of the operating profile; 0: no second profile fits below it."""
    lease_form: str = "two-period"
    relative: bool = False
    """Only profiles that count from the transaction's start are taken: they do not expire by a clock."""
    step_a: float = 0.1
    currents_a: tuple[float, ...] = ()
    """The only currents it knows, ascending; empty: all multiples of the step."""
    watts: bool = False
    """It takes limits only in watts."""
    remote_start: bool = False
    """It follows limits only after a RemoteStartTransaction."""
    measurands: tuple[str, ...] = ()
    """Ask for exactly these; empty: one by one for all that are useful."""
    without_measurands: tuple[str, ...] = ()
    report_every_s: int = 10
    lease_s: float | None = None
    """Instead of the charger's own, where messages must be rarer."""
    min_interval_s: float | None = None
    firmware_min: str | None = None
    """The oldest firmware that can be steered, as `1.8.21`; None: none is known. Among the sources is where it is
    from."""
    ocpp_versions: tuple[str, ...] = ()
    """The versions of OCPP that it speaks well, where that are not all that it offers; empty: all."""
    verified: str = ""
    """How sure the facts are; "": it is not said."""
    hardware: str = ""
    """Who has seen it work with this program, on what; "": nobody."""
    samples: tuple[Introduction, ...] = ()
    source: tuple[str, ...] = ()

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it claims something special that nobody has seen on hardware with this program."""
        return not self.hardware and self.id != GENERIC

    def is_too_old(self, firmware: str) -> bool | None:
        """Whether a charger of this family needs a newer firmware; None: it can't be told."""
        return False if self.firmware_min is None else is_older(firmware, self.firmware_min)

    def grid_a(self, amps: float) -> float:
        """The largest current it knows that is not more; 0 below the smallest."""
        if self.currents_a:
            return max((one for one in self.currents_a if one <= amps + 1e-9), default=0.0)
        return max(0.0, round(math.floor(amps / self.step_a + 1e-6) * self.step_a, 3))


def charger_family_of(document: Mapping[str, Any]) -> ChargerFamily:
    """A family from its TOML document; TypeError or ValueError where it is not complete."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
    }
    fields["samples"] = tuple(Introduction(**sample) for sample in fields.pop("sample", ()))
    family = ChargerFamily(**fields)
    if family.lease_form not in LEASE_FORMS:
        raise ValueError(f"{family.id}: lease_form {family.lease_form} is not known")
    if family.firmware_min is not None and not is_version(family.firmware_min):
        raise ValueError(f"{family.id}: firmware_min {family.firmware_min} is no version")
    if unknown := [one for one in family.ocpp_versions if one not in OCPP_VERSIONS]:
        raise ValueError(f"{family.id}: ocpp_versions {unknown[0]} is not known")
    return family


def recognised(families: Iterable[ChargerFamily], vendor: str, model: str, firmware: str) -> ChargerFamily:
    """The family of a charger that introduces itself so: the one whose match says most; else the generic one."""
    said = {"vendor": vendor.lower().strip(), "model": model.lower().strip(), "firmware": firmware.lower().strip()}
    best, weight = ChargerFamily(id=GENERIC, maker="any"), -1
    for family in families:
        for match in family.match:
            length = len("".join(match.values()))
            if length > weight and all(_begins(said[key], begin) for key, begin in match.items()):
                best, weight = family, length
        if family.id == GENERIC and weight < 0:
            best, weight = family, 0
    return best


def _begins(said: str, begin: str) -> bool:
    return said.startswith(begin) if begin else not said
