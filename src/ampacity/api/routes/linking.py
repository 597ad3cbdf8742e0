"""Chargers that are new: those that knock, linking by code, and what is printed for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, StringConstraints

from ampacity.api.access import STAFF, Person, Scope, access
from ampacity.api.entrance import Given, Name
from ampacity.api.labels import SHEET_POLICY, Label, Paper, label_of, label_sheet, lasting_url, qr_file
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotFound, Problem
from ampacity.api.setup import main_of
from ampacity.api.site_file import save, saving, version_of
from ampacity.config.charger_code import LONGEST_ID, NoCode, ocpp_id_of
from ampacity.config.installation import ChargerConnection, Installation
from ampacity.config.rewrite import Value, new_charger_name

router = APIRouter(tags=["linking"])
"""Before all routers with /chargers/{id}: its addresses are more special."""

ChargerName = Annotated[str, Path(max_length=60)]
Identity = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class KnockShown(BaseModel):
    """A charger that is not linked and wants in. Times are UTC seconds since 1970."""

    ocpp_id: str
    address: str
    first_s: float
    last_s: float
    vendor: str | None
    """None, as the others below: it has not been known here since the controller began."""
    model: str | None
    firmware: str | None
    why: str
    """Why it is refused: `charger-unknown`, or `charger-protocol` (it does not speak OCPP 1.6J)."""


class LinkGiven(Given):
    """What was scanned or typed."""

    code: Code
    """A code `AMP:1:...`, a link that ends in one, or the identity of a charger that knocks."""
    name: Name | None = None
    """For people; None: its identity."""


class Linked(BaseModel):
    """It is in the site, its wiring unknown, and may connect."""

    charger: str
    version: str


class RefuseGiven(Given):
    """Which one."""

    ocpp_id: Identity


class NotKnocking(Problem):
    """No code, and no identity of a charger that wants in: it may be mistyped."""

    code = "charger-not-knocking"
    status = 422
    remedy = "Scan or type the code on its label; or let it connect first, and link it from the list of new chargers."


class LinkedAlready(Problem):
    """It is in the site."""

    code = "charger-linked-already"
    status = 409
    remedy = "There is nothing to do. If it is not online, look at its settings for OCPP."


@router.get("/chargers/knocking")
def knocking(person: Annotated[Person, access(STAFF, Scope.READ)], services: Reach) -> list[KnockShown]:
    """Chargers that connect and are not linked, the newest first; those that were refused are left out."""
    return [
        KnockShown(
            ocpp_id=one.ocpp_id,
            address=one.address,
            first_s=one.first_s,
            last_s=one.last_s,
            vendor=one.vendor or None,
            model=one.model or None,
            firmware=one.firmware or None,
            why=one.why,
        )
        for one in services.control.knocking()
    ]


@router.post("/chargers/link")
def link(given: LinkGiven, person: Annotated[Person, access(STAFF, Scope.SETTINGS)], services: Reach) -> Linked:
    """Adds a charger, its wiring unknown: it counts on every line until an installer sets that."""
    ocpp_id = _identity(given.code, services)
    with saving(services, version_of(services.control.installation)) as installation:
        for connection in installation.chargers:
            if connection.ocpp_id == ocpp_id:
                name = installation.name_of(connection.charger)
                raise LinkedAlready(f"{name} is linked already.", charger=connection.charger, name=name)
        charger = new_charger_name(ocpp_id, installation.site.index_of_charger)
        circuit = installation.ocpp.adopt_into or main_of(installation).id
        entry: dict[str, Value] = {"ocpp_id": ocpp_id, "circuit": str(circuit), "lines": "unknown"}
        if given.name is not None:
            entry["name"] = given.name
        save(services, person, installation, {f"chargers.{charger}": entry})
    return Linked(charger=charger, version=version_of(services.control.installation))


@router.post("/chargers/refuse", status_code=204)
def refuse(given: RefuseGiven, person: Annotated[Person, access(STAFF, Scope.SETTINGS)], services: Reach) -> None:
    """It is not shown any more, nor taken in, until the controller is started anew. Linking it undoes this."""
    services.control.refuse(given.ocpp_id)


@router.get("/chargers/labels", response_class=Response)
def labels(
    person: Annotated[Person, access(STAFF, Scope.READ)],
    services: Reach,
    ids: Annotated[str, Query(max_length=10_000)] = "",
    paper: Paper = "a4",
) -> Response:
    """A sheet of labels to print, as HTML. `ids`: chargers with commas between; none: all."""
    installation = services.control.installation
    wanted = [one for one in ids.split(",") if one]
    chosen = [_connection(installation, one) for one in wanted] if wanted else list(installation.chargers)
    sheet = label_sheet(
        installation.site.name,
        [_label(installation, one) for one in chosen],
        paper=paper,
        language=person.language,
    )
    return Response(sheet, media_type="text/html", headers={"content-security-policy": SHEET_POLICY})


@router.get("/chargers/{id}/qr.svg", response_class=Response)
def qr(
    id: ChargerName,  # noqa: A002
    person: Annotated[Person, access(STAFF, Scope.READ)],
    services: Reach,
) -> Response:
    """Its QR code: a link to the app where the app has a lasting address, else the code alone."""
    installation = services.control.installation
    label = _label(installation, _connection(installation, id))
    return Response(qr_file(label.content, "svg"), media_type="image/svg+xml")


def _identity(code: str, services: Services) -> str:
    """
    Raises:
        CodeMistyped, NotKnocking
    """
    knocks = {one.ocpp_id for one in services.control.knocking()}
    if code in knocks:
        return code
    try:
        return ocpp_id_of(code)
    except NoCode as error:
        raise NotKnocking(f"{error.what} No charger of this identity is waiting either.", place="code") from error


def _connection(installation: Installation, charger: str) -> ChargerConnection:
    for one in installation.chargers:
        if one.charger == charger:
            return one
    raise NotFound(f"There is no charger {charger[:60]!r}.")


def _label(installation: Installation, connection: ChargerConnection) -> Label:
    return label_of(installation, connection, lasting_url(installation))
