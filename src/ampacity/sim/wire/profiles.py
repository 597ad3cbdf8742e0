"""Smart charging as a charger does it: which installed profile rules now. OCPP 1.6 edition 2, section 3.13;
and what 2.0.1 (K01) and 2.1 add.

Written from the standard alone; the controller's own code is not used, so that the two can disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
MAX_STACK_LEVEL = 8
MAX_PERIODS = 24
MAX_INSTALLED = 10
RECURRENCE_S = {"Daily": 86_400, "Weekly": 604_800}


class BadProfile(ValueError):
    """A profile that the charger refuses; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """The transaction under way."""

    id: int
    began: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An installed charging profile."""

    id: int
    connector: int
    stack_level: int
    purpose: str
    kind: str
    periods: tuple[tuple[float, float], ...]
    """(seconds from the schedule's begin, amperes per phase), the first at 0, ascending."""
    start: datetime | None
    duration_s: float | None
    valid_from: datetime | None
    valid_to: datetime | None
    recurrence_s: float | None
    transaction: int | None
    offline_s: float | None = None
    """OCPP 2.1: so long it holds once the connection is lost; None: however long."""
    ends_offline: bool = False
    """It is gone for good after that."""

    def limit_a(self, now: datetime, transaction: Transaction | None) -> float | None:
        """Amperes per phase; None: it does not rule now."""
        if self.valid_from is not None and now < self.valid_from:
            return None
        if self.valid_to is not None and now >= self.valid_to:
            return None
        begin = self.start
        if self.kind == "Relative" or begin is None:
            begin = None if transaction is None else transaction.began
        if begin is None or now < begin:
            return None
        passed_s = (now - begin).total_seconds()
        if self.recurrence_s is not None:
            passed_s %= self.recurrence_s
        if self.duration_s is not None and passed_s >= self.duration_s:
            return None
        return [amps for start_s, amps in self.periods if start_s <= passed_s][-1]


@dataclass(frozen=True, slots=True)
class Installed:
    """All profiles of a charger with one connector."""

    profiles: tuple[Profile, ...] = ()

    def with_(self, profile: Profile) -> Installed:
        """One of the same id, or of the same connector, purpose and stack level, is replaced.

        Raises:
            BadProfile: there are too many.
        """

        def replaced(other: Profile) -> bool:
            same_place = (other.connector, other.purpose, other.stack_level) == (
                profile.connector,
                profile.purpose,
                profile.stack_level,
            )
            return other.id == profile.id or same_place

        kept = [other for other in self.profiles if not replaced(other)]
        if len(kept) >= MAX_INSTALLED:
            raise BadProfile(f"{MAX_INSTALLED} profiles are installed")
        return Installed((*kept, profile))

    def without(
        self,
        *,
        profile_id: int | None = None,
        connector: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> Installed:
        """Those that fit all that is given are gone; nothing given: all."""

        def fits(profile: Profile) -> bool:
            if profile_id is not None:
                return profile.id == profile_id
            return (
                (connector is None or profile.connector == connector)
                and (purpose is None or profile.purpose == purpose)
                and (stack_level is None or profile.stack_level == stack_level)
            )

        return Installed(tuple(profile for profile in self.profiles if not fits(profile)))

    def after_transaction(self) -> Installed:
        """TxProfiles end with their transaction."""
        return self.without(purpose=TX)

    def limit_a(self, now: datetime, transaction: Transaction | None) -> float | None:
        """The smaller of the station's maximum and the transaction's limit; None: nothing limits it."""
        of_transaction = None
        if transaction is not None:
            of_transaction = self._ruling(TX, now, transaction)
        if of_transaction is None:
            of_transaction = self._ruling(DEFAULT, now, transaction)
        limits = [a for a in (self._ruling(MAX, now, transaction), of_transaction) if a is not None]
        return min(limits, default=None)

    def changes_s(self, now: datetime, transaction: Transaction | None, length_s: int) -> list[int]:
        """Whole seconds from now, 0 among them, at which the limit changes within `length_s`, ascending."""
        out, last = [], math.nan
        for second in range(max(1, length_s)):
            limit = self.limit_a(now + timedelta(seconds=second), transaction)
            here = math.inf if limit is None else limit
            if here != last:
                out.append(second)
                last = here
        return out

    def _ruling(self, purpose: str, now: datetime, transaction: Transaction | None) -> float | None:
        """Of those valid now the highest level; the connector's own before the station's (section 5.16.3)."""
        best: tuple[tuple[int, int], float] | None = None
        for profile in self.profiles:
            if profile.purpose != purpose:
                continue
            if profile.transaction is not None and (transaction is None or profile.transaction != transaction.id):
                continue
            limit = profile.limit_a(now, transaction)
            key = (profile.stack_level, profile.connector)
            if limit is not None and (best is None or key > best[0]):
                best = key, limit
        return None if best is None else best[1]


def profile_of(connector: object, payload: object, *, phases: int, volts: float) -> Profile:
    """From the fields of SetChargingProfile. Watts are spread over the phases that the period names.

    Raises:
        BadProfile: it breaks the standard, or asks for more than this charger can.
    """
    fields = _table(payload, "csChargingProfiles")
    schedule = _table(fields.get("chargingSchedule"), "chargingSchedule")
    purpose, kind = fields.get("chargingProfilePurpose"), fields.get("chargingProfileKind")
    if purpose not in (MAX, DEFAULT, TX):
        raise BadProfile(f"purpose {purpose!r}")
    if kind not in ("Absolute", "Recurring", "Relative"):
        raise BadProfile(f"kind {kind!r}")
    where = _whole(connector, "connectorId")
    if where not in ((0,) if purpose == MAX else (1,) if purpose == TX else (0, 1)):
        raise BadProfile(f"{purpose} on connector {where}")
    level = _whole(fields.get("stackLevel"), "stackLevel")
    if not 0 <= level <= MAX_STACK_LEVEL:
        raise BadProfile(f"stack level {level}")
    recurrence_s = None
    if kind == "Recurring":
        recurrence_s = RECURRENCE_S.get(str(fields.get("recurrencyKind")))
        if recurrence_s is None:
            raise BadProfile("recurring without recurrencyKind")
    start = _moment(schedule.get("startSchedule"), "startSchedule")
    if kind != "Relative" and start is None:
        raise BadProfile(f"{kind} without startSchedule")
    transaction = fields.get("transactionId")
    return Profile(
        id=_whole(fields.get("chargingProfileId"), "chargingProfileId"),
        connector=where,
        stack_level=level,
        purpose=str(purpose),
        kind=str(kind),
        periods=_periods(schedule, phases=phases, volts=volts),
        start=start,
        duration_s=None if schedule.get("duration") is None else _whole(schedule["duration"], "duration"),
        valid_from=_moment(fields.get("validFrom"), "validFrom"),
        valid_to=_moment(fields.get("validTo"), "validTo"),
        recurrence_s=recurrence_s,
        transaction=None if transaction is None or purpose != TX else _whole(transaction, "transactionId"),
    )


def _periods(schedule: Mapping[str, Any], *, phases: int, volts: float) -> tuple[tuple[float, float], ...]:
    unit, entries = schedule.get("chargingRateUnit"), schedule.get("chargingSchedulePeriod")
    if unit not in ("A", "W"):
        raise BadProfile(f"unit {unit!r}")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_PERIODS:
        raise BadProfile(f"1 to {MAX_PERIODS} periods are taken")
    periods = []
    for entry in entries:
        fields = _table(entry, "chargingSchedulePeriod")
        limit = fields.get("limit")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit < 1e9:
            raise BadProfile(f"limit {limit!r}")
        # Absent, all three phases are meant (section 7.13).
        named = fields.get("numberPhases")
        used = min(phases, 3 if named is None else max(1, _whole(named, "numberPhases")))
        periods.append(
            (float(_whole(fields.get("startPeriod"), "startPeriod")), limit / volts / used if unit == "W" else limit)
        )
    if periods[0][0] != 0 or any(a[0] >= b[0] for a, b in pairwise(periods)):
        raise BadProfile("periods must begin at 0 and ascend")
    return tuple(periods)


def _table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadProfile(f"{name} is missing")
    return value


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadProfile(f"{name} {value!r}")
    return value


def _moment(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadProfile(f"{name} {value!r}") from error
