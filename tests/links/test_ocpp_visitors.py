"""Chargers that come to an open door are noted with what they say of themselves, and not taken into service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st

from ampacity.links.ocpp.server import CannotListen
from ampacity.links.ocpp.visitors import MOST_VISITORS, Visitor, Visitors

WALL = datetime(2026, 1, 1, tzinfo=UTC)
BOOT_16 = {"chargePointVendor": "Acme", "chargePointModel": "Wall 1", "firmwareVersion": "7.1"}
BOOT_20 = {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "Wall 2", "firmwareVersion": "8"}}


class Door:
    def __init__(self, port: int = 0) -> None:
        self.came: list[Visitor] = []
        self.visitors = Visitors(listen="127.0.0.1", port=port, wall=lambda: WALL, came=self.came.append)

    def url(self, ocpp_id: str) -> str:
        return f"ws://127.0.0.1:{self.visitors.port}/ocpp/{ocpp_id}"

    async def say(self, ocpp_id: str, *messages: Any, protocol: str = "ocpp1.6", **how: Any) -> list[Any]:
        """What it is answered, one each."""
        names = [websockets.Subprotocol(one) for one in protocol.split()]
        async with websockets.connect(self.url(ocpp_id), subprotocols=names or None, **how) as socket:
            answers = []
            for one in messages:
                await socket.send(json.dumps(one))
                answers.append(json.loads(await socket.recv()))
            return answers


@asynccontextmanager
async def door() -> AsyncIterator[Door]:
    one = Door()
    task = asyncio.create_task(one.visitors.receive(60.0))
    async with asyncio.timeout(30):
        await one.visitors.listening.wait()
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_who_introduces_itself_is_noted_with_what_it_says() -> None:
    async with door() as one:
        await one.say("CP-left", [2, "1", "BootNotification", BOOT_16])
        (visitor,) = one.visitors.all()
    assert (visitor.ocpp_id, visitor.address, visitor.protocols) == ("CP-left", "127.0.0.1", ("ocpp1.6",))
    assert (visitor.vendor, visitor.model, visitor.firmware) == ("Acme", "Wall 1", "7.1")


async def test_a_charger_of_a_newer_ocpp_is_understood_too() -> None:
    async with door() as one:
        await one.say("CP-left", [2, "1", "BootNotification", BOOT_20], protocol="ocpp2.0.1 ocpp1.6")
        (visitor,) = one.visitors.all()
    assert (visitor.vendor, visitor.model, visitor.protocols) == ("Acme", "Wall 2", ("ocpp2.0.1", "ocpp1.6"))


async def test_it_is_told_to_come_again_and_is_not_taken_into_service() -> None:
    async with door() as one:
        booted, other = await one.say("CP", [2, "1", "BootNotification", BOOT_16], [2, "2", "Heartbeat", {}])
    assert booted == [3, "1", {"currentTime": "2026-01-01T00:00:00Z", "interval": 60, "status": "Rejected"}]
    assert other[:3] == [4, "2", "SecurityError"]


async def test_that_it_sends_a_password_is_noted_and_the_password_is_not() -> None:
    async with door() as one:
        await one.say("CP", [2, "1", "Heartbeat", {}], additional_headers={"Authorization": "Basic Q1A6c2VjcmV0"})
        (visitor,) = one.visitors.all()
    assert visitor.password
    assert "secret" not in repr(visitor)
    assert "Q1A6" not in repr(visitor)


async def test_who_speaks_no_ocpp_is_noted_with_what_it_offers() -> None:
    async with door() as one:
        with pytest.raises(websockets.InvalidStatus):
            await one.say("CP", protocol="mqtt")
        (visitor,) = one.visitors.all()
    assert visitor.protocols == ("mqtt",)


async def test_who_comes_again_is_one_visitor_and_keeps_what_it_said() -> None:
    async with door() as one:
        await one.say("CP", [2, "1", "BootNotification", BOOT_16])
        await one.say("CP", [2, "1", "Heartbeat", {}])
        (visitor,) = one.visitors.all()
    assert visitor.model == "Wall 1"
    assert [bool(came.model) for came in one.came] == [False, True]


@pytest.mark.parametrize("ocpp_id", ["", "x" * 49, "a%1Bb"])
async def test_who_has_no_identity_is_not_noted(ocpp_id: str) -> None:
    async with door() as one:
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"ws://127.0.0.1:{one.visitors.port}/{ocpp_id}")
        assert one.visitors.all() == []


async def test_identities_without_end_fill_no_memory() -> None:
    async with door() as one:
        for number in range(MOST_VISITORS):
            await one.say(f"CP{number}")
        with pytest.raises(websockets.InvalidStatus):
            await one.say("CP-one-more")
        assert len(one.visitors.all()) == MOST_VISITORS


async def test_a_port_that_is_taken_is_told() -> None:
    async with door() as one:
        with pytest.raises(CannotListen):
            await Door(one.visitors.port).visitors.receive(1.0)


def made_up() -> st.SearchStrategy[Any]:
    values = st.none() | st.booleans() | st.integers() | st.text(max_size=90)
    return st.dictionaries(
        st.sampled_from([*BOOT_16, "chargingStation", "vendorName"]), values | st.dictionaries(st.text(), values)
    )


@given(made_up())
def test_whatever_it_says_of_itself_is_printable_and_short(boot: Any) -> None:
    one = Door()
    one.visitors._note(Visitor(ocpp_id="CP", address="10.0.0.9", protocols=("ocpp1.6",), password=False))
    answer = one.visitors._answer("CP", json.dumps([2, "1", "BootNotification", boot]).encode())
    assert answer is not None
    (visitor,) = one.visitors.all()
    for said in (visitor.vendor, visitor.model, visitor.firmware):
        assert said.isprintable()
        assert len(said) <= 60
