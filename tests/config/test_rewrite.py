"""Changing a site.toml in place: comments and layout stay, and a change that would be wrong is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.config.mistakes import SiteFileError
from ampacity.config.rewrite import set_value, with_charger, write
from ampacity.config.site_toml import load
from ampacity.core.site import CircuitId

TEXT = """\
# keep me
[site]
name = "Elm Street 4"   # and me

[circuits.main]
limit_a = [63, 63, 50]
meter = "main"
[circuits.garage]
parent = "main"
limit_a = 40

[meters]
main = { host = "10.0.0.7" }

# the one at the door
[chargers.left]
circuit = "garage"
lines = ["L2", "L3", "L1"]
max_a = 16
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(TEXT)
    file.chmod(0o640)
    return file


def test_a_value_is_changed_and_everything_else_stays(site: Path) -> None:
    set_value(site, "chargers.left.max_a", 20)
    assert site.read_text() == TEXT.replace("max_a = 16", "max_a = 20")


def test_a_new_key_comes_into_its_table(site: Path) -> None:
    assert set_value(site, "site.pause_mode", "strict").site.pause_mode.value == "strict"
    assert load(site).site.pause_mode.value == "strict"


def test_a_new_table_comes_at_the_end(site: Path) -> None:
    set_value(site, "log.level", "debug")
    assert site.read_text().endswith('\n\n[log]\nlevel = "debug"\n')


def test_a_key_in_an_inline_table_is_changed(site: Path) -> None:
    assert set_value(site, "meters.main.unit", 3).meters[0].address == "10.0.0.7:502, unit 3"


def test_a_list_is_set(site: Path) -> None:
    assert set_value(site, "circuits.garage.worst_load_a", [1.0, 2.0, 3.5]).site.circuits[1].worst_load_a is not None


def test_a_key_is_removed(site: Path) -> None:
    set_value(site, "chargers.left.max_a", None)
    assert site.read_text() == TEXT.replace("max_a = 16\n", "")


@pytest.mark.parametrize("place", ["chargers.left.rank", "log.level"])
def test_removing_what_is_not_there_changes_nothing(site: Path, place: str) -> None:
    set_value(site, place, None)
    assert site.read_text() == TEXT


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("circuits.garage.limit_a", 64),
        ("circuits.garage.limit", 32),
        ("chargers.left.max_a", "16"),
        ("chargers.left.max_a.more", 1),
        ("chargers.right.max_a", 16),
        ("site.turn_s", float("nan")),
        ("log", "debug"),
        ("", 1),
    ],
)
def test_a_wrong_value_is_refused_and_the_file_stays(site: Path, place: str, value: str | float) -> None:
    with pytest.raises(SiteFileError):
        set_value(site, place, value)
    assert site.read_text() == TEXT
    assert [path.name for path in site.parent.iterdir()] == ["site.toml"]


def test_permissions_stay(site: Path) -> None:
    set_value(site, "chargers.left.max_a", 20)
    assert site.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(site: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(site)
    set_value(link, "chargers.left.max_a", 20)
    assert link.is_symlink()
    assert load(site).site.chargers[0].max_a == 20


def test_an_adopted_charger_is_added_and_comments_stay(site: Path) -> None:
    name = with_charger(site, "Häuschen/7", CircuitId("garage"))
    installation = load(site)
    assert site.read_text().startswith(TEXT)
    assert installation.chargers[-1].ocpp_id == "Häuschen/7"
    assert installation.site.chargers[-1].id == name
    assert installation.site.chargers[-1].wiring is None


def test_an_adopted_charger_gets_a_name_of_its_own(site: Path) -> None:
    assert [with_charger(site, one, CircuitId("main")) for one in ("left ", "left/", "...", "é")] == [
        "left-2",
        "left-3",
        "charger",
        "charger-2",
    ]


@given(st.text(max_size=60))
def test_a_charger_of_any_identity_is_added_or_refused(tmp_path_factory: pytest.TempPathFactory, ocpp_id: str) -> None:
    file = tmp_path_factory.mktemp("adopt") / "site.toml"
    file.write_text(TEXT)
    try:
        with_charger(file, ocpp_id, CircuitId("main"))
    except SiteFileError:
        assert file.read_text() == TEXT
    else:
        assert load(file).chargers[-1].ocpp_id == ocpp_id


def test_a_broken_file_is_not_touched(site: Path) -> None:
    site.write_text(TEXT + "lines =")
    with pytest.raises(SiteFileError):
        with_charger(site, "CP9", CircuitId("main"))
    assert site.read_text() == TEXT + "lines ="


def test_a_text_with_mistakes_does_not_replace_the_file(site: Path) -> None:
    with pytest.raises(SiteFileError):
        write(site, TEXT.replace("63", "3"))
    assert site.read_text() == TEXT


def test_writing_makes_a_file_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "new.toml", TEXT)
    assert load(tmp_path / "new.toml").text == TEXT
