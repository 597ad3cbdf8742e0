"""From what a charger says of its socket, in the words of OCPP, to a report. Lenient: what can be used counts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from ampacity.core.observations import ChargerReport, ChargerState
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId

LARGEST_A = 1000.0
CURRENT, POWER, VOLTAGE = "Current.Import", "Power.Active.Import", "Voltage"
ENERGY, SOC = "Energy.Active.Import.Register", "SoC"

_UNITS = {
    CURRENT: {"": 1.0, "A": 1.0, "MA": 1e-3},
    POWER: {"": 1.0, "W": 1.0, "KW": 1e3},
    VOLTAGE: {"": 1.0, "V": 1.0},
    ENERGY: {"": 1.0, "WH": 1.0, "KWH": 1e3},
    SOC: {"": 1.0, "PERCENT": 1.0, "%": 1.0},
}
"""What is read, and its units in capitals. Without a unit: the standard's default."""

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

    value: str | float
    measurand: str
    phase: str | None
    unit: str | None


def state_of(status: str) -> ChargerState | None:
    """None where the word is not known."""
    return _STATES.get(status.replace(" ", "").replace("_", "").lower())


def number_of(text: str | float) -> float | None:
    """A number as chargers write it: `16`, `16.0`, `16,0`; None if it is none, or not finite."""
    try:
        number = float(text)
    except (ValueError, OverflowError):
        try:
            number = float(str(text).strip().replace(",", "."))
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
    energy: dict[str, float] = {}
    soc_pct: float | None = None
    unused = ""
    for value, measurand, phase, unit in values:
        units = _UNITS.get(measurand)
        if units is None:
            continue
        number = number_of(value)
        scale = units.get(unit.upper() if unit else "")
        if number is None or scale is None:
            unused = f"{measurand} = {str(value)[:40]!r} {(unit or '')[:20]}".rstrip()
            continue
        number *= scale
        where = phase[:2].upper() if phase else ""
        if measurand == CURRENT:
            if abs(number) > LARGEST_A:
                unused = f"{CURRENT} of {number:g} A"
            elif where != "N":
                amps[where] = max(0.0, number)
        elif measurand == POWER:
            if abs(number) > LARGEST_A * 1000:
                unused = f"{POWER} of {number:g} W"
            else:
                watts[where] = max(0.0, number)
        elif measurand == VOLTAGE:
            if phase is not None and phases > 1 and "-L" in phase.upper():
                number /= math.sqrt(3)  # between two phases
            if 50 <= number <= 500:
                voltage[where] = number
        elif measurand == ENERGY:
            if 0 <= number < 1e12:
                energy[where] = number
        elif 0 <= number <= 100:
            soc_pct = number
    currents, current_a = _currents(phases, volts, amps, watts, voltage)
    if max((*(currents or ()), current_a or 0.0), default=0.0) > LARGEST_A:
        # Worked out of powers, each of which could be.
        currents, current_a, unused = None, None, f"{POWER} for more than {LARGEST_A:g} A"
    power_w = _total(watts)
    energy_wh = _total(energy)
    if currents is None and current_a is None and power_w is None and energy_wh is None and soc_pct is None:
        return None, unused
    return (
        ChargerReport(
            charger=charger,
            at_s=at_s,
            currents=currents,
            current_a=current_a,
            power_w=power_w,
            energy_wh=None if energy_wh is None else round(energy_wh),
            soc_pct=soc_pct,
        ),
        unused,
    )


def _total(by_phase: dict[str, float]) -> float | None:
    """The value without a phase; else the sum of the phases."""
    if not by_phase:
        return None
    return by_phase[""] if "" in by_phase else sum(by_phase.values())


def _currents(
    phases: int, volts: float, amps: dict[str, float], watts: dict[str, float], voltage: dict[str, float]
) -> tuple[PhaseAmps | None, float | None]:
    """Currents by the charger's own phase; else one current of which the phase is not known."""
    by_phase = {name: a for name, a in amps.items() if name}
    if not amps:
        by_phase = {name: w / voltage.get(name, volts) for name, w in watts.items() if name}
    if phases == 1:
        return _single(amps, by_phase), None
    names = ("L1", "L2", "L3")[:phases]
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


def _single(amps: dict[str, float], by_phase: dict[str, float]) -> PhaseAmps | None:
    """Of a charger with one phase: between two lines it may name both, with one current or each line's own power."""
    if by_phase:
        return PhaseAmps((max(by_phase.values()) if amps else sum(by_phase.values()),))
    return PhaseAmps((amps[""],)) if "" in amps else None
