"""What goes on now, what flowed lately, and what people wish."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from ampacity.api.access import ANYONE, PEOPLE, Person, Role, Scope, access
from ampacity.api.entrance import Given, Moment
from ampacity.api.picture import ChargerShown, Live
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotFound, Problem, RequestInvalid
from ampacity.api.routes.events import sees_people
from ampacity.api.routes.options import DRIVERS_MAY_WISH, is_on
from ampacity.api.stream import Stream, StreamAnswer
from ampacity.core.observations import Wish
from ampacity.core.site import ChargerId
from ampacity.storage.accounts import note
from ampacity.storage.errors import StorageError
from ampacity.storage.history import RESOLUTIONS_S, series_names, spans
from ampacity.storage.transactions import keeping

router = APIRouter(tags=["live"])

MOST_POINTS = 20_000
YEAR_S = 366 * 86_400.0
_log = structlog.get_logger("ampacity.api")

ChargerName = Annotated[str, Path(max_length=60)]


class TooMuchHistory(Problem):
    """More points than a chart can show."""

    code = "too-much-history"
    status = 422
    remedy = "Ask for a shorter time, or a longer span_s."


class DriversMayNotWish(Problem):
    """The owner has not switched it on."""

    code = "drivers-may-not-wish"
    status = 403
    remedy = "Ask the owner of this site to allow it in the settings."


class NotYourSession(Problem):
    """Another's car, or one that began without a tag of the driver's."""

    code = "not-your-session"
    status = 403
    remedy = "Begin the session with your own card or tag; the owner ties it to your account."


class Spread(BaseModel):
    """Of one series, by span; None where nothing was seen."""

    least: list[float | None]
    mean: list[float | None]
    most: list[float | None]


class History(BaseModel):
    """Amperes over time."""

    span_s: int
    start_s: list[int]
    series: dict[str, Spread]


class WishGiven(Given):
    """What is left out stays as it is."""

    paused: bool | None = None
    first: bool | None = None
    """Priority: it comes before all that have none."""
    until_s: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)] | None = None
    """UTC; None: until the session ends, or the car leaves."""


class PhasesGiven(Given):
    """On how many it is to charge."""

    phases: Literal[1, 3]


class Wished(BaseModel):
    """It is on its way into control."""

    charger: str


@router.get("/live")
def live(request: Request, person: Annotated[Person, access(ANYONE, Scope.READ)], services: Reach) -> Live:
    """The newest decision, as a picture."""
    return Live.model_validate_json(_stream(request).body())


@router.get("/live/stream", response_class=StreamAnswer)
def stream(request: Request, person: Annotated[Person, access(ANYONE, Scope.READ)], services: Reach) -> StreamAnswer:
    """Server-sent events: `live` with a picture, after each decision but at most one a second; `news` with an event."""
    found = _stream(request)
    found.enter()
    return StreamAnswer(found.events(lambda: services.identify(request) is not None, people=sees_people(person)))


@router.get("/chargers")
def chargers(
    request: Request, person: Annotated[Person, access(ANYONE, Scope.READ)], services: Reach
) -> list[ChargerShown]:
    """All chargers as they are now."""
    return Live.model_validate_json(_stream(request).body()).chargers


@router.get("/chargers/{id}")
def charger(
    id: ChargerName,  # noqa: A002
    request: Request,
    person: Annotated[Person, access(ANYONE, Scope.READ)],
    services: Reach,
) -> ChargerShown:
    """One of them."""
    for one in Live.model_validate_json(_stream(request).body()).chargers:
        if one.id == id:
            return one
    raise NotFound(f"There is no charger {id!r}.")


@router.post("/chargers/{id}/wish", status_code=202)
def wish(
    id: ChargerName,  # noqa: A002
    given: WishGiven,
    person: Annotated[Person, access(PEOPLE, Scope.WISH, kiosk=True)],
    services: Reach,
) -> Wished:
    """Pause, resume, priority: enters control like everything else, with an end. Drivers: for their own session, where
    the owner allows it."""
    control = services.control
    if id not in control.installation.site.index_of_charger:
        raise NotFound(f"There is no charger {id!r}.")
    if person.role is Role.DRIVER:
        _let_driver(services, person, ChargerId(id))
    if given.paused is None and given.first is None:
        raise RequestInvalid("Nothing is wished.", place="paused")
    until_s = None if given.until_s is None else control.now_s() + max(0.0, given.until_s - services.wall_s())
    control.put(
        Wish(
            charger=ChargerId(id),
            at_s=control.now_s(),
            paused=given.paused,
            first=given.first,
            until_s=until_s,
            by=person.name,
        )
    )
    wished = {"paused": given.paused, "first": given.first, "until_s": given.until_s}
    said = json.dumps({what: value for what, value in wished.items() if value is not None})
    try:
        with keeping(services.engine()) as connection:
            note(connection, services.wall_s(), person.name, f"chargers.{id}.wish", None, said)
    except StorageError as error:
        # Control has it already, and the log says who.
        _log.warning("wish-not-recorded", charger=id, by=person.name, wished=said, what=error.what)
    return Wished(charger=id)


@router.put("/chargers/{id}/phases", status_code=202)
def phases(
    id: ChargerName,  # noqa: A002
    given: PhasesGiven,
    person: Annotated[Person, access(PEOPLE, Scope.WISH)],
    services: Reach,
) -> Wished:
    """Charge on one phase or on three, where the charger can change that. It pauses meanwhile, and all of its phases
    are counted until its car shows which it uses. Drivers: for their own session, where the owner allows it."""
    control, charger = services.control, ChargerId(id)
    if id not in control.installation.site.index_of_charger:
        raise NotFound(f"There is no charger {id!r}.")
    if person.role is Role.DRIVER:
        _let_driver(services, person, charger)
    control.switch_phases(charger, given.phases)
    try:
        with keeping(services.engine()) as connection:
            note(connection, services.wall_s(), person.name, f"chargers.{id}.phases", None, str(given.phases))
    except StorageError as error:
        _log.warning("phases-not-recorded", charger=id, by=person.name, phases=given.phases, what=error.what)
    return Wished(charger=id)


def _let_driver(services: Services, person: Person, charger: ChargerId) -> None:
    """
    Raises:
        DriversMayNotWish, NotYourSession
    """
    if not is_on(services.engine(), DRIVERS_MAY_WISH):
        raise DriversMayNotWish("Drivers may not pause or put first here.")
    if person.account is None or services.driver_of(charger) != person.account:
        raise NotYourSession("This is not a session of yours.")


@router.get("/history")
def history(
    person: Annotated[Person, access(ANYONE, Scope.READ)],
    services: Reach,
    from_s: Moment,
    to_s: Moment,
    span_s: int = 60,
    series: Annotated[str, Query(max_length=4000)] = "",
) -> History:
    """Least, mean and most of each span. `series`: names with commas between; none: all."""
    if span_s not in RESOLUTIONS_S:
        raise RequestInvalid(f"{span_s} s is none of 1, 60 and 900.", place="span_s")
    if (to_s - from_s) / span_s > MOST_POINTS:
        raise TooMuchHistory(f"That is more than {MOST_POINTS} points.", most=MOST_POINTS)
    wanted = {name for name in series.split(",") if name}
    engine = services.engine()
    starts: list[int] = []
    found: dict[str, Spread] = {}
    for start_s, spreads in spans(engine, from_s, to_s, span_s):
        for name, spread in spreads.items():
            if wanted and name not in wanted:
                continue
            one = found.setdefault(name, Spread(least=[], mean=[], most=[]))
            for values, value in ((one.least, spread.least), (one.mean, spread.mean), (one.most, spread.most)):
                values += [None] * (len(starts) - len(values))
                values.append(round(value, 2))
        starts.append(start_s)
    for one in found.values():
        for values in (one.least, one.mean, one.most):
            values += [None] * (len(starts) - len(values))
    return History(span_s=span_s, start_s=starts, series=found)


@router.get("/history/series")
def names(
    person: Annotated[Person, access(ANYONE, Scope.READ)], services: Reach, from_s: Moment, to_s: Moment
) -> list[str]:
    """Which series there are."""
    if to_s - from_s > YEAR_S:
        raise TooMuchHistory("That is more than a year.", most=366)
    return series_names(services.engine(), from_s, to_s, 900)


def _stream(request: Request) -> Stream:
    found: Stream = request.app.state.stream
    return found
