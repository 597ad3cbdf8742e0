"""Chargers over Modbus and HTTP in site.toml: where they are, what does not go together, and what it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampacity.config.installation import Installation
from ampacity.config.mistakes import Caution, SiteFileError
from ampacity.config.site_toml import parse
from ampacity.config.steered import effective
from ampacity.devices.catalogue import direct_families

SITE = """\
[circuits.main]
limit_a = 63
meter = "main"
worst_load_a = 20

[meters.main]
serial = "/dev/ttyUSB0"
baud = 19200
parity = "E"
unit = 1

[chargers.left]
lines = ["L1", "L2", "L3"]
safe_a = 6
"""
ALFEN = 'device = "alfen-eve"\nhost = "10.0.0.21"\n'
HEIDELBERG = 'device = "heidelberg-energy-control"\nserial = "/dev/ttyUSB0"\nunit = 2\n'


def read(left: str, more: str = "") -> Installation:
    return parse(f"{SITE}{left}{more}", Path("site.toml"))


def mistakes(left: str, more: str = "") -> str:
    with pytest.raises(SiteFileError) as caught:
        read(left, more)
    return "\n".join(caught.value.lines())


def second(text: str) -> str:
    return f'[chargers.right]\nlines = ["L1"]\n{text}'


def test_a_charger_over_modbus_has_the_defaults_of_its_family() -> None:
    direct = read(ALFEN).chargers[0].direct
    assert direct is not None
    assert (direct.device, direct.address) == ("alfen-eve", "10.0.0.21:502, unit 1")


def test_a_charger_on_a_serial_line_has_the_frames_of_its_family() -> None:
    direct = read(HEIDELBERG).chargers[0].direct
    assert direct is not None
    assert (direct.baud, direct.parity, direct.stop_bits, direct.unit) == (19200, "E", 1, 2)


def test_one_over_http_has_no_unit() -> None:
    direct = read('device = "openwb-pro"\nhost = "10.0.0.5"\n').chargers[0].direct
    assert direct is not None
    assert direct.address == "10.0.0.5:80"


@pytest.mark.parametrize(
    ("left", "line", "said"),
    [
        ('device = "alfen"\nhost = "10.0.0.21"\n', 15, "Did you mean"),
        ('device = "alfen-eve"\n', 12, "it is not said where it is"),
        (f'{ALFEN}serial = "/dev/ttyUSB1"\n', 12, "both host and serial"),
        ('device = "alfen-eve"\nserial = "/dev/ttyUSB1"\n', 16, "has no serial line"),
        (f'{ALFEN}ocpp_id = "CP1"\n', 17, "it is for chargers with OCPP"),
        (f'{ALFEN}password = "secret"\n', 17, "it is for chargers with OCPP"),
        (f"{ALFEN}socket = 2\n", 17, "out of range"),
        (f"{ALFEN}units = 2\n", 17, "Did you mean unit"),
        ('device = "openwb-pro"\nhost = "10.0.0.5"\nunit = 3\n', 17, "asked over HTTP"),
        ('device = "alfen-eve"\nhost = "http://10.0.0.21:502"\n', 16, "no host name"),
        ('host = "10.0.0.21"\n', 15, "no device is set"),
        (HEIDELBERG.replace("unit = 2", "unit = 1"), 12, "address of meter main"),
        (f"{HEIDELBERG}baud = 9600\n", 12, "differ from those of meter main"),
    ],
)
def test_a_mistake_is_named_with_line_and_remedy(left: str, line: int, said: str) -> None:
    found = mistakes(left)
    assert f"site.toml, line {line}, chargers.left" in found
    assert said in found


def test_a_key_that_does_not_go_with_a_device_is_told_once() -> None:
    assert len(mistakes(f'{ALFEN}ocpp_id = "CP1"\n').splitlines()) == 1
    assert len(mistakes('host = "10.0.0.21"\n').splitlines()) == 1


def test_two_chargers_at_one_address_are_told() -> None:
    assert "is the address of charger left" in mistakes(ALFEN, second(ALFEN))


def test_two_sockets_of_one_charger_go_together() -> None:
    charx = 'device = "phoenix-charx"\nhost = "10.0.0.9"\n'
    installation = read(charx, second(f"{charx}socket = 2\n"))
    direct = installation.chargers[1].direct
    assert direct is not None
    assert direct.address == "10.0.0.9:502, unit 1, socket 2"


def test_the_controller_reckons_with_the_steps_of_the_family() -> None:
    site = effective(read('device = "vestel-evc04"\nhost = "10.0.0.8"\n'))
    assert site.chargers[0].step_a == 1.0


@pytest.mark.parametrize("device", sorted(direct_families()))
def test_a_family_that_can_not_be_read_back_does_not_guard(device: str) -> None:
    family = direct_families()[device]
    site = effective(read(f'device = "{device}"\nhost = "10.0.0.8"\n'))
    assert site.chargers[0].guarded is family.guardable


def test_a_charger_that_falls_back_no_lower_than_6_a_does_not_guard_a_lower_safe_current() -> None:
    installation = parse(
        SITE.replace("safe_a = 6", "safe_a = 0") + 'device = "phoenix-charx"\nhost = "10.0.0.9"\n', Path("site.toml")
    )
    assert not effective(installation).chargers[0].guarded
    assert "device-safe-current" in [one.code for one in installation.warnings if isinstance(one, Caution)]


def test_a_family_that_nobody_has_confirmed_is_told() -> None:
    cautions = [one.code for one in read(ALFEN).warnings if isinstance(one, Caution)]
    assert "device-unconfirmed" in cautions
    assert "device-unguarded" not in cautions


def test_a_family_that_does_not_guard_is_told() -> None:
    warnings = read('device = "go-e-modbus"\nhost = "10.0.0.8"\n').warnings
    assert "device-unguarded" in [one.code for one in warnings if isinstance(one, Caution)]


def test_no_password_is_missed_on_a_charger_that_does_not_connect_by_itself() -> None:
    assert not any("no password" in one for one in read(ALFEN).warnings)


def unconfirmed(text: str) -> list[str]:
    """What is said to be confirmed by nobody."""
    warnings = [one for one in parse(text, Path("site.toml")).warnings if isinstance(one, Caution)]
    return [str(one.params["device"]) for one in warnings if one.code.endswith("-unconfirmed")]


@pytest.mark.parametrize("device", ["abb-b2x", "p1-dsmr4", "shelly-3em"])
def test_a_meter_of_any_kind_whose_family_nobody_has_confirmed_is_told(device: str) -> None:
    old = '[meters.main]\nserial = "/dev/ttyUSB0"\nbaud = 19200\nparity = "E"\nunit = 1\n'
    assert unconfirmed(SITE.replace(old, f'[meters.main]\ndevice = "{device}"\nhost = "10.0.0.7"\n')) == [device]


def test_a_family_over_ocpp_that_nobody_has_confirmed_is_told_where_it_is_named() -> None:
    assert unconfirmed(f'{SITE}ocpp_id = "A"\nfamily = "easee"\n') == ["easee"]


def test_the_standards_own_family_claims_nothing_that_could_be_confirmed() -> None:
    assert unconfirmed(f'{SITE}ocpp_id = "A"\nfamily = "generic"\n') == []
