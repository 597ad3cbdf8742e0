"""Several meters as one: what flows where their lines come together, or where one branches off from another.

Sizes of currents are not added or subtracted where more is known: currents are phasors. Their real part is power over
voltage, their imaginary one reactive power over voltage. Where that is not measured, it is at most what the size of the
current leaves, and counts so: the result is never smaller than what flows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts
from ampacity.core.site import MeterId


def combined(meter: MeterId, parts: Sequence[tuple[MeterReading, bool]], nominal_v: float) -> MeterReading:
    """One reading of `meter`, as old as the oldest part. `parts`: of all meters it is made of, with whether it is taken
    off. Empty currents, which means that it can't be used, where a part is unusable, or is taken off without telling
    its power. At least one part, all with the same number of lines, unless they are unusable.
    """
    at_s = min(reading.at_s for reading, _ in parts)
    lines = {len(reading.currents) for reading, _ in parts}
    if lines == {0} or len(lines) > 1:
        return MeterReading(meter=meter, at_s=at_s, currents=PhaseAmps(()))
    volts = _voltages(parts, lines.pop(), nominal_v)
    if any(reading.powers is None for reading, _ in parts):
        if any(taken_off for _, taken_off in parts):
            return MeterReading(meter=meter, at_s=at_s, currents=PhaseAmps(()))
        sizes = [sum(abs(reading.currents[line]) for reading, _ in parts) for line in range(len(volts))]
        return MeterReading(meter=meter, at_s=at_s, currents=PhaseAmps(tuple(sizes)), voltages=PhaseVolts(volts))
    watts = [sum(sign * _at(reading.powers, line) for reading, sign in _signed(parts)) for line in range(len(volts))]
    known = all(reading.reactive is not None for reading, _ in parts)
    varying = (
        [sum(sign * _at(reading.reactive, line) for reading, sign in _signed(parts)) for line in range(len(volts))]
        if known
        else [sum(_most_reactive(reading, line, volts[line]) for reading, _ in parts) for line in range(len(volts))]
    )
    amps = [
        math.copysign(math.hypot(real, imaginary) / v, real)
        for real, imaginary, v in zip(watts, varying, volts, strict=True)
    ]
    return MeterReading(
        meter=meter,
        at_s=at_s,
        currents=PhaseAmps(tuple(amps)),
        powers=PhaseWatts(tuple(watts)),
        voltages=PhaseVolts(volts),
        reactive=PhaseVars(tuple(varying)) if known else None,
    )


def _signed(parts: Sequence[tuple[MeterReading, bool]]) -> list[tuple[MeterReading, int]]:
    return [(reading, -1 if taken_off else 1) for reading, taken_off in parts]


def _at(values: PhaseWatts | PhaseVars | None, line: int) -> float:
    return 0.0 if values is None else values[line]


def _most_reactive(reading: MeterReading, line: int, volts: float) -> float:
    """In var, without sign: what the size of the current leaves beside the power."""
    return math.sqrt(max(0.0, (reading.currents[line] * volts) ** 2 - _at(reading.powers, line) ** 2))


def _voltages(parts: Sequence[tuple[MeterReading, bool]], lines: int, nominal_v: float) -> tuple[float, ...]:
    """The lowest that a part shows: the current for a power is highest there."""
    shown = [reading.voltages.values for reading, _ in parts if reading.voltages is not None]
    return tuple(min((volts[line] for volts in shown if volts[line] > 0), default=nominal_v) for line in range(lines))
