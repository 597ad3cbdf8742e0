"""The way in: how many may stand in it, how often each address may come, and TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from typing import Any, cast

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.pace import Paces

MOST_OPENING = 300
MOST_OPENING_OF_ONE = 100
"""Connections that have not said who they are: all, and of one address. A site's chargers may share one address."""
ATTEMPTS = 150
ATTEMPTS_HZ = 10.0
"""Of one address: so many at once, then so many a second; those beyond wait."""
LONGEST_WAIT_S = 10.0
TLS_S = 10.0
_MOST_EARLY = 64 * 1024
_MOST_ADDRESSES = 4096


class Doorway:
    """Those who stand in it. A newcomer is let in at the cost of who has stood there longest: a real charger needs
    moments, whoever blocks the door stays."""

    def __init__(self, now_s: Callable[[], float], crowded: Callable[[str], None]) -> None:
        """`crowded` is told the address of who is put out."""
        self._opening: dict[GuardedConnection, str] = {}
        self._count: dict[str, int] = {}
        self._crowded = crowded
        self._now_s = now_s
        self._attempts = Paces(ATTEMPTS, ATTEMPTS_HZ, _MOST_ADDRESSES, now_s)

    def __len__(self) -> int:
        return len(self._opening)

    def enter(self, connection: GuardedConnection, address: str) -> float | None:
        """How long it has to wait before it is heard; None: it must not."""
        wait_s = self._attempts.of(address).take(self._now_s())
        if wait_s > LONGEST_WAIT_S:
            self._attempts.of(address).give_back()
            return None
        if self._count.get(address, 0) >= MOST_OPENING_OF_ONE:
            self._put_out_the_oldest_of(address)
        elif len(self._opening) >= MOST_OPENING:
            self._put_out_the_oldest_of(max(self._count, key=self._count.__getitem__))
        self._opening[connection] = address
        self._count[address] = self._count.get(address, 0) + 1
        return wait_s

    def leave(self, connection: GuardedConnection) -> None:
        """It is in, or gone. Does nothing the second time."""
        address = self._opening.pop(connection, None)
        if address is None:
            return
        self._count[address] -= 1
        if not self._count[address]:
            del self._count[address]

    def clear(self) -> None:
        """Puts everybody out."""
        for connection in list(self._opening):
            self.leave(connection)
            connection.put_out()

    def _put_out_the_oldest_of(self, address: str) -> None:
        oldest = next(one for one, its in self._opening.items() if its == address)
        self.leave(oldest)
        oldest.put_out()
        self._crowded(address)


class GuardedConnection(ServerConnection):
    """A connection that has to pass a doorway, and TLS where there is some, before a byte of it is read."""

    def __init__(
        self,
        *args: Any,
        doorway: Doorway,
        tls: ssl.SSLContext | None,
        tls_failed: Callable[[str, Exception], None],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.address = self.host = ""
        """Whom it is counted with; the very address."""
        self.endpoint: Endpoint | None = None
        """Set once it was found to be this charger."""
        self.version: str | None = None
        """Of OCPP, as it is spoken here."""
        self._doorway = doorway
        self._tls = tls
        self._tls_failed = tls_failed
        self._heard = 0
        self._raw: asyncio.Transport | None = None
        self._is_open = False
        self._early = b""
        self._entering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raw = cast(asyncio.Transport, transport)
        self._raw = raw
        peer = raw.get_extra_info("peername")
        self.address = address_of(peer)
        self.host = str(peer[0]) if peer else "?"
        wait_s = self._doorway.enter(self, self.address)
        if wait_s is None:
            raw.abort()
        elif wait_s == 0 and self._tls is None:
            self._open(raw)
        else:
            raw.pause_reading()
            if isinstance(self.loop, asyncio.SelectorEventLoop):
                self.loop.call_soon(_pause_again, raw)
            self._entering = self.loop.create_task(self._enter(raw, wait_s))

    def data_received(self, data: bytes) -> None:
        self._heard += 1
        if self._is_open:
            super().data_received(data)
            return
        # What came together with the end of the TLS handshake.
        self._early += data
        if len(self._early) > _MOST_EARLY:
            self.put_out()

    def eof_received(self) -> None:
        if self._is_open:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._doorway.leave(self)
        if self._is_open:
            super().connection_lost(exc)
        elif self._entering is not None:
            self._entering.cancel()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """None: it came in the clear."""
        return cast("ssl.SSLObject | None", self.transport.get_extra_info("ssl_object"))

    async def is_alive(self, patience_s: float) -> bool:
        """Whether its other end answers, or says anything, in this time."""
        before = self._heard
        try:
            async with asyncio.timeout(patience_s):
                await (await self.ping())
        except TimeoutError:
            return self._heard > before
        except ConnectionClosed:
            return False
        return True

    def put_out(self) -> None:
        if self._raw is not None:
            self._raw.abort()

    async def _enter(self, raw: asyncio.Transport, wait_s: float) -> None:
        transport: asyncio.Transport | None = raw
        try:
            await asyncio.sleep(wait_s)
            if self._tls is None:
                raw.resume_reading()
            else:
                transport = await self.loop.start_tls(
                    raw, self, self._tls, server_side=True, ssl_handshake_timeout=TLS_S
                )
        except (OSError, TimeoutError) as error:  # an ssl.SSLError is an OSError
            transport = None
            if isinstance(error, ssl.SSLError | ConnectionError):
                # Some hang up on a certificate that they can't verify, without the alert that says so.
                self._tls_failed(self.address, error)
        finally:
            if not self._is_open and (transport is None or raw.is_closing()):
                raw.abort()
                self._doorway.leave(self)
        if transport is not None and not raw.is_closing():
            self._open(transport)

    def _open(self, transport: asyncio.Transport) -> None:
        self._is_open = True
        self._raw = transport
        super().connection_made(transport)
        if self._early:
            early, self._early = self._early, b""
            super().data_received(early)


def _pause_again(raw: asyncio.Transport) -> None:
    """Python 3.11.2 (Debian 12) begins to read after `connection_made` although it was told there to pause, and what it
    reads then is missing in the TLS handshake."""
    raw.resume_reading()
    raw.pause_reading()


def address_of(peer: object) -> str:
    """Whom to count it with. A host has a whole /64 of IPv6 addresses to choose from."""
    if not isinstance(peer, tuple) or not peer:
        return "?"
    try:
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    except ValueError:
        return str(peer[0])[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_link_local and not address.is_loopback:
            return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
