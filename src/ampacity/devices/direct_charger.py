"""What a charger that was asked says of itself, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ampacity.core.errors import DeviceError
from ampacity.core.observations import ChargerReport, ChargerState
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId
from ampacity.devices.direct_family import DirectFamily, Point, Write

LARGEST_A = 1000.0
LARGEST_W = 1_000_000.0
DRAWING_A = 1.0
STARTING_S = 60.0
"""So long a car that is offered current may take to begin."""
LARGEST_TIMEOUT_S = 86_400.0

Value = float | str | None
"""None: it says that it does not know."""
Values = Mapping[Point, Value]


class ChargerAbsurd(DeviceError):
    """What a charger says can't be."""

    code = "charger-absurd"
    remedy = "Check that the device that is set is the one installed, its unit number and its firmware."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What it said, as far as it was read."""

    state: str | None = None
    """A, B, C, E or F; None: it was not read, or it does not know."""
    currents: tuple[float, ...] | None = None
    power_w: float | None = None
    energy_wh: float | None = None
    limit_a: float | None = None
    """What it shows as its limit."""
    in_force: bool | None = None
    """Whether it goes by what was set; None: it does not tell."""
    unknown: str = ""
    """A state that no rule of the family knows; "": there is none such."""
    phases_on: int | None = None
    """1 or 3; 0: neither, as while it switches; None: it does not tell."""

    @property
    def draw_a(self) -> float | None:
        """Of the phase with most."""
        return max(self.currents) if self.currents else None


def reading_of(family: DirectFamily, values: Values) -> Reading:
    """
    Raises:
        ChargerAbsurd: a value can't be.
    """
    limit, phases = family.limit, family.phases
    state, unknown = state_of(family, values)
    shown = number_of(values.get(limit.shown)) if limit.shown is not None else None
    in_force = None
    if limit.in_force is not None and (found := number_of(values.get(limit.in_force.point))) is not None:
        in_force = found == limit.in_force.value
    phases_on = None
    if phases is not None and (found := number_of(values.get(phases.shown))) is not None:
        phases_on = {phases.shown_one: 1, phases.shown_three: 3}.get(found, 0)
    return Reading(
        state=state,
        unknown=unknown,
        currents=_currents(family, values),
        power_w=_within(values, family.power, LARGEST_W, "power"),
        energy_wh=_within(values, family.energy, 1e12, "energy"),
        limit_a=shown if shown is not None and math.isfinite(shown) else None,
        in_force=in_force,
        phases_on=phases_on,
    )


def state_of(family: DirectFamily, values: Values) -> tuple[str | None, str]:
    """The letter, None: it is not known; and what it says that no rule of the family knows, "" if none."""
    said = ""
    for rule in family.state:
        value = values.get(rule.point)
        if value is None:
            return None, ""
        said = value if isinstance(value, str) else f"{value:g}"
        if (letter := rule.values.get(said)) is not None:
            return letter, ""
        number = number_of(value)
        if rule.least is not None and number is not None and number >= rule.least:
            return rule.least_is, ""
        if rule.other:
            return rule.other, ""
    return None, said[:20] or "nothing"


def number_of(value: Value) -> float | None:
    """None: it is none."""
    return value if isinstance(value, float) else None


def report_of(
    reading: Reading, charger: ChargerId, at_s: float, *, phases: int, limit_a: float | None, offered_s: float
) -> ChargerReport:
    """As the controller takes it. `phases`: of the charger as it is wired; `limit_a`: what it was last told, None:
    nothing yet; `offered_s`: since how long it offers its car current."""
    currents, current_a = _wired(reading.currents, phases)
    return ChargerReport(
        charger=charger,
        at_s=at_s,
        state=charger_state(reading, limit_a, offered_s),
        currents=currents,
        current_a=current_a,
        power_w=reading.power_w,
        energy_wh=None if reading.energy_wh is None else round(reading.energy_wh),
        phases_on=reading.phases_on,
    )


def charger_state(reading: Reading, limit_a: float | None, offered_s: float) -> ChargerState | None:
    """None: nothing is known, or what it says and what it draws contradict each other: the draw counts."""
    drawing = (reading.draw_a or 0.0) >= DRAWING_A
    match reading.state:
        case "A":
            return None if drawing else ChargerState.AVAILABLE
        case "B" | "C" if drawing:
            return ChargerState.CHARGING
        case "B" | "C" if limit_a == 0.0:
            return ChargerState.SUSPENDED_EVSE
        case "C":
            return ChargerState.CHARGING
        case "B":
            return ChargerState.PREPARING if offered_s < STARTING_S else ChargerState.SUSPENDED_EV
        case "E":
            return ChargerState.FAULTED
        case "F":
            return ChargerState.UNAVAILABLE
    return None


def of_json(key: str, document: Any) -> Value:
    """What stands under a dotted key; None where nothing does that can be used."""
    found = document
    for part in key.split("."):
        if isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, dict) and part in found:
            found = found[part]
        else:
            return None
    if isinstance(found, bool):
        return 1.0 if found else 0.0
    if isinstance(found, int | float):
        return float(found) if abs(found) < 1e15 else None
    return found[:100] if isinstance(found, str) else None


def written(write: Write) -> str:
    """For people."""
    return f"{write.point.at} = {write.value:g}"


def timeout_within(family: DirectFamily, lease_s: float) -> float:
    """The time after which it is to fall back, for leases of that length: a third of one, so that a lost renewal or two
    do no harm, and it has fallen before the lease ends."""
    watchdog = family.watchdog
    assert watchdog is not None
    return float(max(watchdog.least_s, min(watchdog.most_s, math.floor(lease_s / 3))))


def _currents(family: DirectFamily, values: Values) -> tuple[float, ...] | None:
    found = []
    for phase, point in enumerate(family.currents, start=1):
        amps = number_of(values.get(point))
        if amps is None:
            return None
        if math.isnan(amps) and family.nan_is_zero:
            amps = 0.0
        if not -LARGEST_A <= amps <= LARGEST_A:
            raise ChargerAbsurd(f"It says that {amps:g} A flow on its phase {phase}.")
        found.append(abs(amps))  # a meter that is built in the wrong way round
    return tuple(found) or None


def _within(values: Values, point: Point | None, most: float, what: str) -> float | None:
    number = None if point is None else number_of(values.get(point))
    if number is None or math.isnan(number):
        return None
    if not -most <= number <= most:
        raise ChargerAbsurd(f"It says that its {what} is {number:g}.")
    return max(0.0, number)


def _wired(amps: tuple[float, ...] | None, phases: int) -> tuple[PhaseAmps | None, float | None]:
    """Currents of the phases that are wired; one current where it draws on others than those."""
    if amps is None:
        return None, None
    if len(amps) == 1 < phases:
        return None, amps[0]
    if phases == 1:
        return PhaseAmps((max(amps),)), None
    if max(amps[phases:], default=0.0) >= DRAWING_A:
        return None, max(amps)
    return PhaseAmps(amps[:phases]), None
