"""site.toml: every mistake is named with its line, its key, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from ampacity.config.installation import Installation
from ampacity.config.mistakes import SiteFileError
from ampacity.config.rewrite import with_charger
from ampacity.config.site_toml import load, parse
from ampacity.config.steered import effective, families_known
from ampacity.config.template import new_site_text
from ampacity.core.phases import Line, Supply
from ampacity.core.site import CircuitId

GOOD = """\
[site]
name = "Elm Street 4"
supply = "three-phase"

[circuits.main]
limit_a = [63, 63, 50]
meter = "main"
worst_load_a = 30

[circuits.garage]
parent = "main"
limit_a = 40

[meters.main]
host = "10.0.0.7"

[chargers.left]
circuit = "garage"
lines = ["L2", "L3", "L1"]
max_a = 16

[chargers.right]
ocpp_id = "CP 2"
circuit = "garage"
lines = "unknown"
phases = 1
"""


def _lines(text: str) -> list[str]:
    with pytest.raises(SiteFileError) as caught:
        parse(text, Path("site.toml"))
    return caught.value.lines()


def test_a_good_file_is_read() -> None:
    site = parse(GOOD, Path("site.toml")).site
    assert site.circuits[0].limit_a.values == (63.0, 63.0, 50.0)
    assert site.chargers[0].wiring == (Line.L2, Line.L3, Line.L1)
    assert site.chargers[1].wiring is None
    assert site.chargers[1].phases == 1


def test_north_america_uses_80_percent() -> None:
    text = GOOD.replace('supply = "three-phase"', 'supply = "three-phase"\nregion = "north-america"')
    assert parse(text, Path("site.toml")).site.circuits[1].limit_a.values == pytest.approx((32.0, 32.0, 32.0))


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("limit_a = 40", "limit_a = 6", "circuits.garage.limit_a", "Only values greater than 6 A"),
        ("limit_a = 40", "limit_a = 70", "circuits.garage.limit_a", "more than its parent main allows"),
        ("limit_a = 40", 'limit_a = "40"', "circuits.garage.limit_a", "does not say amperes"),
        ("limit_a = 40", "limit_a = true", "circuits.garage.limit_a", "does not say amperes"),
        ("limit_a = 40", "limit_a = nan", "circuits.garage.limit_a", "does not say amperes"),
        ("limit_a = 40", "limit = 40", "circuits.garage.limit", "Did you mean `limit_a`?"),
        ("limit_a = [63, 63, 50]", "limit_a = [63, 63]", "circuits.main.limit_a", "3 lines"),
        ('parent = "main"', 'parent = "mian"', "circuits.garage.parent", "there is no circuit"),
        ('parent = "main"\n', "", "circuits", "2 circuits have no parent"),
        ('meter = "main"\n', "", "circuits.main.meter", "has no meter"),
        ('host = "10.0.0.7"', "unit = 1", "meters.main", "neither host nor serial"),
        ('host = "10.0.0.7"', 'host = "a"\nserial = "/dev/x"', "meters.main", "both host and serial"),
        ('host = "10.0.0.7"', 'host = "a"\nport = 99999', "meters.main.port", "1 to 65535"),
        ('lines = ["L2", "L3", "L1"]', 'lines = ["L2", "L2"]', "chargers.left.lines", "once at the most"),
        ('lines = ["L2", "L3", "L1"]', 'lines = ["L4"]', "chargers.left.lines", "L1, L2, L3"),
        ('lines = ["L2", "L3", "L1"]\n', "", "chargers.left.lines", "it is missing"),
        ("max_a = 16", "max_a = 5", "chargers.left.max_a", "6 to 1000"),
        ("max_a = 16", "max_a = 16\nsafe_a = 3", "chargers.left.safe_a", "neither 0 nor"),
        ("max_a = 16", "max_a = 16\nmin_a = 5", "chargers.left.min_a", "6 to 1000"),
        ("max_a = 16", "max_a = 16\nocpp_id = 'CP 2'", "chargers.right.ocpp_id", "is charger left's"),
        ("max_a = 16", "max_a = 16\npassword_file = 'nowhere'", "chargers.left.password_file", "can't be read"),
        ('supply = "three-phase"', 'supply = "three-fase"', "site.supply", 'Did you mean "three-phase"?'),
        ('supply = "three-phase"', 'supply = "three-phase"\nturn_s = 60', "site.turn_s", "600"),
        ("[site]", "[sight]", "sight", "not known"),
    ],
)
def test_a_mistake_is_named_with_line_key_and_remedy(old: str, new: str, place: str, words: str) -> None:
    assert old in GOOD
    lines = _lines(GOOD.replace(old, new, 1))
    line = next(line for line in lines if f"{place}:" in line)
    assert words in line
    assert line.startswith("site.toml")


def test_a_mistake_has_its_line() -> None:
    assert _lines(GOOD.replace("limit_a = 40", "limit_a = 6"))[0].startswith(
        "site.toml, line 12, circuits.garage.limit_a"
    )


def test_all_mistakes_come_at_once() -> None:
    text = GOOD.replace("limit_a = 40", "limit_a = 3").replace("max_a = 16", "max_a = 1").replace('"10.0.0.7"', "7")
    assert len(_lines(text)) == 3


def test_broken_toml_is_named_by_its_line() -> None:
    assert _lines(GOOD.replace('name = "Elm Street 4"', "name = Elm"))[0].startswith("site.toml, line 2: not TOML")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match="ampacity init"):
        load(tmp_path / "site.toml")


def test_bytes_that_are_no_text_are_said_so(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_bytes(b"[site]\nname = \xff\n")
    with pytest.raises(SiteFileError, match="line 2: it is not UTF-8"):
        load(file)


@pytest.mark.parametrize("supply", list(Supply))
@pytest.mark.parametrize("host", ["10.0.0.7", None])
def test_what_init_writes_passes_the_check(supply: Supply, host: str | None) -> None:
    text = new_site_text(
        name='A "house"',
        supply=supply,
        region="europe",
        limit_a=40,
        chargers=5,
        meter_host=host,
        meter_serial="/dev/ttyUSB0",
    )
    installation = parse(text, Path("site.toml"))
    assert len(installation.site.chargers) == 5
    families_known(installation)


def test_an_adopted_charger_is_added_and_comments_stay(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text("# keep me\n" + GOOD)
    file.chmod(0o600)
    name = with_charger(file, "Häuschen/7", CircuitId("garage"))
    installation = load(file)
    assert file.read_text().startswith("# keep me\n")
    assert installation.chargers[-1].ocpp_id == "Häuschen/7"
    assert installation.site.chargers[-1].id == name
    assert installation.site.chargers[-1].wiring is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_family_that_cannot_expire_makes_a_charger_unguarded() -> None:
    text = GOOD.replace("max_a = 16", 'max_a = 16\nfamily = "wallbox"')
    charger = effective(parse(text, Path("site.toml"))).chargers[0]
    assert not charger.guarded
    assert charger.step_a == 1.0


VALUES = st.recursive(
    st.booleans()
    | st.integers(-5, 100)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["main", "L1", "unknown"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEYS = [
    "limit_a",
    "meter",
    "parent",
    "lines",
    "max_a",
    "min_a",
    "supply",
    "host",
    "circuit",
    "safe_a",
    "port",
    "phases",
]


@given(
    st.dictionaries(
        st.sampled_from(["site", "circuits", "meters", "chargers", "ocpp", "storage", "x"]),
        VALUES
        | st.dictionaries(st.sampled_from([*KEYS, "main"]), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES)),
        max_size=5,
    )
)
def test_any_toml_is_an_installation_or_a_list_of_mistakes(document: dict[str, object]) -> None:
    try:
        installation = parse(tomlkit.dumps(document), Path("site.toml"))
    except SiteFileError as error:
        assert error.lines()
    else:
        assert isinstance(installation, Installation)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_installation_or_a_list_of_mistakes(raw: bytes) -> None:
    text = raw.decode("utf-8", errors="surrogateescape")
    with pytest.raises(SiteFileError):
        parse(text, Path("site.toml"))
