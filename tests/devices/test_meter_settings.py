"""Settings and checks of a device file: complete, and turned into registers and back without a loss."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.devices.announced import IS, whose
from ampacity.devices.catalogue import announcements, meter_families
from ampacity.devices.meter_family import MeterFamily
from ampacity.devices.meter_settings import check_of, setting_of
from ampacity.devices.registers import WORDS, whole_of, words_of

FAMILIES = list(meter_families().values())
by_id = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.id)
RANGES = {"int16": (-(2**15), 2**15 - 1), "uint16": (0, 2**16 - 1), "int32": (-(2**31), 2**31 - 1)}
RANGES["uint32"] = (0, 2**32 - 1)


@given(st.data(), st.sampled_from(sorted(RANGES)), st.booleans())
def test_a_number_goes_into_registers_and_comes_back(data: st.DataObject, kind: str, low_word_first: bool) -> None:
    number = data.draw(st.integers(*RANGES[kind]))
    words = words_of(number, kind, low_word_first=low_word_first)
    assert len(words) == WORDS[kind]
    assert all(0 <= word < 2**16 for word in words)
    assert whole_of(words, kind, low_word_first=low_word_first) == number


@pytest.mark.parametrize(("number", "kind"), [(-1, "uint16"), (2**16, "uint16"), (2**32, "uint32"), (2**33, "int32")])
def test_a_number_that_does_not_fit_is_refused(number: int, kind: str) -> None:
    with pytest.raises(ValueError, match=kind):
        words_of(number, kind, low_word_first=True)


@by_id
def test_what_a_setting_should_hold_fits_into_it_and_has_words(family: MeterFamily) -> None:
    for setting in family.setup:
        if setting.want is not None:
            assert words_of(setting.want, setting.type, low_word_first=True)
            assert setting.want in setting.values


@by_id
def test_models_of_settings_and_checks_are_models_that_are_recognised(family: MeterFamily) -> None:
    models = set(family.identify_values.values())
    for check in family.checks:
        assert set(check.models) <= models
    for setting in family.setup:
        assert set(setting.models) <= models
        assert set(setting.refused_by) <= models


@by_id
def test_a_check_of_the_wiring_tells_something(family: MeterFamily) -> None:
    for check in family.checks:
        assert check.values or check.bits
        assert check.told(0) == [] or 0 in check.values


@pytest.mark.parametrize("family", [one for one in FAMILIES if one.maker == "Carlo Gavazzi"], ids=lambda f: f.id)
def test_every_model_has_the_setting_without_which_export_is_taken_for_import(family: MeterFamily) -> None:
    for model in set(family.identify_values.values()):
        assert any("export is taken for import" in setting.remedy for setting in family.settings_of(model)), model


SETTING: dict[str, Any] = {"address": 1, "what": "mode", "remedy": "Set it.", "want": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"want": None},
        {"stated": "ct_ratio"},
        {"want": None, "stated": "colour"},
        {"type": "float128"},
        {"colour": "red"},
        {"lock": {"address": 1}},
        {"values": {"a": "b"}},
    ],
)
def test_a_setting_that_is_not_complete_is_refused(change: dict[str, Any]) -> None:
    entry = {key: value for key, value in (SETTING | change).items() if value is not None}
    with pytest.raises((ValueError, KeyError, TypeError)):
        setting_of(entry)


def test_a_check_with_a_key_that_nobody_reads_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        check_of({"address": 1, "what": "wiring", "remedy": "Check it.", "colour": "red"})


def test_every_announcement_has_a_source_and_something_to_do() -> None:
    for one in announcements():
        assert one.source
        assert one.what_to_do
        assert one.is_ in IS
        assert one.kind.startswith("_")
        assert one.kind.endswith(("._tcp", "._udp"))


def test_the_more_special_announcement_counts() -> None:
    known = announcements()
    meter, other = whose(known, "_shelly._tcp", "ShellyPro3EM-1"), whose(known, "_shelly._tcp", "shellyplus1-2")
    assert meter is not None
    assert other is not None
    assert (meter.is_, other.is_) == ("meter", "other")


def test_a_web_server_of_something_else_is_of_no_interest() -> None:
    known = announcements()
    assert whose(known, "_http._tcp", "printer") is None
    peblar = whose(known, "_http._tcp", "PBLR-0000645")
    assert peblar is not None
    assert peblar.is_ == "charger"
