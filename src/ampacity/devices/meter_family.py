"""A family of meters as data: its registers, how to recognise it, and how its registers become a reading."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.meter_settings import Check, Setting, check_of, setting_of
from ampacity.devices.readings import FrameAbsurd as FrameAbsurd
from ampacity.devices.readings import checked
from ampacity.devices.registers import WORDS, bits_of, text_of, value_of, whole_of

Registers = Mapping[int, int]
"""Register contents by address, each 0 to 65535."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Where a quantity stands: one address a phase, or one in all. Physical = raw * scale."""

    addresses: tuple[int, ...]
    type: str
    scale: float
    exponent_at: int | None = None
    """Where a live power of ten stands by which it is multiplied as well, an int16; None: there is none."""

    def first(self, lines: int) -> Quantity:
        """Of the first lines alone."""
        return self if len(self.addresses) <= lines else replace(self, addresses=self.addresses[:lines])

    def shifted(self, by: int) -> Quantity:
        """The same, so many registers further."""
        at = None if self.exponent_at is None else self.exponent_at + by
        return replace(self, addresses=tuple(one + by for one in self.addresses), exponent_at=at)


@dataclass(frozen=True, slots=True)
class SerialDefaults:
    """How the meter leaves the factory. 8 data bits."""

    baud: int
    parity: str
    """N, E or O."""
    stop_bits: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Registers as read from a device or its document, and what they say."""

    what: str
    registers: dict[int, tuple[int, ...]]
    """Blocks by first address."""
    voltages: tuple[float, ...] | None
    currents: tuple[float, ...]
    powers: tuple[float, ...] | None
    frequency_hz: float | None
    energy_import_wh: int | None


@dataclass(frozen=True, slots=True)
class SunSpec:
    """It tells by a chain of models where its registers are: all addresses of the family count from its model."""

    models: dict[int, int]
    """Number of the model -> how many lines it measures."""
    bases: tuple[int, ...]
    """Where the chain may begin."""


SUNSPEC_MARK = (0x5375, 0x6E53)
"""Two registers at the begin of the chain: SunS."""
SUNSPEC_END = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFamily:
    """Meters with one register map. All addresses are as on the wire, zero-based."""

    id: str
    maker: str
    models: tuple[str, ...]
    phases: int
    low_word_first: bool
    max_registers: int
    answer_max_s: float
    """The maker's longest answering time; on a serial line that long a late answer may still come."""
    overflow: int | None
    """Raw 32-bit value that means: out of range; None: it has none."""
    missing: tuple[int, ...]
    """Raw values that mean: not available."""
    function: int | None
    """With which registers are read, 3 or 4; None: with 4 or, where the device has not that, with 3."""
    quiet_s: float
    """Silence that it needs between requests."""
    refresh_s: float
    """Its values do not change more often; 0: that is not known."""
    reads: tuple[tuple[int, int], ...]
    """Blocks (address, count) for control, read every period."""
    slow_reads: tuple[tuple[int, int], ...]
    """Blocks for figures that change slowly."""
    serial: SerialDefaults | None
    """None: it has no serial line."""
    identify_address: int | None
    """None: it has no identification that is known: what it says is held to be plausible, and it is not recognised."""
    identify_registers: int
    identify_text: bool
    """Its identification is text, and begins with a model's name."""
    identify_values: dict[int, str]
    """Identification registers, read alone, as one number -> model."""
    identify_reject: dict[int, str]
    """Codes of devices that look alike and are not -> what to do."""
    voltages: Quantity | None
    """None: it does not measure that."""
    currents: Quantity
    """No address: it does not measure them, and can't be used."""
    powers: Quantity | None
    frequency: Quantity | None
    energy_import_kwh: Quantity | None
    number_address: int | None
    """Where its own number stands, as text; None: it is not known to tell it."""
    number_registers: int
    number_is_text: bool
    setup: tuple[Setting, ...]
    """Settings without which what it says is wrong."""
    checks: tuple[Check, ...]
    """What it says of its own wiring."""
    samples: tuple[Sample, ...]
    verified: str
    """How sure the facts are."""
    source: tuple[str, ...]
    hardware: str = ""
    """Who has seen it work with this program, on what; "": nobody."""
    sunspec: SunSpec | None = None
    unusable: str = ""
    """Why it can't be used at all; empty: it can."""

    def located(self, model: int, address: int) -> MeterFamily:
        """A SunSpec meter, whose model begins at an address."""
        assert self.sunspec is not None
        return replace(
            self,
            phases=self.sunspec.models[model],
            reads=tuple((at + address, count) for at, count in self.reads),
            slow_reads=tuple((at + address, count) for at, count in self.slow_reads),
            voltages=None if self.voltages is None else self.voltages.shifted(address),
            currents=self.currents.shifted(address),
            powers=None if self.powers is None else self.powers.shifted(address),
            frequency=None if self.frequency is None else self.frequency.shifted(address),
            energy_import_kwh=None if self.energy_import_kwh is None else self.energy_import_kwh.shifted(address),
        )

    def model_of(self, words: Sequence[int]) -> str | None:
        """What the identification registers say; None: it is none of this family."""
        if self.identify_text:
            text = text_of(words)
            return next((model for model in self.models if text.startswith(model.split(" ")[0])), None)
        return self.identify_values.get(bits_of(words, low_word_first=False))

    def raw(self, quantity: Quantity, registers: Registers) -> list[float]:
        """The raw numbers of a quantity; KeyError where the registers were not read."""
        numbers = []
        for address in quantity.addresses:
            words = [registers[address + n] for n in range(WORDS[quantity.type])]
            numbers.append(value_of(words, quantity.type, low_word_first=self.low_word_first))
        return numbers

    def optional(self, quantity: Quantity | None, registers: Registers) -> tuple[float, ...] | None:
        """As `values`; None where the meter does not measure it, or says that it is not available."""
        if quantity is None:
            return None
        for address in quantity.addresses:
            words = [registers[address + n] for n in range(WORDS[quantity.type])]
            if bits_of(words, low_word_first=self.low_word_first) in self.missing:
                return None
        return self.values(quantity, registers)

    def values(self, quantity: Quantity, registers: Registers) -> tuple[float, ...]:
        """In volts, amperes, watts, hertz or kilowatt-hours.

        Raises:
            FrameAbsurd: a value is out of the meter's range.
        """
        out = []
        power = 0
        if quantity.exponent_at is not None:
            power = whole_of([registers[quantity.exponent_at]], "int16", low_word_first=False)
            if not -10 <= power <= 10:
                raise FrameAbsurd(f"The meter gives {power} as a power of ten.")
        for address, raw in zip(quantity.addresses, self.raw(quantity, registers), strict=True):
            if WORDS[quantity.type] == 2 and raw == self.overflow:
                raise FrameAbsurd("The meter says that a value is out of its range.")
            words = [registers[address + n] for n in range(WORDS[quantity.type])]
            if bits_of(words, low_word_first=self.low_word_first) in self.missing:
                raise FrameAbsurd("The meter says that a value is not available.")
            if not math.isfinite(raw):
                raise FrameAbsurd("The meter gives something that is no number.")
            out.append(round(raw * quantity.scale * 10.0**power, 6))
        return tuple(out)

    def reading(
        self, meter: MeterId, registers: Registers, at_s: float, lines: int, nominal_v: Sequence[float]
    ) -> MeterReading:
        """What the control registers say, checked for plausibility. `nominal_v`: the voltages that may stand there.

        Raises:
            FrameAbsurd: the registers can't be what flows.
        """
        return checked(
            meter,
            at_s,
            currents_a=self.values(self.currents.first(lines), registers),
            powers_w=self.optional(None if self.powers is None else self.powers.first(lines), registers),
            voltages_v=self.optional(None if self.voltages is None else self.voltages.first(lines), registers),
            nominal_v=nominal_v,
        )

    def own_number(self, words: Sequence[int]) -> str | None:
        """The meter's own number from its registers; None where there is none in them."""
        if not self.number_is_text:
            return str(bits_of(words, low_word_first=self.low_word_first)) if any(words) else None
        return text_of(words) or None

    @property
    def identification(self) -> tuple[int, int, bool] | None:
        """(address, registers, whether they are holding registers), read alone; None: it has none."""
        if self.identify_address is None:
            return None
        return self.identify_address, self.identify_registers, self.function == 3

    def settings_of(self, model: str) -> tuple[Setting, ...]:
        """Those that a model has."""
        return tuple(setting for setting in self.setup if not setting.models or model in setting.models)

    def checks_of(self, model: str) -> tuple[Check, ...]:
        """The same of the checks."""
        return tuple(check for check in self.checks if not check.models or model in check.models)

    def energy_import_wh(self, registers: Registers) -> int | None:
        """None: it is not counted."""
        found = self.optional(self.energy_import_kwh, registers)
        return None if found is None else round(found[0] * 1000)

    def frequency_hz(self, registers: Registers) -> float | None:
        """None: it is not measured. Some meters are known to show ten times as much."""
        found = self.optional(self.frequency, registers)
        return None if found is None else found[0] / (10.0 if found[0] > 100 else 1.0)


USUAL = 0x000B
"""Where most meters that can be recognised have their identification."""


def identifications(families: Iterable[MeterFamily]) -> list[tuple[int, int, bool]]:
    """All places to ask what a meter is, the most common first."""
    places = {one.identification for one in families} - {None}
    return sorted((one for one in places if one is not None), key=lambda one: (one[0] != USUAL, one))


def family_of(document: Mapping[str, Any]) -> MeterFamily:
    """A family from its TOML document; KeyError, TypeError or ValueError where the document is not complete."""
    identify, quantities = document["identify"], document["registers"]
    number = document.get("own_number", {"address": None, "registers": 0})
    serial, sunspec = document.get("serial"), document.get("sunspec")
    return MeterFamily(
        id=document["id"],
        maker=document["maker"],
        models=tuple(document["models"]),
        phases=document["phases"],
        low_word_first={"low-first": True, "high-first": False}[document["word_order"]],
        max_registers=document["max_registers"],
        answer_max_s=float(document["answer_max_s"]),
        overflow=document.get("overflow"),
        missing=tuple(document.get("missing", ())),
        function=document.get("function"),
        quiet_s=float(document.get("quiet_s", 0.0)),
        refresh_s=float(document.get("refresh_s", 0.0)),
        reads=_blocks(document["reads"]),
        slow_reads=_blocks(document["slow_reads"]),
        serial=None if serial is None else SerialDefaults(**serial),
        identify_address=identify.get("address"),
        identify_registers=int(identify.get("registers", 1)),
        identify_text=bool(identify.get("text", False)),
        identify_values={int(code): model for code, model in identify.get("values", {}).items()},
        identify_reject={int(code): why for code, why in identify.get("reject", {}).items()},
        voltages=_optional(quantities, "voltages"),
        currents=_optional(quantities, "currents") or Quantity((), "uint16", 1.0),
        powers=_optional(quantities, "powers"),
        frequency=_optional(quantities, "frequency"),
        energy_import_kwh=_optional(quantities, "energy_import_kwh"),
        number_address=number["address"],
        number_registers=number["registers"],
        number_is_text=number.get("text", True),
        setup=tuple(setting_of(setting) for setting in document.get("setup", ())),
        checks=tuple(check_of(check) for check in document.get("check", ())),
        samples=tuple(_sample(sample) for sample in document["sample"]),
        verified=document["verified"],
        source=tuple(document["source"]),
        hardware=document.get("hardware", ""),
        sunspec=None
        if sunspec is None
        else SunSpec({int(model): lines for model, lines in sunspec["models"].items()}, tuple(sunspec["bases"])),
        unusable=document.get("unusable", ""),
    )


def _optional(quantities: Mapping[str, Any], name: str) -> Quantity | None:
    return _quantity(quantities[name]) if name in quantities else None


def _blocks(pairs: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((address, count) for address, count in pairs)


def _quantity(entry: Mapping[str, Any]) -> Quantity:
    if entry["type"] not in WORDS:
        raise ValueError(f"type {entry['type']} is not known")
    return Quantity(tuple(entry["address"]), entry["type"], float(entry["scale"]), entry.get("exponent_at"))


def _sample(entry: Mapping[str, Any]) -> Sample:
    return Sample(
        what=entry["what"],
        registers={int(address, 16): tuple(words) for address, words in entry["registers"].items()},
        voltages=tuple(entry["voltages"]) if "voltages" in entry else None,
        currents=tuple(entry["currents"]),
        powers=tuple(entry["powers"]) if "powers" in entry else None,
        frequency_hz=entry.get("frequency_hz"),
        energy_import_wh=entry.get("energy_import_wh"),
    )
