"""A family of chargers as data: how it names itself, and what is special in steering it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ampacity.devices.firmware import is_older, is_version

GENERIC = "generic"
"""The family of what the standard alone says."""
OCPP_VERSIONS = ("2.1", "2.0.1", "1.6")
"""Those that are spoken here, the one liked best first."""

TX_DEFAULT, TX = "TxDefaultProfile", "TxProfile"

LOWEST_A = 6.0
"""IEC 61851-1: below, a car may not charge."""

Whole = Annotated[int, Meta(ge=0)]
Above = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """A BootNotification, and where it was seen."""

    vendor: str
    model: str
    firmware: str
    seen: str
    """"assumed": nowhere in public; put together from the maker's name and the model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A quirk that no key is needed for: what is done with every charger meets it."""

    what: str
    """What it does, as the rest of a sentence that begins with "it"."""
    met: str
    """Why it is controlled all the same, or what follows where it can't be."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerFamily:
    """What is special about a family. Defaults are what the standard says."""

    id: str
    maker: str
    models: tuple[str, ...] = ()
    match: tuple[dict[str, str], ...] = ()
    """Beginnings of vendor, model and firmware in its BootNotification, in lower case; "" where it says none. Any one
    entry suffices."""

    connector: Whole = 0
    """On which connector the operating profile is set; 0: all of them."""
    stack_level: Whole = 1
    """Of the operating profile; 0: no second profile fits below it."""
    purpose: Literal["TxDefaultProfile", "TxProfile"] = "TxDefaultProfile"
    """Of the operating profile while a transaction is under way: one that ignores or refuses TxDefaultProfiles then has
    "TxProfile". Without a transaction it is a TxDefaultProfile in any case."""
    lease_form: Literal["two-period", "duration", "none"] = "two-period"
    """How a setpoint ends by itself: a second period at the safe current; the schedule's own end over a lasting default
    profile; or not at all."""
    relative: bool = False
    """Only profiles that count from the transaction's start are taken: they do not expire by a clock."""
    renews: bool = True
    """False: it must not be told the same limit twice in a row. Its limits have no end, then."""
    keeps_limits: bool = True
    """False: it may leave a limit that it accepted, by itself. It is not held to fall to its safe current either."""
    resume: Literal["", "again", "clear"] = ""
    """What a limit after a pause needs beyond being set: "again", it is set a second time; "clear", the one before is
    cleared first, where the lasting safe current lies below."""
    step_a: Above = 0.1
    least_a: Annotated[float, Meta(ge=6)] = LOWEST_A
    """The lowest current that it offers; less is a pause."""
    currents_a: tuple[Above, ...] = ()
    """The only currents it knows, ascending; empty: all multiples of the step."""
    watts: bool = False
    """It takes limits only in watts."""
    remote_start: bool = False
    """It follows limits only after a RemoteStartTransaction."""
    measurands: tuple[str, ...] = ()
    """Ask for exactly these; empty: one by one for all that are useful."""
    without_measurands: tuple[str, ...] = ()
    measurands_key: str = ""
    """The key of its configuration (OCPP 1.6) that names the measurands it has: no others are asked for."""
    report_every_s: Annotated[int, Meta(ge=1)] = 10
    rotates: bool = False
    """Where its configuration has a ConnectorPhaseRotation, it reports by the phases of the grid, not by its own."""
    shows_schedule: bool = True
    """False: it has no GetCompositeSchedule, and is not asked what it is going to do."""
    back_within_s: Above | None = None
    """How long it may take to connect, or to come back; inf: it does not come back by itself. None: nothing special is
    known."""
    lease_s: Annotated[float, Meta(ge=10)] | None = None
    """Instead of the charger's own, where messages must be rarer."""
    min_interval_s: Annotated[float, Meta(ge=0)] | None = None
    firmware_min: str | None = None
    """The oldest firmware that can be steered, as `1.8.21`; None: none is known. Among the sources is where it is
    from."""
    ocpp_versions: tuple[Literal["2.1", "2.0.1", "1.6"], ...] = ()
    """The versions of OCPP that it speaks well, where that are not all that it offers; empty: all."""
    needs: str = ""
    """What has to be set at the charger before it can be steered."""
    known: tuple[Known, ...] = ()
    """Quirks that need no key."""
    verified: str = ""
    """How sure the facts are: the maker's document, sources that agree, one source."""
    hardware: str = ""
    """Who has seen it work with this program, on which model and firmware; "": nobody."""
    samples: tuple[Introduction, ...] = ()
    source: tuple[str, ...] = ()
    """Where the rest is from."""
    sources: dict[str, str] = field(default_factory=dict)
    """Where a key is from, for each key that is set because of a quirk."""

    @property
    def is_endless(self) -> bool:
        """Whether a limit does not surely end by itself: unguarded, it counts at its maximum when out of reach."""
        return self.relative or self.lease_form == "none" or not self.renews or not self.keeps_limits

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it claims something special that nobody has seen on hardware with this program."""
        return not self.hardware and self.id != GENERIC

    def is_too_old(self, firmware: str) -> bool | None:
        """Whether a charger of this family needs a newer firmware; None: it can't be told."""
        return False if self.firmware_min is None else is_older(firmware, self.firmware_min)

    def grid_a(self, amps: float) -> float:
        """The largest current it knows that is not more; 0 below the smallest."""
        if amps < self.least_a - 1e-9 and self.least_a > LOWEST_A:
            return 0.0
        if self.currents_a:
            return max((one for one in self.currents_a if one <= amps + 1e-9), default=0.0)
        return max(0.0, round(math.floor(amps / self.step_a + 1e-6) * self.step_a, 3))


QUIRKS = (
    "connector",
    "stack_level",
    "purpose",
    "lease_form",
    "relative",
    "renews",
    "keeps_limits",
    "resume",
    "step_a",
    "least_a",
    "currents_a",
    "watts",
    "remote_start",
    "measurands",
    "without_measurands",
    "measurands_key",
    "report_every_s",
    "rotates",
    "shows_schedule",
    "back_within_s",
    "lease_s",
    "min_interval_s",
    "firmware_min",
    "ocpp_versions",
    "needs",
)
"""Keys of what is special in steering a family, in the order in which they are told."""
_KEYS = {one.name for one in fields(ChargerFamily)} - {"samples"} | {"sample"}
_MISSING = "Object missing required field "
_MATCHED = {"vendor", "model", "firmware"}


def charger_family_of(document: Mapping[str, Any]) -> ChargerFamily:
    """A family from its TOML document; ValueError, which names the key, where it is not one."""
    for key in document:
        if key not in _KEYS:
            raise ValueError(f"{key} is no key of a charger's file; known are {', '.join(sorted(_KEYS))}")
    content = {key: value for key, value in document.items() if key != "sample"}
    try:
        family = msgspec.convert({**content, "samples": document.get("sample", [])}, ChargerFamily)
    except msgspec.ValidationError as error:
        raise ValueError(_said(error)) from error
    _check(family)
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


def _said(error: msgspec.ValidationError) -> str:
    """`Expected int, got str - at $.stack_level`, with the key first."""
    what, _, place = str(error).replace("`", "").partition(" - at $.")
    place = place.replace("samples", "sample")
    if what.startswith(_MISSING):
        return f"{f'{place}.' if place else ''}{what.removeprefix(_MISSING)}: it is missing"
    return f"{place}: {what[:1].lower()}{what[1:]}"


def _check(family: ChargerFamily) -> None:
    """What a type can't say."""
    if family.firmware_min is not None and not is_version(family.firmware_min):
        raise ValueError(f"firmware_min: {family.firmware_min!r} is no version; write it as 1.8.21")
    if any(a >= b for a, b in pairwise(family.currents_a)):
        raise ValueError("currents_a: they have to ascend")
    for match in family.match:
        if not match or not set(match) <= _MATCHED:
            raise ValueError(f"match: it has {', '.join(match) or 'nothing'}; it takes vendor, model and firmware")
    for key in family.sources:
        if key not in QUIRKS:
            raise ValueError(f"sources.{key}: {key} is none of {', '.join(QUIRKS)}")
    if family.purpose == TX and family.relative:
        raise ValueError(
            "purpose: a relative profile counts from the transaction's start already; leave one of the two"
        )
