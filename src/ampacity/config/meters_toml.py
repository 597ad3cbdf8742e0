"""Reads `[meters.NAME]` of a site.toml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ampacity.config.meter_place import (
    HttpPlace,
    InletPlace,
    MadePlace,
    MeterConnection,
    MeterPlace,
    ModbusPlace,
    MqttPlace,
    P1Place,
)
from ampacity.config.mistakes import Caution
from ampacity.config.table import Table, hint, shown
from ampacity.core.site import ChargerId, Circuit, Meter, MeterId
from ampacity.devices.json_family import JsonFamily, JsonMap, Places, json_map_of
from ampacity.devices.meter_family import MeterFamily
from ampacity.devices.p1_family import P1Family
from ampacity.devices.verified import unconfirmed

JSON, MQTT, CHARGER, SUM = "json", "mqtt", "charger", "sum"
"""Kinds of meters that need no family."""
CHARGER_PERIOD_S = 10.0
"""So often a charger is asked to report."""
HOST = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]?")
_HOST_AND_PORT = re.compile(r"(?:[a-z]+://)?([A-Za-z0-9._-]+)(?::(\d+))?/?")
_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_BROKER = re.compile(r"mqtts?://[A-Za-z0-9._-]+(:\d{1,5})?/?")
_URL = re.compile(r"(https?|wss?)://[^\s]+")


class MeterReader:
    """Of one site.toml."""

    def __init__(
        self,
        *,
        modbus: Mapping[str, MeterFamily],
        p1: Mapping[str, P1Family],
        json: Mapping[str, JsonFamily],
        password: Callable[[Table], str | None],
    ) -> None:
        """Families by id. `password` reads `password` or `password_file` of a table."""
        self._modbus = modbus
        self._p1 = p1
        self._json = json
        self._password = password

    def read(self, table: Table, name: str) -> tuple[Meter, MeterConnection]:
        """One meter; what is wrong is noted in the table."""
        choices = ["auto", *self._modbus, *self._p1, *self._json, JSON, MQTT, CHARGER, SUM]
        device = table.text("device", "auto", choices=choices)
        period_s = table.number("period_s", self._usual_s(device), 0.1, 600, "s")
        deadline_s = table.optional_number("deadline_s", 1, 300, "s")
        places = self._places(table, device)
        place, places = self._place(table, device, places)
        standby = table.optional_text("standby")
        connection = MeterConnection(
            meter=MeterId(name),
            device=device,
            place=place,
            period_s=period_s,
            places=places,
            standby=None if standby is None else MeterId(standby),
        )
        table.done()
        return Meter(id=connection.meter, period_s=period_s, deadline_s=deadline_s), connection

    def warnings(self, meters: Sequence[MeterConnection]) -> list[str]:
        """What is allowed and worth a look, a family at a time."""
        families: Mapping[str, MeterFamily | P1Family | JsonFamily] = {**self._json, **self._p1, **self._modbus}
        named: dict[str, list[str]] = {}
        for one in meters:
            if one.device in families:
                named.setdefault(one.device, []).append(one.meter)
        return [
            Caution(
                "meter-unconfirmed",
                f"meters.{', meters.'.join(those)}: {unconfirmed(device, families[device].verified)} Hold it against a "
                "clamp meter, line by line, before you rely on it, and tell the project what came of it.",
                meter=", ".join(those),
                device=device,
            )
            for device, those in named.items()
            if not families[device].hardware
        ]

    def _usual_s(self, device: str) -> float:
        if device in self._p1:
            return self._p1[device].every_s
        if device in self._json:
            return self._json[device].every_s
        return CHARGER_PERIOD_S if device == CHARGER else 1.0

    def _place(self, table: Table, device: str, places: JsonMap | None) -> tuple[MeterPlace, JsonMap | None]:
        if device == SUM:
            return MadePlace(plus=_meters(table, "of", needed=True), minus=_meters(table, "minus")), None
        if device == CHARGER:
            if "charger" not in table:
                table.wrong("charger", "it is missing.", "Name the charger that tells of the building's supply.")
            return InletPlace(charger=ChargerId(table.text("charger", "?"))), None
        if device in self._p1:
            return self._p1_place(table, self._p1[device]), None
        if device == MQTT or (device in self._json and "broker" in table):
            return self._mqtt(table, self._json.get(device), places)
        if device == JSON or device in self._json:
            return self._http(table, self._json.get(device)), places
        return self._modbus_place(table), None

    def _modbus_place(self, table: Table) -> ModbusPlace:
        host, serial = _host_or_serial(table, "Modbus TCP", "RTU")
        framing = table.text("framing", "tcp" if serial is None else "rtu", choices=["tcp", "rtu"])
        if serial is not None and framing == "tcp":
            table.wrong("framing", "a serial line has RTU frames.", "Leave framing out.")
        return ModbusPlace(
            unit=table.whole("unit", 1, *((0, 255) if serial is None and framing == "tcp" else (1, 247))),
            host=host,
            port=table.whole("port", 502, 1, 65535),
            rtu_frames=serial is None and framing == "rtu",
            serial=serial,
            baud=table.whole("baud", 9600, 300, 1_000_000),
            parity=table.text("parity", "N", choices=["N", "E", "O"]),
            stop_bits=table.whole("stop_bits", 1, 1, 2),
            ct_ratio=table.optional_number("ct_ratio", 1, 10_000, ""),
        )

    def _p1_place(self, table: Table, family: P1Family) -> P1Place:
        host, serial = _host_or_serial(table, "an adapter on the network", "a cable")
        key = table.optional_text("key") or ""
        if family.encrypted and not _KEY.fullmatch(key):
            table.wrong("key", "32 hexadecimal digits are needed.", "Ask the grid's operator for the meter's key.")
        if key and not family.encrypted:
            table.wrong("key", f"a {family.id} does not encrypt.", "Remove it, or set the device that fits.")
        return P1Place(host=host, port=table.whole("port", 23, 1, 65535), serial=serial, key=key)

    def _http(self, table: Table, family: JsonFamily | None) -> HttpPlace:
        host, url = table.optional_text("host"), table.optional_text("url")
        push = table.switch("push", False) if family is not None else False
        if host and not HOST.fullmatch(host):
            table.wrong("host", f"{shown(host)} is no host name or address.", host_remedy(host))
        if url and not _URL.fullmatch(url):
            table.wrong("url", f"{shown(url)} is no address.", 'Write it as url = "http://10.0.0.9/status".')
        if (host is None) == (url is None):
            what = "neither host nor url is given." if host is None else "both host and url are given."
            table.wrong("", what, "Give one of them.")
        elif host is not None and family is None:
            table.wrong("host", "without a family it is not known what to ask for.", "Give url.")
        elif family is not None and host is not None:
            below = family.pushes if push else family.url
            if not below:
                table.wrong(
                    "push" if push else "device",
                    f"a {family.id} can't be {'listened to' if push else 'polled'}.",
                    "Leave push out." if push else "Set push = true, or broker.",
                )
            url = f"{'ws' if push else 'http'}://{host}{below}"
        user, password = table.optional_text("user"), self._password(table)
        if password is not None and user is None:
            user = "admin"
        return HttpPlace(
            url=url or "",
            push=push or (url or "").startswith("ws"),
            user=user,
            password=password,
            token=table.optional_text("token"),
            check_certificate=table.switch("check_certificate", True),
        )

    def _mqtt(
        self, table: Table, family: JsonFamily | None, places: JsonMap | None
    ) -> tuple[MqttPlace, JsonMap | None]:
        broker = table.text("broker", "")
        if not _BROKER.fullmatch(broker):
            table.wrong("broker", "a broker is needed.", 'Write it as broker = "mqtt://10.0.0.5:1883".')
        topic = table.optional_text("topic")
        if family is not None and not family.topic:
            table.wrong("broker", f"a {family.id} does not speak MQTT.", "Give host instead.")
        if family is not None and topic is not None:
            topic = f"{topic.rstrip('/')}/{family.topic}"
        if family is not None and topic is None:
            table.wrong("topic", "it is missing.", "Give the meter's own prefix, as set in it.")
        if topic is not None and ("+" in topic or "#" in topic):
            table.wrong("topic", "wildcards can't be used.", "Name the one topic of this meter.")
        topics: tuple[str, ...] = (topic,) if topic is not None else ()
        if topic is None and places is not None:
            places, topics = _by_topic(places)
        if not topics:
            table.wrong("topic", "no topic is given.", "Give topic, or places as TOPIC#PLACE.")
        user, password = table.optional_text("user"), self._password(table)
        return MqttPlace(broker=broker.rstrip("/"), user=user, password=password, topics=topics), places

    def _places(self, table: Table, device: str) -> JsonMap | None:
        if device not in (JSON, MQTT):
            return None
        given = table.raw("places")
        if not isinstance(given, Mapping):
            table.wrong(
                "places",
                "it is not said where the quantities stand.",
                'Write places = { currents = ["l1.a", "l2.a", "l3.a"] }, or [meters.NAME.places] with one a line.',
            )
            return None
        by_topic = device == MQTT and "topic" not in table
        try:
            return json_map_of(_quoted(given) if by_topic else given)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
            table.wrong("places", f"{what}.", "See docs/how-to/meters-of-any-kind.md.")
        return None


def on_circuits(meters: Sequence[tuple[Meter, MeterConnection]], circuits: Sequence[Circuit]) -> tuple[Meter, ...]:
    """All but those that only serve others: parts of a sum, and standby meters."""
    metered = {circuit.meter for circuit in circuits}
    serving: set[MeterId] = set()
    for _, one in meters:
        if isinstance(one.place, MadePlace):
            serving |= {*one.place.plus, *one.place.minus}
        if one.standby is not None:
            serving.add(one.standby)
    return tuple(meter for meter, _ in meters if meter.id in metered or meter.id not in serving)


def inlet_warnings(meters: Sequence[MeterConnection], circuits: Sequence[Circuit]) -> list[str]:
    """Where what a charger says of the supply is not only the second source."""
    first = {circuit.meter for circuit in circuits}
    return [
        Caution(
            "meter-of-charger",
            f"meters.{one.meter}: it is what charger {one.place.charger} tells of the supply: seldom, and nothing once "
            "that charger is gone: all chargers then have their safe current. A meter of the building's own is better, "
            "with this one as its standby.",
            meter=one.meter,
            charger=one.place.charger,
        )
        for one in meters
        if isinstance(one.place, InletPlace) and one.meter in first
    ]


def check_made(
    tables: Mapping[str, Table], meters: Sequence[MeterConnection], chargers: Mapping[ChargerId, bool]
) -> None:
    """That what refers to other meters, or to chargers, finds them. `chargers`: whether each connects over OCPP."""
    known = {one.meter: one for one in meters}
    for one in meters:
        table = tables[one.meter]
        if isinstance(one.place, MadePlace):
            for key, named in (("of", one.place.plus), ("minus", one.place.minus)):
                for other in named:
                    _check_other(table, key, other, one.meter, known)
        if one.standby is not None:
            _check_other(table, "standby", one.standby, one.meter, known)
        if isinstance(one.place, InletPlace) and "charger" in table:
            _check_charger(table, one.place.charger, chargers)


def _check_charger(table: Table, charger: ChargerId, chargers: Mapping[ChargerId, bool]) -> None:
    if charger not in chargers:
        near = hint(charger, list(chargers))
        table.wrong("charger", f"there is no charger {shown(charger)}.", f"{near}Name a charger of this file.")
    elif not chargers[charger]:
        table.wrong(
            "charger",
            f"charger {charger} does not connect over OCPP, and is not heard on the building's supply.",
            "Name one that does, or read the building's meter itself.",
        )


def _check_other(
    table: Table, key: str, other: MeterId, own: MeterId, known: Mapping[MeterId, MeterConnection]
) -> None:
    if other == own:
        table.wrong(key, "a meter can't be made of itself.", "Name another one.")
    elif other not in known:
        table.wrong(key, f"there is no meter {shown(other)}.", f"{hint(other, list(known))}Name a meter of this file.")
    elif isinstance(known[other].place, MadePlace):
        table.wrong(key, f"meter {other} is itself made of others.", "Name the meters it is made of.")


def _meters(table: Table, key: str, *, needed: bool = False) -> tuple[MeterId, ...]:
    given = table.raw(key)
    if given is None and not needed:
        return ()
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        table.wrong(key, "meters are needed.", f'Write it as {key} = ["left", "right"].')
        return ()
    if len(set(given)) < len(given):
        table.wrong(key, "a meter stands in it twice.", "Name each once.")
    return tuple(MeterId(one) for one in given)


def _host_or_serial(table: Table, network: str, cable: str) -> tuple[str | None, str | None]:
    host, serial = table.optional_text("host"), table.optional_text("serial")
    if ("host" in table) == ("serial" in table):
        what = "both host and serial are given." if "host" in table else "neither host nor serial is given."
        table.wrong("", what, f'Give host = "10.0.0.7" ({network}) or serial = "/dev/ttyUSB0" ({cable}), not both.')
    if host and not HOST.fullmatch(host):
        table.wrong("host", f"{shown(host)} is no host name or address.", host_remedy(host))
    return host, serial


def host_remedy(given: str) -> str:
    if parts := _HOST_AND_PORT.fullmatch(given):
        return f'Write host = "{parts[1]}"{f" and port = {parts[2]}" if parts[2] else ""}.'
    return 'Give only the name or address, as host = "10.0.0.7"; the port has a key of its own.'


def _quoted(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Places as `TOPIC#PLACE`, made into places in a document of documents by topic."""

    def one(text: str) -> str:
        topic, _, place = text.partition("#")
        quoted = '"' + topic.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{quoted}{'' if place.startswith('[') or not place else '.'}{place}"

    out: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, Mapping):
            out[key] = {**value, "at": [one(text) for text in value["at"]]}
        else:
            out[key] = one(value) if isinstance(value, str) else [one(text) for text in value]
    return out


def _by_topic(places: JsonMap) -> tuple[JsonMap, tuple[str, ...]]:
    """The topics of places that were quoted. With a single one, its message is the document itself."""
    texts: list[str] = []
    for quantity in (places.currents, places.powers, places.voltages, places.reactive, places.energy_import_wh):
        texts += () if quantity is None else quantity.at
    texts += [text for text in (places.time_s, places.number, places.valid) if text]
    topics = tuple(dict.fromkeys(_topic_of(text) for text in texts))
    if len(topics) != 1:
        return places, topics

    def inner(text: str) -> str:
        return text[_end_of_topic(text) :].removeprefix(".")

    def each(quantity: Places | None) -> Places | None:
        return None if quantity is None else Places(tuple(inner(text) for text in quantity.at), quantity.scale)

    return (
        JsonMap(
            currents=each(places.currents),
            powers=each(places.powers),
            voltages=each(places.voltages),
            reactive=each(places.reactive),
            energy_import_wh=each(places.energy_import_wh),
            time_s=None if places.time_s is None else inner(places.time_s),
            number=None if places.number is None else inner(places.number),
            valid=None if places.valid is None else inner(places.valid),
        ),
        topics,
    )


def _end_of_topic(text: str) -> int:
    place = 1
    while text[place] != '"':
        place += 2 if text[place] == "\\" else 1
    return place + 1


def _topic_of(text: str) -> str:
    return text[1 : _end_of_topic(text) - 1].replace('\\"', '"').replace("\\\\", "\\")
