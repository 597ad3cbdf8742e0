"""What happened, newest first."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from ampacity.api.access import ANYONE, STAFF, Person, Scope, access
from ampacity.api.ports import Reach
from ampacity.runtime.happenings import OF_PEOPLE, Event

router = APIRouter(tags=["events"])


class EventShown(BaseModel):
    """Something that happened. Its words are the text `events.<code>`, with `params` filled in."""

    id: int | None
    """Later ones are higher; None: it has just happened, and may not be in the record yet."""
    at_s: float
    code: str
    params: dict[str, str | float | None]
    severity: Literal["info", "warning", "alarm"]


class Events(BaseModel):
    """A page of them."""

    events: list[EventShown]


@router.get("/events")
def events(
    person: Annotated[Person, access(ANYONE, Scope.READ)],
    services: Reach,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Events:
    """Newest first; `before`: those that are older than the one with this id. Who wished what, staff alone is told."""
    found = services.events.newest(limit, before=before, without=() if sees_people(person) else OF_PEOPLE)
    return Events(events=[shown(one.event, one.id) for one in found])


def sees_people(person: Person) -> bool:
    """Whether events that name somebody are for them."""
    return person.role in STAFF


def shown(event: Event, id: int | None = None) -> EventShown:  # noqa: A002
    return EventShown(
        id=id,
        at_s=round(event.at_s, 3),
        code=event.code,
        params=dict(event.params),
        severity=event.severity.value,
    )
