"""Whether there is a newer version. Nobody is asked unless the owner wants it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from ampacity import __version__
from ampacity.api.access import OWNER, STAFF, Person, Scope, access
from ampacity.api.entrance import Given
from ampacity.api.ports import Reach, Services
from ampacity.kept import OFF, ON, UPDATE_CHECK, KeptCheck
from ampacity.runtime.updates import is_newer
from ampacity.storage.records import set_setting

router = APIRouter(tags=["updates"])


class UpdatesShown(BaseModel):
    """This version, and the newest that is known."""

    version: str
    newest: str | None
    """None: it is not known."""
    newer: bool
    """Whether that one is newer than this."""
    checked_s: float | None
    """UTC; None: never."""
    check: bool
    """Whether it is asked for, once a day."""


class UpdatesGiven(Given):
    """Whether it is to be asked for."""

    check: bool


@router.get("/updates")
def updates(person: Annotated[Person, access(STAFF, Scope.READ)], services: Reach) -> UpdatesShown:
    """What is known. Nobody is asked by this."""
    return _shown(services)


@router.put("/updates")
def set_updates(
    given: UpdatesGiven, person: Annotated[Person, access(OWNER, Scope.SETTINGS)], services: Reach
) -> UpdatesShown:
    """Whether the index of packages that this machine uses is asked once a day."""
    kept = KeptCheck(services.engine)
    if given.check != kept.is_on():
        set_setting(
            services.engine(), UPDATE_CHECK, ON if given.check else OFF, who=person.name, wall_s=services.wall_s()
        )
    return _shown(services)


def _shown(services: Services) -> UpdatesShown:
    kept = KeptCheck(services.engine)
    found = kept.read()
    return UpdatesShown(
        version=__version__,
        newest=found.newest,
        newer=found.newest is not None and is_newer(found.newest, __version__),
        checked_s=found.checked_s,
        check=kept.is_on(),
    )
