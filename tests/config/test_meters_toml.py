"""Meters of any kind in site.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampacity.config.meter_place import HttpPlace, InletPlace, MadePlace, MqttPlace, P1Place
from ampacity.config.mistakes import Caution, SiteFileError
from ampacity.config.site_toml import parse
from ampacity.core.site import ChargerId

BASE = """
[site]
supply = "three-phase"
[circuits.main]
limit_a = 63
meter = "main"
[chargers.left]
ocpp_id = "left"
lines = ["L1", "L2", "L3"]
[meters.main]
"""


def place(text: str) -> object:
    return parse(BASE + text, Path("site.toml")).meters[0].place


def mistakes(text: str) -> str:
    with pytest.raises(SiteFileError) as told:
        parse(BASE + text, Path("site.toml"))
    return str(told.value)


def test_a_customer_port_on_a_cable() -> None:
    assert place('device = "p1-esmr5"\nserial = "/dev/ttyUSB0"') == P1Place(
        host=None, port=23, serial="/dev/ttyUSB0", key=""
    )


def test_the_period_of_a_customer_port_is_that_of_its_telegrams() -> None:
    text = BASE + 'device = "p1-dsmr4"\nserial = "/dev/ttyUSB0"'
    assert parse(text, Path("site.toml")).site.meters[0].period_s == 10.0


def test_a_meter_that_encrypts_needs_its_key() -> None:
    assert "32 hexadecimal digits" in mistakes('device = "p1-luxembourg"\nserial = "/dev/ttyUSB0"')


def test_a_key_is_not_shown() -> None:
    key = "00112233445566778899AABBCCDDEEFF"
    assert key not in repr(place(f'device = "p1-luxembourg"\nhost = "10.0.0.9"\nkey = "{key}"'))


def test_a_family_that_speaks_json_is_polled_at_its_host() -> None:
    found = place('device = "shelly-pro-3em"\nhost = "10.0.0.9"')
    assert isinstance(found, HttpPlace)
    assert (found.url, found.push) == ("http://10.0.0.9/rpc/EM.GetStatus?id=0", False)


def test_a_family_that_pushes_may_be_listened_to() -> None:
    found = place('device = "shelly-pro-3em"\nhost = "10.0.0.9"\npush = true')
    assert isinstance(found, HttpPlace)
    assert (found.url, found.push) == ("ws://10.0.0.9/rpc", True)


def test_a_family_may_be_read_over_mqtt_under_its_own_prefix() -> None:
    found = place('device = "shelly-pro-3em"\nbroker = "mqtt://10.0.0.5"\ntopic = "shellypro3em-1"')
    assert isinstance(found, MqttPlace)
    assert found.topics == ("shellypro3em-1/status/em:0",)


def test_any_document_over_http() -> None:
    found = parse(
        BASE + 'device = "json"\nurl = "http://10.0.0.9/x"\nplaces = { currents = ["l1", "l2", "l3"] }',
        Path("site.toml"),
    ).meters[0]
    assert found.places is not None
    assert found.places.currents is not None
    assert found.places.currents.at == ("l1", "l2", "l3")


def test_any_topic_and_place_over_mqtt() -> None:
    found = place(
        'device = "mqtt"\nbroker = "mqtt://10.0.0.5:1884"\n'
        'places = { currents = ["a/1#i", "a/2#i", "a/3#i"], powers = ["a/1#p", "a/2#p", "a/3#p"] }'
    )
    assert isinstance(found, MqttPlace)
    assert found.topics == ("a/1", "a/2", "a/3")


def test_a_plain_number_a_topic_is_a_place_without_a_path() -> None:
    text = BASE + 'device = "mqtt"\nbroker = "mqtt://h"\nplaces = { currents = ["a/1", "a/2", "a/3"] }'
    found = parse(text, Path("site.toml")).meters[0].places
    assert found is not None
    assert found.currents is not None
    assert found.currents.found({"a/1": 6, "a/2": 7.5, "a/3": 0}) == [6.0, 7.5, 0.0]


def test_places_of_one_topic_stand_in_its_own_message() -> None:
    text = BASE + 'device = "mqtt"\nbroker = "mqtt://h"\nplaces = { currents = ["a#x[0]", "a#x[1]", "a#x[2]"] }'
    found = parse(text, Path("site.toml")).meters[0].places
    assert found is not None
    assert found.currents is not None
    assert found.currents.at == ("x[0]", "x[1]", "x[2]")


def test_what_a_charger_tells_of_the_supply() -> None:
    found = parse(BASE + 'device = "charger"\ncharger = "left"', Path("site.toml"))
    assert found.meters[0].place == InletPlace(charger=ChargerId("left"))
    assert found.meters[0].address == "charger left"
    assert found.site.meters[0].period_s == 10.0


def cautions(text: str) -> list[str]:
    return [one.code for one in parse(BASE + text, Path("site.toml")).warnings if isinstance(one, Caution)]


def test_that_it_is_the_last_resort_is_said_where_it_is_the_only_one() -> None:
    assert "meter-of-charger" in cautions('device = "charger"\ncharger = "left"')
    second = 'host = "10.0.0.1"\nstandby = "second"\n[meters.second]\ndevice = "charger"\ncharger = "left"'
    assert "meter-of-charger" not in cautions(second)


def test_a_meter_made_of_others() -> None:
    found = place(
        'device = "sum"\nof = ["a", "b"]\nminus = ["c"]\n'
        '[meters.a]\nhost = "10.0.0.1"\n[meters.b]\nhost = "10.0.0.2"\n[meters.c]\nhost = "10.0.0.3"'
    )
    assert isinstance(found, MadePlace)
    assert (found.plus, found.minus, found.address) == (("a", "b"), ("c",), "a + b − c")


def test_a_standby_meter() -> None:
    text = BASE + 'host = "10.0.0.1"\nstandby = "second"\n[meters.second]\nhost = "10.0.0.2"'
    assert parse(text, Path("site.toml")).meters[0].standby == "second"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('device = "sum"', "meters are needed"),
        ('device = "sum"\nof = ["main"]', "can't be made of itself"),
        ('device = "sum"\nof = ["nobody"]', 'there is no meter "nobody"'),
        ('device = "sum"\nof = ["b", "b"]', "stands in it twice"),
        ('host = "10.0.0.1"\nstandby = "secnd"\n[meters.second]\nhost = "10.0.0.2"', "Did you mean second?"),
        ('device = "charger"\ncharger = "lft"', "Did you mean left?"),
        ('device = "charger"', "it is missing"),
        ('device = "charger"\ncharger = "left"\nhost = "10.0.0.1"', "host: this key is not known"),
        (
            'device = "charger"\ncharger = "asked"\n[chargers.asked]\ndevice = "alfen-eve"\nhost = "10.0.0.2"\n'
            'lines = ["L1", "L2", "L3"]',
            "does not connect over OCPP",
        ),
        (
            'device = "charger"\ncharger = "left"\n[meters.b]\ndevice = "charger"\ncharger = "left"',
            "charger left is the address of meter main, too. Keep one of them.",
        ),
        ('device = "shelly-pro-3em"', "neither host nor url"),
        ('device = "shelly-3em"\nhost = "10.0.0.1"\npush = true', "can't be listened to"),
        ('device = "shelly-3em"\nbroker = "mqtt://h"\ntopic = "x"', "does not speak MQTT"),
        ('device = "json"\nurl = "http://h/"', "it is not said where the quantities stand"),
        ('device = "json"\nurl = "ftp://h/"\nplaces = { currents = ["a"] }', "no address"),
        ('device = "json"\nurl = "http://h/"\nplaces = { amps = ["a"] }', "amps is no quantity"),
        ('device = "mqtt"\nbroker = "10.0.0.5"\nplaces = { currents = ["a"] }', "a broker is needed"),
        ('device = "mqtt"\nbroker = "mqtt://h"\ntopic = "a/#"\nplaces = { currents = ["a"] }', "wildcards"),
        ('device = "p1-esmr5"\nserial = "/dev/ttyUSB0"\nkey = "00"', "does not encrypt"),
        ('device = "p1-esmr"\nserial = "/dev/ttyUSB0"', "Did you mean p1-esmr5?"),
        ('serial = "/dev/ttyUSB0"\nframing = "tcp"', "a serial line has RTU frames"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(text: str, what: str) -> None:
    assert what in mistakes(text)
