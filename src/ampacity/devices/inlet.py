"""What a charger says of the building's supply, in the words of OCPP (location Inlet), as a reading of a meter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.charger_reports import CURRENT, ENERGY, POWER, VOLTAGE, Sampled, number_of
from ampacity.devices.readings import FrameAbsurd, checked, volts_to_neutral

CURRENT_OUT, POWER_OUT = "Current.Export", "Power.Active.Export"
REACTIVE, REACTIVE_OUT = "Power.Reactive.Import", "Power.Reactive.Export"
COARSE_A = 1.0
"""Some tell whole amperes, cut off or rounded: a power that needs more than they show by up to this is believed."""
LEAST_V, MOST_V = 50.0, 500.0
"""What is told outside of this is no voltage: clamps measure none, and some then tell 0."""

_LINES = ("L1", "L2", "L3")
_AMPERES = {"": 1.0, "A": 1.0, "MA": 1e-3}
_WATTS = {"": 1.0, "W": 1.0, "KW": 1e3}
_VARS = {"": 1.0, "VAR": 1.0, "KVAR": 1e3}
_UNITS: Mapping[str, Mapping[str, float]] = {
    CURRENT: _AMPERES,
    CURRENT_OUT: _AMPERES,
    POWER: _WATTS,
    POWER_OUT: _WATTS,
    REACTIVE: _VARS,
    REACTIVE_OUT: _VARS,
    VOLTAGE: {"": 1.0, "V": 1.0},
    ENERGY: {"": 1.0, "WH": 1.0, "KWH": 1e3},
}
"""What is read, and its units in capitals. Without a unit: the standard's default."""
_REMEDY = (
    "Look at the charger how its clamps, or its own meter of the building, are set up: it must tell of every line."
)

_ByLine = dict[str, float]
"""By line; "" where none is named."""


def inlet_reading(
    meter: MeterId, at_s: float, values: Iterable[Sampled], *, lines: int, nominal_v: Sequence[float]
) -> MeterReading | None:
    """Values of one moment as a reading; None: they say nothing of what flows. What flows out counts as negative.
    `nominal_v`: the voltages that may stand there, the last one that of a line to neutral.

    Raises:
        FrameAbsurd: they do not tell of every line, or what can't be.
    """
    told = _told(values, lines)
    if not any(told.get(kind) for kind in (CURRENT, CURRENT_OUT, POWER, POWER_OUT)):
        return None
    volts = _each(told.get(VOLTAGE, {}), lines)
    watts = _net(told.get(POWER, {}), told.get(POWER_OUT, {}), lines)
    reactive = _net(told.get(REACTIVE, {}), told.get(REACTIVE_OUT, {}), lines)
    amps = _net(told.get(CURRENT, {}), told.get(CURRENT_OUT, {}), lines)
    if amps is None and watts is None:
        raise FrameAbsurd(
            f"It does not tell what flows on each of {lines} line{'s' if lines > 1 else ''}.", remedy=_REMEDY
        )
    if watts is not None:
        needed = _needed_a(watts, reactive, volts_to_neutral(volts, lines, nominal_v))
        amps = needed if amps is None else _refined(amps, needed)
    reading = checked(
        meter,
        at_s,
        currents_a=amps or (),
        powers_w=watts,
        voltages_v=volts,
        reactive_var=reactive,
        nominal_v=nominal_v,
    )
    energy = told.get(ENERGY, {})
    total_wh = energy.get("", sum(energy.values()))
    return replace(reading, energy_import_wh=round(total_wh) if energy and 0 <= total_wh < 1e12 else None)


def _told(values: Iterable[Sampled], lines: int) -> dict[str, _ByLine]:
    """By measurand and line, in A, W, var, V and Wh; what can't be used is not there."""
    told: dict[str, _ByLine] = {}
    for value, measurand, phase, unit in values:
        number, scale = number_of(value), _UNITS.get(measurand, {}).get(unit.upper() if unit else "")
        line, between = _line_of(phase)
        if number is None or scale is None or line is None:
            continue
        number *= scale
        if measurand == VOLTAGE:
            if between:
                number /= math.sqrt(3)
            if (between and lines < len(_LINES)) or not LEAST_V <= number <= MOST_V:
                continue
        told.setdefault(measurand, {})[line] = number
    return told


def _line_of(phase: str | None) -> tuple[str | None, bool]:
    """Of `L2`, `L2-N` and `L2-L3` the second line, and whether it is between two; None: of no line."""
    name = (phase or "").upper()
    if not name:
        return "", False
    return (name[:2] if name[:2] in _LINES else None), "-L" in name


def _each(by_line: _ByLine, lines: int) -> list[float] | None:
    """One a line, in order; on a single line what names none is its. None: of some line nothing is told."""
    if lines == 1 and by_line:
        by_line = {"L1": by_line.get("L1", by_line.get("", math.nan))}
    found = [by_line.get(line, math.nan) for line in _LINES[:lines]]
    return None if any(math.isnan(one) for one in found) else found


def _net(into: _ByLine, out: _ByLine, lines: int) -> list[float] | None:
    """What flows in less what flows out. A line of which only "nothing flows out" is told, may take anything."""
    names = {*into, *(line for line, one in out.items() if one > 0)}
    return _each({line: into.get(line, 0.0) - out.get(line, 0.0) for line in names}, lines)


def _needed_a(watts: Sequence[float], reactive: Sequence[float] | None, volts: Sequence[float]) -> list[float]:
    """The sizes of the currents that these powers take."""
    return [
        math.hypot(watts[line], 0.0 if reactive is None else reactive[line]) / volts[line] for line in range(len(watts))
    ]


def _refined(amps: Sequence[float], needed_a: Sequence[float]) -> list[float]:
    return [
        needed if abs(one) < needed <= abs(one) + COARSE_A else one for one, needed in zip(amps, needed_a, strict=True)
    ]
