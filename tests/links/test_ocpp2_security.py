"""Security profiles 1 to 3 with the newer versions: the door is the same, and asks the same of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import websockets
from tests.links.test_ocpp_security import HASH, PASSWORD, Authorities, comes, endpoint, refusal, serving

VERSIONS = ("2.0.1", "2.1")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(Path(tmp_path_factory.mktemp("authorities")))


def by(version: str) -> dict[str, Any]:
    return {"subprotocols": [websockets.Subprotocol(f"ocpp{version}")]}


async def boots(socket: websockets.ClientConnection) -> bool:
    """Whether it is let in, and spoken to in its version."""
    station = {"vendorName": "Acme", "model": "Two"}
    await socket.send(json.dumps([2, "1", "BootNotification", {"reason": "PowerUp", "chargingStation": station}]))
    async with asyncio.timeout(30):
        while True:
            frame = json.loads(await socket.recv())
            if frame[:2] == [3, "1"]:
                return bool(frame[2]["status"] == "Accepted")


@pytest.mark.parametrize("version", VERSIONS)
async def test_profile_1_asks_for_the_password(version: str) -> None:
    async with serving(endpoint(password_hash=HASH, security_profile=1)) as server:
        assert await refusal(server, **by(version)) == 401
        assert await refusal(server, password="wrong", **by(version)) == 401
        async with comes(server, password=PASSWORD, **by(version)) as socket:
            assert await boots(socket)


@pytest.mark.parametrize("version", VERSIONS)
async def test_profile_2_asks_for_tls_and_the_password(version: str, authorities: Authorities) -> None:
    one = endpoint(password_hash=HASH, security_profile=2)
    async with serving(one, tls=authorities.server(), tls_port=0) as server:
        assert await refusal(server, password=PASSWORD, **by(version)) == 403
        assert await refusal(server, tls=authorities.client(), **by(version)) == 401
        async with comes(server, password=PASSWORD, tls=authorities.client(), **by(version)) as socket:
            assert await boots(socket)


@pytest.mark.parametrize("version", VERSIONS)
async def test_profile_3_asks_for_the_chargers_own_certificate(version: str, authorities: Authorities) -> None:
    """Its common name is the charger's serial number, as OCPP wants it."""
    one = endpoint(security_profile=3, certificate_cn="SN-4711")
    async with serving(one, tls=authorities.server(), tls_port=0) as server:
        assert await refusal(server, tls=authorities.client(), **by(version)) == 403
        assert await refusal(server, tls=authorities.client("SN-4712"), **by(version)) == 403
        async with comes(server, tls=authorities.client("SN-4711"), **by(version)) as socket:
            assert await boots(socket)


async def test_a_certificate_of_a_strange_authority_ends_the_handshake(authorities: Authorities) -> None:
    one = endpoint(security_profile=3)
    async with serving(one, tls=authorities.server(), tls_port=0) as server:
        with pytest.raises((OSError, websockets.WebSocketException, EOFError)):
            async with comes(server, tls=authorities.client("CP", strange=True), **by("2.0.1")) as socket:
                await socket.recv()
