"""A setpoint as a charging profile that ends by itself, whatever version of OCPP it is written in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ampacity.core.decision import Command
from ampacity.devices.charger_family import TX, TX_DEFAULT, ChargerFamily
from ampacity.links.ocpp.transactions import TransactionId

BASE_PROFILE, OPERATING_PROFILE, TRANSACTION_PROFILE = 1, 2, 3
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
    offline_end: bool = False
    """It says how long it holds without a connection. OCPP 2.1; only where a lasting profile lies below."""
    purpose: str = TX_DEFAULT
    """TxProfile: while a transaction is under way."""
    by_id: bool = False
    """A profile replaces the one of its own id, and no other at its level: OCPP 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From so many seconds after the schedule's begin on."""

    start_s: int
    limits: tuple[float, ...]
    """In the plan's unit, rounded down to one decimal: one value for all phases; or, in amperes, one for each phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A charging profile, in no version's words yet."""

    id: int
    connector: int
    stack_level: int
    unit: str
    """ "A" of each phase, or "W" of all."""
    phases: int | None
    """On which it counts; None: on all three, as is understood where nothing is said."""
    periods: tuple[Period, ...]
    begin: datetime | None
    """By the charger's clock; None: with the transaction."""
    duration_s: int | None = None
    ends: datetime | None = None
    """When it ends, by the charger's clock; None: never, or with its periods."""
    offline_s: int | None = None
    """How long it holds once the connection is lost; None: it does not say."""
    transaction: TransactionId | None = None
    """It is a TxProfile of this transaction; None: a TxDefaultProfile."""

    @property
    def purpose(self) -> str:
        return TX_DEFAULT if self.transaction is None else TX


def form_of(family: ChargerFamily, *, phases: int, volts: float) -> Form:
    return Form(
        connector=family.connector,
        stack_level=family.stack_level,
        lease_form="none" if family.relative or not family.renews else family.lease_form,
        relative=family.relative,
        watts=family.watts,
        volts=volts,
        phases=phases,
        purpose=family.purpose,
    )


def other_forms(form: Form) -> list[Form]:
    """What else to try, the safer first, when a charger refuses a profile in this form.

    "duration" is among them where a lasting profile can lie below; whether one does is the caller's affair.
    """
    if form.relative:
        return [replace(form, offline_end=False)] if form.offline_end else []
    forms = _similar(form)
    if form.offline_end:
        plain = replace(form, offline_end=False)
        forms = [plain, *forms, *_similar(plain)]
    return [other for n, other in enumerate(forms) if other != form and other not in forms[:n]]


def _similar(form: Form) -> list[Form]:
    connectors = (form.connector, 1 - form.connector) if form.connector in (0, 1) else (form.connector,)
    levels = (form.stack_level, 0) if form.stack_level > 0 else (0,)
    two_periods = [
        replace(form, connector=c, stack_level=s, lease_form="two-period") for s in levels for c in connectors
    ]
    return [
        *two_periods,
        *(replace(form, connector=c, lease_form="duration") for c in connectors if form.stack_level > 0),
        *(replace(form, connector=c, stack_level=levels[-1], watts=not form.watts) for c in connectors),
        replace(form, purpose=TX if form.purpose == TX_DEFAULT else TX_DEFAULT),
        *(replace(form, connector=c, lease_form="none") for c in connectors),
    ]


def operating(
    command: Command,
    form: Form,
    family: ChargerFamily,
    charger_now: datetime,
    transaction: TransactionId | None = None,
) -> Plan:
    """The command's limit until its lease ends, then the safe current. `charger_now` is by the charger's clock;
    `transaction`: the one under way."""
    of_transaction = transaction if form.purpose == TX else None
    lease_s = None if command.lease_s is None else EARLIER_S + math.ceil(command.lease_s)
    periods = [Period(start_s=0, limits=limits_of((command.limit_a,), form, family))]
    if lease_s is not None and form.lease_form == "two-period":
        periods.append(Period(start_s=lease_s, limits=limits_of((command.safe_a,), form, family)))
    begin = charger_now - timedelta(seconds=EARLIER_S)
    ends = lease_s is not None and form.lease_form == "duration"
    is_guarded = form.offline_end and form.stack_level > 0 and command.lease_s is not None
    return Plan(
        id=_id(form, of_transaction),
        connector=form.connector if of_transaction is None else max(1, form.connector),
        stack_level=form.stack_level,
        unit="W" if form.watts else "A",
        phases=_phases(form),
        periods=tuple(periods),
        begin=None if form.relative else begin,
        duration_s=lease_s if ends else None,
        ends=begin + timedelta(seconds=lease_s) if ends and lease_s is not None else None,
        offline_s=math.ceil(command.lease_s) if is_guarded and command.lease_s is not None else None,
        transaction=of_transaction,
    )


def _id(form: Form, of_transaction: TransactionId | None) -> int:
    if of_transaction is not None:
        return TRANSACTION_PROFILE  # what was set without a transaction stays below it
    return BASE_PROFILE if form.by_id and form.stack_level == 0 else OPERATING_PROFILE


def base(safe_a: float, form: Form, family: ChargerFamily, charger_now: datetime) -> Plan:
    """The safe current, for ever, below the operating profile."""
    return Plan(
        id=BASE_PROFILE,
        connector=form.connector,
        stack_level=0,
        unit="W" if form.watts else "A",
        phases=_phases(form),
        periods=(Period(start_s=0, limits=limits_of((safe_a,), form, family)),),
        begin=charger_now - timedelta(seconds=BASE_EARLIER_S),
    )


def limits_of(amps: Sequence[float], form: Form, family: ChargerFamily) -> tuple[float, ...]:
    """As they stand in a profile, from amperes: of all phases alike, or of each. In watts the smallest counts for
    all."""
    known = [family.grid_a(one) for one in amps]
    if form.watts:
        known = [min(known) * form.volts * form.phases]
    limits = tuple(math.floor(one * 10 + 1e-6) / 10 for one in known)
    return limits[:1] if len(set(limits)) == 1 else limits


def written(limit: float) -> float:
    """As JSON is to have it: some chargers take 16.0 for a fraction."""
    return int(limit) if limit == int(limit) else limit


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _phases(form: Form) -> int | None:
    return form.phases if form.watts and form.phases != 3 else None
