"""site.toml: every mistake is named with its line, its key, and what to do."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from ampacity.config.installation import Installation
from ampacity.config.mistakes import SiteFileError
from ampacity.config.site_toml import load, parse
from ampacity.config.steered import effective
from ampacity.config.template import new_site_text
from ampacity.core.phases import Line, Supply

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


def test_the_ratio_of_the_transformers_is_what_the_installer_states() -> None:
    text = GOOD.replace('host = "10.0.0.7"', 'host = "10.0.0.7"\nct_ratio = 50')
    assert parse(text, Path("site.toml")).meters[0].ct_ratio == 50.0
    assert parse(GOOD, Path("site.toml")).meters[0].ct_ratio is None


def test_a_ratio_that_no_transformer_has_is_a_mistake() -> None:
    (line,) = _lines(GOOD.replace('host = "10.0.0.7"', 'host = "10.0.0.7"\nct_ratio = 0.2'))
    assert "meters.main.ct_ratio" in line


def test_north_america_uses_80_percent() -> None:
    text = GOOD.replace('supply = "three-phase"', 'supply = "three-phase"\nregion = "north-america"')
    assert parse(text, Path("site.toml")).site.circuits[1].limit_a.values == pytest.approx((32.0, 32.0, 32.0))


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("limit_a = 40", "limit_a = 6", "circuits.garage.limit_a", "Only values greater than 6 A"),
        ("limit_a = 40", "limit_a = 70", "circuits.garage.limit_a", "more than its parent main allows"),
        ("limit_a = 40", 'limit_a = "40"', "circuits.garage.limit_a", "Write it without quotes: limit_a = 40."),
        ("limit_a = 40", "limit_a = true", "circuits.garage.limit_a", "true is not a number"),
        ("limit_a = 40", "limit_a = nan", "circuits.garage.limit_a", "nan is not a number"),
        ("limit_a = 40", "limit_a = -inf", "circuits.garage.limit_a", "-inf is not a number"),
        ("limit_a = 40", "limit_a = -40", "circuits.garage.limit_a", "-40 A is out of range"),
        ("limit_a = 40", "limit_a = [40, 40, '40']", "circuits.garage.limit_a", "Write it without quotes"),
        ("limit_a = 40", "limit_a = {}", "circuits.garage.limit_a", "a table is not a number"),
        ("limit_a = 40", f"limit_a = 0x{'f' * 5000}", "circuits.garage.limit_a", "very many digits"),
        ("limit_a = 40\n", "", "circuits.garage.limit_a", "it is missing"),
        ("limit_a = 40", "limit = 40", "circuits.garage.limit", "Did you mean limit_a?"),
        ("limit_a = [63, 63, 50]", "limit_a = [63, 63]", "circuits.main.limit_a", "has 2 values for 3 lines"),
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
        ("max_a = 16", "max_a = 16\nocpp_id = 'CP 2'", "chargers.right.ocpp_id", "is the identity of charger left"),
        ("max_a = 16", "max_a = 16\npassword_file = 'nowhere'", "chargers.left.password_file", "can't be read"),
        ('supply = "three-phase"', 'supply = "three-fase"', "site.supply", "Did you mean three-phase?"),
        ('supply = "three-phase"', 'supply = "three-phase"\nturn_s = 60', "site.turn_s", "600"),
        ('supply = "three-phase"', 'supply = "three-phase"\ngrace_s = 30', "site.grace_s", "0 to 24"),
        ('supply = "three-phase"', "supply = 3", "site.supply", "3 is not a text"),
        ('name = "Elm Street 4"', 'name = " "', "site.name", "the text is empty"),
        ('name = "Elm Street 4"', 'name = "a\\u001b[2J"', "site.name", "can't be shown"),
        ('host = "10.0.0.7"', 'host = "http://10.0.0.7:503/"', "meters.main.host", 'host = "10.0.0.7" and port = 503'),
        ('host = "10.0.0.7"', 'host = "10.0.0.7, 10.0.0.8"', "meters.main.host", "no host name or address"),
        (
            'host = "10.0.0.7"',
            'host = "a"\ndevice = "carlo-gavazi-em3xx"',
            "meters.main.device",
            "carlo-gavazzi-em3xx?",
        ),
        ('host = "10.0.0.7"', 'host = "a"\nunit = 1.5', "meters.main.unit", "1.5 is not a whole number"),
        ('host = "10.0.0.7"', 'host = "a"\nunit = "2"', "meters.main.unit", "Write it without quotes: unit = 2."),
        ('host = "10.0.0.7"', 'serial = "/dev/x"\nunit = 0', "meters.main.unit", "1 to 247"),
        ('host = "10.0.0.7"', 'serial = "/dev/x"\nparity = "X"', "meters.main.parity", "N, E, O"),
        ("max_a = 16", 'max_a = 16\nfamily = "wallbx"', "chargers.left.family", "Did you mean wallbox?"),
        ("max_a = 16", "max_a = 16\nguarded = 1", "chargers.left.guarded", "neither true nor false"),
        ("max_a = 16", "max_a = 16\nphases = 1", "chargers.left.phases", "Set 3"),
        ('circuit = "garage"', "circuit = 'garag'", "chargers.left.circuit", "Use one of: main, garage"),
        (
            "max_a = 16",
            "max_a = 16\npassword = 'a'\npassword_file = 'b'",
            "chargers.left.password_file",
            "one of the two",
        ),
        ("[site]", "[sight]", "sight", "Did you mean site?"),
        ("[site]", "ocpp = 1\n[site]", "ocpp", "a value, not a table"),
        ("[site]", "[log]\nlevel = 'loud'\n[site]", "log.level", "debug, info, warning, error"),
        ("[site]", "[ocpp]\nadopt_into = 'garag'\n[site]", "ocpp.adopt_into", "Did you mean garage?"),
        ("[site]", "[ocpp]\ntls_key = 'nowhere.pem'\n[site]", "ocpp.tls_key", '"nowhere.pem" is no file'),
        ("[site]", "[ocpp]\ntls_key = 'nowhere.pem'\n[site]", "ocpp.tls_key", "TLS needs certificate and key"),
        ("[site]", "[storage]\nkeep_1s_days = 0\n[site]", "storage.keep_1s_days", "0.01 to 36500 days"),
        ("[chargers.left]", "[chargers.'a.b']", "chargers.a.b", "this name can't be used"),
    ],
)
def test_a_mistake_is_named_with_line_key_and_remedy(old: str, new: str, place: str, words: str) -> None:
    assert old in GOOD
    lines = _lines(GOOD.replace(old, new, 1))
    assert [line for line in lines if line.startswith("site.toml, line ") and f", {place}: " in line and words in line]


def test_a_mistake_has_its_line() -> None:
    assert _lines(GOOD.replace("limit_a = 40", "limit_a = 6"))[0].startswith(
        "site.toml, line 12, circuits.garage.limit_a"
    )


def test_all_mistakes_come_at_once() -> None:
    text = GOOD.replace("limit_a = 40", "limit_a = 3").replace("max_a = 16", "max_a = 1").replace('"10.0.0.7"', "7")
    assert len(_lines(text)) == 3


def test_broken_toml_is_named_by_its_line() -> None:
    assert _lines(GOOD.replace('name = "Elm Street 4"', "name = Elm"))[0].startswith("site.toml, line 2: not TOML")


def test_broken_toml_is_named_by_its_column() -> None:
    assert ", column 8." in _lines(GOOD.replace('name = "Elm Street 4"', "name = Elm"))[0]


def test_a_number_without_end_is_named() -> None:
    assert "very many digits" in _lines(GOOD.replace("limit_a = 40", f"limit_a = {'9' * 5000}"))[0]


def test_what_looks_like_a_key_in_a_long_text_is_none() -> None:
    text = GOOD.replace('name = "Elm Street 4"', 'name = """Elm\n[circuits.garage]\nlimit_a = 1"""')
    lines = _lines(text.replace("limit_a = 40", "limit_a = 6"))
    assert any(line.startswith("site.toml, line 14, circuits.garage.limit_a: ") for line in lines)


def test_a_key_in_an_inline_table_has_the_line_of_the_table() -> None:
    text = GOOD.replace('[meters.main]\nhost = "10.0.0.7"', '[meters]\nmain = { host = "a", unit = 300 }')
    assert _lines(text)[0].startswith("site.toml, line 15, meters.main.unit: 300 is out of range.")


TWO_METERS = GOOD.replace('parent = "main"', 'parent = "main"\nmeter = "sub"')


def test_two_meters_do_not_share_an_address() -> None:
    assert "is the address of meter main, too" in _lines(TWO_METERS + '[meters.sub]\nhost = "10.0.0.7"\n')[0]


def test_two_meters_may_share_a_gateway() -> None:
    text = TWO_METERS + '[meters.sub]\nhost = "10.0.0.7"\nunit = 2\n'
    assert [meter.unit for meter in parse(text, Path("site.toml")).meters] == [1, 2]


def test_meters_on_one_serial_line_are_set_alike() -> None:
    text = TWO_METERS.replace('host = "10.0.0.7"', 'serial = "/dev/ttyUSB0"')
    other = '[meters.sub]\nserial = "/dev/ttyUSB0"\nunit = 2\nbaud = 19200\n'
    assert "differ from those of meter main" in _lines(text + other)[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("worst_load_a = 30\n", "", "worst_load_a is not stated"),
        ("max_a = 16", "max_a = 16\nguarded = false", "it can't fall back by itself; offline, it counts at 16 A"),
        ("max_a = 16", "max_a = 48", "chargers.left: max_a 48 A is more than circuit garage bears (32 A)"),
        ("max_a = 16", "max_a = 48\nmin_a = 45", "it will never charge"),
        ("[site]", "[site]\nregion = 'north-america'", "chargers.right: its wiring is unknown"),
        ("limit_a = 40", "limit_a = 40\ncontinuous_factor = 1.0", "Right only for a breaker listed for 100 %"),
        ("max_a = 16", "max_a = 16", "chargers left, right: no password"),
        ("max_a = 16", "max_a = 16\npassword = 'secret'", "passwords cross the network in the clear"),
    ],
)
def test_what_is_allowed_and_worth_a_look_is_a_warning(old: str, new: str, words: str) -> None:
    text = GOOD.replace('supply = "three-phase"', 'supply = "three-phase"\nregion = "north-america"')
    warnings = parse((GOOD if "region" in new else text).replace(old, new, 1), Path("site.toml")).warnings
    assert any(words in warning for warning in warnings)


def test_on_loopback_no_password_is_missed() -> None:
    text = GOOD + '[ocpp]\nlisten = "127.0.0.1"\n'
    assert not any("password" in warning for warning in parse(text, Path("site.toml")).warnings)


def _with_password_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    (folder / "secret").write_bytes(content)
    (folder / "secret").chmod(mode)
    file = folder / "site.toml"
    file.write_text(GOOD.replace("max_a = 16", 'max_a = 16\npassword_file = "secret"'))
    return file


def test_a_password_comes_from_its_file(tmp_path: Path) -> None:
    installation = load(_with_password_file(tmp_path, b"horse battery\n"))
    assert installation.chargers[0].password == "horse battery"
    assert not any("secret" in warning for warning in installation.warnings)


def test_a_password_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    warnings = load(_with_password_file(tmp_path, b"horse", 0o644)).warnings
    assert any("chmod 600 secret" in warning for warning in warnings)


@pytest.mark.parametrize(("content", "words"), [(b" \n", "is empty"), (b"\xff", "UTF-8"), (b"a\nb", "one line")])
def test_a_password_file_that_holds_no_password_is_a_mistake(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(SiteFileError, match=words):
        load(_with_password_file(tmp_path, content))


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
        name='A \\ "house" [/x]',
        supply=supply,
        region="europe",
        limit_a=40,
        chargers=5,
        meter_host=host,
        meter_serial="/dev/ttyUSB0",
    )
    installation = parse(text, Path("site.toml"))
    assert len(installation.site.chargers) == 5
    assert installation.site.name == 'A \\ "house" [/x]'


@pytest.mark.parametrize(("region", "volts"), [("europe", 230.0), ("north-america", 208.0)])
def test_what_init_writes_has_the_voltage_between_lines_of_its_region(region: str, volts: float) -> None:
    text = new_site_text(
        name="h",
        supply=Supply.LINE_TO_LINE,
        region=region,
        limit_a=40,
        chargers=1,
        meter_host="h",
        meter_serial=None,
    )
    assert parse(text, Path("site.toml")).site.nominal_v == volts


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


@given(st.sampled_from(GOOD.splitlines()), st.text(max_size=30))
def test_any_line_in_a_good_file_makes_an_installation_or_a_list_of_mistakes(after: str, line: str) -> None:
    try:
        parse(GOOD.replace(after, f"{after}\n{line}", 1), Path("site.toml"))
    except SiteFileError as error:
        assert error.lines()


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_of_mistakes(raw: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "site.toml"
        file.write_bytes(raw)
        with pytest.raises(SiteFileError):
            load(file)


def test_a_line_that_is_no_line_of_a_site_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(f"[site]\n{'a.' * 30_000}a = 1\n", encoding="utf-8")
    with pytest.raises(SiteFileError, match="line 2: this line has more than 10000 characters"):
        load(path)
