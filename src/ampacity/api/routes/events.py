"""What happened, newest first."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from ampacity.api.access import ANYONE, STAFF, Person, Scope, access
from ampacity.api.ports import Reach
from ampacity.api.problems import NotFound
from ampacity.commission.watch.evidence import WORDS, picture_of
from ampacity.runtime.happenings import OF_PEOPLE, Event
from ampacity.storage.events import EventRows
from ampacity.web.texts import text

router = APIRouter(tags=["events"])


class EventShown(BaseModel):
    """Something that happened. Its words are the text `events.<code>`, with `params` filled in."""

    id: int | None
    """Later ones are higher; None: it has just happened, and may not be in the record yet."""
    at_s: float
    code: str
    params: dict[str, str | float | None]
    severity: Literal["info", "warning", "alarm"]
    has_evidence: bool
    """There is a picture that shows it: `/events/{id}/evidence`."""


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
    return Events(events=[shown(one.event, one.id, has_evidence=one.has_evidence) for one in found])


@router.get(
    "/events/{number}/evidence",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}, "description": "The picture."}},
)
def evidence(
    number: Annotated[int, Path(ge=1, le=2**53)],
    person: Annotated[Person, access(ANYONE, Scope.READ)],
    services: Reach,
) -> Response:
    """The picture that shows an event, with words in the reader's language."""
    found = EventRows(services.engine).evidence(number)
    if found is None or (found[0] in OF_PEOPLE and not sees_people(person)):
        raise NotFound(f"There is no picture of event {number}.")
    with services.drawing:  # one at a time: each takes a processor for a second
        words = {word: text(person.language, f"events.picture-{word}") for word in WORDS}
        picture = picture_of(found[1], words, services.control.installation.time_zone.key)
    # It never changes; but it is for who is signed in.
    return Response(picture, media_type="image/svg+xml", headers={"cache-control": "private, max-age=86400"})


def sees_people(person: Person) -> bool:
    """Whether events that name somebody are for them."""
    return person.role in STAFF


def shown(event: Event, id: int | None = None, *, has_evidence: bool = False) -> EventShown:  # noqa: A002
    return EventShown(
        id=id,
        at_s=round(event.at_s, 3),
        code=event.code,
        params=dict(event.params),
        severity=event.severity.value,
        has_evidence=has_evidence,
    )
