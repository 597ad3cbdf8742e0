"""What cars got: the list, and as a file."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from ampacity.api.access import STAFF, Person, Scope, access
from ampacity.api.entrance import Moment
from ampacity.api.ports import Reach, Services
from ampacity.api.session_files import SessionLine, csv_of, parquet_of
from ampacity.core.site import ChargerId
from ampacity.storage.records import Session, sessions_between

router = APIRouter(tags=["sessions"])


@router.get("/sessions")
def sessions(
    person: Annotated[Person, access(STAFF, Scope.READ)],
    services: Reach,
    from_s: Moment = 0.0,
    to_s: Moment = 1e11,
    charger: Annotated[str | None, Query(max_length=60)] = None,
) -> list[SessionLine]:
    """What cars got, newest first."""
    return _sessions(services, from_s, to_s, charger)


@router.get("/sessions/export", response_class=Response)
def export(
    person: Annotated[Person, access(STAFF, Scope.READ)],
    services: Reach,
    format: Literal["csv", "parquet"] = "csv",  # noqa: A002
    from_s: Moment = 0.0,
    to_s: Moment = 1e11,
    charger: Annotated[str | None, Query(max_length=60)] = None,
) -> Response:
    """The same, as a file: times with the offset of the site's clock in CSV, UTC in Parquet."""
    lines = _sessions(services, from_s, to_s, charger)
    if format == "parquet":
        body, kind = parquet_of(lines), "application/vnd.apache.parquet"
    else:
        body, kind = csv_of(lines, services.control.installation.time_zone), "text/csv; charset=utf-8"
    headers = {"content-disposition": f'attachment; filename="sessions.{format}"'}
    return Response(body, media_type=kind, headers=headers)


def _sessions(services: Services, from_s: float, to_s: float, charger: str | None) -> list[SessionLine]:
    installation = services.control.installation
    found = sessions_between(services.engine(), from_s, to_s)
    return [
        SessionLine(
            charger=one.charger,
            charger_name=installation.name_of(ChargerId(one.charger)),
            session=one.session,
            begun_s=one.started_s,
            ended_s=one.ended_s,
            energy_wh=one.energy_wh,
            average_w=_average_w(one),
            reason=one.reason or None,
        )
        for one in reversed(found)
        if charger in (None, one.charger)
    ]


def _average_w(one: Session) -> float | None:
    if one.started_s is None or one.ended_s is None or one.energy_wh is None or one.ended_s <= one.started_s:
        return None
    return round(one.energy_wh * 3600 / (one.ended_s - one.started_s), 1)
