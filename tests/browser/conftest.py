"""A real house on loopback, a real controller with its app, and a real browser."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ampacity.sim.wire.plant import write_site

ROOT = Path(__file__).parents[2]
PASSWORD = "four words do not belong"
PATIENCE_MS = 30_000
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Program:
    """One beside the test, whose lines of JSON are read to the end, so that it never waits."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._told: queue.Queue[Any] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            document = json.loads(line)
            if "app" in document or "meter_port" in document:
                self._told.put(document)

    def first(self) -> Any:
        """What it says about where it is."""
        return self._told.get(timeout=60)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self._reader.join(30)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@dataclass
class Site:
    """A house, and the controller that may be stopped and started."""

    file: Path
    url: str = ""
    link: str | None = None
    """Of the first start."""
    _controller: Program | None = None

    def start(self) -> None:
        self._controller = Program("ampacity.cli.main", "run", str(self.file), "--json", "--log-level", "error")
        told = self._controller.first()["app"]
        self.url, self.link = told["url"], told["first_start"] or self.link

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.end()
            self._controller = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one file: while it is open, its own event loop runs in this thread, and no other can."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium: install it (Debian: apt install chromium), or name it in CHROMIUM")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Before its activation: load management is off, nobody has an account."""
    ocpp = _free_port()
    plant = Program("ampacity.sim.wire.plant", "--ocpp-port", str(ocpp), "--seed", "1")
    try:
        file = write_site(tmp_path, meter_port=plant.first()["meter_port"], ocpp_port=ocpp)
        text = re.sub(r"(\[app\][^\[]*port = )0", rf"\g<1>{_free_port()}", file.read_text())
        file.write_text(f"{text}\n[features]\ndynamic = false\n")
        site = Site(file)
        try:
            site.start()
            yield site
        finally:
            site.stop()
    finally:
        plant.end()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def owner(site: Site, phone: Page) -> Page:
    """At home, signed in as the owner who came by the one-time link."""
    assert site.link is not None
    phone.goto(site.link)
    phone.get_by_label("Name").fill("Ann")
    phone.get_by_label("E-mail").fill("ann@example.org")
    phone.get_by_label("Password").fill(PASSWORD)
    phone.get_by_role("button", name="Create account").click()
    phone.locator(".bar").first.wait_for()
    return phone


@pytest.fixture
def installer(site: Site, owner: Page, browser: Browser) -> Iterator[Page]:
    """On the page of the commissioning, invited by the owner."""
    owner.goto(f"{site.url}/settings/people")
    owner.get_by_label("Name").fill("Ina")
    owner.get_by_label("Role", exact=True).select_option("installer")
    owner.get_by_role("button", name="Make a link").click()
    link = owner.locator(".done code").inner_text()
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(link)
    page.get_by_label("E-mail").fill("ina@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("navigation", name="Main menu").get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Commissioning").click()
    page.get_by_role("heading", name="Commissioning", exact=True).wait_for()
    yield page
    context.close()


def open_load_management(page: Page) -> None:
    """As the guide says: Settings, Energy Features, Load Management."""
    page.get_by_role("navigation", name="Main menu").get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Energy Features").click()
    page.get_by_role("link", name="Dynamic Load Management").click()
    page.get_by_role("heading", name="Load Management", exact=True).wait_for()
