"""A real server on loopback: TLS, its own thread, its limits, its end."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx2
import pytest
import trustme
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from tests.api.conftest import House

from ampacity.api import serving
from ampacity.api.certificate import CERTIFICATE
from ampacity.api.serving import AppServer, CannotListen, Tls, given_tls, own_tls

Serve = Callable[..., AppServer]
WAIT_S = 30.0


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as ends:

        def started(app: FastAPI, tls: Tls | None = None, **more: float) -> AppServer:
            server = AppServer(app, "127.0.0.1", 0, tls=tls, **more)
            ends.callback(server.close)
            server.start()
            return server

        yield started


def streaming() -> FastAPI:
    """One endless stream, and one short answer that tells its thread."""
    app = FastAPI()

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0.01)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(pieces(), media_type="text/event-stream")

    @app.get("/thread")
    async def thread() -> str:
        return threading.current_thread().name

    return app


def closed_by_server(connection: socket.socket) -> bool:
    connection.settimeout(WAIT_S)
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


# --- plain HTTP ---


def test_it_serves_in_a_thread_of_its_own(serve: Serve) -> None:
    server = serve(streaming())
    assert server.port > 0
    assert server.scheme == "http"
    assert httpx2.get(f"http://127.0.0.1:{server.port}/thread").json() == "app"


def test_a_port_that_is_taken_is_told_with_a_remedy(serve: Serve) -> None:
    taken = serve(streaming())
    with pytest.raises(CannotListen, match=str(taken.port)) as caught:
        AppServer(streaming(), "127.0.0.1", taken.port).start()
    assert caught.value.code == "app-cannot-listen"
    assert "[app]" in caught.value.remedy


@pytest.mark.parametrize("listen", ["192.0.2.1", "no address", "2001:db8::1"])
def test_an_address_of_another_machine_is_told_with_a_remedy(listen: str) -> None:
    with pytest.raises(CannotListen):
        AppServer(streaming(), listen, 0).start()


def test_it_ends_within_seconds_with_open_streams_and_says_nothing_of_it(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(streaming())
    with httpx2.stream("GET", f"http://127.0.0.1:{server.port}/stream") as answer:
        pieces = answer.iter_raw()
        assert next(pieces)
        with caplog.at_level(logging.ERROR):
            before = time.monotonic()
            server.close()
            assert time.monotonic() - before < serving.ENDED_S
        with pytest.raises(httpx2.TransportError):
            for _ in pieces:
                pass
    assert not caplog.records
    with pytest.raises(OSError), closing(socket.create_connection(("127.0.0.1", server.port), 1)):
        pass


def test_after_its_end_nothing_of_it_is_left(serve: Serve) -> None:
    server = serve(streaming())
    server.close()
    server.close()
    assert "app" not in [one.name for one in threading.enumerate()]


def test_a_head_that_does_not_arrive_closes_the_connection(serve: Serve) -> None:
    server = serve(streaming(), head_s=0.2)
    for sent in (b"", b"GET /thread HTTP/1.1\r\nHost: lo"):
        with closing(socket.create_connection(("127.0.0.1", server.port))) as connection:
            connection.sendall(sent)
            assert closed_by_server(connection)


def test_a_head_that_trickles_in_after_an_answer_closes_the_connection(serve: Serve) -> None:
    server = serve(streaming(), head_s=0.2)
    with closing(socket.create_connection(("127.0.0.1", server.port))) as connection:
        connection.sendall(b"GET /thread HTTP/1.1\r\nHost: localhost\r\n\r\nGET /thr")
        assert closed_by_server(connection)


def test_a_stream_lives_longer_than_a_head_may_take(serve: Serve) -> None:
    server = serve(streaming(), head_s=0.05)
    with httpx2.stream("GET", f"http://127.0.0.1:{server.port}/stream") as answer:
        pieces = answer.iter_raw()
        until_s = time.monotonic() + 0.3
        while time.monotonic() < until_s:
            assert next(pieces)


def test_connections_beyond_the_most_are_closed_and_the_others_live(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_OPEN_EACH", 3)
    server = serve(streaming())
    with ExitStack() as open_ones:
        kept = httpx2.Client(base_url=f"http://127.0.0.1:{server.port}")
        open_ones.enter_context(kept)
        assert kept.get("/thread").status_code == 200
        for _ in range(2):
            open_ones.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
        one_more = open_ones.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
        assert closed_by_server(one_more)
        assert kept.get("/thread").status_code == 200


def test_a_head_that_is_too_large_is_refused(serve: Serve) -> None:
    server = serve(streaming())
    with closing(socket.create_connection(("127.0.0.1", server.port))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
        assert closed_by_server(connection)


# --- TLS ---


def test_the_app_is_served_under_a_self_made_certificate(serve: Serve, house: House, tmp_path: Path) -> None:
    tls = own_tls(tmp_path, ("charging.example",))
    server = serve(house.app, tls)
    assert server.scheme == "https"
    trusting = ssl.create_default_context(cafile=tmp_path / CERTIFICATE)
    for host in ("127.0.0.1", "localhost"):
        told = httpx2.get(f"https://{host}:{server.port}/api/v1/about", verify=trusting)
        assert told.json()["product"] == "Ampacity"
    assert len(str(tls.fingerprint).split(":")) == 32


def test_the_app_is_served_under_a_given_certificate(serve: Serve, tmp_path: Path) -> None:
    authority = trustme.CA()
    given = authority.issue_cert("localhost", "127.0.0.1")
    given.cert_chain_pems[0].write_to_path(str(tmp_path / "a.pem"))
    given.private_key_pem.write_to_path(str(tmp_path / "a.key"))
    server = serve(streaming(), given_tls(tmp_path / "a.pem", tmp_path / "a.key"))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    assert httpx2.get(f"https://127.0.0.1:{server.port}/thread", verify=trusting).status_code == 200


def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path) -> None:
    assert own_tls(tmp_path).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_renewed_certificate_is_shown_without_a_restart(serve: Serve, tmp_path: Path) -> None:
    tls = own_tls(tmp_path)
    server = serve(streaming(), tls)
    before = shown(server)
    (tmp_path / CERTIFICATE).unlink()
    assert tls.renew is not None
    tls.renew()
    assert shown(server) != before


def test_plain_http_on_the_port_of_tls_harms_nobody(serve: Serve, tmp_path: Path) -> None:
    server = serve(streaming(), own_tls(tmp_path))
    with closing(socket.create_connection(("127.0.0.1", server.port))) as connection:
        connection.sendall(b"GET /thread HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert closed_by_server(connection)
    assert shown(server)


def shown(server: AppServer) -> str:
    return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=WAIT_S)
