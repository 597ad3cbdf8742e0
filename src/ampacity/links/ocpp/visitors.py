"""A door for chargers with nobody behind it: who comes is asked its name, and is not taken into service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from urllib.parse import unquote

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ampacity.links.ocpp.admission import LONGEST_ID
from ampacity.links.ocpp.framing import Call, error_text, frame_of, result_text
from ampacity.links.ocpp.server import CannotListen

PROTOCOLS = [Subprotocol("ocpp1.6"), Subprotocol("ocpp2.0.1"), Subprotocol("ocpp2.1")]
MOST_VISITORS = 100
MOST_AT_ONCE = 100
LONGEST_TEXT = 60
COME_AGAIN_S = 60
"""What a charger is told that is not taken into service yet: it asks again after so long."""
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A charger that came. All text is its own, but for what can't be printed."""

    ocpp_id: str
    address: str
    protocols: tuple[str, ...]
    """Those that it offers."""
    password: bool
    """It sent one."""
    vendor: str = ""
    """As it introduced itself, if it did; so for the others below."""
    model: str = ""
    firmware: str = ""


class _Station(msgspec.Struct, rename="camel"):
    """BootNotification of OCPP 1.6, and of 2.x."""

    charge_point_vendor: str = ""
    charge_point_model: str = ""
    firmware_version: str = ""
    vendor_name: str = ""
    model: str = ""
    charging_station: _Station | None = None


class Visitors:
    """Those who came while the door was open."""

    def __init__(
        self, *, listen: str, port: int, wall: Callable[[], datetime], came: Callable[[Visitor], None]
    ) -> None:
        """`wall`: the time that chargers are told; `came` is told of each that is new, and again once it has introduced
        itself."""
        self._listen = listen
        self._port = port
        self._wall = wall
        self._came = came
        self._inside = 0
        self._visitors: dict[str, Visitor] = {}
        self.listening = asyncio.Event()

    @property
    def port(self) -> int:
        """Where it listens; differs from what was asked for when that was 0."""
        return self._port

    def all(self) -> list[Visitor]:
        """In the order they came."""
        return list(self._visitors.values())

    async def receive(self, seconds: float) -> None:
        """Keeps the door open for so long.

        Raises:
            CannotListen: the address is taken or not ours.
        """
        try:
            server = await serve(
                self._talk,
                self._listen,
                self._port,
                subprotocols=PROTOCOLS,
                process_request=self._at_the_door,
                compression=None,
                max_size=_LARGEST,
                open_timeout=10.0,
                close_timeout=1.0,
            )
        except OSError as error:
            raise CannotListen(f"{self._listen}:{self._port} can't be used ({error.strerror or error}).") from error
        async with server:
            self._port = int(server.sockets[0].getsockname()[1])
            self.listening.set()
            await asyncio.sleep(seconds)

    def _at_the_door(self, connection: ServerConnection, request: Request) -> Response | None:
        ocpp_id = unquote(request.path.partition("?")[0].rstrip("/").rpartition("/")[2])
        if not 0 < len(ocpp_id) <= LONGEST_ID or not ocpp_id.isprintable():
            return connection.respond(HTTPStatus.NOT_FOUND, "The address has to end in the charger's identity.\n")
        if ocpp_id not in self._visitors and len(self._visitors) >= MOST_VISITORS:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Come again in a while.\n")
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol")).split(",")
        self._note(
            Visitor(
                ocpp_id=ocpp_id,
                address=str(connection.remote_address[0]),
                protocols=tuple(_text(one.strip()) for one in offered if one.strip())[:9],
                password=bool(request.headers.get_all("Authorization")),
            )
        )
        if self._inside >= MOST_AT_ONCE:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Come again in a while.\n")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        request = connection.request
        if request is None:
            return
        ocpp_id = unquote(request.path.partition("?")[0].rstrip("/").rpartition("/")[2])
        self._inside += 1
        try:
            while True:
                answer = self._answer(ocpp_id, await connection.recv(decode=False))
                if answer is not None:
                    await connection.send(answer)
        except ConnectionClosed:
            return
        finally:
            self._inside -= 1

    def _answer(self, ocpp_id: str, message: bytes) -> str | None:
        frame = frame_of(message)
        if not isinstance(frame, Call):
            return None
        if frame.action != "BootNotification":
            return error_text(frame.id, "SecurityError", "Not taken into service yet.")
        try:
            said = msgspec.json.decode(frame.payload, type=_Station)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return error_text(frame.id, "FormationViolation", "No BootNotification can be read in it.")
        station = said.charging_station or said
        self._note(
            replace(
                self._visitors[ocpp_id],
                vendor=_text(station.charge_point_vendor or station.vendor_name),
                model=_text(station.charge_point_model or station.model),
                firmware=_text(station.firmware_version),
            )
        )
        now = self._wall().strftime("%Y-%m-%dT%H:%M:%SZ")
        return result_text(frame.id, {"currentTime": now, "interval": COME_AGAIN_S, "status": "Rejected"})

    def _note(self, visitor: Visitor) -> None:
        before = self._visitors.get(visitor.ocpp_id)
        if before is not None and not visitor.vendor and not visitor.model:
            visitor = replace(visitor, vendor=before.vendor, model=before.model, firmware=before.firmware)
        self._visitors[visitor.ocpp_id] = visitor
        if visitor != before:
            self._came(visitor)


def _text(given: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in given[:LONGEST_TEXT])
