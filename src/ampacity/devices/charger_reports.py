"""From what a charger says of its socket, in the words of OCPP, to a report. Lenient: what can be used counts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from ampacity.core.observations import ChargerReport, ChargerState
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId

LARGEST_A = 1000.0
_SCALES = {"": 1.0, "A": 1.0, "V": 1.0, "W": 1.0, "WH": 1.0, "PERCENT": 1.0, "KW": 1e3, "KWH": 1e3, "MA": 1e-3}
_STATES = {
    "available": ChargerState.AVAILABLE,
    "preparing": ChargerState.PREPARING,
    "charging": ChargerState.CHARGING,
    "suspendedev": ChargerState.SUSPENDED_EV,
    "suspendedevse": ChargerState.SUSPENDED_EVSE,
    "finishing": ChargerState.FINISHING,
    "reserved": ChargerState.AVAILABLE,
    "faulted": ChargerState.FAULTED,
    "unavailable": ChargerState.UNAVAILABLE,
    "occupied": ChargerState.PREPARING,  # OCPP 1.5, still said by some
}


class Sampled(NamedTuple):
    """One sampled value as it came."""

    value: str
    measurand: str
    phase: str | None
    unit: str | None


def state_of(status: str) -> ChargerState | None:
    """None where the word is not known."""
    return _STATES.get(status.replace(" ", "").replace("_", "").lower())


def number_of(text: str) -> float | None:
    """A number as chargers write it: `16`, `16.0`, `16,0`; None if it is none, or not finite."""
    try:
        number = float(text)
    except ValueError:
        try:
            number = float(text.strip().replace(",", "."))
        except ValueError:
            return None
    return number if math.isfinite(number) else None


def report_of(
    charger: ChargerId, at_s: float, phases: int, volts: float, values: Iterable[Sampled]
) -> tuple[ChargerReport | None, str]:
    """One report from sampled values, the newest last, and what could not be used, in words ("" if nothing).

    `volts` is what one phase of the charger sees, for chargers that report no voltage.
    """
    amps: dict[str, float] = {}
    watts: dict[str, float] = {}
    voltage: dict[str, float] = {}
    energy_wh: int | None = None
    soc_pct: float | None = None
    unused = ""
    for value, measurand, phase, unit in values:
        number = number_of(value)
        scale = _SCALES.get(unit.upper() if unit else "")
        if number is None or scale is None:
            unused = f"{measurand} = {value[:40]!r} {unit or ''}".rstrip()
            continue
        number *= scale
        where = (phase or "")[:2].upper()
        if measurand == "Current.Import":
            if abs(number) > LARGEST_A:
                unused = f"Current.Import of {number:g} A"
            elif where != "N":
                amps[where] = max(0.0, number)
        elif measurand == "Power.Active.Import":
            if abs(number) > LARGEST_A * 1000:
                unused = f"Power.Active.Import of {number:g} W"
            else:
                watts[where] = max(0.0, number)
        elif measurand == "Voltage":
            if 50 <= number <= 500:
                voltage[where] = number
        elif measurand == "Energy.Active.Import.Register":
            if not where and 0 <= number < 1e12:
                energy_wh = round(number)
        elif measurand == "SoC" and 0 <= number <= 100:
            soc_pct = number
    currents, current_a = _currents(phases, volts, amps, watts, voltage)
    power_w = watts.get("", sum(watts.values()) if watts else None)
    if currents is None and current_a is None and power_w is None and energy_wh is None and soc_pct is None:
        return None, unused
    return (
        ChargerReport(
            charger=charger,
            at_s=at_s,
            currents=currents,
            current_a=current_a,
            power_w=power_w,
            energy_wh=energy_wh,
            soc_pct=soc_pct,
        ),
        unused,
    )


def _currents(
    phases: int, volts: float, amps: dict[str, float], watts: dict[str, float], voltage: dict[str, float]
) -> tuple[PhaseAmps | None, float | None]:
    """Currents by the charger's own phase; else one current of which the phase is not known."""
    names = ("L1", "L2", "L3")[:phases]
    by_phase = {name: a for name, a in amps.items() if name}
    if not amps and any(name for name in watts):
        by_phase = {name: w / voltage.get(name, volts) for name, w in watts.items() if name}
    if phases == 1:
        if by_phase:
            return PhaseAmps((max(by_phase.values()),)), None
        return (PhaseAmps((amps[""],)), None) if "" in amps else (None, None)
    if all(name in by_phase for name in names):
        return PhaseAmps(tuple(by_phase[name] for name in names)), None
    if by_phase:
        # Some phases are not mentioned. The power tells whether anything flows there.
        power = watts.get("")
        told = sum(a * voltage.get(name, volts) for name, a in by_phase.items())
        if power is not None and told > 0 and abs(power - told) <= 0.12 * power:
            return PhaseAmps(tuple(by_phase.get(name, 0.0) for name in names)), None
        return None, max(by_phase.values())
    return None, amps.get("")
