"""Settings, Energy Features: what is on, what goes together, schedules, and each charger's own settings."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, StringConstraints

from ampacity.api.access import STAFF, Person, Scope, access
from ampacity.api.entrance import Given, Name
from ampacity.api.ports import Reach
from ampacity.api.problems import NotFound, Problem
from ampacity.api.routes.load_management import accepted
from ampacity.api.setup import (
    BreakerTooLow,
    DisclaimerNeeded,
    NeedsInstaller,
    conflicts_with,
    is_installer,
    main_of,
)
from ampacity.api.site_file import save, saving, version_of
from ampacity.config.installation import Installation
from ampacity.config.rewrite import Setting
from ampacity.core.features import BY_METER, STEERING, Feature, go_together
from ampacity.core.schedule import DAY_MIN, DAYS, Schedule
from ampacity.core.site import LOWEST_LIMIT_A, ChargerId

router = APIRouter(tags=["energy features"])

FeatureName = Literal["dynamic", "static", "single", "schedules", "solar"]
Amps = Annotated[float, Field(allow_inf_nan=False, ge=0, le=10_000)]
Time = Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ChargerName = Annotated[str, Path(max_length=60)]


class FeatureShown(BaseModel):
    """One energy feature."""

    id: str
    on: bool
    refused: dict[str, Any] | None
    """Why it can't be switched on now, as a problem; None: it can, or is on."""
    settings: dict[str, Any]


class FeaturesShown(BaseModel):
    """The page."""

    version: str
    features: list[FeatureShown]
    table: dict[str, dict[str, bool]]
    """Which go together."""


class FeatureSettings(Given):
    """What a feature may be given."""

    limit_a: Amps | None = None
    """Of static load management: what all chargers together may draw on each line, greater than 6 A."""
    mode: Literal["surplus", "top-up"] | None = None
    """Of solar charging."""


class FeatureChange(Given):
    """A feature, switched."""

    version: str
    on: bool
    settings: FeatureSettings = FeatureSettings()


class ScheduleShown(Given):
    """Inside its times chargers have at most `limit_a` (0: none). Without a limit they may charge, and only then."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=48)]
    chargers: list[str]
    """Empty: all."""
    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    begin: Time
    end: Time
    """Not after `begin`: on the next day."""
    limit_a: Amps | None


class SchedulesShown(BaseModel):
    """The page."""

    version: str
    on: bool
    time_zone: str
    schedules: list[ScheduleShown]


class SchedulesChange(Given):
    """All of them."""

    version: str
    schedules: Annotated[list[ScheduleShown], Field(max_length=100)]


class ChargerChange(Given):
    """What is to be set; what is left out stays."""

    version: str
    name: Name | None = None
    min_a: Amps | None = None
    max_a: Amps | None = None
    lines: list[Literal["L1", "L2", "L3"]] | None = None
    rank: Annotated[int, Field(ge=1, le=100)] | None = None


class Saved(BaseModel):
    """It is in use."""

    version: str


class StaticNeedsLimit(Problem):
    """No current was given."""

    code = "static-needs-limit"
    status = 422
    remedy = "Enter the current that all chargers together may draw on each line; greater than 6 A."


class SingleIsForOne(Problem):
    """There are several chargers."""

    code = "single-is-for-one"
    status = 409
    remedy = "Use Dynamic Load Management: it does the same for several."


@router.get("/features")
def features(person: Annotated[Person, access(STAFF, Scope.READ, kiosk=True)], services: Reach) -> FeaturesShown:
    """What is on, and what could be."""
    return _features(services.control.installation)


@router.put("/features/{id}")
def switch(
    id: FeatureName,  # noqa: A002
    given: FeatureChange,
    person: Annotated[Person, access(STAFF, Scope.SETTINGS)],
    services: Reach,
) -> FeaturesShown:
    """Switches a feature on or off, with its settings. Refused where it does not go with another that is on."""
    feature = Feature(id)
    with saving(services, given.version) as installation:
        changes: dict[str, Setting | None] = {}
        if given.settings.limit_a is not None and feature is Feature.STATIC:
            changes["features.static_a"] = given.settings.limit_a
        if given.settings.mode is not None and feature is Feature.SOLAR:
            changes["features.solar_mode"] = given.settings.mode
        if given.on != (feature in installation.features.on):
            changes[f"features.{feature.value}"] = given.on
        _check(installation, feature, given, person, accepted=accepted(services) is not None)
        if changes:
            save(services, person, installation, changes)
    return _features(services.control.installation)


@router.get("/schedules")
def schedules(person: Annotated[Person, access(STAFF, Scope.READ, kiosk=True)], services: Reach) -> SchedulesShown:
    """All schedules, by the site's clock."""
    return _schedules(services.control.installation)


@router.put("/schedules")
def set_schedules(
    given: SchedulesChange, person: Annotated[Person, access(STAFF, Scope.SETTINGS)], services: Reach
) -> SchedulesShown:
    """Puts these in the place of all that are there."""
    with saving(services, given.version) as installation:
        wanted: dict[str, Setting] = {}
        for one in given.schedules:
            wanted[_new_name(one.name, wanted)] = _as_table(one)
        now = {name: _as_table(one) for name, one in _named(installation).items()}
        changes: dict[str, Setting | None] = {
            f"schedules.{name}": wanted.get(name)
            for name in (*now, *(name for name in wanted if name not in now))
            if now.get(name) != wanted.get(name)
        }
        if changes:
            save(services, person, installation, changes)
    return _schedules(services.control.installation)


@router.patch("/chargers/{id}")
def change_charger(
    id: ChargerName,  # noqa: A002
    given: ChargerChange,
    person: Annotated[Person, access(STAFF, Scope.SETTINGS)],
    services: Reach,
) -> Saved:
    """Its name, minimum and rank; an installer also its maximum and wiring."""
    with saving(services, given.version) as installation:
        _find(installation, id)
        for place in ("max_a", "lines"):
            if getattr(given, place) is not None and not is_installer(person):
                raise NeedsInstaller("Only an installer may change this.", place=place)
        wanted = given.model_dump(exclude={"version"}, exclude_none=True)
        if wanted:
            save(services, person, installation, {f"chargers.{id}.{key}": value for key, value in wanted.items()})
    return Saved(version=version_of(services.control.installation))


@router.delete("/chargers/{id}")
def remove_charger(
    id: ChargerName,  # noqa: A002
    version: str,
    person: Annotated[Person, access(STAFF, Scope.SETTINGS)],
    services: Reach,
) -> Saved:
    """Takes it out of the site: it is steered no more, and can't connect."""
    with saving(services, version) as installation:
        _find(installation, id)
        changes: dict[str, Setting | None] = {f"chargers.{id}": None}
        if installation.primary == id:
            changes["site.primary"] = None
        save(services, person, installation, changes)
    return Saved(version=version_of(services.control.installation))


def _find(installation: Installation, charger: str) -> None:
    if charger not in installation.site.index_of_charger:
        raise NotFound(f"There is no charger {charger[:60]!r}.")


def _check(
    installation: Installation, feature: Feature, given: FeatureChange, person: Person, *, accepted: bool
) -> None:
    """
    Raises:
        Problem: the first thing that speaks against it.
    """
    on = installation.features.on
    after = on | {feature} if given.on else on - {feature}
    if given.on and feature not in on:
        for conflict in conflicts_with(installation, feature):
            raise conflict
        if feature is Feature.SINGLE and len(installation.site.chargers) > 1:
            count = len(installation.site.chargers)
            raise SingleIsForOne(f"There are {count} chargers.", count=count)
        if feature in STEERING and not on & STEERING and not accepted:
            raise DisclaimerNeeded("The disclaimer has not been accepted yet.")
    limit_a = given.settings.limit_a
    if feature is Feature.STATIC:
        if limit_a is not None and limit_a <= LOWEST_LIMIT_A:
            raise BreakerTooLow(
                f"{limit_a:g} A is not accepted: only values greater than 6 A are.", place="limit_a", given_a=limit_a
            )
        if given.on and limit_a is None and installation.features.static_a is None:
            raise StaticNeedsLimit("The fixed current is missing.", place="limit_a")
    # Without a feature that reads the meter, nothing but the fixed current keeps the breaker.
    by_current_alone = Feature.STATIC in after and not after & BY_METER
    more = limit_a is not None and limit_a > (installation.features.static_a or 0.0)
    was_alone = Feature.STATIC in on and not on & BY_METER
    if by_current_alone and (more or not was_alone) and not is_installer(person):
        raise NeedsInstaller(
            "The meter would not be looked at any more, and the fixed current alone would keep the breaker.",
            place=feature.value,
        )


def _features(installation: Installation) -> FeaturesShown:
    on = installation.features.on
    shown = []
    for feature in Feature:
        found = [] if feature in on else list(conflicts_with(installation, feature))
        settings: dict[str, Any] = {}
        if feature is Feature.STATIC:
            settings = {"limit_a": installation.features.static_a, "most_a": min(main_of(installation).limit_a)}
        elif feature is Feature.SOLAR:
            settings = {"mode": installation.features.solar.value}
        elif feature is Feature.SCHEDULES:
            settings = {"count": len(installation.schedules)}
        shown.append(
            FeatureShown(
                id=feature.value, on=feature in on, refused=found[0].body() if found else None, settings=settings
            )
        )
    table = {
        one.value: {other.value: go_together(one, other) for other in Feature if other is not one} for one in Feature
    }
    return FeaturesShown(version=version_of(installation), features=shown, table=table)


def _named(installation: Installation) -> dict[str, ScheduleShown]:
    return {one.name: _schedule(one) for one in installation.schedules}


def _schedules(installation: Installation) -> SchedulesShown:
    return SchedulesShown(
        version=version_of(installation),
        on=Feature.SCHEDULES in installation.features.on,
        time_zone=installation.time_zone.key or "UTC",
        schedules=list(_named(installation).values()),
    )


def _schedule(one: Schedule) -> ScheduleShown:
    return ScheduleShown.model_validate(
        {
            "name": one.name,
            "chargers": [] if one.chargers is None else sorted(one.chargers),
            "days": [DAYS[day] for day in sorted(one.days)],
            "begin": _clock(one.from_min),
            "end": _clock(one.to_min),
            "limit_a": one.limit_a,
        }
    )


def _clock(minutes: int) -> str:
    return "24:00" if minutes == DAY_MIN else f"{minutes // 60:02}:{minutes % 60:02}"


def _as_table(one: ScheduleShown) -> dict[str, Any]:
    table: dict[str, Any] = {}
    if one.chargers:
        table["chargers"] = [ChargerId(charger) for charger in one.chargers]
    if len(set(one.days)) < len(DAYS):
        table["days"] = sorted(set(one.days), key=DAYS.index)
    table["from"], table["to"] = one.begin, one.end
    if one.limit_a is not None:
        table["limit_a"] = one.limit_a
    return table


def _new_name(wanted: str, taken: dict[str, Setting]) -> str:
    """As a table of site.toml may be called."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-_")[:40] or "schedule"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name
