"""What every meter's numbers must pass before they are a reading, whatever brought them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ampacity.core.errors import DeviceError
from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts
from ampacity.core.site import MeterId

VOLTAGE_TOLERANCE = 0.15
POWER_SLACK, POWER_SLACK_W = 1.1, 20.0
"""Rounding of small currents."""


class FrameAbsurd(DeviceError):
    """What a meter says can't be what flows: overflow marks, impossible voltages, powers without the current for
    them."""

    code = "meter-absurd"
    remedy = "Check the meter's wiring, its transformers' ratio and its measuring system."


def checked(
    meter: MeterId,
    at_s: float,
    *,
    currents_a: Sequence[float],
    powers_w: Sequence[float] | None,
    voltages_v: Sequence[float] | None,
    reactive_var: Sequence[float] | None = None,
    nominal_v: Sequence[float],
    energy_import_wh: int | None = None,
    serial: str | None = None,
) -> MeterReading:
    """A reading, one number a line each. Most meters' currents have no sign: it is the power's, where that is known.
    `nominal_v`: the voltages that may stand there.

    Raises:
        FrameAbsurd: these numbers can't be what flows.
    """
    for numbers in (currents_a, powers_w or (), voltages_v or (), reactive_var or ()):
        if not all(math.isfinite(one) for one in numbers):
            raise FrameAbsurd("The meter gives something that is no number.")
    amps = list(currents_a)
    for line, volts in enumerate(voltages_v or ()):
        if not any(abs(volts - v) <= VOLTAGE_TOLERANCE * v for v in nominal_v):
            raise FrameAbsurd(f"L{line + 1} shows {volts:g} V on a supply of {nominal_v[0]:g} V.")
    for line, watts in enumerate(powers_w or ()):
        volts = nominal_v[0] if voltages_v is None else voltages_v[line]
        if abs(watts) > POWER_SLACK * volts * abs(amps[line]) + POWER_SLACK_W:
            raise FrameAbsurd(f"L{line + 1} shows {watts:g} W with {abs(amps[line]):g} A at {volts:g} V.")
        amps[line] = math.copysign(abs(amps[line]), watts) if watts else abs(amps[line])
    return MeterReading(
        meter=meter,
        at_s=at_s,
        currents=PhaseAmps(tuple(amps)),
        powers=None if powers_w is None else PhaseWatts(tuple(powers_w)),
        voltages=None if voltages_v is None else PhaseVolts(tuple(voltages_v)),
        reactive=None if reactive_var is None else PhaseVars(tuple(reactive_var)),
        energy_import_wh=energy_import_wh,
        serial=serial,
    )


def volts_to_neutral(volts: Sequence[float] | None, lines: int, nominal_v: Sequence[float]) -> list[float]:
    """Of each line, to divide its power by: on a supply without neutral too a line's power is that to the star point,
    while a meter may show volts from line to line. `volts`: as it shows them; None: it does not, the nominal ones."""
    if volts is None:
        return [nominal_v[-1]] * lines
    return [one / math.sqrt(3) if len(nominal_v) > 1 and one > 1.4 * nominal_v[-1] else one for one in volts]
