"""The guided commissioning: what is to be done, the tests, and the signed report."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from ampacity import __version__
from ampacity.api.access import STAFF, Person, Role, Scope, access
from ampacity.api.entrance import Given
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotFound, Problem, RequestInvalid
from ampacity.api.routes.diagnosis import FindingShown
from ampacity.api.routes.load_management import DISCLAIMER_VERSION, accepted
from ampacity.api.site_file import save, saving, version_of
from ampacity.commission.basis import basis_of
from ampacity.commission.dossier import Done, Dossier, KeptDossier
from ampacity.commission.expiry import NoSureRoom
from ampacity.commission.guide import (
    BY_HAND,
    ChargerNow,
    MeterNow,
    Task,
    Things,
    guide,
    is_checked,
)
from ampacity.commission.report import Reader, as_html, as_pdf, fingerprint_of, report, signed, signing_key
from ampacity.commission.steptest.ground import NoGround
from ampacity.commission.tester import ChargerNotThere, TestUnderWay
from ampacity.config.installation import Installation
from ampacity.config.meter_place import InletPlace
from ampacity.config.steered import effective
from ampacity.core.observations import MeterReading
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.storage.accounts import note
from ampacity.storage.transactions import keeping
from ampacity.web.texts import text

router = APIRouter(tags=["commissioning"])

TaskCode = Annotated[Literal["wiring", "bus", "switches", "clamps", "order", "reading"], Path()]
INSTALLER = frozenset({Role.INSTALLER})
VerdictName = Literal["fine", "note", "wrong", "unknown"]
Value = Annotated[str, Field(max_length=200)] | Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e12)]
NUMBERS = {
    "wiring": re.compile(r"section_mm2"),
    "bus": re.compile(r"ohm"),
    "switches": re.compile(r"(rotary|means_a)\.(?P<charger>.+)"),
    "reading": re.compile(r"(?P<meter>.+)\.L(?P<line>[1-3])"),
}
TEXTS_OF = {"wiring": {"cable"}, "switches": {"position"}}
"""What may be typed in for a task, beside a note."""


class TestRefused(Problem):
    """A test can't be made now."""

    code = "test-refused"
    status = 409
    remedy = "See what the controller says of it."
    __test__ = False

    def __init__(self, error: NoGround | NoSureRoom | TestUnderWay | ChargerNotThere) -> None:
        super().__init__(error.what, remedy=error.remedy)
        self.code = error.code


class DoneShown(BaseModel):
    """By whom and when, and what was typed in."""

    by: str
    at_s: float
    values: dict[str, str | float]


class TaskShown(BaseModel):
    """One thing to do. Its words are the texts `commission.task-<code>` and `commission.how-<code>`."""

    code: str
    verdict: VerdictName
    findings: list[FindingShown]
    charger: str | None
    """The charger's id, where it is of one."""
    name: str | None
    """Of that charger, for people."""
    done: DoneShown | None
    by_hand: bool
    """Somebody says that it is done; else it is tested, or set elsewhere."""
    learned: str | None
    """The charger's lines as a test found them, where site.toml says something else."""
    guarded: bool | None
    """Whether the charger can fall back, as a test found it, where site.toml says something else."""


class TestShown(BaseModel):
    """A test that is under way."""

    kind: Literal["step", "expiry"]
    charger: str
    stage: str
    share: float
    """0 to 1."""
    ground: Literal["worst-load", "meter"]
    """What the current for it comes from."""


class MeterShown(BaseModel):
    """A meter to be held against a clamp."""

    id: str
    name: str
    lines: int
    amps: list[float] | None
    """What it shows now; null: it does not answer."""


class CommissioningShown(BaseModel):
    """How far it is."""

    version: str
    """Of site.toml."""
    ready: bool
    """Nothing is wrong, and everything has been done."""
    may: bool
    """Whether who asks may do any of it."""
    tasks: list[TaskShown]
    test: TestShown | None
    meters: list[MeterShown]
    key: str
    """The fingerprint of the key that signs reports."""


class Values(Given):
    """What was measured or set, by name; nothing: it is done."""

    values: Annotated[dict[Annotated[str, Field(max_length=100)], Value], Field(max_length=400, default_factory=dict)]


class TestWanted(Given):
    """Which test, of which charger."""

    kind: Literal["step", "expiry"]
    charger: str


class LearnedWanted(Given):
    """Of which charger what a test has found is to be set, and on what this was based."""

    version: str
    charger: str


@router.get("/commissioning")
def shown(person: Annotated[Person, access(STAFF, Scope.READ)], services: Reach) -> CommissioningShown:
    """What is to be done, in order, and how each thing stands."""
    return _shown(person, services)


@router.put("/commissioning/tasks/{code}")
def put(
    code: TaskCode,
    given: Values,
    person: Annotated[Person, access(INSTALLER, None)],
    services: Reach,
) -> CommissioningShown:
    """It is done, and this was measured. What meters show is noted beside what a clamp showed."""
    things = _things(services)
    for key, value in given.values.items():
        _check(code, key, value, things)
    values: dict[str, float | str] = dict(given.values)
    if code == "reading":
        for meter in things.meters:
            for line, amps in enumerate(meter.amps or (), start=1):
                values[f"{meter.id}.L{line}.shown"] = round(amps, 2)
    done = Done(by=person.name, at_s=services.wall_s(), values=values, basis=things.basis_of(code))
    _change(services, person, code, done)
    return _shown(person, services)


@router.delete("/commissioning/tasks/{code}")
def delete(code: TaskCode, person: Annotated[Person, access(INSTALLER, None)], services: Reach) -> CommissioningShown:
    """It is to be done again."""
    _change(services, person, code, None)
    return _shown(person, services)


@router.post("/commissioning/tests")
def begin(given: TestWanted, person: Annotated[Person, access(INSTALLER, None)], services: Reach) -> CommissioningShown:
    """Begins a test. The other chargers pause while it lasts: three minutes at the most for a step test, about five
    for an expiry test."""
    charger = ChargerId(given.charger)
    if charger not in services.control.installation.site.index_of_charger:
        raise NotFound(f"There is no charger {given.charger[:40]}.")
    checked = is_checked(_things(services), KeptDossier(services.engine).read())
    try:
        services.control.begin_test(given.kind, charger, checked=checked, by=person.name)
    except (NoGround, NoSureRoom, TestUnderWay, ChargerNotThere) as error:
        raise TestRefused(error) from error
    _note(services, person, f"{given.kind}.{charger}", None, "begun")
    return _shown(person, services)


@router.delete("/commissioning/tests")
def stop(person: Annotated[Person, access(INSTALLER, None)], services: Reach) -> CommissioningShown:
    """Ends the test that is under way."""
    running = services.control.test_progress()
    services.control.stop_test()
    if running is not None:
        _note(services, person, f"{running.kind}.{running.charger}", "begun", "stopped")
    return _shown(person, services)


@router.put("/commissioning/wiring")
def set_wiring(
    given: LearnedWanted, person: Annotated[Person, access(INSTALLER, None)], services: Reach
) -> CommissioningShown:
    """Sets a charger's lines as the tests have found them."""
    learned = _task_of(services, "step", given.charger).learned
    if learned is None:
        raise NotFound(f"No test has found other lines of {given.charger[:40]}.")
    with saving(services, given.version) as installation:
        save(services, person, installation, {f"chargers.{given.charger}.lines": learned.split("-")})
    return _shown(person, services)


@router.put("/commissioning/guarded")
def set_guarded(
    given: LearnedWanted, person: Annotated[Person, access(INSTALLER, None)], services: Reach
) -> CommissioningShown:
    """Sets whether a charger can fall back by itself as its expiry test has found it."""
    guarded = _task_of(services, "expiry", given.charger).guarded
    if guarded is None:
        raise NotFound(f"No test of {given.charger[:40]} has found anything else than is set.")
    with saving(services, given.version) as installation:
        save(services, person, installation, {f"chargers.{given.charger}.guarded": guarded})
    return _shown(person, services)


@router.get("/commissioning/report", response_class=Response)
def make_report(
    person: Annotated[Person, access(STAFF, None)],
    services: Reach,
    form: Annotated[Literal["html", "pdf"], Query()] = "html",
) -> Response:
    """All values, signed with the controller's key."""
    key = signing_key(services.engine())
    things = _things(services)
    installation = services.control.installation
    language = person.language

    def words(name: str, /, **params: Any) -> str:
        return text(language, name, **params)

    reader = Reader(words=words, language=language)
    one = report(
        guide(things, KeptDossier(services.engine).read()),
        things,
        reader,
        version=__version__,
        by=person.name,
        at=datetime.fromtimestamp(services.wall_s(), installation.time_zone),
        fingerprint=fingerprint_of(key.public_key()),
        disclaimer=words(f"disclaimer.{DISCLAIMER_VERSION}"),
        facts=_facts(installation, things, reader),
    )
    content = signed(as_pdf(one) if form == "pdf" else as_html(one), key)
    _note(services, person, "report", None, f"{form}, SHA-256 {hashlib.sha256(content).hexdigest()}")
    return Response(
        content,
        media_type="application/pdf" if form == "pdf" else "text/html; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="ampacity-commissioning.{form}"'},
    )


def _facts(installation: Installation, things: Things, reader: Reader) -> list[tuple[str, str]]:
    """More about the site, for the report."""
    site = installation.site
    limits = "; ".join(
        f"{installation.circuit_name_of(one.id)} {' / '.join(reader.number(a) for a in one.rating_a)} A"
        for one in site.circuits
    )
    found = [(reader.said("report-breakers", {}), limits)]
    for charger in site.chargers:
        said = things.chargers[charger.id]
        params: dict[str, str | float | None] = {
            "lines": None if charger.wiring is None else "-".join(line.name for line in charger.wiring),
            "min": charger.min_a,
            "max": charger.max_a,
            "safe": charger.safe_a,
        }
        parts = [" ".join(one for one in (said.vendor, said.model, said.firmware) if one)]
        parts.append(reader.said("report-charger", params))
        found.append((said.name, ", ".join(one for one in parts if one)))
    return found


def _check(code: str, key: str, value: float | str, things: Things) -> None:
    """Whether that may be typed in there."""
    known = False
    if isinstance(value, str):
        known = key == "note" or key in TEXTS_OF.get(code, ())
    elif (pattern := NUMBERS.get(code)) is not None and (found := pattern.fullmatch(key)) is not None:
        of = found.groupdict()
        known = "charger" not in of or of["charger"] in things.chargers
        if "meter" in of:
            lines = len(things.site.supply.lines)
            known = any(one.id == of["meter"] for one in things.meters) and int(of["line"]) <= lines
    if not known:
        raise RequestInvalid(f"{key[:60]} can't be noted here.", place=f"values.{key[:60]}")


def _task_of(services: Services, code: str, charger: str) -> Task:
    tasks = guide(_things(services), KeptDossier(services.engine).read()).tasks
    found = next((one for one in tasks if one.code == code and one.charger == charger), None)
    if found is None:
        raise NotFound(f"There is no charger {charger[:40]}.")
    return found


def _change(services: Services, person: Person, code: str, done: Done | None) -> None:
    before: list[Done] = []

    def change(dossier: Dossier) -> Dossier:
        before.extend(one for one in [dossier.done.get(code)] if one is not None)
        return dossier.with_done(code, done)

    KeptDossier(services.engine).change(change)
    _note(services, person, code, _in_short(before[0]) if before else None, None if done is None else _in_short(done))


def _in_short(done: Done) -> str:
    values = ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in done.values.items()
    )
    return values[:500] or "done"


def _note(services: Services, person: Person, what: str, old: str | None, new: str | None) -> None:
    with keeping(services.engine()) as connection:
        note(connection, services.wall_s(), person.name, f"commissioning.{what}", old, new)


def _things(services: Services) -> Things:
    installation, readings = services.control.installation, services.control.readings()
    site = effective(installation)
    names = {one.meter: f"{one.meter} ({one.address})" for one in installation.meters}
    told_by = {one.meter: one.place.charger for one in installation.meters if isinstance(one.place, InletPlace)}
    serial = {one.meter: one.serial is not None for one in installation.meters}
    agreed = accepted(services)
    chargers = _chargers(services, installation)
    return Things(
        site=site,
        meters=[
            MeterNow(
                id=one.id,
                name=names.get(one.id, one.id),
                serial=serial.get(one.id, False),
                amps=_shown_amps(readings.get(one.id), services.control.now_s()),
                charger=installation.name_of(told_by[one.id]) if one.id in told_by else None,
            )
            for one in site.meters
        ],
        chargers=chargers,
        circuit_names={one.id: installation.circuit_name_of(one.id) for one in site.circuits},
        disclaimer=None if agreed is None else Done(by=agreed.by, at_s=agreed.at_s),
        basis=basis_of(installation, readings),
        may_guard={one.id: one.guarded for one in installation.site.chargers if not chargers[one.id].family},
    )


def _chargers(services: Services, installation: Installation) -> dict[ChargerId, ChargerNow]:
    stations, families = services.control.stations(), charger_families()
    found = {}
    for connection in installation.chargers:
        said = stations.get(connection.charger)
        family = families.get(connection.family if connection.family != "auto" or said is None else said.family)
        endless = family is not None and family.is_endless
        found[connection.charger] = ChargerNow(
            name=installation.name_of(connection.charger),
            vendor="" if said is None else said.vendor,
            model="" if said is None else said.model,
            firmware="" if said is None else said.firmware,
            max_a=None if said is None else said.max_a,
            family=f"{family.maker} ({family.id})" if family is not None and endless else "",
        )
    return found


def _shown_amps(reading: MeterReading | None, now_s: float) -> tuple[float, ...] | None:
    if reading is None or not len(reading.currents) or now_s - reading.at_s > 60.0:
        return None
    return reading.currents.values


def _shown(person: Person, services: Services) -> CommissioningShown:
    progress = services.control.test_progress()  # first: once it is over, what came of it is kept
    things = _things(services)
    found = guide(things, KeptDossier(services.engine).read())
    return CommissioningShown(
        version=version_of(services.control.installation),
        ready=found.ready,
        may=person.is_(Role.INSTALLER),
        tasks=[_task(things, one) for one in found.tasks],
        test=None
        if progress is None
        else TestShown(
            kind="expiry" if progress.kind == "expiry" else "step",
            charger=_name(things, progress.charger),
            stage=progress.stage,
            share=round(progress.share, 3),
            ground="meter" if progress.ground.value == "meter" else "worst-load",
        ),
        meters=[
            MeterShown(
                id=one.id,
                name=one.name,
                lines=len(things.site.supply.lines),
                amps=None if one.amps is None else [round(amps, 2) for amps in one.amps],
            )
            for one in things.meters
        ],
        key=fingerprint_of(signing_key(services.engine()).public_key()),
    )


def _task(things: Things, one: Task) -> TaskShown:
    return TaskShown(
        code=one.code,
        verdict=one.verdict.value,
        findings=[
            FindingShown(code=finding.code, verdict=finding.verdict.value, params=dict(finding.params))
            for finding in one.findings
        ],
        charger=one.charger,
        name=None if one.charger is None else _name(things, one.charger),
        done=None if one.done is None else DoneShown(by=one.done.by, at_s=one.done.at_s, values=dict(one.done.values)),
        by_hand=one.code in BY_HAND,
        learned=one.learned,
        guarded=one.guarded,
    )


def _name(things: Things, charger: ChargerId) -> str:
    return things.name_of(charger) if charger in things.chargers else charger
