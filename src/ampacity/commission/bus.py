"""The resistance of an RS485 line between D+ and D−, all devices off: what it tells of the terminators.

Each end of the line has one resistor of 120 ohm; both in parallel are 60 (TIA-485-A; Wallbox's guide asks for 60 ohm).
"""

from __future__ import annotations

from dataclasses import dataclass

from ampacity.commission.selfcheck import Finding, Verdict

OVER_LIMIT_OHM = 1e9
"""From so much on a value is an instrument's "over limit"."""


@dataclass(frozen=True, slots=True)
class _Range:
    below_ohm: float
    code: str
    verdict: Verdict


_RANGES = (
    _Range(10.0, "bus-short", Verdict.WRONG),
    _Range(33.0, "bus-many", Verdict.WRONG),
    _Range(50.0, "bus-one-too-many", Verdict.WRONG),
    _Range(75.0, "bus-right", Verdict.FINE),
    _Range(95.0, "bus-odd", Verdict.NOTE),
    _Range(150.0, "bus-one-missing", Verdict.WRONG),
    _Range(float("inf"), "bus-open", Verdict.WRONG),
)


def judged(ohm: float) -> Finding:
    """What a measured value means. At least 0; an instrument's "over limit" is infinite."""
    found = next((one for one in _RANGES if ohm < one.below_ohm), _RANGES[-1])
    shown = ohm if ohm < OVER_LIMIT_OHM else None
    return Finding(code=found.code, verdict=found.verdict, params={"ohm": shown})
