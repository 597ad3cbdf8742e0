"""Serves the app in a thread of its own, on an event loop of its own: control never waits for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h11
import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ampacity.api.certificate import CertificateUnusable, load_into, own_certificate, tls_of
from ampacity.api.machine import addresses, host_names
from ampacity.core.errors import AmpacityError

HEAD_S = 10.0
"""How long the head of a request may take to arrive."""
KEPT_S = 60
"""How long a connection on which nothing is asked stays open."""
MOST_OPEN = 400
"""Connections. Chargers and meters need file descriptors as well."""
MOST_OPEN_EACH = 200
"""Of one address: behind a router all have the same."""
LARGEST_HEAD_BYTES = 32_000
GRACE_S = 0.5
"""For answers that are under way when it ends; a live stream would go on for ever."""
START_S = 30.0
ENDED_S = 3.0
RENEWED_EACH_S = 12 * 3600.0

_log = structlog.get_logger("ampacity.api")


class CannotListen(AmpacityError):
    """The address for the app can't be used."""

    code = "app-cannot-listen"
    remedy = "Set another port under [app] in site.toml, or end the program that uses it."


@dataclass(frozen=True, slots=True)
class Tls:
    """What a browser is shown. For `certificate` and `key` of one's own, or those that are made."""

    context: ssl.SSLContext
    fingerprint: str | None
    """SHA-256 of a self-made one, for people to compare; None: it was given."""
    renew: Callable[[], None] | None = None
    """Called from time to time: makes a new one when the old one is near its end."""


def given_tls(certificate: Path, key: Path) -> Tls:
    """
    Raises:
        CertificateUnusable
    """
    return Tls(tls_of(certificate, key), None)


def own_tls(folder: Path, names: tuple[str, ...] = ()) -> Tls:
    """With the self-made certificate in the folder. `names`: beside the machine's own.

    Raises:
        CertificateUnusable
    """

    def ensured() -> Any:
        return own_certificate(folder, [*names, *host_names()], addresses(), datetime.now(UTC))

    first = ensured()
    context = tls_of(first.certificate, first.key)

    def renew() -> None:
        found = ensured()
        if found.is_new:
            load_into(context, found.certificate, found.key)
            _log.warning("app-certificate-renewed", fingerprint=found.fingerprint)

    return Tls(context, first.fingerprint, renew)


class AppServer:
    """An app on a port. `start` it, then `close` it once. From any thread."""

    def __init__(self, app: ASGIApp, listen: str, port: int, *, tls: Tls | None = None, head_s: float = HEAD_S) -> None:
        """`listen`: an address; `port` 0: any that is free. `tls` None: plain HTTP."""
        self._listen = listen
        self._port = port
        self._tls = tls
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._failed: BaseException | None = None
        config = uvicorn.Config(
            app,
            http=_door(head_s),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # what X-Forwarded-* claims is never believed
            server_header=False,
            timeout_keep_alive=KEPT_S,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
            ssl_context_factory=(lambda _, __: tls.context) if tls is not None else None,
            reset_contextvars=True,
        )
        self._server = _Server(config, self._listening)

    @property
    def port(self) -> int:
        """Of the socket, once it is started."""
        return self._port

    @property
    def scheme(self) -> str:
        return "http" if self._tls is None else "https"

    def start(self) -> None:
        """Returns once a browser can connect.

        Raises:
            CannotListen: the address is taken, or not one of this machine.
        """
        self._socket = _bound(self._listen, self._port)
        self._port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="app", daemon=True)
        self._thread.start()
        if not self._listening.wait(START_S) or self._failed is not None:
            self.close()
            raise CannotListen(f"The app can't listen on {self._listen}:{self._port} ({self._failed or 'no answer'}).")

    def close(self) -> None:
        """Ends it, open streams included. Returns after at most ENDED_S."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(ENDED_S)
            self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failed = error
            _log.error("app-ended", what=f"The app ended ({error!r}). Control goes on without it.")
        finally:
            self._listening.set()

    async def _serve(self) -> None:
        renewing = asyncio.create_task(_renewed(self._tls.renew)) if self._tls and self._tls.renew else None
        try:
            await self._server.serve(sockets=[self._socket] if self._socket is not None else None)
        finally:
            if renewing is not None:
                renewing.cancel()


class _Server(uvicorn.Server):
    """Tells when it listens; at its end hangs up on who would listen for ever."""

    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=GRACE_S)
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol):
                connection.transport.abort()  # a stream takes it as a reader who left, and ends
        await super().shutdown(sockets)


def _door(head_s: float) -> type[H11Protocol]:
    """A connection that is closed if the head of a request does not arrive in time, or if there are too many. Those of
    one door are counted together."""
    open_of: Counter[str] = Counter()

    class Door(H11Protocol):
        _late: asyncio.TimerHandle | None = None
        _address: str | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn itself
            super().connection_made(transport)
            address = self.client[0] if self.client is not None else ""
            if open_of.total() >= MOST_OPEN or open_of[address] >= MOST_OPEN_EACH:
                transport.abort()
                return
            self._address = address
            open_of[address] += 1
            self._expect_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_here()
            if self._address is not None:
                open_of[self._address] -= 1
                if not open_of[self._address]:
                    del open_of[self._address]
                self._address = None
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                self._expect_head()
            else:
                self._head_is_here()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0] and not self.transport.is_closing():
                self._expect_head()  # a part of the next one came with the last

        def _expect_head(self) -> None:
            if self._late is None:
                self._late = self.loop.call_later(head_s, self._give_up)

        def _head_is_here(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _give_up(self) -> None:
            self._late = None
            self.transport.abort()

    return Door


async def _renewed(renew: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(RENEWED_EACH_S)
        try:
            await asyncio.to_thread(renew)
        except CertificateUnusable as error:
            _log.error("app-certificate", what=error.what, remedy=error.remedy)


def _bound(listen: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    both = listen == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((listen, port), family=family, backlog=256, dualstack_ipv6=both)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise CannotListen(f"The app can't listen on {listen}:{port} ({why}).") from error
