"""How a car's current lands on the supply's lines, as phasors. The plant's own reckoning, not the controller's."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

from ampacity.core.phases import Supply
from ampacity.core.site import Charger

_VOLTAGE_ANGLE = [cmath.exp(-2j * math.pi * n / 3) for n in range(3)]
"""Line to neutral, L1 at 0."""


def line_phasors(supply: Supply, charger: Charger, car_lines: int) -> tuple[complex, ...]:
    """Of 1 A of the car, on each line of the supply, relative to that line's voltage to neutral."""
    count = len(supply.lines)
    out = [0j] * count
    wiring = [int(line) for line in charger.wiring] if charger.wiring is not None else list(range(charger.phases))
    if supply is Supply.LINE_TO_LINE and len(wiring) >= 2 and car_lines < 3:
        a, b = wiring[0], wiring[1]
        across = _VOLTAGE_ANGLE[a] - _VOLTAGE_ANGLE[b]
        current = across / abs(across)
        out[a] = current / _VOLTAGE_ANGLE[a]
        out[b] = -current / _VOLTAGE_ANGLE[b]
    elif supply is Supply.SPLIT_PHASE and len(wiring) == 2:
        out = [1 + 0j, 1 + 0j]
    else:
        for line in wiring[:car_lines]:
            out[line] = 1 + 0j
    return tuple(complex(round(z.real, 12), round(z.imag, 12)) for z in out)


def watts_per_amp(supply: Supply, charger: Charger, car_lines: int, nominal_v: float) -> float:
    """Power of 1 A of the car."""
    pair = charger.phases >= 2
    match supply:
        case Supply.SPLIT_PHASE:
            return nominal_v * (2 if pair else 1)
        case Supply.LINE_TO_LINE:
            if pair and car_lines < 3:
                return nominal_v
            return nominal_v / math.sqrt(3) * car_lines
        case Supply.SINGLE_PHASE | Supply.THREE_PHASE:
            return nominal_v * car_lines


def reported_amps(supply: Supply, charger: Charger, car_lines: int, amps: float) -> tuple[float, ...]:
    """What the charger measures on its own phases."""
    if charger.phases == 2 and supply is not Supply.THREE_PHASE:
        return (amps, amps)
    if supply is Supply.LINE_TO_LINE and charger.phases == 3 and car_lines < 3:
        return (amps, amps, 0.0)
    return tuple(amps if n < car_lines else 0.0 for n in range(charger.phases))


def magnitude(phasors: Sequence[complex]) -> list[float]:
    """Sizes, negative where the current flows back."""
    return [math.copysign(abs(z), z.real) if z.imag else z.real for z in phasors]
