"""Load management as the guide walks through it: the form, what may be changed by whom, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ampacity.api.access import Person, Role
from ampacity.api.entrance import Given
from ampacity.api.ports import Latest
from ampacity.api.problems import Problem
from ampacity.api.site_file import Changes
from ampacity.config.installation import Installation
from ampacity.config.rewrite import Setting
from ampacity.core.features import Feature, conflicts
from ampacity.core.phases import Supply
from ampacity.core.site import LOWEST_CHARGING_A, LOWEST_LIMIT_A, ChargerId, Circuit

Amps = Annotated[float, Field(allow_inf_nan=False, ge=-100_000, le=100_000)]
SupplyName = Literal["single-phase", "split-phase", "three-phase", "three-phase-line-to-line"]


class LoadManagement(Given):
    """Settings, Energy Features, Load Management."""

    supply: SupplyName
    continuous_factor: Annotated[float, Field(ge=0.1, le=1)]
    """Share of the breaker's rating that may be used for hours."""
    breaker_a: Annotated[list[Amps], Field(min_length=1, max_length=3)]
    """Building breaker max. current, per line: greater than 6 A."""
    charger_count: Annotated[int, Field(ge=1, le=1000)]
    """The Primary included."""
    min_a: dict[str, Amps]
    """Minimum current by charger."""
    primary: str | None
    """Which charger is the Primary."""
    dynamic: bool
    """The switch."""


class BreakerTooLow(Problem):
    """The guide accepts only values greater than 6 A."""

    code = "breaker-too-low"
    status = 422
    remedy = "Enter the rating of the main breaker, as on the board."


class MinimumOutOfRange(Problem):
    """A car can't charge with less than 6 A, nor a charger give more than its maximum."""

    code = "minimum-out-of-range"
    status = 422
    remedy = "Enter 6 A or more, up to the charger's own maximum."


class ChargerUnknown(Problem):
    """There is no such charger."""

    code = "charger-unknown-here"
    status = 422
    remedy = "Load the page again; the charger may have been removed."


class CountTooSmall(Problem):
    """More chargers are linked than there are to be."""

    code = "count-too-small"
    status = 422
    remedy = "Enter how many chargers there are, the Primary included, or remove those that are gone."


class NeedsInstaller(Problem):
    """Only qualified personnel may change this."""

    code = "needs-installer"
    status = 403
    remedy = "Ask your installer to change it: invite one under Settings, People."


class FeaturesConflict(Problem):
    """Two energy features that can't be on together."""

    code = "features-conflict"
    status = 409
    remedy = "Switch the other one off first."


class DisclaimerNeeded(Problem):
    """Nobody has accepted the disclaimer yet."""

    code = "disclaimer-needed"
    status = 409
    remedy = "Read the disclaimer and accept it, then save again."


class Status(BaseModel):
    """How far load management is, as people ask."""

    active: bool
    since_s: float | None
    code: Literal["paired", "missing", "off", "one-charger"]
    primary: str | None
    linked: list[str]
    missing: list[str]
    """Linked, and not online."""
    online: list[str]
    count: int
    """How many there are to be."""


def main_of(installation: Installation) -> Circuit:
    return next(circuit for circuit in installation.site.circuits if circuit.parent is None and not circuit.spans)


def primary_of(installation: Installation) -> ChargerId | None:
    chargers = installation.site.chargers
    return installation.primary or (chargers[0].id if chargers else None)


def form_of(installation: Installation) -> LoadManagement:
    """What is set now."""
    main = main_of(installation)
    chargers = installation.site.chargers
    return LoadManagement(
        supply=installation.site.supply.value,
        continuous_factor=main.continuous_factor,
        breaker_a=list(main.rating_a),
        charger_count=installation.charger_count or max(1, len(chargers)),
        min_a={charger.id: charger.min_a for charger in chargers},
        primary=primary_of(installation),
        dynamic=Feature.DYNAMIC in installation.features.on,
    )


def status_of(installation: Installation, latest: Latest | None, since_s: float | None) -> Status:
    """`since_s`: when load management was switched on, if that is known."""
    linked = [charger.id for charger in installation.site.chargers]
    seen = {} if latest is None else latest.observed.chargers
    online = [charger for charger in linked if charger in seen and seen[charger].online]
    count = installation.charger_count or max(1, len(linked))
    active = Feature.DYNAMIC in installation.features.on
    missing = [charger for charger in linked if charger not in online]
    code: Literal["paired", "missing", "off", "one-charger"] = "paired"
    if not active:
        code = "off"
    elif missing or len(linked) < count:
        code = "missing"
    elif count == 1:
        code = "one-charger"
    return Status(
        active=active,
        since_s=since_s if active else None,
        code=code,
        primary=primary_of(installation),
        linked=list(linked),
        missing=list(missing),
        online=list(online),
        count=count,
    )


def changes_of(installation: Installation, form: LoadManagement) -> Changes:
    """What differs from what is set, by place in site.toml."""
    now, main = form_of(installation), main_of(installation).id
    changes: dict[str, Setting | None] = {}
    if form.supply != now.supply:
        changes["site.supply"] = form.supply
    if form.continuous_factor != now.continuous_factor:
        changes[f"circuits.{main}.continuous_factor"] = form.continuous_factor
    if form.breaker_a != now.breaker_a:
        alike = len(set(form.breaker_a)) == 1
        changes[f"circuits.{main}.limit_a"] = form.breaker_a[0] if alike else form.breaker_a
    if form.charger_count != now.charger_count or installation.charger_count is None:
        changes["site.charger_count"] = form.charger_count
    for charger, amps in form.min_a.items():
        if amps != now.min_a.get(charger):
            changes[f"chargers.{charger}.min_a"] = amps
    if form.primary != now.primary:
        changes["site.primary"] = form.primary
    if form.dynamic != now.dynamic:
        changes["features.dynamic"] = form.dynamic
    return changes


def refusals(installation: Installation, form: LoadManagement, person: Person, *, accepted: bool) -> list[Problem]:
    """All that speaks against it, in the order of the form. `accepted`: somebody has accepted the disclaimer."""
    now = form_of(installation)
    found: list[Problem] = []
    if not is_installer(person):
        found += _of_an_installer(now, form)
    if any(amps <= LOWEST_LIMIT_A for amps in form.breaker_a):
        what = f"{min(form.breaker_a):g} A is not accepted: only values greater than 6 A are."
        found.append(BreakerTooLow(what, place="breaker_a", given_a=min(form.breaker_a)))
    elif len(form.breaker_a) not in (1, len(Supply(form.supply).lines)):
        what = f"{len(form.breaker_a)} values for a supply of {len(Supply(form.supply).lines)} lines."
        found.append(BreakerTooLow(what, place="breaker_a", remedy="Enter one value for each line.", given_a=0.0))
    found += _of_chargers(installation, form)
    if form.dynamic and not now.dynamic:
        found += conflicts_with(installation, Feature.DYNAMIC)
        if not accepted:
            found.append(DisclaimerNeeded("The disclaimer has not been accepted yet.", place="dynamic"))
    return found


def conflicts_with(installation: Installation, feature: Feature) -> Sequence[Problem]:
    """Why a feature can't be switched on beside those that are."""
    found = []
    for one, other in conflicts(installation.features.on | {feature}):
        if feature in (one, other):
            against = other if one is feature else one
            found.append(
                FeaturesConflict(
                    f"{feature.value} and {against.value} can't be on together.",
                    remedy=f"Switch {against.value} off first.",
                    place=feature.value,
                    feature=feature.value,
                    against=against.value,
                )
            )
    return found


def is_installer(person: Person) -> bool:
    return person.role is Role.INSTALLER


def _of_an_installer(now: LoadManagement, form: LoadManagement) -> list[Problem]:
    found: list[Problem] = []
    raised = any(wanted > before for wanted, before in zip(form.breaker_a, now.breaker_a, strict=False))
    for place, differs in (
        ("supply", form.supply != now.supply),
        ("continuous_factor", form.continuous_factor > now.continuous_factor),
        ("breaker_a", raised),
    ):
        if differs:
            found.append(NeedsInstaller("Only an installer may change this.", place=place))
    return found


def _of_chargers(installation: Installation, form: LoadManagement) -> list[Problem]:
    site = installation.site
    found: list[Problem] = []
    for name, amps in form.min_a.items():
        charger = site.chargers[site.index_of_charger[ChargerId(name)]] if name in site.index_of_charger else None
        if charger is None:
            found.append(ChargerUnknown(f"There is no charger {name[:60]!r}.", place=f"min_a.{name[:60]}"))
        elif not LOWEST_CHARGING_A <= amps <= charger.max_a:
            found.append(
                MinimumOutOfRange(
                    f"{amps:g} A is not between 6 A and the charger's {charger.max_a:g} A.",
                    place=f"min_a.{name}",
                    given_a=amps,
                    least_a=LOWEST_CHARGING_A,
                    most_a=charger.max_a,
                )
            )
    if form.primary is not None and form.primary not in site.index_of_charger:
        found.append(ChargerUnknown(f"There is no charger {form.primary[:60]!r}.", place="primary"))
    if form.charger_count < len(site.chargers):
        found.append(
            CountTooSmall(
                f"{len(site.chargers)} chargers are linked already.", place="charger_count", linked=len(site.chargers)
            )
        )
    return found
