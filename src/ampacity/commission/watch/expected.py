"""How an installation is connected, as far as is known: by step tests, else by site.toml."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ampacity.commission.basis import basis_of
from ampacity.commission.dossier import Dossier, Step
from ampacity.commission.steptest.mounting import Wiring, load_of, wirings
from ampacity.commission.watch.life import Expected
from ampacity.config.installation import Installation
from ampacity.core.phases import Line, Supply
from ampacity.core.site import Charger, ChargerId, MeterId, Site


def expected_of(installation: Installation, site: Site, dossier: Dossier) -> Expected:
    """`site`: as it is steered."""
    connections = {one.meter: repr(one) for one in installation.meters}
    now = basis_of(installation, {})
    tested = {name: step.at_s for name, step in dossier.steps.items() if step.basis.holds(now)}
    marks: dict[str, str] = {}
    mountings = {}
    for meter in site.meters:
        of_it = sorted((name, at_s) for name, at_s in tested.items() if meter.id in dossier.steps[name].mountings)
        marks[meter.id] = _mark(connections.get(meter.id), of_it, site.supply)
        mountings[meter.id] = dossier.mounting_of(site.supply, meter.id, now)
    known: dict[ChargerId, Sequence[Wiring]] = {}
    left: dict[ChargerId, Sequence[Wiring]] = {}
    for charger in site.chargers:
        marks[charger.id] = _mark(charger.circuit, charger.wiring, charger.phases, tested.get(charger.id))
        step = dossier.steps[charger.id] if charger.id in tested else None
        known[charger.id], left[charger.id] = _orders(site.supply, charger, step)
    return Expected(mountings=mountings, wirings=known, open=left, marks=marks)


def alike(supply: Supply, orders: Sequence[Wiring]) -> bool:
    """Whether no car ever shows a difference between them."""
    return all(len({load_of(supply, order, used) for order in orders}) == 1 for used in range(1, len(orders[0]) + 1))


def _orders(supply: Supply, charger: Charger, step: Step | None) -> tuple[Sequence[Wiring], Sequence[Wiring]]:
    """All that the charger's phases can be in, and those of which it is to be learned which it is."""
    every = wirings(supply, charger.phases)
    tested = [] if step is None else [tuple(Line(line) for line in one) for one in step.wirings]
    tested = [one for one in tested if one in every]
    if len(tested) == 1:
        return tested, ()
    if charger.wiring is not None:
        return [charger.wiring], () if not tested or alike(supply, tested) else tested
    orders = tested or every
    return orders, () if alike(supply, orders) else orders


def _mark(*parts: object) -> str:
    """Without what is in it: a connection may have a password."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def place_of(site: Site, meter: MeterId) -> int:
    """Number of the circuit that a meter measures."""
    return next(number for number, circuit in enumerate(site.circuits) if circuit.meter == meter)
