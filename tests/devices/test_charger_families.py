"""Every charger family has sources and is recognised by how it introduces itself."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.devices.catalogue import charger_families
from ampacity.devices.charger_family import QUIRKS, ChargerFamily, charger_family_of, recognised

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


def test_a_family_is_chosen_by_firmware_too() -> None:
    said = {
        firmware: recognised(FAMILIES.values(), "Wall Box Chargers", "PLP1-0-2-4", firmware).id
        for firmware in ("4.11.2", "5.17.87", "6.4.14", "6.7.38")
    }
    assert said == {"4.11.2": "wallbox", "5.17.87": "wallbox-fw5", "6.4.14": "wallbox-fw64", "6.7.38": "wallbox-fw5"}


def test_a_family_is_chosen_by_model_too() -> None:
    assert recognised(FAMILIES.values(), "MENNEKES", "AMTRON 4You 500", "").id == "mennekes-4you"
    assert recognised(FAMILIES.values(), "MENNEKES", "ACU", "").id == "mennekes"


@by_id
def test_each_quirk_of_a_family_has_a_source(family: ChargerFamily) -> None:
    usual = ChargerFamily(id="", maker="")
    quirks = {key for key in QUIRKS if getattr(family, key) != getattr(usual, key)}
    assert set(family.sources) == quirks
    assert all(family.sources.values())


@by_id
def test_a_family_says_how_sure_it_is(family: ChargerFamily) -> None:
    assert family.verified


def test_every_key_is_a_quirk_or_says_what_the_family_is() -> None:
    about = {"id", "maker", "models", "match", "known", "verified", "hardware", "samples", "source", "sources"}
    assert {one.name for one in fields(ChargerFamily)} == about | set(QUIRKS)


def test_what_has_no_sure_end_is_unguarded() -> None:
    assert {one.id for one in FAMILIES.values() if one.is_endless} == {"wallbox", "wallbox-fw64"}


def test_less_than_the_least_current_is_a_pause() -> None:
    assert [FAMILIES["grizzl-e"].grid_a(amps) for amps in (6.9, 7.0)] == [0.0, 7.0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stack_level": "0"}, "stack_level: expected int, got str"),
        ({"stack_level": -1}, "stack_level: expected int >= 0"),
        ({"step_a": 0.0}, "step_a: expected float > 0.0"),
        ({"resume": "twice"}, "resume: invalid enum value 'twice'"),
        ({"currents_a": [8.0, 6.0]}, "currents_a: they have to ascend"),
        ({"match": [{}]}, "match: it has nothing"),
        ({"match": [{"serial": "1"}]}, "match: it has serial"),
        ({"match": [{"vendor": 1}]}, r"match\[0\]\[...\]: expected str, got int"),
        ({"sample": [{"vendor": "X"}]}, r"sample\[0\].model: it is missing"),
        ({"known": [{"what": "x"}]}, r"known\[0\].met: it is missing"),
        ({"sources": {"colour": "x"}}, "sources.colour"),
        ({"firmware_min": "new"}, "firmware_min: 'new' is no version"),
        ({"colour": "red"}, "colour is no key of a charger's file; known are back_within_s"),
        ({"purpose": "TxProfile", "relative": True}, "purpose: "),
    ],
)
def test_a_mistake_in_a_file_is_said_with_its_key(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        charger_family_of({"id": "x", "maker": "X", **wrong})


@pytest.mark.parametrize("wrong", [{"lease_form": "forever"}, {"colour": "red"}, {"ocpp_versions": ["2.0"]}])
def test_a_family_with_an_unknown_word_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        charger_family_of({"id": "x", "maker": "X", **wrong})
