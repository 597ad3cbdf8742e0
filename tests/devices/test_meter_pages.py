"""The page on meters says what the catalogue says; the files of the catalogue say nothing that nobody reads."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from ampacity.devices.catalogue import METER, json_families, kind_of, meter_families, p1_families
from ampacity.devices.meter_family import Quantity
from ampacity.devices.reference import meters_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "meters.md"
FILES = sorted(
    (
        file
        for file in resources.files("ampacity.devices").joinpath("meters").iterdir()
        if file.name.endswith(".toml") and kind_of(tomllib.loads(file.read_text(encoding="utf-8"))) == METER
    ),
    key=lambda file: file.name,
)

USABLE = [family for family in meter_families().values() if not family.unusable]
_QUANTITIES = {"voltages", "currents", "powers", "frequency", "energy_import_kwh"}
KEYS = {
    "": {"id", "maker", "models", "phases", "word_order", "max_registers", "answer_max_s", "overflow"}
    | {"reads", "slow_reads", "verified", "source", "serial", "identify", "own_number"}
    | {"registers", "setup", "check", "sample", "missing", "function", "quiet_s", "refresh_s", "unusable", "sunspec"},
    "serial": {"baud", "parity", "stop_bits"},
    "identify": {"address", "registers", "text", "values", "reject"},
    "sunspec": {"models", "bases"},
    "own_number": {"address", "registers", "text"},
    "registers": _QUANTITIES,
    "setup": {"address", "want", "stated", "type", "scale", "what", "remedy", "values", "models", "write"}
    | {"at_the_board", "effect", "lock", "refused", "refused_by"},
    "check": {"address", "type", "what", "remedy", "values", "bits", "models"},
    "sample": {"what", "registers", "voltages", "currents", "powers", "frequency_hz", "energy_import_wh"},
}


def test_the_page_on_meters_is_the_one_the_catalogue_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == meters_page(
        meter_families().values(), p1_families().values(), json_families().values()
    ), "Run: python -m ampacity.devices.reference > docs/reference/meters.md"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_file_of_the_catalogue_has_no_key_that_nobody_reads(file: Path) -> None:
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    assert set(document) <= KEYS[""]
    for table, keys in KEYS.items():
        entries = document.get(table, {}) if table else {}
        for entry in entries if isinstance(entries, list) else [entries]:
            assert set(entry) <= keys, table
    for quantity in document["registers"].values():
        assert set(quantity) - {"exponent_at"} == {"address", "type", "scale"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_file_of_the_catalogue_is_named_after_its_family(file: Path) -> None:
    assert f"{tomllib.loads(file.read_text(encoding='utf-8'))['id']}.toml" == file.name


def test_every_family_has_a_sample_with_export_on_a_phase() -> None:
    for family in USABLE:
        if family.id != "abb-b21":
            assert any(watts < 0 for sample in family.samples for watts in sample.powers or ()), family.id


def test_every_register_of_a_quantity_is_read() -> None:
    for family in USABLE:
        fast = {address + n for address, count in family.reads for n in range(count)}
        slow = {address + n for address, count in family.slow_reads for n in range(count)}
        for quantity in (family.voltages, family.currents, family.powers):
            assert quantity is not None
            assert len(quantity.addresses) == family.phases
            assert {*quantity.addresses, *exponent(quantity)} <= fast
        for quantity in (family.frequency, family.energy_import_kwh):
            if quantity is not None:
                assert {*quantity.addresses, *exponent(quantity)} <= slow


def exponent(quantity: Quantity) -> list[int]:
    return [] if quantity.exponent_at is None else [quantity.exponent_at]


def test_every_family_of_which_it_is_known_checks_the_setting_without_which_export_is_taken_for_import() -> None:
    for family in USABLE:
        if family.maker == "Carlo Gavazzi":
            assert any("export is taken for import" in check.remedy for check in family.setup), family.id
