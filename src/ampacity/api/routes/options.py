"""Options of the site: whether known tags are required, what drivers may wish, and the kiosks' PIN."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Engine

from ampacity.api.access import OWNER, PEOPLE, Person, Scope, access
from ampacity.api.entrance import Enter, Given
from ampacity.api.identity import forget, has_pin, set_pin
from ampacity.api.ports import Reach, Services
from ampacity.kept import OFF, ON
from ampacity.storage.records import set_setting, setting

router = APIRouter(tags=["options"])

TAGS_REQUIRED = "tags.required"
DRIVERS_MAY_WISH = "drivers.may-wish"


class Options(BaseModel):
    """What is set."""

    tags_required: bool
    """Only known tags may charge; off: any may."""
    drivers_may_wish: bool
    """Drivers may pause, resume and put first their own session."""
    kiosk_pin_set: bool


class OptionsChange(Given):
    """What is to be set; what is left out stays."""

    tags_required: bool | None = None
    drivers_may_wish: bool | None = None
    kiosk_pin: Annotated[str, StringConstraints(max_length=40)] | None = None
    """4 to 12 digits; None, if it is given: the PIN is removed, and kiosks can't be unlocked."""


@router.get("/options")
def options(person: Annotated[Person, access(PEOPLE, Scope.READ)], services: Reach) -> Options:
    """What is set."""
    return _options(services)


@router.put("/options")
def set_options(
    given: OptionsChange, person: Annotated[Person, access(OWNER, Scope.SETTINGS)], services: Reach, entrance: Enter
) -> Options:
    """Sets what is given."""
    engine, now_s = services.engine(), services.wall_s()
    if "kiosk_pin" in given.model_fields_set:
        set_pin(engine, given.kiosk_pin, who=person.name, now_s=now_s, hashing=entrance.hashing)
        forget(services)
    for key, wanted in ((TAGS_REQUIRED, given.tags_required), (DRIVERS_MAY_WISH, given.drivers_may_wish)):
        if wanted is not None and wanted != is_on(engine, key):
            set_setting(engine, key, ON if wanted else OFF, who=person.name, wall_s=now_s)
    if given.tags_required is not None:
        services.tags.require(given.tags_required)
    return _options(services)


def is_on(engine: Engine, key: str) -> bool:
    """Of TAGS_REQUIRED and DRIVERS_MAY_WISH, which are off until an owner switches them on.

    Raises:
        StorageError
    """
    return setting(engine, key) == ON


def _options(services: Services) -> Options:
    engine = services.engine()
    return Options(
        tags_required=is_on(engine, TAGS_REQUIRED),
        drivers_may_wish=is_on(engine, DRIVERS_MAY_WISH),
        kiosk_pin_set=has_pin(engine),
    )
