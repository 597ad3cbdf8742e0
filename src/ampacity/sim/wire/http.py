"""A small web server on loopback, for devices that speak JSON."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from ampacity.sim.wire import LOOPBACK

Answer = Callable[[dict[str, Any], bytes], tuple[int, Any]]
"""From an ASGI scope and the body of a request: a status, and bytes or what is to be told as JSON."""


class _Server(uvicorn.Server):
    """One that leaves the process's signals alone, and does nothing while nobody asks."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ending.wait()


class HttpServer:
    """Answers by a function."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> int:
        """Begins to answer on loopback; returns the port."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so that it has no delay
        listening.bind((LOOPBACK, 0))
        listening.listen()
        config = uvicorn.Config(
            self._app, interface="asgi3", log_level="critical", lifespan="off", access_log=False, loop="none"
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]))
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.ending.set()
            await self._serving
            self._server = None

    async def _app(self, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        body = b""
        while (message := await receive()).get("more_body", False):
            body += message.get("body", b"")
        body += message.get("body", b"")
        status, said = self._answer(scope, body)
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        text = said if isinstance(said, bytes) else json.dumps(said).encode()
        await send({"type": "http.response.body", "body": text})
