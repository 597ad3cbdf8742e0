"""The profiles that a charger says it holds, against those that it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ampacity.devices.charger_family import TX, TX_DEFAULT
from ampacity.links.ocpp.profiles import BASE_PROFILE, OPERATING_PROFILE, TRANSACTION_PROFILE, Plan
from ampacity.links.ocpp.readback import NEAR

OURS = frozenset({BASE_PROFILE, OPERATING_PROFILE, TRANSACTION_PROFILE})
_RULING = (TX_DEFAULT, TX)
"""Among those the highest level rules; the other purposes can only lower it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A profile as the charger reports it."""

    id: int
    connector: int
    purpose: str
    stack_level: int
    source: str
    """Who set it: "CSO" is the central system, this one or one before it."""
    limits: tuple[tuple[float, float], ...]
    """(seconds from its begin, the highest limit of a phase), ascending."""
    unit: str
    has_end: bool
    """Its schedule, or itself, ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with what it holds."""

    base_lost: bool = False
    """The lasting safe current that it confirmed is not there, or is another one."""
    lease_lost: bool = False
    """The limit that it confirmed is not there."""
    lease_endless: bool = False
    """It is there, and does not fall to the safe current."""
    overruled_by: tuple[int, ...] = ()
    """Profiles of a central system before this one that come before ours."""


def finding_of(held: Sequence[Held], *, base: Plan | None, leased: Plan | None) -> Finding:
    """`base`: the lasting safe current that it confirmed; `leased`: the limit that it confirmed and that should end.
    None: there is none to be found."""
    level = max([plan.stack_level for plan in (base, leased) if plan is not None], default=None)
    overruling = [
        one.id
        for one in held
        if one.id not in OURS
        and one.purpose in _RULING
        and one.source in ("CSO", "")
        and one.connector in (0, 1)
        and (one.purpose == TX or (level is not None and one.stack_level >= level))
    ]
    found_base = _found(held, BASE_PROFILE, TX_DEFAULT)
    found = None if leased is None else _found(held, leased.id, leased.purpose)
    return Finding(
        base_lost=base is not None and (found_base is None or not _is_alike(found_base, base)),
        lease_lost=leased is not None and found is None,
        lease_endless=leased is not None and found is not None and not _ends_as(found, leased),
        overruled_by=tuple(overruling),
    )


def _found(held: Sequence[Held], profile_id: int, purpose: str) -> Held | None:
    return next((one for one in held if one.id == profile_id and one.purpose == purpose), None)


def _is_alike(one: Held, plan: Plan) -> bool:
    """Not higher, anywhere: a charger may store what it was told in the other unit, which can't be compared."""
    if one.unit != plan.unit:
        return True
    return bool(one.limits) and all(limit <= max(plan.periods[0].limits) + NEAR for _, limit in one.limits)


def _ends_as(one: Held, plan: Plan) -> bool:
    if plan.duration_s is not None:
        return one.has_end
    if len(plan.periods) < 2 or one.unit != plan.unit:
        return True
    return bool(one.limits) and one.limits[-1][1] <= max(plan.periods[-1].limits) + NEAR
