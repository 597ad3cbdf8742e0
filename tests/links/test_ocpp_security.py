"""The door of chargers on real sockets: who is let in, by which profile, and who is not."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import websockets
from structlog.testing import capture_logs

from ampacity.core.observations import Observation
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp import admission
from ampacity.links.ocpp.certificates import BadCertificate, tls_context
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.passwords import hashed, is_usable_hash, new_password
from ampacity.links.ocpp.server import OcppServer

OCPP16 = [websockets.Subprotocol("ocpp1.6")]
PASSWORD = "open sesame 1234"
HASH = hashed(PASSWORD)
HEX_PASSWORD = "6f70656e20736573616d652031323334"
BEAT = '[2,"1","Heartbeat",{}]'


def endpoint(name: str = "CP", **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "charger": ChargerId(name),
        "ocpp_id": name,
        "phases": 3,
        "volts": 230.0,
        "safe_a": 6.0,
        "password": None,
        "family": None,
    }
    return Endpoint(**{**values, **changes})


@asynccontextmanager
async def serving(*endpoints: Endpoint, **options: Any) -> AsyncIterator[OcppServer]:
    seen: list[Observation] = []
    server = OcppServer(
        endpoints,
        charger_families(),
        **{"listen": "127.0.0.1", "port": 0, "tls": None, "adopt": None, **options},
        now_s=time.monotonic,
        wall=lambda: datetime.now(UTC),
        first_transaction=100,
    )
    task = asyncio.create_task(server.run(seen.append))
    async with asyncio.timeout(10):
        await server.listening.wait()
    try:
        yield server
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def comes(
    server: OcppServer,
    name: str = "CP",
    *,
    password: str | bytes | None = None,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    **options: Any,
) -> websockets.connect:
    """A charger that connects, from `host`."""
    headers = {}
    if password is not None:
        plain = password.encode() if isinstance(password, str) else password
        headers["Authorization"] = "Basic " + base64.b64encode(name.encode() + b":" + plain).decode()
    port = server.port if tls is None else server.tls_port or server.port
    url = f"ws://127.0.0.1:{port}/{name}" if tls is None else f"wss://localhost:{port}/{name}"
    more: dict[str, Any] = {"local_addr": (host, 0)} if tls is None else {"ssl": tls}
    return websockets.connect(
        url, additional_headers=headers, **{"subprotocols": OCPP16, "close_timeout": 0.5, **more, **options}
    )


async def refusal(server: OcppServer, name: str = "CP", **options: Any) -> int:
    """The status it is refused with."""
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with comes(server, name, **options):
            pass
    return caught.value.response.status_code


async def answers(socket: websockets.ClientConnection) -> bool:
    """Whether its heartbeat is answered; what else it is asked is passed over."""
    await socket.send(BEAT)
    async with asyncio.timeout(30):
        while True:
            if str(await socket.recv()).startswith('[3,"1"'):
                return True


async def until(test: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not test():
            await asyncio.sleep(0.01)


class Authorities:
    """One for the controller and its chargers, and a strange one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ours, self.strange = trustme.CA(), trustme.CA()
        server = self.ours.issue_cert("localhost")
        self.certificate, self.key, self.ca = folder / "c.pem", folder / "k.pem", folder / "ca.pem"
        server.cert_chain_pems[0].write_to_path(self.certificate)
        server.private_key_pem.write_to_path(self.key)
        self.ours.cert_pem.write_to_path(self.ca)

    def server(self) -> ssl.SSLContext:
        return tls_context(self.certificate, self.key, self.ca)

    def client(self, name: str | None = None, *, strange: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if name is not None:
            authority = self.strange if strange else self.ours
            authority.issue_cert(f"{name}.example", common_name=name).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("tls"))


# --- profiles ---


async def test_profile_0_comes_without_anything() -> None:
    async with serving(endpoint()) as server, comes(server) as socket:
        assert await answers(socket)


@pytest.mark.parametrize("password", [PASSWORD, PASSWORD.encode().hex(), PASSWORD.encode().hex().upper()])
async def test_profile_1_comes_with_a_password_that_is_kept_as_a_hash(password: str) -> None:
    one = endpoint(password_hash=HASH, security_profile=1)
    async with serving(one) as server, comes(server, password=password) as socket:
        assert await answers(socket)


@pytest.mark.parametrize("given", [HEX_PASSWORD.encode(), bytes.fromhex(HEX_PASSWORD)])
async def test_a_hashed_password_of_hexadecimal_digits_may_come_as_what_it_stands_for(given: bytes) -> None:
    one = endpoint(password_hash=hashed(HEX_PASSWORD), security_profile=1)
    async with serving(one) as server, comes(server, password=given) as socket:
        assert await answers(socket)


@pytest.mark.parametrize(
    "given",
    [None, "", "wrong", "6f70", HASH, "x" * 3000],
    ids=["none", "empty", "wrong", "short", "the hash itself", "long"],
)
async def test_a_wrong_password_is_refused_where_the_hash_is_kept(given: str | None) -> None:
    async with serving(endpoint(password_hash=HASH, security_profile=1)) as server:
        assert await refusal(server, password=given) == 401


async def test_a_right_password_is_recognised_again_after_many_wrong_ones() -> None:
    async with serving(endpoint(password_hash=HASH, security_profile=1)) as server:
        async with comes(server, password=PASSWORD) as socket:
            assert await answers(socket)
        statuses = [await refusal(server, password=f"guess {n}") for n in range(20)]
        assert statuses[0] == 401
        assert 503 in statuses
        async with comes(server, password=PASSWORD) as socket:
            assert await answers(socket)


async def test_one_who_guesses_does_not_slow_a_charger_at_another_address() -> None:
    async with serving(endpoint(password_hash=HASH, security_profile=1)) as server:
        for n in range(10):
            await refusal(server, password=f"guess {n}", host="127.0.0.2")
        async with comes(server, password=PASSWORD) as socket:
            assert await answers(socket)


@pytest.mark.parametrize("profile", [2, 3])
async def test_profiles_2_and_3_are_refused_on_the_plain_door(authorities: Authorities, profile: int) -> None:
    one = endpoint(password_hash=HASH, security_profile=profile)
    async with serving(one, tls=authorities.server(), tls_port=0) as server:
        assert await refusal(server, password=PASSWORD) == 403


async def test_profile_2_comes_over_tls_with_its_password(authorities: Authorities) -> None:
    one = endpoint(password_hash=HASH, security_profile=2)
    async with serving(one, tls=authorities.server(), tls_port=0) as server:
        async with comes(server, password=PASSWORD, tls=authorities.client()) as socket:
            assert await answers(socket)
        assert await refusal(server, password="wrong", tls=authorities.client()) == 401


async def test_both_doors_are_open_at_once(authorities: Authorities) -> None:
    async with (
        serving(endpoint("a"), endpoint("b"), tls=authorities.server(), tls_port=0) as server,
        comes(server, "a") as plain,
        comes(server, "b", tls=authorities.client()) as safe,
    ):
        assert server.port != server.tls_port
        assert await answers(plain)
        assert await answers(safe)


@pytest.mark.parametrize("certificate_cn", [None, "SN-0042"])
async def test_profile_3_comes_with_its_certificate_and_no_password(
    authorities: Authorities, certificate_cn: str | None
) -> None:
    one = endpoint(security_profile=3, certificate_cn=certificate_cn)
    async with (
        serving(one, tls=authorities.server()) as server,
        comes(server, tls=authorities.client(certificate_cn or "CP")) as socket,
    ):
        assert await answers(socket)


@pytest.mark.parametrize("name", [None, "other", "cp", "CP.example"])
async def test_profile_3_is_refused_with_no_certificate_or_that_of_another(
    authorities: Authorities, name: str | None
) -> None:
    endpoints = [endpoint(security_profile=3), endpoint("other", security_profile=3)]
    async with serving(*endpoints, tls=authorities.server()) as server:
        with capture_logs() as logs:
            for _ in range(3):
                assert await refusal(server, tls=authorities.client(name)) == 403
        assert [one["event"] for one in logs if one["log_level"] == "warning"] == ["charger-certificate"]


async def test_a_certificate_of_a_strange_authority_is_refused(authorities: Authorities) -> None:
    async with serving(endpoint(security_profile=3), tls=authorities.server()) as server:
        with capture_logs() as logs:
            with pytest.raises((OSError, websockets.WebSocketException)):
                async with comes(server, tls=authorities.client("CP", strange=True)) as socket:
                    await answers(socket)
            await until(lambda: any(one["event"] == "charger-tls" for one in logs))


async def test_a_stranger_is_not_adopted_where_a_certificate_is_asked_for(authorities: Authorities) -> None:
    asked: list[str] = []

    def adopt(ocpp_id: str) -> Endpoint:
        asked.append(ocpp_id)
        return endpoint(ocpp_id, security_profile=3)

    async with serving(tls=authorities.server(), adopt=adopt, adopt_profile=3) as server:
        assert await refusal(server, tls=authorities.client()) == 404
        assert await refusal(server, tls=authorities.client("other")) == 404
        assert asked == []
        async with comes(server, tls=authorities.client("CP")) as socket:
            assert await answers(socket)


async def test_a_stranger_who_makes_up_identities_is_not_taken_in_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MOST_ADOPTED", 2)
    async with serving(adopt=lambda name: endpoint(name)) as server:
        for name in ("a", "b"):
            async with comes(server, name) as socket:
                assert await answers(socket)
        assert await refusal(server, "c") == 404


def test_a_key_of_another_certificate_is_one_clear_error(authorities: Authorities, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    authorities.strange.issue_cert("localhost").private_key_pem.write_to_path(other)
    with pytest.raises(BadCertificate, match=r"c\.pem and other\.pem can't be used"):
        tls_context(authorities.certificate, other)


def test_an_authority_that_is_no_certificate_is_one_clear_error(authorities: Authorities, tmp_path: Path) -> None:
    other = tmp_path / "ca.txt"
    other.write_text("no certificate")
    with pytest.raises(BadCertificate, match=r"ca\.txt can't be used"):
        tls_context(authorities.certificate, authorities.key, other)


async def test_no_password_is_logged() -> None:
    async with serving(endpoint(password_hash=HASH, security_profile=1)) as server:
        with capture_logs() as logs:
            await refusal(server, password="a wrong secret")
            async with comes(server, password=PASSWORD) as socket:
                assert await answers(socket)
        told = str(logs)
        assert "charger-password" in told
        assert not any(secret in told for secret in ("a wrong secret", PASSWORD, HASH))


def test_a_hash_that_would_exhaust_the_machine_is_not_usable() -> None:
    assert is_usable_hash(hashed(new_password()))
    assert not is_usable_hash(HASH.replace("m=19456", "m=9000000"))
    assert not is_usable_hash("open sesame")
