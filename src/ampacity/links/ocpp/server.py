"""Where chargers connect: OCPP 1.6J over websockets."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import ssl
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ampacity.core.decision import Command
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import ChargerLink, Observation, SessionEnded, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.station import Station

PROTOCOL = Subprotocol("ocpp1.6")
LARGEST_MESSAGE = 256 * 1024
LONGEST_ID = 48
PING_S = 20.0
OPEN_S = 15.0
PARK_S = 5.0

_log = structlog.get_logger("ampacity.ocpp")


class CannotListen(AmpacityError):
    """The address for chargers can't be used."""

    code = "ocpp-cannot-listen"
    remedy = "Choose another port in [ocpp], or stop the program that has it."


class BadCertificate(AmpacityError):
    """Certificate or key can't be used."""

    code = "ocpp-certificate"
    remedy = "Give a PEM certificate and its unencrypted PEM key."


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For TLS 1.2 and newer.

    Raises:
        BadCertificate: the files are no matching certificate and key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise BadCertificate(f"{certificate.name} and {key.name} can't be used ({error}).") from error
    return context


class OcppServer:
    """All chargers. An actuator; and a source, as long as it serves."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        families: dict[str, ChargerFamily],
        *,
        listen: str,
        port: int,
        tls: ssl.SSLContext | None,
        adopt: Callable[[str], Endpoint | None] | None,
        session_ended: Callable[[SessionEnded], Awaitable[None]] | None = None,
        now_s: Callable[[], float],
        wall: Callable[[], datetime],
        first_transaction: int,
    ) -> None:
        """`adopt` is asked for an endpoint when an unknown charger comes; None: it is refused. `session_ended` is
        awaited before a StopTransaction is answered, so that what is acknowledged is not lost."""
        self._endpoints = {endpoint.ocpp_id: endpoint for endpoint in endpoints}
        self._families = families
        self._listen = listen
        self._port = port
        self._tls = tls
        self._adopt = adopt
        self._session_ended = session_ended
        self._now_s = now_s
        self._wall = wall
        self._transaction = first_transaction
        self._stations: dict[ChargerId, tuple[Station, ServerConnection]] = {}
        self._remembered: dict[ChargerId, Remembered] = {}
        self._server: Server | None = None
        self._refused: set[str] = set()
        self.listening = asyncio.Event()

    @property
    def name(self) -> str:
        return f"chargers ({self._listen}:{self.port})"

    @property
    def port(self) -> int:
        """Where it listens; differs from what was asked for when that was 0."""
        if self._server is not None:
            for socket in self._server.sockets:
                return int(socket.getsockname()[1])
        return self._port

    @property
    def stations(self) -> dict[ChargerId, Station]:
        """Those connected now."""
        return {charger: station for charger, (station, _) in self._stations.items()}

    async def run(self, put: Callable[[Observation], None]) -> None:
        """Serves until cancelled.

        Raises:
            CannotListen: the address is taken or not ours.
        """

        async def handle(connection: ServerConnection) -> None:
            await self._serve_charger(connection, put)

        try:
            async with serve(
                handle,
                self._listen,
                self._port,
                ssl=self._tls,
                subprotocols=[PROTOCOL],
                process_request=self._check,
                compression=None,
                max_size=LARGEST_MESSAGE,
                ping_interval=PING_S,
                ping_timeout=PING_S,
                open_timeout=OPEN_S,
                close_timeout=2.0,
            ) as server:
                self._server = server
                _log.info("ocpp-listening", address=self._listen, port=self.port, tls=self._tls is not None)
                self.listening.set()
                await asyncio.get_running_loop().create_future()
        except OSError as error:
            raise CannotListen(f"{self._listen}:{self._port} can't be used ({error.strerror or error}).") from error
        finally:
            self.listening.clear()
            self._server = None

    def apply(self, command: Command, put: Callable[[Observation], None]) -> None:
        """Begins to send; the outcome comes through `put`."""
        entry = self._stations.get(command.charger)
        if entry is None:
            put(
                SetpointAnswer(
                    charger=command.charger,
                    at_s=self._now_s(),
                    limit_a=command.limit_a,
                    accepted=False,
                    reason="not connected",
                )
            )
            return
        entry[0].apply(command, put)

    async def park(self) -> list[ChargerId]:
        """Leaves every connected charger at its safe current; returns those that did not confirm it in time."""
        tasks = {
            charger: asyncio.ensure_future(station.park(station.endpoint.safe_a))
            for charger, (station, _) in self._stations.items()
        }
        if tasks:
            await asyncio.wait(tasks.values(), timeout=PARK_S)
        left = [c for c, task in tasks.items() if not task.done() or task.cancelled() or not task.result()]
        for task in tasks.values():
            task.cancel()
        return left

    # --- a connection ---

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Who may connect. None: go on."""
        ocpp_id = _ocpp_id(request)
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
        if PROTOCOL not in [one.strip() for one in offered.split(",")]:
            self._refuse(
                "charger-protocol", ocpp_id, f"It offers {offered[:60] or 'no protocol'}; set the charger to OCPP 1.6J."
            )
            return connection.respond(HTTPStatus.BAD_REQUEST, "Only ocpp1.6 is spoken here.\n")
        endpoint = self._endpoints.get(ocpp_id) or self._adopted(ocpp_id)
        if endpoint is None:
            self._refuse(
                "charger-unknown",
                ocpp_id,
                f'Add it to site.toml with ocpp_id = "{ocpp_id[:LONGEST_ID]}", or set adopt_into in [ocpp].',
            )
            return connection.respond(HTTPStatus.NOT_FOUND, "This charger is not known here.\n")
        if endpoint.password is not None and not _password_fits(request, endpoint.ocpp_id, endpoint.password):
            self._refuse("charger-password", ocpp_id, "Set the same password at the charger and in site.toml.")
            response = connection.respond(HTTPStatus.UNAUTHORIZED, "Wrong or missing password.\n")
            response.headers["WWW-Authenticate"] = 'Basic realm="ampacity"'
            return response
        return None

    def _adopted(self, ocpp_id: str) -> Endpoint | None:
        if self._adopt is None or not 0 < len(ocpp_id) <= LONGEST_ID or not ocpp_id.isprintable():
            return None
        endpoint = self._adopt(ocpp_id)
        if endpoint is not None:
            self._endpoints[ocpp_id] = endpoint
        return endpoint

    def _refuse(self, code: str, ocpp_id: str, remedy: str) -> None:
        """Logged once for each charger and reason: those that are refused come again and again."""
        key = f"{code} {ocpp_id[:64]}"
        if key not in self._refused and len(self._refused) < 1000:
            self._refused.add(key)
            _log.warning(code, ocpp_id=ocpp_id[:64], remedy=remedy)

    async def _serve_charger(self, connection: ServerConnection, put: Callable[[Observation], None]) -> None:
        if connection.request is None:
            return
        endpoint = self._endpoints[_ocpp_id(connection.request)]
        charger = endpoint.charger
        station = Station(
            endpoint,
            self._families,
            self._remembered.setdefault(charger, Remembered(charger, self._next_transaction)),
            send=connection.send,
            put=put,
            now_s=self._now_s,
            wall=self._wall,
        )
        before = self._stations.get(charger)
        self._stations[charger] = (station, connection)
        if before is not None:
            _log.info("charger-replaced", charger=charger, remedy="If this repeats, two chargers have one identity.")
            before[1].transport.abort()
        _log.info("charger-connected", charger=charger)
        put(ChargerLink(charger=charger, at_s=self._now_s(), online=True))
        worker = asyncio.create_task(_work(station, connection))
        worker.add_done_callback(lambda task: _tell_failure(charger, task))
        why = ""
        try:
            await self._listen_to(station, connection)
        except ConnectionClosed as closed:
            why = str(closed)
        finally:
            worker.cancel()
            if self._stations.get(charger, (None, None))[0] is station:
                del self._stations[charger]
                _log.info("charger-gone", charger=charger, why=why)
                put(ChargerLink(charger=charger, at_s=self._now_s(), online=False))

    async def _listen_to(self, station: Station, connection: ServerConnection) -> None:
        """Ends with ConnectionClosed. Bytes, so that a text which is no UTF-8 does not end the connection."""
        while True:
            answer = station.receive(await connection.recv(decode=False))
            if station.ended is not None:
                if self._session_ended is not None:
                    await self._session_ended(station.ended)
                station.ended = None
            if answer is not None:
                await connection.send(answer)

    def _next_transaction(self) -> int:
        self._transaction += 1
        return self._transaction


async def _work(station: Station, connection: ServerConnection) -> None:
    try:
        await station.work()
    except ConnectionClosed:
        return  # its connection's own loop ends too, and says so
    finally:
        # A charger that nobody steers has to connect again. Closed already when all is well.
        connection.transport.abort()


def _tell_failure(charger: ChargerId, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error(
            "charger-steering-failed",
            charger=charger,
            exc_info=error,
            remedy="Its connection was closed, so that it connects anew. Report this with the log around it.",
        )


def _ocpp_id(request: Request) -> str:
    """The last part of the path."""
    return unquote(request.path.partition("?")[0].rstrip("/").rpartition("/")[2])


def _password_fits(request: Request, ocpp_id: str, password: str) -> bool:
    """Basic authentication: the user is the charger's identity.

    A password may have been given to the charger as hexadecimal digits (OCPP 1.6 security whitepaper): then it sends
    either these or what they stand for.
    """
    kind, _, token = (request.headers.get_all("Authorization") or [""])[0].partition(" ")
    try:
        user, _, given = base64.b64decode(token.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    if kind.lower() != "basic" or not hmac.compare_digest(user, ocpp_id.encode()):
        return False
    wanted = password.encode()
    fits = hmac.compare_digest(given, wanted)
    fits |= hmac.compare_digest(given.lower(), wanted.hex().encode())
    with contextlib.suppress(ValueError):  # it is no hexadecimal number
        fits |= hmac.compare_digest(given, bytes.fromhex(password))
    return fits
