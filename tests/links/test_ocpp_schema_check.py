"""The debug switch that holds each message against the official schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.links.peer2 import BOOT, peer
from tests.links.test_ocpp_steering import charger, command, serving

from ampacity.links.ocpp.schema_check import CheckedLink, MessageCheck, message_check

BOOT16 = {"chargePointVendor": "Acme", "chargePointModel": "One"}


def found() -> MessageCheck:
    check = message_check()
    assert check is not None
    return check


def link(version: str = "2.0.1") -> CheckedLink:
    return found().link("left", version)


@pytest.mark.parametrize(
    ("version", "message", "payload"),
    [
        ("1.6", "BootNotification", BOOT16),
        ("2.0.1", "BootNotification", BOOT),
        ("2.1", "BootNotification", BOOT),
        ("1.6", "HeartbeatResponse", {"currentTime": "2026-01-01T00:00:00Z"}),
        ("2.1", "HeartbeatResponse", {"currentTime": "2026-01-01T00:00:00Z"}),
    ],
)
def test_a_message_as_it_should_be_breaks_nothing(version: str, message: str, payload: dict[str, Any]) -> None:
    assert found().breaches(version, message, payload) == []


def test_a_breach_is_told_with_its_place() -> None:
    station = {"vendorName": "Acme", "model": "a name that is longer than twenty characters"}
    breaches = found().breaches("2.0.1", "BootNotification", {"reason": "PowerUp", "chargingStation": station})
    assert len(breaches) == 1
    assert breaches[0].startswith("/chargingStation/model:")


@pytest.mark.parametrize("name", ["Dance", "../BootNotification", "", "BatterySwap"])
def test_a_message_that_the_version_does_not_have_is_a_breach(name: str) -> None:
    assert found().breaches("2.0.1", name, {}) == [f"OCPP 2.0.1 has no {name}"]


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("2.0.1", "nonsense"),
        ("2.0.1", "[2]"),
        ("2.0.1", '[3,"never asked",{}]'),
        ("2.0.1", '[6,"a","NotifyPeriodicEventStream",{}]'),
        ("2.1", '[6,"a","NotifyPeriodicEventStream",{}]'),
        ("2.1", '[2,"a","BootNotification",{}]'),
        ("2.1", "[" * 20_000),
    ],
)
def test_what_a_charger_sends_wrongly_is_counted_and_told_once(version: str, text: str) -> None:
    one = link(version)
    with capture_logs() as logs:
        one.received(text.encode())
        one.received(text.encode())
    assert (one.messages, one.wrong_received, one.wrong_sent) == (2, 2, 0)
    assert len({entry["what"] for entry in logs}) == len(logs) > 0


def test_an_answer_is_held_against_the_schema_of_what_was_asked() -> None:
    one = link()
    one.sent('[2,"a","GetVariables",{"getVariableData":[{"component":{"name":"x"},"variable":{"name":"y"}}]}]')
    one.received(b'[3,"a",{"status":"Accepted"}]')
    assert (one.wrong_sent, one.wrong_received) == (0, 1)


def test_an_error_is_an_answer() -> None:
    one = link("2.1")
    one.sent('[2,"a","Dance",{}]')
    one.received(b'[4,"a","NotImplemented","",{}]')
    one.received(b'[5,"a","FormatViolation","",{}]')
    assert (one.wrong_sent, one.wrong_received) == (1, 0)


def _checked(logs: list[Any]) -> tuple[int, int]:
    (told,) = [one for one in logs if one["event"] == "ocpp-checked"]
    assert told["messages"] > 5
    return told["wrong_sent"], told["wrong_received"]


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_all_that_passes_over_a_connection_is_checked(version: str) -> None:
    with capture_logs() as logs:
        async with serving(check=found()) as bench:
            async with peer(bench, version) as one:
                await one.say("BootNotification", BOOT)
                await one.until_asked("GetChargingProfiles")
                bench.apply(command())
                await bench.answer()
                await one.say("StatusNotification", {"connectorStatus": "Occupied"})
            await bench.until(lambda: not bench.server.stations)
    assert _checked(logs) == (0, 1)


async def test_a_charger_of_1_6_is_checked_too() -> None:
    with capture_logs() as logs:
        async with serving(check=found()) as bench:
            async with charger(bench, GetConfiguration=lambda _: {"configurationKey": []}) as one:
                await one.say("BootNotification", BOOT16)
                await one.until_set_up()
                bench.apply(command())
                await bench.answer()
            await bench.until(lambda: not bench.server.stations)
    assert _checked(logs) == (0, 0)


def test_what_is_not_json_is_told_as_such() -> None:
    one = link()
    with capture_logs() as logs:
        one.received(json.dumps({"a": 1}).encode())
    assert [entry["what"] for entry in logs] == ["not an OCPP-J frame of OCPP 2.0.1"]
