"""A family of meters as data: its registers, how to recognise it, and how its registers become a reading."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ampacity.core.errors import DeviceError
from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps, PhaseVolts, PhaseWatts
from ampacity.core.site import MeterId
from ampacity.devices.meter_settings import WORDS, Check, Setting, check_of, number_of, setting_of

Registers = Mapping[int, int]
"""Register contents by address, each 0 to 65535."""


class FrameAbsurd(DeviceError):
    """The registers can't be what flows: overflow marks, impossible voltages, powers without the current for them."""

    code = "meter-absurd"
    remedy = "Check the meter's wiring, its transformers' ratio and its measuring system."


@dataclass(frozen=True, slots=True)
class Quantity:
    """Where a quantity stands: one address a phase, or one in all. Physical = raw * scale."""

    addresses: tuple[int, ...]
    type: str
    scale: float


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
    voltages: tuple[float, ...]
    currents: tuple[float, ...]
    powers: tuple[float, ...]
    frequency_hz: float
    energy_import_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFamily:
    """Meters with one register map. All addresses are as on the wire, zero-based; read with function 4."""

    id: str
    maker: str
    models: tuple[str, ...]
    phases: int
    low_word_first: bool
    max_registers: int
    answer_max_s: float
    """The maker's longest answering time; on a serial line that long a late answer may still come."""
    overflow: int
    """Raw 32-bit value that means: out of range."""
    reads: tuple[tuple[int, int], ...]
    """Blocks (address, count) for control, read every period."""
    slow_reads: tuple[tuple[int, int], ...]
    """Blocks for figures that change slowly."""
    serial: SerialDefaults | None
    """None: it has no serial line."""
    identify_address: int
    identify_values: dict[int, str]
    """Identification register, read alone -> model."""
    identify_reject: dict[int, str]
    """Codes of devices that look alike and are not -> what to do."""
    voltages: Quantity
    currents: Quantity
    powers: Quantity
    frequency: Quantity
    energy_import_kwh: Quantity
    number_address: int | None
    """Where its own number stands, as text; None: it is not known to tell it."""
    number_registers: int
    setup: tuple[Setting, ...]
    """Settings without which what it says is wrong."""
    checks: tuple[Check, ...]
    """What it says of its own wiring."""
    samples: tuple[Sample, ...]
    verified: str
    source: tuple[str, ...]

    def raw(self, quantity: Quantity, registers: Registers) -> list[int]:
        """The raw numbers of a quantity; KeyError where the registers were not read."""
        numbers = []
        for address in quantity.addresses:
            words = [registers[address + n] for n in range(WORDS[quantity.type])]
            numbers.append(number_of(words, quantity.type, low_word_first=self.low_word_first))
        return numbers

    def values(self, quantity: Quantity, registers: Registers) -> tuple[float, ...]:
        """In volts, amperes, watts, hertz or kilowatt-hours.

        Raises:
            FrameAbsurd: a value is out of the meter's range.
        """
        out = []
        for raw in self.raw(quantity, registers):
            if WORDS[quantity.type] == 2 and raw == self.overflow:
                raise FrameAbsurd("The meter says that a value is out of its range.")
            out.append(round(raw * quantity.scale, 6))
        return tuple(out)

    def reading(
        self, meter: MeterId, registers: Registers, at_s: float, lines: int, nominal_v: Sequence[float]
    ) -> MeterReading:
        """What the control registers say, checked for plausibility. `nominal_v`: the voltages that may stand there.

        Raises:
            FrameAbsurd: the registers can't be what flows.
        """
        voltages = self.values(self.voltages, registers)[:lines]
        powers = self.values(self.powers, registers)[:lines]
        # Most meters' currents have no sign: it is the power's.
        currents = tuple(
            math.copysign(abs(amps), watts) if watts else abs(amps)
            for amps, watts in zip(self.values(self.currents, registers)[:lines], powers, strict=True)
        )
        for number, (volts, amps, watts) in enumerate(zip(voltages, currents, powers, strict=True), start=1):
            if not any(abs(volts - v) <= 0.15 * v for v in nominal_v):
                raise FrameAbsurd(f"L{number} shows {volts:g} V on a supply of {nominal_v[0]:g} V.")
            # 20 W and 2 %: rounding of small currents.
            if abs(watts) > 1.1 * volts * abs(amps) + 20:
                raise FrameAbsurd(f"L{number} shows {watts:g} W with {abs(amps):g} A at {volts:g} V.")
        return MeterReading(
            meter=meter,
            at_s=at_s,
            currents=PhaseAmps(currents),
            powers=PhaseWatts(powers),
            voltages=PhaseVolts(voltages),
        )

    def own_number(self, words: Sequence[int]) -> str | None:
        """The meter's own number from its registers; None where there is none in them."""
        raw = b"".join((word & 0xFFFF).to_bytes(2, "big") for word in words)
        text = raw.decode("ascii", "replace").strip("\0 \ufffd")
        return text if text and text.isprintable() else None

    def settings_of(self, model: str) -> tuple[Setting, ...]:
        """Those that a model has."""
        return tuple(setting for setting in self.setup if not setting.models or model in setting.models)

    def checks_of(self, model: str) -> tuple[Check, ...]:
        """The same of the checks."""
        return tuple(check for check in self.checks if not check.models or model in check.models)

    def energy_import_wh(self, registers: Registers) -> int:
        return round(self.values(self.energy_import_kwh, registers)[0] * 1000)


def family_of(document: Mapping[str, Any]) -> MeterFamily:
    """A family from its TOML document; KeyError, TypeError or ValueError where the document is not complete."""
    identify, quantities = document["identify"], document["registers"]
    number = document.get("own_number", {"address": None, "registers": 0})
    serial = document.get("serial")
    return MeterFamily(
        id=document["id"],
        maker=document["maker"],
        models=tuple(document["models"]),
        phases=document["phases"],
        low_word_first={"low-first": True, "high-first": False}[document["word_order"]],
        max_registers=document["max_registers"],
        answer_max_s=float(document["answer_max_s"]),
        overflow=document["overflow"],
        reads=_blocks(document["reads"]),
        slow_reads=_blocks(document["slow_reads"]),
        serial=None if serial is None else SerialDefaults(**serial),
        identify_address=identify["address"],
        identify_values={int(code): model for code, model in identify["values"].items()},
        identify_reject={int(code): why for code, why in identify.get("reject", {}).items()},
        voltages=_quantity(quantities["voltages"]),
        currents=_quantity(quantities["currents"]),
        powers=_quantity(quantities["powers"]),
        frequency=_quantity(quantities["frequency"]),
        energy_import_kwh=_quantity(quantities["energy_import_kwh"]),
        number_address=number["address"],
        number_registers=number["registers"],
        setup=tuple(setting_of(setting) for setting in document.get("setup", ())),
        checks=tuple(check_of(check) for check in document.get("check", ())),
        samples=tuple(_sample(sample) for sample in document["sample"]),
        verified=document["verified"],
        source=tuple(document["source"]),
    )


def _blocks(pairs: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((address, count) for address, count in pairs)


def _quantity(entry: Mapping[str, Any]) -> Quantity:
    if entry["type"] not in WORDS:
        raise ValueError(f"type {entry['type']} is not known")
    return Quantity(tuple(entry["address"]), entry["type"], float(entry["scale"]))


def _sample(entry: Mapping[str, Any]) -> Sample:
    return Sample(
        what=entry["what"],
        registers={int(address, 16): tuple(words) for address, words in entry["registers"].items()},
        voltages=tuple(entry["voltages"]),
        currents=tuple(entry["currents"]),
        powers=tuple(entry["powers"]),
        frequency_hz=entry["frequency_hz"],
        energy_import_wh=entry["energy_import_wh"],
    )
