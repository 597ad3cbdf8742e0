"""The page on meters says what the catalogue says; the files of the catalogue say nothing that nobody reads."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from ampacity.devices.catalogue import meter_families
from ampacity.devices.reference import meters_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "meters.md"
FILES = sorted(
    (file for file in resources.files("ampacity.devices").joinpath("meters").iterdir() if file.name.endswith(".toml")),
    key=lambda file: file.name,
)

_QUANTITIES = {"voltages", "currents", "powers", "frequency", "energy_import_kwh"}
KEYS = {
    "": {"id", "maker", "models", "phases", "word_order", "max_registers", "answer_max_s", "overflow"}
    | {"reads", "slow_reads", "verified", "source", "serial", "identify", "own_number"}
    | {"registers", "setup", "check", "sample"},
    "serial": {"baud", "parity", "stop_bits"},
    "identify": {"address", "values", "reject"},
    "own_number": {"address", "registers"},
    "registers": _QUANTITIES,
    "setup": {"address", "want", "stated", "type", "scale", "what", "remedy", "values", "models", "write"}
    | {"at_the_board", "effect", "lock", "refused", "refused_by"},
    "check": {"address", "type", "what", "remedy", "values", "bits", "models"},
    "sample": {"what", "registers", "voltages", "currents", "powers", "frequency_hz", "energy_import_wh"},
}


def test_the_page_on_meters_is_the_one_the_catalogue_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == meters_page(meter_families().values()), (
        "Run: python -m ampacity.devices.reference > docs/reference/meters.md"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_file_of_the_catalogue_has_no_key_that_nobody_reads(file: Path) -> None:
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    assert set(document) <= KEYS[""]
    for table, keys in KEYS.items():
        entries = document.get(table, {}) if table else {}
        for entry in entries if isinstance(entries, list) else [entries]:
            assert set(entry) <= keys, table
    for quantity in _QUANTITIES:
        assert set(document["registers"][quantity]) == {"address", "type", "scale"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_file_of_the_catalogue_is_named_after_its_family(file: Path) -> None:
    assert f"{tomllib.loads(file.read_text(encoding='utf-8'))['id']}.toml" == file.name


def test_every_family_has_a_sample_with_export_on_a_phase() -> None:
    for family in meter_families().values():
        assert any(watts < 0 for sample in family.samples for watts in sample.powers), family.id


def test_every_register_of_a_quantity_is_read() -> None:
    for family in meter_families().values():
        fast = {address + n for address, count in family.reads for n in range(count)}
        slow = {address + n for address, count in family.slow_reads for n in range(count)}
        for quantity in (family.voltages, family.currents, family.powers):
            assert len(quantity.addresses) == family.phases
            assert set(quantity.addresses) <= fast
        assert {*family.frequency.addresses, *family.energy_import_kwh.addresses} <= slow


def test_every_family_checks_the_setting_without_which_export_is_taken_for_import() -> None:
    for family in meter_families().values():
        assert any("export is taken for import" in check.remedy for check in family.setup), family.id
