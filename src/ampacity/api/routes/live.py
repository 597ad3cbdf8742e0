"""What goes on now, what flowed lately, and what people wish."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from ampacity.api.access import ANYONE, STAFF, Person, Scope, access
from ampacity.api.entrance import Given, Moment
from ampacity.api.picture import ChargerShown, Live
from ampacity.api.ports import Reach
from ampacity.api.problems import NotFound, Problem, RequestInvalid
from ampacity.api.stream import Stream
from ampacity.core.observations import Wish
from ampacity.core.site import ChargerId
from ampacity.storage.history import RESOLUTIONS_S, series_names, spans

router = APIRouter(tags=["live"])

MOST_POINTS = 20_000
YEAR_S = 366 * 86_400.0

ChargerName = Annotated[str, Path(max_length=60)]


class TooMuchHistory(Problem):
    """More points than a chart can show."""

    code = "too-much-history"
    status = 422
    remedy = "Ask for a shorter time, or a longer span_s."


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


class Wished(BaseModel):
    """It is on its way into control."""

    charger: str


@router.get("/live")
def live(request: Request, person: Annotated[Person, access(ANYONE, Scope.READ)], services: Reach) -> Live:
    """The newest decision, as a picture."""
    return Live.model_validate_json(_stream(request).body())


@router.get("/live/stream", response_class=StreamingResponse)
def stream(
    request: Request, person: Annotated[Person, access(ANYONE, Scope.READ)], services: Reach
) -> StreamingResponse:
    """Server-sent events: `live` with a picture, after each decision but at most one a second."""
    found = _stream(request)
    found.enter()
    return StreamingResponse(
        found.events(lambda: services.identify(request) is not None), media_type="text/event-stream"
    )


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
    person: Annotated[Person, access(STAFF, Scope.WISH, kiosk=True)],
    services: Reach,
) -> Wished:
    """Pause, resume, priority: enters control like everything else, with an end."""
    control = services.control
    if id not in control.installation.site.index_of_charger:
        raise NotFound(f"There is no charger {id!r}.")
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
    return Wished(charger=id)


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
