"""What a charger says it will do: its composite schedule, held against the lease it was given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ampacity.links.ocpp.clock import moment_of

NEAR = 0.11
"""Limits have one decimal, and some chargers round to it."""

EDGE_S = 5
"""Clocks in whole seconds, and the message's way: so near to its end a lease may show either way."""


@dataclass(frozen=True, slots=True)
class ShownPeriod:
    """From so many seconds on, this limit, in the schedule's own unit."""

    from_s: float
    limit: float


def periods_of(answer: object, charger_now: datetime) -> tuple[str, tuple[ShownPeriod, ...]] | None:
    """The unit ("A" or "W") and the periods of an answer to GetCompositeSchedule, ascending, from now on; None: it
    shows none. `charger_now` is by the charger's clock."""
    if not isinstance(answer, dict) or answer.get("status") != "Accepted":
        return None
    schedule = answer.get("chargingSchedule", answer.get("schedule"))  # of OCPP 1.6, and of 2
    if not isinstance(schedule, dict):
        return None
    shown = schedule.get("chargingSchedulePeriod")
    stamps = schedule.get("startSchedule"), schedule.get("scheduleStart"), answer.get("scheduleStart")
    begin = next((moment for moment in map(moment_of, stamps) if moment is not None), charger_now)
    begin_s = (begin - charger_now).total_seconds()
    periods = [_period(one, begin_s) for one in shown] if isinstance(shown, list) else []
    known = sorted((one for one in periods if one is not None), key=lambda one: one.from_s)
    unit = str(schedule.get("chargingRateUnit") or "A")
    return (unit, tuple(known)) if known and unit in ("A", "W") else None


def _period(one: Any, begin_s: float) -> ShownPeriod | None:
    try:
        limits = [float(one[name]) for name in ("limit", "limit_L2", "limit_L3") if one.get(name) is not None]
        return ShownPeriod(begin_s + float(one["startPeriod"]), max(limits))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def falls(periods: tuple[ShownPeriod, ...], lease_s: float, safe: float, covered_s: float) -> bool:
    """Whether the limit is the safe one from the lease's end on, as far as the schedule reaches.

    `lease_s`: until the lease's end; `safe` in the schedule's unit; `covered_s`: how far it was asked for.
    """
    after_s = lease_s + EDGE_S
    if after_s >= covered_s:
        return False
    ruling = [one for one in periods if one.from_s <= after_s][-1:]
    later = [one for one in periods if one.from_s > after_s]
    # No period at all may also mean that nothing is offered, or that nothing holds; only a shown limit is believed.
    return bool(ruling) and all(one.limit <= safe + NEAR for one in (*ruling, *later))
