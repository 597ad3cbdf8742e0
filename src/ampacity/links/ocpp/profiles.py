"""A setpoint as a charging profile that ends by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ampacity.core.decision import Command
from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.ocpp.messages import Profile, Schedule, SchedulePeriod, SetChargingProfile

BASE_PROFILE, OPERATING_PROFILE = 1, 2
EARLIER_S = 60
"""Schedules begin so long ago, so that a charger whose clock is a little behind takes them as valid."""


BASE_EARLIER_S = 86_400.0
"""The lasting safe current begins so long ago: it survives a clock that is put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """In which form this charger takes profiles: its family's, as far as it has not refused that one."""

    connector: int
    stack_level: int
    lease_form: str
    relative: bool
    watts: bool
    volts: float
    """What one phase of the charger sees."""
    phases: int


def form_of(family: ChargerFamily, *, phases: int, volts: float) -> Form:
    return Form(
        connector=family.connector,
        stack_level=family.stack_level,
        lease_form="none" if family.relative else family.lease_form,
        relative=family.relative,
        watts=family.watts,
        volts=volts,
        phases=phases,
    )


def other_forms(form: Form) -> list[Form]:
    """What else to try, the safer first, when a charger refuses a profile in this form.

    "duration" is among them where a lasting profile can lie below; whether one does is the caller's affair.
    """
    if form.relative:
        return []
    connectors = (form.connector, 1 - form.connector) if form.connector in (0, 1) else (form.connector,)
    levels = (form.stack_level, 0) if form.stack_level > 0 else (0,)
    two_periods = [
        replace(form, connector=c, stack_level=s, lease_form="two-period") for s in levels for c in connectors
    ]
    forms = [
        *two_periods,
        *(replace(form, connector=c, lease_form="duration") for c in connectors if form.stack_level > 0),
        *(replace(form, connector=c, stack_level=levels[-1], watts=not form.watts) for c in connectors),
        *(replace(form, connector=c, lease_form="none") for c in connectors),
    ]
    return [other for n, other in enumerate(forms) if other != form and other not in forms[:n]]


def operating(command: Command, form: Form, family: ChargerFamily, charger_now: datetime) -> SetChargingProfile:
    """The command's limit until its lease ends, then the safe current. `charger_now` is by the charger's clock."""
    lease_s = None if command.lease_s is None else EARLIER_S + math.ceil(command.lease_s)
    limit, safe = _limit(command.limit_a, form, family), _limit(command.safe_a, form, family)
    periods = [_period(0, limit, form)]
    if lease_s is not None and form.lease_form == "two-period":
        periods.append(_period(lease_s, safe, form))
    begin = charger_now - timedelta(seconds=EARLIER_S)
    ends = lease_s is not None and form.lease_form == "duration"
    schedule = Schedule(
        chargingRateUnit="W" if form.watts else "A",
        chargingSchedulePeriod=periods,
        startSchedule=None if form.relative else _stamp(begin),
        duration=lease_s if ends else None,
    )
    profile = Profile(
        chargingProfileId=OPERATING_PROFILE,
        stackLevel=form.stack_level,
        chargingProfilePurpose="TxDefaultProfile",
        chargingProfileKind="Relative" if form.relative else "Absolute",
        chargingSchedule=schedule,
        validTo=_stamp(begin + timedelta(seconds=lease_s)) if ends and lease_s is not None else None,
    )
    return SetChargingProfile(connectorId=form.connector, csChargingProfiles=profile)


def base(safe_a: float, form: Form, family: ChargerFamily, charger_now: datetime) -> SetChargingProfile:
    """The safe current, for ever, below the operating profile."""
    schedule = Schedule(
        chargingRateUnit="W" if form.watts else "A",
        chargingSchedulePeriod=[_period(0, _limit(safe_a, form, family), form)],
        startSchedule=_stamp(charger_now - timedelta(seconds=BASE_EARLIER_S)),
    )
    profile = Profile(
        chargingProfileId=BASE_PROFILE,
        stackLevel=0,
        chargingProfilePurpose="TxDefaultProfile",
        chargingProfileKind="Absolute",
        chargingSchedule=schedule,
    )
    return SetChargingProfile(connectorId=form.connector, csChargingProfiles=profile)


def _period(start_s: int, limit: float, form: Form) -> SchedulePeriod:
    return SchedulePeriod(
        startPeriod=start_s, limit=limit, numberPhases=form.phases if form.watts and form.phases != 3 else None
    )


def _limit(amps: float, form: Form, family: ChargerFamily) -> float:
    """In amperes per phase or watts of all, with one decimal, rounded down."""
    amps = family.grid_a(amps)
    return math.floor((amps * form.volts * form.phases if form.watts else amps) * 10 + 1e-6) / 10


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
