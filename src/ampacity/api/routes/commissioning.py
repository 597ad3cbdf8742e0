"""The guided commissioning: what is to be done, the tests, and the signed report."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from ampacity import __version__
from ampacity.api.access import STAFF, Person, Role, Scope, access
from ampacity.api.entrance import Given
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotFound
from ampacity.api.routes.diagnosis import FindingShown
from ampacity.api.routes.load_management import accepted
from ampacity.api.site_file import save, saving, version_of
from ampacity.commission.dossier import Done, Dossier, KeptDossier
from ampacity.commission.guide import BY_HAND, MeterNow, Task, Things, guide, is_checked
from ampacity.commission.report import as_html, as_pdf, fingerprint_of, report, signed, signing_key
from ampacity.config.installation import Installation
from ampacity.config.steered import effective
from ampacity.core.observations import MeterReading
from ampacity.core.site import ChargerId
from ampacity.storage.accounts import note
from ampacity.storage.transactions import keeping
from ampacity.web.texts import text

router = APIRouter(tags=["commissioning"])

INSTALLER = frozenset({Role.INSTALLER})
VerdictName = Literal["fine", "note", "wrong", "unknown"]
Value = Annotated[str, Field(max_length=100)] | Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]


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


class WiringWanted(Given):
    """Of which charger what was learned is to be set, and on what this was based."""

    version: str
    charger: str


@router.get("/commissioning")
def shown(person: Annotated[Person, access(STAFF, Scope.READ)], services: Reach) -> CommissioningShown:
    """What is to be done, in order, and how each thing stands."""
    return _shown(person, services)


@router.put("/commissioning/tasks/{code}")
def put(
    code: Annotated[Literal["wiring", "bus", "switches", "clamps", "order", "reading"], Path()],
    given: Values,
    person: Annotated[Person, access(INSTALLER, None)],
    services: Reach,
) -> CommissioningShown:
    """It is done, and this was measured. What meters show is noted beside what a clamp showed."""
    values: dict[str, float | str] = dict(given.values)
    if code == "reading":
        for meter in _things(services).meters:
            for line, amps in enumerate(meter.amps or (), start=1):
                values[f"{meter.id}.L{line}.shown"] = round(amps, 2)
    done = Done(by=person.name, at_s=services.wall_s(), values=values)
    _change(services, person, f"commissioning.{code}", lambda dossier: dossier.with_done(code, done), "done")
    return _shown(person, services)


@router.delete("/commissioning/tasks/{code}")
def delete(
    code: Annotated[Literal["wiring", "bus", "switches", "clamps", "order", "reading"], Path()],
    person: Annotated[Person, access(INSTALLER, None)],
    services: Reach,
) -> CommissioningShown:
    """It is to be done again."""
    _change(services, person, f"commissioning.{code}", lambda dossier: dossier.with_done(code, None), None)
    return _shown(person, services)


@router.post("/commissioning/tests")
def begin(given: TestWanted, person: Annotated[Person, access(INSTALLER, None)], services: Reach) -> CommissioningShown:
    """Begins a test. The other chargers pause while it lasts, three minutes at the most for a step test."""
    charger = ChargerId(given.charger)
    if charger not in services.control.installation.site.index_of_charger:
        raise NotFound(f"There is no charger {given.charger[:40]}.")
    checked = is_checked(_things(services), KeptDossier(services.engine).read())
    services.control.begin_test(given.kind, charger, checked=checked, by=person.name)
    with keeping(services.engine()) as connection:
        note(connection, services.wall_s(), person.name, f"commissioning.{given.kind}.{charger}", None, "begun")
    return _shown(person, services)


@router.delete("/commissioning/tests")
def stop(person: Annotated[Person, access(INSTALLER, None)], services: Reach) -> CommissioningShown:
    """Ends the test that is under way."""
    services.control.stop_test()
    return _shown(person, services)


@router.put("/commissioning/wiring")
def set_wiring(
    given: WiringWanted, person: Annotated[Person, access(INSTALLER, None)], services: Reach
) -> CommissioningShown:
    """Sets a charger's lines as the tests have found them."""
    charger = ChargerId(given.charger)
    wiring = KeptDossier(services.engine).read().wiring_of(charger)
    if wiring is None or charger not in services.control.installation.site.index_of_charger:
        raise NotFound(f"No test has found the lines of {given.charger[:40]}.")
    with saving(services, given.version) as installation:
        lines = [line.name for line in wiring]
        save(services, person, installation, {f"chargers.{charger}.lines": lines})
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

    one = report(
        guide(things, KeptDossier(services.engine).read()),
        things,
        words,
        language=language,
        version=__version__,
        by=person.name,
        at=datetime.fromtimestamp(services.wall_s(), installation.time_zone),
        fingerprint=fingerprint_of(key.public_key()),
        facts=_facts(services, installation, words),
    )
    content = signed(as_pdf(one) if form == "pdf" else as_html(one), key)
    return Response(
        content,
        media_type="application/pdf" if form == "pdf" else "text/html; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="ampacity-commissioning.{form}"'},
    )


def _facts(services: Services, installation: Installation, words: Any) -> list[tuple[str, str]]:
    """More about the site, for the report."""
    site = installation.site
    limits = "; ".join(
        f"{installation.circuit_name_of(one.id)} {' / '.join(f'{a:g}' for a in one.rating_a)} A"
        for one in site.circuits
    )
    stations = services.control.stations()
    found = [(words("commission.report-breakers"), limits)]
    for charger in site.chargers:
        said = stations.get(charger.id)
        lines = "?" if charger.wiring is None else "-".join(line.name for line in charger.wiring)
        parts = [lines, f"{charger.min_a:g}–{charger.max_a:g} A", f"↓ {charger.safe_a:g} A"]
        if said is not None:
            parts.append(" ".join(one for one in (said.vendor, said.model, said.firmware) if one))
        found.append((installation.name_of(charger.id), ", ".join(one for one in parts if one)))
    return found


def _change(services: Services, person: Person, place: str, change: Any, new: str | None) -> Dossier:
    kept = KeptDossier(services.engine)
    old = kept.read().done.get(place.rpartition(".")[2])
    changed = kept.change(change)
    with keeping(services.engine()) as connection:
        note(connection, services.wall_s(), person.name, place, None if old is None else "done", new)
    return changed


def _things(services: Services) -> Things:
    installation, latest = services.control.installation, services.control.latest
    site = effective(installation)
    readings = {} if latest is None else latest.observed.meters
    names = {one.meter: f"{one.meter} ({one.address})" for one in installation.meters}
    serial = {one.meter: one.serial is not None for one in installation.meters}
    agreed = accepted(services)
    return Things(
        site=site,
        meters=[
            MeterNow(
                id=one.id,
                name=names.get(one.id, one.id),
                serial=serial.get(one.id, False),
                amps=_shown_amps(readings.get(one.id), services.control.now_s()),
            )
            for one in site.meters
        ],
        charger_names={one.id: installation.name_of(one.id) for one in site.chargers},
        circuit_names={one.id: installation.circuit_name_of(one.id) for one in site.circuits},
        disclaimer=None if agreed is None else Done(by=agreed.by, at_s=agreed.at_s),
    )


def _shown_amps(reading: MeterReading | None, now_s: float) -> tuple[float, ...] | None:
    if reading is None or not len(reading.currents) or now_s - reading.at_s > 60.0:
        return None
    return reading.currents.values


def _shown(person: Person, services: Services) -> CommissioningShown:
    things = _things(services)
    found = guide(things, KeptDossier(services.engine).read())
    progress = services.control.test_progress()
    return CommissioningShown(
        version=version_of(services.control.installation),
        ready=found.ready,
        may=person.is_(Role.INSTALLER),
        tasks=[_task(things, one) for one in found.tasks],
        test=None
        if progress is None
        else TestShown(
            kind="expiry" if progress.kind == "expiry" else "step",
            charger=things.charger_names.get(progress.charger, progress.charger),
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
        name=None if one.charger is None else things.charger_names.get(one.charger, one.charger),
        done=None if one.done is None else DoneShown(by=one.done.by, at_s=one.done.at_s, values=dict(one.done.values)),
        by_hand=one.code in BY_HAND,
        learned=one.learned,
    )
