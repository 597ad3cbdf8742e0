"""What a site that is taken back from a backup may bring without an installer."""

from __future__ import annotations

from collections.abc import Iterator

from ampacity.config.installation import Installation
from ampacity.core.features import BY_METER, Feature


def of_an_installer(now: Installation, wanted: Installation) -> list[str]:
    """Places in site.toml that only an installer may change so; an owner can edit a backup as well as a form."""
    return list(_of_an_installer(now, wanted))


def _of_an_installer(now: Installation, wanted: Installation) -> Iterator[str]:
    old, new = now.site, wanted.site
    if (old.supply, old.nominal_v) != (new.supply, new.nominal_v):
        yield "site.supply"
    circuits = {circuit.id: circuit for circuit in old.circuits if not circuit.spans}
    for circuit in (circuit for circuit in new.circuits if not circuit.spans):
        before = circuits.pop(circuit.id, None)
        if before is None or (before.parent, before.meter) != (circuit.parent, circuit.meter):
            yield f"circuits.{circuit.id}"
        elif len(before.limit_a) != len(circuit.limit_a) or any(
            more > less for more, less in zip(circuit.limit_a, before.limit_a, strict=True)
        ):
            yield f"circuits.{circuit.id}.limit_a"
        elif circuit.other_load_a < before.other_load_a:
            yield f"circuits.{circuit.id}.other_load_a"
    yield from (f"circuits.{gone}" for gone in circuits)
    if now.meters != wanted.meters:
        yield "meters"
    for charger in new.chargers:
        place = old.index_of_charger.get(charger.id)
        if place is None:
            if charger.wiring is not None:
                yield f"chargers.{charger.id}.lines"
            continue
        known = old.chargers[place]
        if (known.wiring, known.circuit) != (charger.wiring, charger.circuit):
            yield f"chargers.{charger.id}.lines"
        if charger.max_a > known.max_a or charger.safe_a > known.safe_a or charger.guarded > known.guarded:
            yield f"chargers.{charger.id}"
    if _by_current_alone(wanted) and (
        not _by_current_alone(now) or (wanted.features.static_a or 0.0) > (now.features.static_a or 0.0)
    ):
        yield "features.static"


def _by_current_alone(installation: Installation) -> bool:
    on = installation.features.on
    return Feature.STATIC in on and not on & BY_METER
