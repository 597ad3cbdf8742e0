"""Which version of OCPP is spoken with whom."""

from __future__ import annotations

import asyncio

import pytest
import websockets
from structlog.testing import capture_logs
from tests.links.peer2 import BOOT, peer
from tests.links.test_ocpp_steering import FAMILIES, Bench, endpoint, serving

from ampacity.links.ocpp.versions import chosen


@pytest.mark.parametrize(
    ("offered", "allowed", "version"),
    [
        (["ocpp1.6"], ("2.1", "2.0.1", "1.6"), "1.6"),
        (["ocpp1.6", "ocpp2.0.1"], ("2.1", "2.0.1", "1.6"), "2.0.1"),
        (["ocpp1.6", "ocpp2.0.1", "ocpp2.1"], ("1.6", "2.0.1", "2.1"), "2.1"),
        (["ocpp2.0.1", "ocpp1.6"], ("1.6",), "1.6"),
        (["ocpp2.0.1"], ("1.6",), None),
        (["ocpp2.0"], ("2.1", "2.0.1", "1.6"), None),
        ([], ("2.1", "2.0.1", "1.6"), None),
    ],
)
def test_of_those_that_both_speak_the_newest_is_spoken(
    offered: list[str], allowed: tuple[str, ...], version: str | None
) -> None:
    assert chosen(offered, allowed) == version


async def _negotiated(bench: Bench, *offered: str) -> str | None:
    names = [websockets.Subprotocol(one) for one in offered]
    async with websockets.connect(f"ws://127.0.0.1:{bench.server.port}/CP", subprotocols=names) as socket:
        return socket.subprotocol


async def test_a_charger_gets_the_newest_version_that_it_offers() -> None:
    async with serving() as bench:
        assert await _negotiated(bench, "ocpp1.6", "ocpp2.0.1", "ocpp2.1") == "ocpp2.1"


async def test_a_charger_is_held_to_the_versions_that_are_set_for_it() -> None:
    async with serving(endpoint(versions=("1.6",))) as bench:
        assert await _negotiated(bench, "ocpp2.0.1", "ocpp1.6") == "ocpp1.6"


async def test_a_charger_that_offers_none_of_its_versions_is_refused_with_the_reason() -> None:
    with capture_logs() as logs:
        async with serving(endpoint(versions=("1.6",))) as bench:
            with pytest.raises(websockets.InvalidStatus) as caught:
                await _negotiated(bench, "ocpp2.1", "ocpp2.0.1")
    assert caught.value.response.status_code == 400
    told = [one for one in logs if one["event"] == "charger-protocol"]
    assert "only OCPP 1.6 is spoken with it" in told[0]["remedy"]


async def test_a_charger_whose_family_speaks_a_version_badly_is_spoken_to_in_another() -> None:
    async with serving(endpoint(family=FAMILIES["foxess"])) as bench:
        assert await _negotiated(bench, "ocpp2.0.1", "ocpp1.6") == "ocpp1.6"


async def test_a_charger_that_turns_out_to_speak_a_version_badly_has_to_come_again_in_another() -> None:
    fox = {"reason": "PowerUp", "chargingStation": {"vendorName": "FoxESS", "model": "A022KP1"}}
    async with serving() as bench:
        async with peer(bench) as one:
            await one.say("BootNotification", fox)
            async with asyncio.timeout(10):
                await one.wait_closed()
        assert await _negotiated(bench, "ocpp2.0.1", "ocpp1.6") == "ocpp1.6"


async def test_who_sets_the_version_has_the_last_word() -> None:
    async with serving(endpoint(family=FAMILIES["foxess"], versions=("2.0.1",))) as bench, peer(bench) as one:
        assert (await one.say("BootNotification", BOOT))["status"] == "Accepted"
        assert (await one.say("Heartbeat", {}))["currentTime"]


async def test_what_was_learned_in_one_version_is_not_believed_in_another() -> None:
    async with serving() as bench:
        async with peer(bench, "2.0.1", SetChargingProfile=lambda _: {"status": "Accepted"}) as one:
            await one.say("BootNotification", BOOT)
            await one.until_asked("SetChargingProfile")
            await one.say("Heartbeat", {})
        async with peer(bench, "2.1") as one:
            await one.say("BootNotification", {**BOOT, "reason": "Triggered"})
            await one.until_asked("SetChargingProfile")
            assert one.profiles(1)
