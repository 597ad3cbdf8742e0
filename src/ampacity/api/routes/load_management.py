"""Settings, Energy Features, Load Management; the disclaimer; and the audit."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from ampacity.api.access import ANYONE, STAFF, Person, Scope, access
from ampacity.api.entrance import Given
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import Problem
from ampacity.api.setup import (
    LoadManagement,
    Status,
    changes_of,
    form_of,
    is_installer,
    refusals,
    status_of,
)
from ampacity.api.site_file import SiteRefused, checked, save, saving, value_at, version_of
from ampacity.config.installation import Installation
from ampacity.config.mistakes import Caution
from ampacity.core.site import ChargerId, CircuitId
from ampacity.storage.records import newest_changes, set_setting, setting

router = APIRouter(tags=["load management"])

DISCLAIMER = "disclaimer"
DISCLAIMER_VERSION = 1
SINCE = "load-management.since_s"


class May(BaseModel):
    """What whoever asks may change."""

    raise_limit: bool
    wiring: bool


class Shown(BaseModel):
    """The page."""

    version: str
    form: LoadManagement
    status: Status
    may: May
    disclaimer_accepted: bool


class Proposed(Given):
    """What is to be set, and on what it was based."""

    version: str
    form: LoadManagement


class Difference(BaseModel):
    """A value that would change."""

    place: str
    before: Any
    after: Any


class Worth(BaseModel):
    """What is allowed, and worth a look. Its words are the text `cautions.<code>`, with `params` filled in; without a
    code, `what` is all there is."""

    code: str | None
    params: dict[str, str | float]
    what: str


class Preview(BaseModel):
    """What saving would do."""

    changes: list[Difference]
    warnings: list[Worth]
    refused: list[dict[str, Any]]
    changed_meanwhile: bool


class Accepted(BaseModel):
    """Who accepted the disclaimer, and when."""

    by: str
    at_s: float


class Disclaimer(BaseModel):
    """What is accepted before load management is switched on for the first time."""

    version: int
    text_code: str
    accepted: Accepted | None


class Acceptance(Given):
    """Of the version that was read."""

    version: int


class DisclaimerOld(Problem):
    """There is a newer text."""

    code = "disclaimer-old"
    status = 409
    remedy = "Load the page again and read it."


class Line(BaseModel):
    """A change that was made."""

    id: int
    at_s: float
    who: str
    key: str
    old: str | None
    new: str | None


@router.get("/load-management")
def shown(person: Annotated[Person, access(STAFF, Scope.READ, kiosk=True)], services: Reach) -> Shown:
    """What is set, and how far it is."""
    return _shown(person, services)


@router.post("/load-management/preview")
def preview(
    given: Proposed, person: Annotated[Person, access(STAFF, Scope.SETTINGS, kiosk=True)], services: Reach
) -> Preview:
    """What would change, what is worth a look, and what speaks against it. Nothing is written."""
    installation = services.control.installation
    refused = refusals(installation, given.form, person, accepted=accepted(services) is not None)
    changes = changes_of(installation, given.form)
    warnings: list[Worth] = []
    if not refused:
        try:
            after = checked(installation, changes)
            warnings = [_worth(after, one) for one in after.warnings if one not in installation.warnings]
        except SiteRefused as problem:
            refused = [problem]
    return Preview(
        changes=[
            Difference(place=place, before=value_at(installation, place), after=value)
            for place, value in changes.items()
        ],
        warnings=warnings,
        refused=[problem.body() for problem in refused],
        changed_meanwhile=given.version != version_of(installation),
    )


@router.put("/load-management")
def put(
    given: Proposed, person: Annotated[Person, access(STAFF, Scope.SETTINGS, kiosk=True)], services: Reach
) -> Shown:
    """Saves all of it or nothing."""
    with saving(services, given.version) as installation:
        if found := refusals(installation, given.form, person, accepted=accepted(services) is not None):
            raise found[0]
        changes = changes_of(installation, given.form)
        if changes:
            save(services, person, installation, changes)
        if changes.get("features.dynamic") is True:
            now_s = services.wall_s()
            set_setting(services.engine(), SINCE, f"{now_s:.0f}", who=person.name, wall_s=now_s)
    return _shown(person, services)


@router.get("/disclaimer")
def disclaimer(person: Annotated[Person, access(ANYONE, Scope.READ)], services: Reach) -> Disclaimer:
    """The text is `disclaimer.<version>` of the app's texts."""
    return Disclaimer(
        version=DISCLAIMER_VERSION, text_code=f"disclaimer.{DISCLAIMER_VERSION}", accepted=accepted(services)
    )


@router.post("/disclaimer")
def accept(given: Acceptance, person: Annotated[Person, access(STAFF, None)], services: Reach) -> Disclaimer:
    """Accepts it, by name."""
    if given.version != DISCLAIMER_VERSION:
        raise DisclaimerOld(f"Version {given.version} is not the newest.")
    now_s = services.wall_s()
    value = json.dumps({"version": given.version, "by": person.name, "at_s": now_s})
    set_setting(services.engine(), DISCLAIMER, value, who=person.name, wall_s=now_s)
    return disclaimer(person, services)


@router.get("/audit")
def audit(
    person: Annotated[Person, access(STAFF, Scope.ADMIN)],
    services: Reach,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> list[Line]:
    """Who changed what, newest first; `before`: lines that are older than the one with this id."""
    return [
        Line(id=one.id, at_s=one.at_s, who=one.who, key=one.key, old=one.old, new=one.new)
        for one in newest_changes(services.engine(), limit, before=before)
    ]


def since_s(services: Services) -> float | None:
    """When load management was switched on in the app; None: not there."""
    value = setting(services.engine(), SINCE)
    return None if value is None else float(value)


def _shown(person: Person, services: Services) -> Shown:
    installation = services.control.installation
    installer = is_installer(person)
    return Shown(
        version=version_of(installation),
        form=form_of(installation),
        status=status_of(installation, services.control.latest, since_s(services)),
        may=May(raise_limit=installer, wiring=installer),
        disclaimer_accepted=accepted(services) is not None,
    )


def accepted(services: Services) -> Accepted | None:
    """Who accepted the newest disclaimer; None: nobody."""
    value = setting(services.engine(), DISCLAIMER)
    if value is None:
        return None
    known = json.loads(value)
    return Accepted(by=known["by"], at_s=known["at_s"]) if known["version"] == DISCLAIMER_VERSION else None


def _worth(installation: Installation, warning: str) -> Worth:
    if not isinstance(warning, Caution):
        return Worth(code=None, params={}, what=warning)
    params = dict(warning.params)
    if "charger" in params:
        params["charger"] = installation.name_of(ChargerId(str(params["charger"])))
    if "circuit" in params:
        params["circuit"] = installation.circuit_name_of(CircuitId(str(params["circuit"])))
    return Worth(code=warning.code, params=params, what=warning)
