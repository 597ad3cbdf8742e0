"""Every charger family has sources and is recognised by how it introduces itself."""

from __future__ import annotations

import pytest

from ampacity.devices.catalogue import charger_families
from ampacity.devices.charger_family import ChargerFamily, recognised

FAMILIES = charger_families()
by_id = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.id)


@by_id
def test_a_family_is_recognised_by_its_samples(family: ChargerFamily) -> None:
    assert family.samples
    for sample in family.samples:
        assert recognised(FAMILIES.values(), **sample).id == family.id


@by_id
def test_a_family_says_where_its_facts_are_from(family: ChargerFamily) -> None:
    assert family.source


def test_an_unknown_charger_is_generic() -> None:
    assert recognised(FAMILIES.values(), "Nobody", "X", "").id == "generic"


def test_currents_are_rounded_down_to_what_the_family_knows() -> None:
    assert FAMILIES["necharge"].grid_a(12.9) == 10.0
    assert FAMILIES["wallbox-fw5"].grid_a(8.8) == 8.0
    assert FAMILIES["generic"].grid_a(8.87) == 8.8
    assert FAMILIES["necharge"].grid_a(5.0) == 0.0
