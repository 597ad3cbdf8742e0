from __future__ import annotations

from pathlib import Path

import pytest

from ampacity.config.installation import Installation
from ampacity.config.mistakes import SiteFileError
from ampacity.config.site_toml import parse
from ampacity.core.features import Feature, SolarMode
from ampacity.core.site import ChargerId, CircuitId

BASE = """
[circuits.main]
limit_a = 40
meter = "main"
[meters.main]
host = "127.0.0.1"
[chargers.left]
lines = ["L1"]
name = "Left bay"
[chargers.right]
lines = ["L2"]
"""
ONE = BASE.replace('[chargers.right]\nlines = ["L2"]\n', "")


def read(text: str, tmp_path: Path) -> Installation:
    return parse(text, tmp_path / "site.toml")


def mistakes(text: str, tmp_path: Path) -> str:
    with pytest.raises(SiteFileError) as caught:
        read(text, tmp_path)
    return str(caught.value)


def test_without_a_word_load_management_is_dynamic(tmp_path: Path) -> None:
    installation = read(BASE, tmp_path)
    assert installation.features.on == {Feature.DYNAMIC}
    assert installation.site.active


def test_all_off_leaves_chargers_at_their_safe_current_and_says_so(tmp_path: Path) -> None:
    installation = read(BASE + "[features]\ndynamic = false\n", tmp_path)
    assert not installation.site.active
    assert installation.site.meters
    assert any("load management is off" in warning for warning in installation.warnings)


def test_static_is_a_circuit_around_all_chargers(tmp_path: Path) -> None:
    installation = read(BASE + "[features]\nstatic = true\nstatic_a = 20\n", tmp_path)
    circuit = installation.site.circuits[-1]
    assert (circuit.id, circuit.spans, tuple(circuit.limit_a)) == ("chargers", True, (20.0, 20.0, 20.0))
    assert installation.site.meters


def test_static_alone_needs_no_meter_and_reads_none(tmp_path: Path) -> None:
    text = "[features]\ndynamic = false\nstatic = true\nstatic_a = 20\n[circuits.main]\nlimit_a = 40\n"
    assert read(text, tmp_path).site.meters == ()
    with_meter = read(BASE + "[features]\ndynamic = false\nstatic = true\nstatic_a = 20\n", tmp_path)
    assert with_meter.site.meters == ()
    assert with_meter.meters == ()
    assert any("is not read" in warning for warning in with_meter.warnings)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("solar = true", "solar and dynamic can't be on together. Set dynamic = false, or solar = false."),
        (
            "dynamic = false\nstatic = true\nstatic_a = 20\nsolar = true",
            "solar and static can't be on together. Set static = false, or solar = false.",
        ),
        ("static = true", "static_a: it is missing."),
        ("static = true\nstatic_a = 6", "static_a: 6 A is not accepted. Only values greater than 6 A are"),
        ("static = true\nstatic_a = 41", "41 A is more than the main breaker bears (40 A)"),
        ("single = true\ndynamic = false", "single-charger mode is for one charger; there are 2."),
        ('solar_mode = "moon"', '"moon" is not known'),
        ("dynamik = true", "Did you mean dynamic?"),
    ],
)
def test_what_can_t_be_is_refused_with_the_way_out(features: str, expected: str, tmp_path: Path) -> None:
    assert expected in mistakes(f"{BASE}[features]\n{features}\n", tmp_path)


def test_one_charger_may_have_solar_and_single_together(tmp_path: Path) -> None:
    text = ONE + '[features]\ndynamic = false\nsingle = true\nsolar = true\nsolar_mode = "top-up"\n'
    installation = read(text, tmp_path)
    assert installation.features.on == {Feature.SINGLE, Feature.SOLAR}
    assert installation.features.solar is SolarMode.TOP_UP


def test_a_schedule_is_read(tmp_path: Path) -> None:
    text = (
        BASE + '[features]\nschedules = true\n[schedules.night]\nchargers = ["left"]\ndays = ["mon", "sun"]\n'
        'from = "22:30"\nto = "06:00"\nlimit_a = 10\n[schedules.always]\nfrom = "00:00"\nto = "24:00"\n'
    )
    night, always = read(text, tmp_path).schedules
    assert (night.chargers, night.days, night.from_min, night.to_min, night.limit_a) == (
        frozenset({ChargerId("left")}),
        frozenset({0, 6}),
        1350,
        360,
        10.0,
    )
    assert (always.chargers, len(always.days), always.from_min, always.to_min, always.limit_a) == (
        None,
        7,
        0,
        1440,
        None,
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('from = "25:00"\nto = "06:00"', '"25:00" is no time of the day'),
        ('to = "06:00"', "schedules.x.from: it is missing"),
        ('from = "1:00"\nto = "06:00"\ndays = ["monday"]', 'there is no day "monday". Did you mean mon?'),
        ('from = "1:00"\nto = "06:00"\nchargers = ["lift"]', 'there is no charger "lift". Did you mean left?'),
        ('from = "1:00"\nto = "06:00"\nchargers = []', "is no list of chargers"),
    ],
)
def test_a_wrong_schedule_is_told_with_its_remedy(keys: str, expected: str, tmp_path: Path) -> None:
    assert expected in mistakes(f"{BASE}[schedules.x]\n{keys}\n", tmp_path)


def test_names_primary_count_and_zone_are_read(tmp_path: Path) -> None:
    text = '[site]\ntime_zone = "Europe/Madrid"\nprimary = "right"\ncharger_count = 2\n' + BASE
    installation = read(text, tmp_path)
    assert installation.time_zone.key == "Europe/Madrid"
    assert (installation.primary, installation.charger_count) == ("right", 2)
    assert installation.name_of(ChargerId("left")) == "Left bay"
    assert installation.circuit_name_of(CircuitId("main")) == "main"


def test_an_unknown_zone_or_primary_is_refused(tmp_path: Path) -> None:
    told = mistakes('[site]\ntime_zone = "Europe/Madird"\nprimary = "lefd"\n' + BASE, tmp_path)
    assert "Did you mean Europe/Madrid?" in told
    assert "Did you mean left?" in told


def test_the_app_has_tls_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    assert (read(BASE, tmp_path).app.tls, read(BASE, tmp_path).app.port) == (True, 8443)
    plain = read(BASE + "[app]\ntls = false\n", tmp_path).app
    assert (plain.tls, plain.port) == (False, 8080)
    assert "TLS needs certificate and key" in mistakes(BASE + '[app]\ntls_key = "k"\n', tmp_path)
