"""Every charger family has sources and is recognised by how it introduces itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.devices.catalogue import charger_families
from ampacity.devices.charger_family import ChargerFamily, charger_family_of, recognised

FAMILIES = charger_families()
by_id = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.id)


@by_id
def test_a_family_is_recognised_by_its_samples(family: ChargerFamily) -> None:
    assert family.samples
    for sample in family.samples:
        assert recognised(FAMILIES.values(), sample.vendor, sample.model, sample.firmware).id == family.id


@by_id
def test_a_family_says_where_its_facts_and_samples_are_from(family: ChargerFamily) -> None:
    assert family.source or family.sources or family.known
    assert all(sample.seen for sample in family.samples)


def test_an_unknown_charger_is_generic() -> None:
    assert recognised(FAMILIES.values(), "Nobody", "X", "").id == "generic"


def test_a_dc_charger_of_abb_is_not_taken_for_a_wallbox() -> None:
    assert recognised(FAMILIES.values(), "ABB", "Terra 54", "6.1").id == "generic"


def test_a_charger_that_says_no_vendor_is_known_by_its_model() -> None:
    assert recognised(FAMILIES.values(), "", "ACChargePoint", "").id == "huawei"
    assert recognised(FAMILIES.values(), "Somebody", "ACChargePoint", "").id == "generic"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_charger_calls_itself_it_has_a_family(vendor: str, model: str, firmware: str) -> None:
    assert recognised(FAMILIES.values(), vendor, model, firmware).id in FAMILIES


def test_currents_are_rounded_down_to_what_the_family_knows() -> None:
    assert FAMILIES["necharge"].grid_a(12.9) == 10.0
    assert FAMILIES["wallbox-fw5"].grid_a(8.8) == 8.0
    assert FAMILIES["generic"].grid_a(8.87) == 8.8
    assert FAMILIES["necharge"].grid_a(5.0) == 0.0


@given(st.sampled_from(sorted(FAMILIES)), st.floats(0, 1000))
def test_no_family_gets_more_than_was_meant(family: str, amps: float) -> None:
    assert 0.0 <= FAMILIES[family].grid_a(amps) <= amps + 1e-3


@pytest.mark.parametrize("wrong", [{"lease_form": "forever"}, {"colour": "red"}, {"ocpp_versions": ["2.0"]}])
def test_a_family_with_an_unknown_word_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        charger_family_of({"id": "x", "maker": "X", **wrong})
