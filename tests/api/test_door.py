"""What every request and every answer passes: names, sizes, times, headers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.api.conftest import As, House

from ampacity.api.access import Person, Role
from ampacity.api.access import Scope as Grant
from ampacity.api.door import LARGEST_BYTES, KnownHosts, Limits, SafeAnswers

API = "/api/v1"
OWNER = Person(account=1, name="Ann", role=Role.OWNER)


# --- headers ---


@pytest.mark.parametrize("path", [f"{API}/about", f"{API}/nothing", "/elsewhere", f"{API}/sign-in"])
def test_every_answer_has_the_headers_that_keep_browsers_safe(client_as: As, path: str) -> None:
    headers = client_as().get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=(self)" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers
    assert "server" not in headers


def test_only_answers_of_the_api_are_never_kept(client_as: As) -> None:
    assert client_as().get(f"{API}/about").headers["cache-control"] == "no-store"
    assert client_as().get("/elsewhere").headers["cache-control"] != "no-store"


def test_a_route_may_set_one_of_the_headers_itself() -> None:
    app = FastAPI()
    app.add_middleware(SafeAnswers, prefix="/api/")

    @app.get("/labels")
    def labels() -> StreamingResponse:
        return StreamingResponse(iter([b"x"]), headers={"Content-Security-Policy": "default-src 'none'"})

    assert TestClient(app).get("/labels").headers.get_list("content-security-policy") == ["default-src 'none'"]


def test_a_fault_is_told_as_a_problem_and_still_goes_to_the_log() -> None:
    app = FastAPI()
    app.add_middleware(SafeAnswers, prefix="/api/")

    @app.get("/api/x")
    def broken() -> None:
        raise RuntimeError("secret inside")

    answer = TestClient(app, raise_server_exceptions=False).get("/api/x")
    assert (answer.status_code, answer.json()["code"]) == (500, "fault")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    with pytest.raises(RuntimeError):
        TestClient(app).get("/api/x")


# --- names ---


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8443", "127.0.0.1", "192.168.1.7:8443", "[::1]:8443", "[fd00::7]", "ampacity.local"),
        *("AMPACITY.local.", "charging.lan:80", "my.charging.example", "MY.charging.example:8443"),
    ],
)
def test_a_host_that_can_only_be_this_machine_is_answered(host: str) -> None:
    assert asked(host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8443", "", " ", "a/b", "["),
        *("ampacity.local@evil.example", "evil.example#.local", "local", "xlocalhost", "charging.example", "a:b:c"),
        *("[::1].evil.example", "127.0.0.1:x"),
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    assert asked(host) == 421


def test_the_refusal_says_what_to_do(house: House) -> None:
    answer = house.client(base_url="http://evil.example").get(f"{API}/about")
    assert (answer.status_code, answer.json()["code"]) == (421, "host-unknown")
    assert "host_names" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        *(("http://localhost", 200), ("https://localhost", 200), ("http://evil.example", 403), ("null", 403)),
        *(("http://localhost.evil.example", 403), ("http://localhost:81", 403), ("localhost", 403)),
    ],
)
def test_no_change_is_taken_from_a_page_of_another_site(real_client: TestClient, origin: str, status: int) -> None:
    answer = real_client.patch(f"{API}/account", json={"name": "Anna"}, headers={"origin": origin})
    assert answer.status_code == status


def asked(host: str) -> int:
    """The status of an answer to a request for this host."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    door = KnownHosts(app, lambda: ["my.charging.example"])
    return status_of(door, headers=[(b"host", host.encode())])[0]


# --- sizes and times ---


def plain(who: Person | None = None, **times: float) -> FastAPI:
    app = FastAPI()
    app.add_middleware(Limits, identify=lambda _: who, large="/restore", **times)

    @app.post("/{path}")
    async def count(request: Request) -> int:
        return len(await request.body())

    return app


def test_a_request_that_announces_too_much_is_refused_unread() -> None:
    answer = TestClient(plain()).post("/x", content=b"x" * (LARGEST_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "request-too-large")
    assert answer.headers["connection"] == "close"


def test_a_request_that_grows_too_large_is_refused() -> None:
    answer = TestClient(plain()).post("/x", content=(b"x" * 100_000 for _ in range(11)))
    assert answer.status_code == 413


def test_a_megabyte_is_read() -> None:
    assert TestClient(plain()).post("/x", content=b"x" * LARGEST_BYTES).json() == LARGEST_BYTES


def test_a_copy_to_restore_may_be_large_but_only_from_an_owner() -> None:
    content = b"x" * (LARGEST_BYTES + 1)
    known = TestClient(plain(OWNER)).post("/restore", content=content)
    assert known.json() == LARGEST_BYTES + 1
    assert TestClient(plain()).post("/restore", content=content).status_code == 413
    for other in (None, replace(OWNER, role=Role.DRIVER), replace(OWNER, scopes=frozenset({Grant.READ}))):
        assert TestClient(plain(other)).post("/restore", content=content).status_code == 413


def test_a_request_whose_body_does_not_arrive_is_given_up() -> None:
    status, body = status_of(plain(body_s=0.01), method="POST", pieces=[b"a", None])
    assert status == 408
    assert b"request-too-slow" in body


def test_an_answer_may_take_longer_than_a_request() -> None:
    app = FastAPI()
    app.add_middleware(Limits, identify=lambda _: None, large="/restore", body_s=0.01)

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.02)
            yield b"x"

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(slowly())

    assert TestClient(app).get("/stream").text == "xxx"


def test_what_a_stream_says_is_passed_on_at_once() -> None:
    """The door holds nothing back: the second piece is only made after the first has arrived."""
    arrived = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        async with asyncio.timeout(30):
            await arrived.wait()
        yield b"second"

    app = FastAPI()
    app.add_middleware(Limits, identify=lambda _: None, large="/restore")
    app.add_middleware(KnownHosts, names=lambda: ())
    app.add_middleware(SafeAnswers, prefix="/api/")

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(pieces())

    _, body = status_of(app, path="/stream", on_body=lambda body: arrived.set())
    assert body == b"firstsecond"


def status_of(
    app: ASGIApp,
    *,
    method: str = "GET",
    path: str = "/x",
    headers: list[tuple[bytes, bytes]] | None = None,
    pieces: list[bytes | None] | None = None,
    on_body: object = None,
) -> tuple[int, bytes]:
    """Status and body of an answer. `pieces` of the request's body; None: it never comes."""
    waiting = list(pieces if pieces is not None else [b""])
    status, got = 0, b""

    async def receive() -> Message:
        if not waiting or (piece := waiting.pop(0)) is None:
            await asyncio.Event().wait()
            raise AssertionError
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        nonlocal status, got
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            got += message.get("body", b"")
            if callable(on_body):
                on_body(got)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers if headers is not None else [(b"host", b"localhost")],
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 50000),
    }

    async def run() -> None:
        async with asyncio.timeout(60):
            await app(scope, receive, send)

    asyncio.run(run())
    return status, got
