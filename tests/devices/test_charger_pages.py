"""The page on chargers says what the catalogue says; the files of the catalogue say nothing that nobody reads."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from importlib import resources
from pathlib import Path

import pytest

from ampacity.devices.catalogue import charger_families, direct_families
from ampacity.devices.charger_family import QUIRKS, ChargerFamily, charger_family_of
from ampacity.devices.charger_reference import chargers_page
from ampacity.devices.direct_file import is_direct

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "chargers.md"
FILES = sorted(
    (
        file
        for file in resources.files("ampacity.devices").joinpath("chargers").iterdir()
        if file.name.endswith(".toml")
    ),
    key=lambda file: file.name,
)
by_file = pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
OF_OCPP = [file for file in FILES if not is_direct(tomllib.loads(file.read_text(encoding="utf-8")))]
by_ocpp_file = pytest.mark.parametrize("file", OF_OCPP, ids=lambda f: f.name)


def test_the_page_on_chargers_is_the_one_the_catalogue_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == chargers_page(charger_families().values(), direct_families().values()), (
        "Run: python -m ampacity.devices.charger_reference > docs/reference/chargers.md"
    )


def test_the_page_tells_each_quirk_in_words_with_its_source() -> None:
    told = chargers_page(charger_families().values(), [])
    for family in charger_families().values():
        chapter = told.split(f"### {family.id}\n")[1].split("\n### ")[0]
        for source in (*family.sources.values(), *(one.source for one in family.known), family.verified):
            assert source in chapter, (family.id, source)


@pytest.mark.parametrize("key", QUIRKS)
def test_every_quirk_has_words(key: str) -> None:
    other = {"resume": "again", "purpose": "TxProfile", "lease_form": "duration", "back_within_s": 60.0, "needs": "x"}
    lists = {"currents_a": [6.0], "measurands": ["x"], "without_measurands": ["x"], "ocpp_versions": ["1.6"]}
    names = {"measurands_key": "x", "firmware_min": "1.0", "lease_s": 300.0, "min_interval_s": 60.0}
    usual = getattr(ChargerFamily(id="", maker=""), key)
    changed = {**other, **lists, **names}.get(key, not usual if isinstance(usual, bool) else 7)
    family = charger_family_of({"id": "x", "maker": "X", key: changed})
    assert "| quirk |" in chargers_page([family], [])


@by_file
def test_a_charger_file_is_named_after_its_family(file: Path) -> None:
    assert f"{tomllib.loads(file.read_text(encoding='utf-8'))['id']}.toml" == file.name


@by_ocpp_file
def test_a_charger_file_says_nothing_that_is_the_default(file: Path) -> None:
    usual = ChargerFamily(id="", maker="")
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    for field in fields(ChargerFamily):
        if field.name in document:
            assert document[field.name] != getattr(usual, field.name), field.name


@by_ocpp_file
def test_a_match_is_of_beginnings_in_lower_case(file: Path) -> None:
    for match in tomllib.loads(file.read_text(encoding="utf-8")).get("match", ()):
        assert set(match) <= {"vendor", "model", "firmware"}
        assert all(begin == begin.lower() for begin in match.values())
