"""Where chargers connect: OCPP 1.6J, 2.0.1 and 2.1 over websockets."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from ampacity.core.decision import Command
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import ChargerLink, Observation, SessionEnded, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.charger_family import OCPP_VERSIONS, ChargerFamily
from ampacity.links.ocpp.admission import Admission
from ampacity.links.ocpp.admission import Knock as Knock
from ampacity.links.ocpp.certificates import tls_context as tls_context
from ampacity.links.ocpp.doorway import Doorway, GuardedConnection
from ampacity.links.ocpp.endpoint import Endpoint, StationFacts
from ampacity.links.ocpp.inlet import InletMeter, SupplyTold
from ampacity.links.ocpp.pace import Pace
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.schema_check import CheckedLink, MessageCheck
from ampacity.links.ocpp.station import Station
from ampacity.links.ocpp.tags import Authorise, everybody
from ampacity.links.ocpp.versions import subprotocol_of
from ampacity.links.tally import Tally

LARGEST_MESSAGE = 256 * 1024
MESSAGES = 600
MESSAGES_HZ = 20.0
"""Of one charger: so many at once, as after a day offline, then so many a second; the rest is read later."""
BYTES_A_MESSAGE = 4096
"""A longer one counts as several."""
PING_S = 20.0
OPEN_S = 15.0
PARK_S = 5.0

_log = structlog.get_logger("ampacity.ocpp")


class CannotListen(AmpacityError):
    """The address for chargers can't be used."""

    code = "ocpp-cannot-listen"
    remedy = "Choose another port in [ocpp], or stop the program that has it."


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
        tls_port: int | None = None,
        adopt_profile: int = 0,
        authorise: Authorise = everybody,
        session_ended: Callable[[SessionEnded], Awaitable[None]] | None = None,
        now_s: Callable[[], float],
        wall: Callable[[], datetime],
        first_transaction: int,
        check: MessageCheck | None = None,
    ) -> None:
        """`tls` is for `tls_port`, and `port` is plain; without a `tls_port` it is for `port`. `adopt` is asked for an
        endpoint when an unknown charger comes that brings what `adopt_profile` asks for; None: it is refused.
        `authorise`: who may charge.
        `session_ended` is awaited before the end of a transaction is answered, so that what is acknowledged is not
        lost. `check`: holds each message against the official schemas."""
        self._admission = Admission(
            endpoints,
            adopt=adopt,
            adopt_profile=adopt_profile,
            holder=self._holder,
            versions=self._versions_of,
            now_s=now_s,
            wall_s=lambda: wall().timestamp(),
        )
        self._doorway = Doorway(now_s, self._say_crowded)
        self._families = families
        self._listen = listen
        self._port = port
        self._tls = tls
        self._tls_port = tls_port
        self._authorise = authorise
        self._session_ended = session_ended
        self._check = check
        self._now_s = now_s
        self._wall = wall
        self._transaction = first_transaction
        self._stations: dict[ChargerId, tuple[Station, GuardedConnection]] = {}
        self._inlets: tuple[InletMeter, ...] = ()
        self._remembered: dict[ChargerId, Remembered] = {}
        self._introduced: dict[str, StationFacts] = {}
        """By OCPP identity: of those that are gone."""
        self._paces: dict[ChargerId, Pace] = {}
        self._flooding: set[ChargerId] = set()
        self._plain_server: Server | None = None
        self._tls_server: Server | None = None
        self.listening = asyncio.Event()

    @property
    def name(self) -> str:
        return f"chargers ({self._listen}:{self.port})"

    @property
    def port(self) -> int:
        """Where it listens; differs from what was asked for when that was 0."""
        server = self._plain_server if self._plain_server is not None else self._tls_server
        return self._port if server is None else _port_of(server, self._port)

    @property
    def tls_port(self) -> int | None:
        """The same of the port with TLS, where there is one beside."""
        if self._tls_port is None or self._tls_server is None:
            return self._tls_port
        return _port_of(self._tls_server, self._tls_port)

    @property
    def stations(self) -> dict[ChargerId, Station]:
        """Those connected now."""
        return {charger: station for charger, (station, _) in self._stations.items()}

    @property
    def opening(self) -> int:
        """Connections that have not been found to be a charger yet."""
        return len(self._doorway)

    def use(self, endpoints: Iterable[Endpoint]) -> None:
        """From now on these may connect. Other limits of a charger count from its next command on. The connection of a
        charger that is none of them any more, that has another identity or family, or that has to show something else
        to get in, is closed: it comes anew, and is told all anew."""
        known = {endpoint.charger: endpoint for endpoint in endpoints}
        self._admission.use(known.values())
        for charger, (station, connection) in list(self._stations.items()):
            now, before = known.get(charger), station.endpoint
            if now == before:
                continue
            if now is not None and replace(now, **_limits(before)) == before:
                station.use(now)
                continue
            _log.info("charger-changed" if now is not None else "charger-removed", charger=charger)
            if now is None or now.ocpp_id != before.ocpp_id:
                # Another charger may get this name: nothing of this one holds for it.
                self._remembered.pop(charger, None)
                self._paces.pop(charger, None)
            connection.transport.abort()

    def tell(self, inlets: Iterable[InletMeter]) -> None:
        """From now on these are told what their chargers say of the building's supply."""
        self._inlets = tuple(inlets)
        for one in self._inlets:
            one.connected = one.charger in self._stations

    def facts(self) -> dict[ChargerId, StationFacts]:
        """What the connected chargers said of themselves. For any thread."""
        return {
            charger: replace(station.facts, max_a=self._known(charger).own_max_a)
            for charger, (station, _) in list(self._stations.items())
        }

    def knocking(self) -> list[Knock]:
        """Unknown chargers that were refused, but for those that a person refused; the newest first. For any thread."""
        found = []
        for one in self._admission.knocking():
            said = self._introduced.get(one.ocpp_id, StationFacts())
            found.append(replace(one, vendor=said.vendor, model=said.model, firmware=said.firmware))
        return found

    def refuse(self, ocpp_id: str) -> None:
        """It is neither adopted nor shown as knocking, as long as this program runs or until it is in the site."""
        self._admission.refuse(ocpp_id)

    async def run(self, put: Callable[[Observation], None]) -> None:
        """Serves until cancelled.

        Raises:
            CannotListen: the address is taken or not ours.
        """

        try:
            async with AsyncExitStack() as opened:
                opened.callback(self._closed)
                if self._tls is None or self._tls_port is not None:
                    self._plain_server = await self._opened(opened, self._port, None, put)
                if self._tls is not None:
                    port = self._port if self._tls_port is None else self._tls_port
                    self._tls_server = await self._opened(opened, port, self._tls, put)
                opened.callback(self._doorway.clear)
                self.listening.set()
                await asyncio.get_running_loop().create_future()
        finally:
            self.listening.clear()

    async def _opened(
        self, opened: AsyncExitStack, port: int, tls: ssl.SSLContext | None, put: Callable[[Observation], None]
    ) -> Server:
        async def handle(connection: ServerConnection) -> None:
            if isinstance(connection, GuardedConnection) and connection.endpoint is not None:
                await self._serve_charger(connection, connection.endpoint, put)

        guarded = partial(GuardedConnection, doorway=self._doorway, tls=tls, tls_failed=self._admission.tls_failed)
        try:
            server = await opened.enter_async_context(
                serve(
                    handle,
                    self._listen,
                    port,
                    create_connection=guarded,  # type: ignore[arg-type]  # asks for a class, takes any callable
                    subprotocols=[Subprotocol(subprotocol_of(one)) for one in OCPP_VERSIONS],
                    select_subprotocol=self._admission.subprotocol,
                    process_request=self._admission.check,
                    compression=None,
                    max_size=LARGEST_MESSAGE,
                    ping_interval=PING_S,
                    ping_timeout=PING_S,
                    open_timeout=OPEN_S,
                    close_timeout=2.0,
                )
            )
        except OSError as error:
            raise CannotListen(f"{self._listen}:{port} can't be used ({error.strerror or error}).") from error
        _log.info("ocpp-listening", address=self._listen, port=_port_of(server, port), tls=tls is not None)
        return server

    def _closed(self) -> None:
        self._plain_server = self._tls_server = None
        self._admission.close()

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

    def report_often(self, charger: ChargerId, often: bool) -> None:
        """It is asked for what it draws every few seconds, where it can be asked; or as seldom as usual."""
        self._known(charger).often = often

    def hold_off(self, charger: ChargerId, off: bool) -> None:
        """Its connection is cut, and it may not come back until it is held off no more."""
        if not off:
            self._admission.held_off.discard(charger)
            return
        self._admission.held_off.add(charger)
        if (entry := self._stations.get(charger)) is not None:
            entry[1].transport.abort()

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

    def tally(self, charger: ChargerId) -> Tally:
        """What has passed to and from it."""
        return self._known(charger).tally

    def _known(self, charger: ChargerId) -> Remembered:
        known = self._remembered.get(charger)
        if known is None:
            known = self._remembered.setdefault(charger, Remembered(charger, self._next_transaction))
        return known

    # --- a connection ---

    def _versions_of(self, endpoint: Endpoint) -> Sequence[str]:
        """Those that may be spoken with it: as is set for it, else as its family can."""
        family = endpoint.family or self._known(endpoint.charger).family
        return endpoint.versions or (family.ocpp_versions if family is not None else ()) or OCPP_VERSIONS

    def _holder(self, charger: ChargerId) -> GuardedConnection | None:
        entry = self._stations.get(charger)
        return None if entry is None else entry[1]

    def _say_crowded(self, address: str) -> None:
        self._admission.complain(
            "ocpp-crowded",
            address,
            "It opens connections and says nothing: the oldest are closed. Find out what this device is.",
        )

    async def _serve_charger(
        self, connection: GuardedConnection, endpoint: Endpoint, put: Callable[[Observation], None]
    ) -> None:
        self._doorway.leave(connection)
        charger = endpoint.charger
        remembered = self._known(charger)
        tally = remembered.tally
        tally.connections += 1

        version = connection.version or "1.6"
        checked = None if self._check is None else self._check.link(charger, version)

        async def send(text: str) -> None:
            tally.gave_out(len(text), time.monotonic())
            if checked is not None:
                checked.sent(text)
            await connection.send(text)

        station = Station(
            endpoint,
            self._families,
            remembered,
            send=send,
            put=put,
            now_s=self._now_s,
            wall=self._wall,
            authorise=self._authorise,
            version=version,
            tell_supply=partial(self._tell_supply, charger),
        )
        before = self._stations.get(charger)
        self._stations[charger] = (station, connection)
        self.tell(self._inlets)
        if before is not None:
            _log.info("charger-replaced", charger=charger)
            before[1].transport.abort()
        _log.info("charger-connected", charger=charger, version=version)
        put(ChargerLink(charger=charger, at_s=self._now_s(), online=True))
        worker = asyncio.create_task(_work(station, connection))
        worker.add_done_callback(lambda task: _tell_failure(charger, task))
        why = ""
        try:
            await self._listen_to(station, connection, send, checked)
        except ConnectionClosed as closed:
            why = str(closed)
        finally:
            worker.cancel()
            if checked is not None:
                checked.closed()
            if station.facts.vendor or station.facts.model:
                self._introduced[station.endpoint.ocpp_id] = station.facts
            if self._stations.get(charger, (None, None))[0] is station:
                del self._stations[charger]
                self.tell(self._inlets)
                _log.info("charger-gone", charger=charger, why=why, **_to_come_back(station.family))
                put(ChargerLink(charger=charger, at_s=self._now_s(), online=False))

    async def _listen_to(
        self,
        station: Station,
        connection: GuardedConnection,
        send: Callable[[str], Awaitable[None]],
        checked: CheckedLink | None,
    ) -> None:
        """Ends with ConnectionClosed. Bytes, so that a text which is no UTF-8 does not end the connection."""
        while True:
            message = await connection.recv(decode=False)
            await self._keep_pace(station.endpoint, len(message))
            if checked is not None:
                checked.received(message)
            answer = station.receive(message)
            if station.ended is not None:
                if self._session_ended is not None:
                    await self._session_ended(station.ended)
                station.ended = None
            if answer is not None:
                await send(answer)
            if station.is_misunderstood:
                versions = " or ".join(station.family.ocpp_versions)
                _log.warning(
                    "charger-version",
                    charger=station.endpoint.charger,
                    family=station.family.id,
                    what=f"It speaks OCPP {station.facts.version} badly, as is known of its family.",
                    remedy=f"It is asked to come again in OCPP {versions}. Set it to that at the charger, or, to try "
                    "it all the same, set ocpp_versions.",
                )
                connection.transport.abort()
                return

    def _tell_supply(self, charger: ChargerId, told: SupplyTold) -> None:
        for one in self._inlets:
            if one.charger == charger:
                one.take(told)

    async def _keep_pace(self, endpoint: Endpoint, size: int) -> None:
        """What is not read fills the charger's own buffers, and nobody else's."""
        pace = self._paces.setdefault(endpoint.charger, Pace(MESSAGES, MESSAGES_HZ, self._now_s()))
        wait_s = pace.take(self._now_s(), 1 + size // BYTES_A_MESSAGE)
        if wait_s > 0:
            if endpoint.charger not in self._flooding:
                self._flooding.add(endpoint.charger)
                _log.warning(
                    "charger-floods",
                    charger=endpoint.charger,
                    remedy=f"It is heard at {MESSAGES_HZ:.0f} messages a second. Set longer intervals at the charger "
                    "(MeterValueSampleInterval), or start it anew.",
                )
            await asyncio.sleep(wait_s)

    def _next_transaction(self) -> int:
        self._transaction += 1
        return self._transaction


def _limits(endpoint: Endpoint) -> dict[str, Any]:
    """What may change while it is connected."""
    return {"phases": endpoint.phases, "volts": endpoint.volts, "safe_a": endpoint.safe_a}


def _to_come_back(family: ChargerFamily) -> dict[str, str]:
    """What to do, where something is known of its family."""
    if family.back_within_s is None:
        return {}
    if family.back_within_s == math.inf:
        return {"remedy": f"A charger of family {family.id} does not come back by itself: start it anew."}
    return {"remedy": f"A charger of family {family.id} may take {family.back_within_s:g} s to come back."}


def _port_of(server: Server, asked: int) -> int:
    for socket in server.sockets:
        return int(socket.getsockname()[1])
    return asked


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
