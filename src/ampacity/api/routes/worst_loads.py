"""What the building draws at worst, without cars: what the safe currents are proven by, and tests may rely on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ampacity.api.access import STAFF, Person, Role, Scope, access
from ampacity.api.entrance import Given
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotFound, Problem
from ampacity.api.site_file import save, saving, version_of

router = APIRouter(tags=["commissioning"])

MOST_A = 10_000.0
Amps = Annotated[float, Field(ge=0, le=MOST_A, allow_inf_nan=False)]


class WorstLoad(BaseModel):
    """Of a metered circuit, all below it included."""

    circuit: str
    name: str
    limit_a: list[float]
    """By line."""
    worst_load_a: list[float] | None
    """By line; null: it is not stated."""


class WorstLoads(BaseModel):
    """Of all metered circuits."""

    version: str
    """Of site.toml."""
    circuits: list[WorstLoad]


class WorstLoadWanted(Given):
    """What is to be stated, and on what this was based."""

    version: str
    circuit: str
    worst_load_a: Annotated[list[Amps], Field(min_length=1, max_length=3)]
    """By line."""


class LinesMissing(Problem):
    """There is a value too few or too many."""

    code = "worst-load-lines"
    status = 422
    remedy = "Give one value for each line."


@router.get("/worst-loads")
def shown(person: Annotated[Person, access(STAFF, Scope.READ)], services: Reach) -> WorstLoads:
    """As they stand in site.toml."""
    return _shown(services)


@router.put("/worst-loads")
def put(
    given: WorstLoadWanted,
    person: Annotated[Person, access(frozenset({Role.INSTALLER}), None)],
    services: Reach,
) -> WorstLoads:
    """States one, in use at once. A test that is under way ends."""
    with saving(services, given.version) as installation:
        circuit = next((one for one in installation.site.circuits if one.id == given.circuit and one.meter), None)
        if circuit is None:
            raise NotFound(f"There is no metered circuit {given.circuit[:40]}.")
        if len(given.worst_load_a) != len(circuit.rating_a):
            lines = len(circuit.rating_a)
            raise LinesMissing(f"{given.circuit} has {lines} line(s).", place="worst_load_a", lines=lines)
        save(services, person, installation, {f"circuits.{circuit.id}.worst_load_a": list(given.worst_load_a)})
    return _shown(services)


def _shown(services: Services) -> WorstLoads:
    installation = services.control.installation
    return WorstLoads(
        version=version_of(installation),
        circuits=[
            WorstLoad(
                circuit=one.id,
                name=installation.circuit_name_of(one.id),
                limit_a=list(one.limit_a),
                worst_load_a=None if one.worst_load_a is None else list(one.worst_load_a),
            )
            for one in installation.site.circuits
            if one.meter is not None
        ],
    )
