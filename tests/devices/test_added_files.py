"""A device of the user's own is given as a file of the catalogue, before it is part of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from ampacity.devices.catalogue import ADDED_FILES, DeviceFileWrong, added_files, charger_families, meter_families

DEVICES = Path(str(resources.files("ampacity.devices")))


@pytest.fixture
def added() -> Iterator[list[Path]]:
    """Files to add: they are in the environment from `give` on."""
    before = os.environ.get(ADDED_FILES)
    files: list[Path] = []
    yield files
    if before is None:
        os.environ.pop(ADDED_FILES, None)
    else:
        os.environ[ADDED_FILES] = before


def give(*files: Path) -> None:
    os.environ[ADDED_FILES] = os.pathsep.join(map(str, files))


def copy(of: str, to: Path, old: str, new: str) -> Path:
    to.write_text((DEVICES / of).read_text().replace(old, new))
    return to


def test_files_are_told_apart_by_what_is_in_them(added: list[Path], tmp_path: Path) -> None:
    meter = copy("meters/carlo-gavazzi-em3xx.toml", tmp_path / "a.toml", "carlo-gavazzi-em3xx", "mine")
    charger = copy("chargers/autel.toml", tmp_path / "b.toml", 'id = "autel"', 'id = "yours"')
    give(meter, charger)
    assert added_files() == [meter, charger]
    assert "mine" in meter_families()
    assert "yours" in charger_families()
    assert "yours" not in meter_families()


def test_a_file_of_the_users_own_comes_before_ours(added: list[Path], tmp_path: Path) -> None:
    give(copy("chargers/autel.toml", tmp_path / "b.toml", 'maker = "Autel"', 'maker = "Me"'))
    assert charger_families()["autel"].maker == "Me"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id = ", "is not TOML"),
        ('id = "x"\nmaker = "X"\ncolour = "red"', "colour"),
        ('id = "x"\nmaker = "X"\nstack_level = "0"', "stack_level: expected int, got str"),
        ('id = "x"', "maker: it is missing"),
        ('id = "x"\n[registers]\n', "identify is missing"),
    ],
)
def test_a_file_that_is_no_family_is_refused_by_name(added: list[Path], tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    give(file)
    with pytest.raises(DeviceFileWrong, match=rf"mine\.toml.*{said}"):
        meter_families(), charger_families()


def test_a_file_that_is_not_there_is_said(added: list[Path], tmp_path: Path) -> None:
    give(tmp_path / "none.toml")
    with pytest.raises(DeviceFileWrong, match="can't be read"):
        charger_families()
