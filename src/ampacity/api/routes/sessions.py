"""What cars got: the list, and as a file; whose a session is."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from ampacity.api.access import PEOPLE, Person, Role, Scope, access
from ampacity.api.entrance import Given, Moment
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotAllowed, NotFound, Problem, RequestInvalid
from ampacity.api.session_files import SessionLine, csv_of, parquet_of
from ampacity.core.site import ChargerId
from ampacity.storage.accounts import account_by_id, all_accounts
from ampacity.storage.records import Session, give_session, session_of, sessions_between

router = APIRouter(tags=["sessions"])


class SessionTaken(Problem):
    """It is somebody's."""

    code = "session-taken"
    status = 409
    remedy = "Ask the owner of this site, who can give it to another."


class DriverGiven(Given):
    """Whose it is to be."""

    account: Annotated[int, Field(ge=1, le=2**53)] | None
    """None: nobody's in particular."""


@router.get("/sessions")
def sessions(
    person: Annotated[Person, access(PEOPLE, Scope.READ)],
    services: Reach,
    from_s: Moment = 0.0,
    to_s: Moment = 1e11,
    charger: Annotated[str | None, Query(max_length=60)] = None,
) -> list[SessionLine]:
    """What cars got, newest first. A driver is shown the own ones."""
    return _sessions(services, person, from_s, to_s, charger)


@router.get("/sessions/export", response_class=Response)
def export(
    person: Annotated[Person, access(PEOPLE, Scope.READ)],
    services: Reach,
    format: Literal["csv", "parquet"] = "csv",  # noqa: A002
    from_s: Moment = 0.0,
    to_s: Moment = 1e11,
    charger: Annotated[str | None, Query(max_length=60)] = None,
) -> Response:
    """The same, as a file: times with the offset of the site's clock in CSV, UTC in Parquet."""
    lines = _sessions(services, person, from_s, to_s, charger)
    if format == "parquet":
        body, kind = parquet_of(lines), "application/vnd.apache.parquet"
    else:
        body, kind = csv_of(lines, services.control.installation.time_zone), "text/csv; charset=utf-8"
    headers = {"content-disposition": f'attachment; filename="sessions.{format}"'}
    return Response(body, media_type=kind, headers=headers)


@router.put("/sessions/{charger}/{session}/driver")
def give(
    charger: Annotated[str, Path(max_length=60)],
    session: Annotated[str, Path(max_length=60)],
    given: DriverGiven,
    person: Annotated[Person, access(PEOPLE, Scope.SETTINGS)],
    services: Reach,
) -> SessionLine:
    """Says whose it is. A driver may take one that is nobody's, and give an own one back; an owner may do all of it."""
    engine = services.engine()
    before = session_of(engine, charger, session)
    running = services.sessions.of(ChargerId(charger), session)
    if before is None and running is None:
        raise NotFound(f"There is no session {session!r} at {charger!r}.")
    free = False
    if person.role is not Role.OWNER:
        owner = None if before is None else before.account
        tag = running.tag if running is not None else before.tag if before is not None else None
        if owner is None and tag is not None and (known := services.tags.get(tag)) is not None:
            owner = known.account
        if given.account not in (None, person.account):
            raise NotAllowed("You may take it for yourself alone.")
        if owner not in (None, person.account):
            raise SessionTaken("This session is another's.")
        free = owner is None
    elif given.account is not None and account_by_id(engine, given.account) is None:
        raise RequestInvalid(f"There is no account {given.account}.", place="account")
    if not give_session(engine, charger, session, given.account, who=person.name, wall_s=services.wall_s(), free=free):
        raise SessionTaken("Somebody else has just taken it.")
    services.sessions.give(ChargerId(charger), session, given.account)
    after = session_of(engine, charger, session)
    assert after is not None  # it has just been written
    return _line(services, after, _names(services))


def _sessions(services: Services, person: Person, from_s: float, to_s: float, charger: str | None) -> list[SessionLine]:
    own = person.account if person.role is Role.DRIVER else None
    if person.role is Role.DRIVER and own is None:
        return []
    found = sessions_between(services.engine(), from_s, to_s, account=own)
    names = _names(services)
    return [_line(services, one, names) for one in reversed(found) if charger in (None, one.charger)]


def _line(services: Services, one: Session, names: dict[int, str]) -> SessionLine:
    known = None if one.tag is None else services.tags.get(one.tag)
    return SessionLine(
        charger=one.charger,
        charger_name=services.control.installation.name_of(ChargerId(one.charger)),
        session=one.session,
        begun_s=one.started_s,
        ended_s=one.ended_s,
        energy_wh=one.energy_wh,
        average_w=_average_w(one),
        reason=one.reason or None,
        account=one.account,
        driver=None if one.account is None else names.get(one.account),
        tag=known.name if known is not None and known.name else one.tag,
    )


def _names(services: Services) -> dict[int, str]:
    return {one.id: one.name for one in all_accounts(services.engine())}


def _average_w(one: Session) -> float | None:
    if one.started_s is None or one.ended_s is None or one.energy_wh is None or one.ended_s <= one.started_s:
        return None
    return round(one.energy_wh * 3600 / (one.ended_s - one.started_s), 1)
