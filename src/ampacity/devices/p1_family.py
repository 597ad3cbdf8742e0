"""Meters that tell by themselves, over a customer port (P1): telegrams of OBIS codes, and how they become a reading."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.readings import FrameAbsurd, checked, volts_to_neutral

Told = Mapping[str, float | str]
"""What a telegram says, by OBIS code: `1-0:32.7.0`. Electrical values in V, A, W, var, Wh."""

VOLTAGES = ("1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0")
CURRENTS = ("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0")
POWERS_IN = ("1-0:21.7.0", "1-0:41.7.0", "1-0:61.7.0")
POWERS_OUT = ("1-0:22.7.0", "1-0:42.7.0", "1-0:62.7.0")
REACTIVE_IN = ("1-0:23.7.0", "1-0:43.7.0", "1-0:63.7.0")
REACTIVE_OUT = ("1-0:24.7.0", "1-0:44.7.0", "1-0:64.7.0")
TOTAL_IN, TOTAL_OUT = "1-0:1.7.0", "1-0:2.7.0"
ENERGY = (("1-0:1.8.0",), ("1-0:1.8.1", "1-0:1.8.2"))
"""One counter, or one a tariff."""
NUMBERS = ("0-0:96.1.1", "0-0:96.1.0", "0-0:96.1.4", "0-0:42.0.0")


@dataclass(frozen=True, slots=True)
class P1Serial:
    """How the port sends."""

    baud: int
    bits: int
    parity: str
    stop_bits: int


@dataclass(frozen=True, slots=True)
class P1Sample:
    """A telegram, and what it says."""

    what: str
    telegram: str
    currents: tuple[float, ...]
    powers: tuple[float, ...]
    voltages: tuple[float, ...] | None
    energy_import_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class P1Family:
    """Meters whose telegrams are alike."""

    id: str
    maker: str
    models: tuple[str, ...]
    phases: int
    """Of how many lines it tells the current or the power."""
    specification: str
    """Its name in dsmr-parser."""
    serial: P1Serial
    encrypted: bool
    """A key is needed, of the grid's operator."""
    every_s: float
    """Between telegrams."""
    current_step_a: float
    """The resolution of its currents; 0: it tells none."""
    checked: bool
    """Its telegrams carry a check sum."""
    samples: tuple[P1Sample, ...]
    verified: str
    """How sure the facts are."""
    source: tuple[str, ...]
    hardware: str = ""
    """Who has seen it work with this program, on what; "": nobody."""

    def reading(self, meter: MeterId, told: Told, at_s: float, lines: int, nominal_v: Sequence[float]) -> MeterReading:
        """A telegram as a reading.

        Currents in whole amperes are refined by power and voltage: at least that much flows, and at least what the
        coarse current leaves. Where the meter tells reactive power, its currents are not needed.

        Raises:
            FrameAbsurd: it does not tell what flows on every line, or what can't be.
        """
        total = lines == 1 and not all(code in told for code in POWERS_IN[:1])
        powers_in = [TOTAL_IN] if total else list(POWERS_IN[:lines])
        powers_out = [TOTAL_OUT] if total else list(POWERS_OUT[:lines])
        if any(code not in told for code in powers_in):
            raise FrameAbsurd(
                f"The telegram does not tell the power of {lines} line{'s' if lines > 1 else ''}.",
                remedy="Set the device that fits its version, or use a meter that measures each line.",
            )
        watts = [_number(told, code) - _number(told, out) for code, out in zip(powers_in, powers_out, strict=True)]
        shows_volts = all(code in told for code in VOLTAGES[:lines])
        shown_v = [_number(told, code) for code in VOLTAGES[:lines]] if shows_volts else None
        volts = volts_to_neutral(shown_v, lines, nominal_v)
        reactive = None
        if all(code in told for code in (*REACTIVE_IN[:lines], *REACTIVE_OUT[:lines])):
            reactive = [
                _number(told, code) - _number(told, out)
                for code, out in zip(REACTIVE_IN[:lines], REACTIVE_OUT[:lines], strict=True)
            ]
        amps = []
        for line in range(lines):
            if reactive is not None:
                amps.append(math.hypot(watts[line], reactive[line]) / volts[line] if volts[line] else math.inf)
                continue
            by_power = abs(watts[line]) / volts[line] if volts[line] else math.inf
            coarse = _number(told, CURRENTS[line]) - self.current_step_a / 2 if CURRENTS[line] in told else 0.0
            amps.append(max(by_power, coarse))
        reading = checked(
            meter,
            at_s,
            currents_a=amps,
            powers_w=watts,
            voltages_v=shown_v,
            reactive_var=reactive,
            nominal_v=nominal_v,
        )
        return replace(reading, energy_import_wh=_energy_wh(told), serial=own_number(told))


def own_number(told: Told) -> str | None:
    """The meter's; None: it does not tell."""
    for code in NUMBERS:
        if text := str(told.get(code, "")).strip():
            return text
    return None


def p1_family_of(document: Mapping[str, Any]) -> P1Family:
    """A family from its TOML document; KeyError, TypeError or ValueError where the document is not complete."""
    samples = tuple(_sample(one) for one in document["sample"])
    if not samples:
        raise ValueError("a sample is missing")
    return P1Family(
        id=document["id"],
        maker=document["maker"],
        models=tuple(document["models"]),
        phases=document["phases"],
        specification=document["specification"],
        serial=P1Serial(**document["serial"]),
        encrypted=document["encrypted"],
        every_s=float(document["every_s"]),
        current_step_a=float(document["current_step_a"]),
        checked=document["checked"],
        samples=samples,
        verified=document["verified"],
        source=tuple(document["source"]),
        hardware=document.get("hardware", ""),
    )


def _sample(entry: Mapping[str, Any]) -> P1Sample:
    volts = entry.get("voltages")
    return P1Sample(
        what=entry["what"],
        telegram=entry["telegram"].replace("\r\n", "\n").replace("\n", "\r\n"),
        currents=tuple(entry["currents"]),
        powers=tuple(entry["powers"]),
        voltages=None if volts is None else tuple(volts),
        energy_import_wh=entry["energy_import_wh"],
    )


def _number(told: Told, code: str) -> float:
    value = told.get(code, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _energy_wh(told: Told) -> int | None:
    for codes in ENERGY:
        if all(code in told for code in codes):
            return round(sum(_number(told, code) for code in codes))
    return None
