from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ampacity.web.serve import mount


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>the page")
    (tmp_path / "assets" / "a-1.js").write_text("1")
    (tmp_path / "assets" / "a-1.js.gz").write_bytes(gzip.compress(b"1"))
    (tmp_path / "assets" / "a-1.js.br").write_bytes(b"\x0b\x00\x801\x03")
    app = FastAPI()
    mount(app, tmp_path)
    return TestClient(app)


@pytest.mark.parametrize("path", ["/", "/settings/energy", "/kiosk", "/../secrets.txt", "/%2e%2e/site.toml"])
def test_every_address_of_the_app_is_the_page(path: str, client: TestClient) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (200, "<p>the page")
    assert answer.headers["cache-control"] == "no-cache"


def test_the_page_is_not_sent_twice(client: TestClient) -> None:
    tag = client.get("/").headers["etag"]
    assert client.get("/", headers={"if-none-match": tag}).status_code == 304


def test_files_with_a_hash_are_kept_for_ever_and_come_packed(client: TestClient) -> None:
    answer = client.get("/assets/a-1.js", headers={"accept-encoding": "gzip"})
    assert answer.text == "1"
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, deflate, br", "br"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
def test_a_file_comes_in_the_smallest_packing_that_the_browser_takes(
    accepted: str, sent: str | None, client: TestClient
) -> None:
    with client.stream("GET", "/assets/a-1.js", headers={"accept-encoding": accepted}) as answer:
        assert answer.headers.get("content-encoding") == sent
        assert answer.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/assets/gone.js"])
def test_what_is_not_there_is_not_the_page(path: str, client: TestClient) -> None:
    assert client.get(path).status_code == 404


def test_without_a_build_it_says_how_to_make_one(tmp_path: Path) -> None:
    app = FastAPI()
    mount(app, tmp_path / "nothing")
    answer = TestClient(app).get("/")
    assert answer.status_code == 503
    assert "make frontend" in answer.text
