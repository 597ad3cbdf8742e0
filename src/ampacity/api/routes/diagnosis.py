"""What is wrong, most likely: the guide's steps, answered from what was measured."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from ampacity.api.access import STAFF, Person, Scope, access
from ampacity.api.ports import Reach
from ampacity.commission.bus import judged
from ampacity.commission.metrics import CONTENT_TYPE, exposition
from ampacity.commission.selfcheck import Diagnosis, Facts, Finding, LinkFacts, check

router = APIRouter(tags=["diagnosis"])

VerdictName = Literal["fine", "note", "wrong", "unknown"]


class FindingShown(BaseModel):
    """Its words, with what to do, are the text `selfcheck.<code>`, with `params` filled in."""

    code: str
    verdict: VerdictName
    params: dict[str, str | int | float | None]


class StepShown(BaseModel):
    """A question of the guide (the text `selfcheck.<code>`), and its answers."""

    code: str
    verdict: VerdictName
    findings: list[FindingShown]


class LinkShown(BaseModel):
    """What has passed to and from a device, over all runs; and lately."""

    kind: Literal["meter", "charger"]
    name: str
    requests: int
    answers: int
    timeouts: int
    garbled: int
    """Something came that is no answer: a wrong check sum, noise, another's."""
    exceptions: int
    connections: int
    received_bytes: int
    """In the last five seconds."""
    sent_bytes: int
    age_s: float | None
    """Of the last good answer; null: there was none since the controller started."""
    median_s: float | None
    slow_s: float | None
    """99 of 100 answers come sooner."""


class DiagnosisShown(BaseModel):
    """The steps in the guide's order, and where to begin."""

    at_s: float
    likely: FindingShown | None
    """What most likely is the cause; null: nothing is wrong."""
    steps: list[StepShown]
    links: list[LinkShown]


@router.get("/diagnosis")
def diagnosis(person: Annotated[Person, access(STAFF, Scope.READ)], services: Reach) -> DiagnosisShown:
    """The self-check, as of now."""
    return shown(services.control.facts(), services.wall_s())


@router.get("/diagnosis/bus")
def bus(
    person: Annotated[Person, access(STAFF, Scope.READ)],
    services: Reach,
    ohm: Annotated[float, Query(ge=0, le=1e9, allow_inf_nan=False)],
) -> FindingShown:
    """What a resistance means that was measured between D+ and D−, all devices off."""
    return _finding(judged(ohm))


@router.get("/metrics", response_class=Response)
def metrics(person: Annotated[Person, access(STAFF, Scope.READ)], services: Reach) -> Response:
    """For Prometheus: counters of every link, circuits and chargers. Scrape it with a token that may read."""
    control = services.control
    return Response(exposition(control.facts(), control.latest), media_type=CONTENT_TYPE)


def shown(facts: Facts, at_s: float) -> DiagnosisShown:
    """The self-check of these facts."""
    found: Diagnosis = check(facts)
    return DiagnosisShown(
        at_s=round(at_s, 3),
        likely=None if found.likely is None else _finding(found.likely),
        steps=[
            StepShown(
                code=step.code,
                verdict=step.verdict.value,
                findings=[_finding(finding) for finding in step.findings],
            )
            for step in found.steps
        ],
        links=[
            *(_link("meter", meter.name, meter.link) for meter in facts.meters),
            *(_link("charger", charger.name, charger.link) for charger in facts.chargers),
        ],
    )


def _finding(finding: Finding) -> FindingShown:
    return FindingShown(code=finding.code, verdict=finding.verdict.value, params=dict(finding.params))


def _link(kind: Literal["meter", "charger"], name: str, link: LinkFacts) -> LinkShown:
    return LinkShown(
        kind=kind,
        name=name,
        requests=link.requests,
        answers=link.answers,
        timeouts=link.timeouts,
        garbled=link.garbled,
        exceptions=link.exceptions,
        connections=link.connections,
        received_bytes=link.received_bytes,
        sent_bytes=link.sent_bytes,
        age_s=_rounded(link.age_s),
        median_s=_rounded(link.median_s),
        slow_s=_rounded(link.slow_s),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
