"""The composition: what the app and the chargers' door do to the same site, and what ails the app."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import websockets

from ampacity.api.serving import AppServer
from ampacity.app import App, AppLink, MonotonicClock
from ampacity.config.site_toml import load
from ampacity.runtime.supervise import supervised

SITE = """
[circuits.main]
limit_a = 40
meter = "main"
[meters.main]
host = "127.0.0.1"
[ocpp]
listen = "127.0.0.1"
adopt_into = "main"
"""


async def status(app: App, name: str) -> int:
    """Of the refusal; 101: it was let in."""
    url = f"ws://127.0.0.1:{app.server.port}/{name}"
    try:
        async with websockets.connect(url, subprotocols=[websockets.Subprotocol("ocpp1.6")]):
            return 101
    except websockets.InvalidStatus as refused:
        return refused.response.status_code


async def test_a_charger_is_not_adopted_while_somebody_saves_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    app = App(load(path), port=0, storage=False)
    serving = asyncio.create_task(app.server.run(app.loop.put))
    async with asyncio.timeout(20):
        await app.server.listening.wait()
        with app.saving:
            assert await status(app, "CP-new") == 404
        assert path.read_text() == SITE
        assert await status(app, "CP-new") == 101
    assert [one.ocpp_id for one in load(path).chargers] == ["CP-new"]
    assert app.installation.text == path.read_text()
    assert list(app.loop.site.index_of_charger) == ["CP-new"]
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


class Server:
    """An app that listens."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("error", [OSError("no such interface"), RuntimeError("a fault of ours")])
async def test_whatever_ails_the_app_it_is_started_again_and_closed_at_the_end(error: Exception) -> None:
    outcomes: list[Exception | Server] = [error, server := Server()]
    started = asyncio.Event()
    running = asyncio.get_running_loop()

    def start() -> AppServer:
        one = outcomes.pop(0)
        if isinstance(one, Exception):
            raise one
        running.call_soon_threadsafe(started.set)
        return one  # type: ignore[return-value]  # closing is all that is asked of it

    link = supervised(AppLink(start), lambda _: None, MonotonicClock(), first_pause_s=0.0)
    task = asyncio.create_task(link)
    async with asyncio.timeout(20):
        await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert server.closed
