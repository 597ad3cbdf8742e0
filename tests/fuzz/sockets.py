"""Fuzz targets on real sockets: what comes where chargers connect, and what a meter answers."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import websockets
from pymodbus import ModbusException
from structlog.testing import capture_logs
from tests.fuzz.frames import CHARGER_FAMILIES, METER_FAMILIES, WORDS
from tests.fuzz.target import Target

from ampacity.core.decision import Command
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.site import ChargerId, MeterId
from ampacity.devices.meter_family import FrameAbsurd
from ampacity.links.modbus import Bus, MeterMismatch, MeterSilent, ModbusMeter
from ampacity.links.ocpp.server import OcppServer
from ampacity.links.ocpp.station import Endpoint

GENEROUS_S = 30.0
"""How long anything may take at most: a hang is a failure, slowness is none."""

PAUSE_S = 0.1

# --- chargers ---

COMMAND = Command(charger=ChargerId("left"), limit_a=13.0, safe_a=6.0, lease_s=120.0, renewal=False)

UPGRADE = b"""\
GET /ocpp/CP-left HTTP/1.1\r
Host: localhost\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Protocol: ocpp1.6\r
\r
"""


def check_charger_socket(data: bytes) -> None:
    """Bytes on the chargers' port. The word `UPGRADE` in them stands for a good handshake."""
    asyncio.run(_heard_and_alive(data.replace(b"UPGRADE", UPGRADE)))


async def _heard_and_alive(data: bytes) -> None:
    async with _serving() as server:
        await _shout(server.port, data)


def check_charger_answers(data: bytes) -> None:
    """What a charger answers to our requests, a line each; `ID` in it stands for the number of the request."""
    asyncio.run(_answered_and_alive(data.split(b"\n")[:30]))


async def _answered_and_alive(answers: list[bytes]) -> None:
    async with _serving() as server:
        with suppress(websockets.ConnectionClosed, TimeoutError):
            async with _connected(server.port) as socket:
                await socket.send('[2,"boot","BootNotification",{"chargePointVendor":"A","chargePointModel":"B"}]')
                server.apply(COMMAND, lambda _: None)
                for answer in answers:
                    number = await _next_request(socket)
                    await socket.send(answer.replace(b"ID", number), text=True)


async def _next_request(socket: websockets.ClientConnection) -> bytes:
    """Its number, in JSON. After a pause without one there is none: what came before was no answer to it."""
    async with asyncio.timeout(PAUSE_S):
        while True:
            kind, number, *_ = json.loads(await socket.recv())
            if kind == 2:
                return json.dumps(number).encode()


@asynccontextmanager
async def _serving() -> AsyncIterator[OcppServer]:
    """A server that serves a good charger afterwards, and in which nothing failed."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    with capture_logs() as logs:
        async with asyncio.timeout(GENEROUS_S), _server() as server:
            yield server
            await _good_charger(server.port)
    assert not failures
    assert not [one for one in logs if one["event"] == "charger-steering-failed"]


@asynccontextmanager
async def _server() -> AsyncIterator[OcppServer]:
    endpoint = Endpoint(
        charger=ChargerId("left"), ocpp_id="CP-left", phases=3, volts=230.0, safe_a=6.0, password=None, family=None
    )
    server = OcppServer(
        [endpoint],
        CHARGER_FAMILIES,
        listen="127.0.0.1",
        port=0,
        tls=None,
        adopt=None,
        now_s=time.monotonic,
        wall=lambda: datetime.now(UTC),
        first_transaction=100,
    )
    task = asyncio.create_task(server.run(lambda _: None))
    await server.listening.wait()
    try:
        yield server
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _shout(port: int, data: bytes) -> None:
    """Says it all, and stays until the other side is through with it: it has answered or closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        writer.write(data)
        writer.write_eof()
        while await reader.read(65_536):
            pass
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def _connected(port: int) -> websockets.connect:
    return websockets.connect(
        f"ws://127.0.0.1:{port}/ocpp/CP-left", subprotocols=[websockets.Subprotocol("ocpp1.6")], close_timeout=1
    )


async def _good_charger(port: int) -> None:
    async with _connected(port) as socket:
        await socket.send('[2,"good","Heartbeat",{}]')
        while not str(await socket.recv()).startswith('[3,"good",{"currentTime"'):
            pass


# --- meters ---

FAMILY = METER_FAMILIES["carlo-gavazzi-em3xx"]
UNIT = 1
APART = b"|--|"
ANSWER_S = 0.04


def check_modbus_answers(data: bytes) -> None:
    """The first answers of a meter, `|--|` between them; then good ones. `TT` at the beginning of one stands for the
    number of the request, and `CCCC` for its registers."""
    asyncio.run(_read_until_good(data.split(APART)[:8]))


class _Device:
    """Answers in order with what it was given, then well."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self.bodies: list[tuple[int, bytes]] = []
        """All that was sent, and for how many registers."""
        self.is_good = False
        sample = FAMILY.samples[0]
        self._words = {a + n: word for a, block in sample.registers.items() for n, word in enumerate(block)}
        self._words[FAMILY.identify_address] = next(iter(FAMILY.identify_values))
        self._words.update({one.address: one.want for one in FAMILY.setup if one.want is not None})

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Yields the port."""
        serving: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                request = await reader.readexactly(12)
                writer.write(self._answer(request))
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def _answer(self, request: bytes) -> bytes:
        number, (address, count) = request[:2], struct.unpack(">HH", request[8:])
        registers = struct.pack(f">{count}H", *(self._words.get(address + n, 0) for n in range(count)))
        good = number + struct.pack(">HHBBB", 0, 3 + 2 * count, UNIT, request[7], 2 * count) + registers
        self.is_good = not self._answers
        if self.is_good:
            return good
        body = self._answers.pop(0).replace(b"GOOD", good).replace(b"TT", number).replace(b"CCCC", registers)
        self.bodies.append((count, body))
        return body


async def _read_until_good(answers: list[bytes]) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    device = _Device(answers)
    with capture_logs():
        async with asyncio.timeout(GENEROUS_S), device.listening() as port:
            bus = Bus.tcp("127.0.0.1", port, answer_s=ANSWER_S)
            got = await _supervised(bus, device)
            await bus.close()
    # pymodbus raises where it takes bytes in; the event loop then closes the connection, and the request has no answer.
    assert not [one for one in failures if not isinstance(one.get("exception"), ModbusException)]
    honest = {_currents(words) for count, body in device.bodies for words in _frames(body, count)}
    honest.add(FAMILY.samples[0].currents)
    assert {reading.currents.values for reading in got} <= honest


async def _supervised(bus: Bus, device: _Device) -> list[MeterReading]:
    """The readings up to the first that a good answer gave; the run begins anew as the loop would begin it."""
    got: list[MeterReading] = []
    done = asyncio.Event()

    def put(one: Observation) -> None:
        assert isinstance(one, MeterReading)
        got.append(one)
        if device.is_good:
            done.set()

    meter = ModbusMeter(
        MeterId("main"),
        bus,
        address="here",
        unit=UNIT,
        family=FAMILY,
        families=METER_FAMILIES,
        period_s=0.002,
        lines=3,
        nominal_v=[230.0],
        now_s=time.monotonic,
    )
    while not done.is_set():
        run, enough = asyncio.create_task(meter.run(put)), asyncio.create_task(done.wait())
        await asyncio.wait([run, enough], return_when=asyncio.FIRST_COMPLETED)
        enough.cancel()
        run.cancel()
        with suppress(asyncio.CancelledError, MeterSilent, MeterMismatch):
            await run
    return got


def _frames(body: bytes, count: int) -> Iterator[dict[int, int]]:
    """Every well-formed answer of so many registers in what was sent, wherever it begins."""
    head = struct.pack(">HHBBB", 0, 3 + 2 * count, UNIT, 4, 2 * count)
    at = body.find(head)
    while at >= 0:
        begin = at + len(head)
        if len(body) >= begin + 2 * count:
            words = struct.unpack(f">{count}H", body[begin : begin + 2 * count])
            yield dict(enumerate(words, start=FAMILY.reads[0][0]))
        at = body.find(head, at + 1)


def _currents(registers: dict[int, int]) -> tuple[float, ...] | None:
    try:
        return FAMILY.reading(MeterId("main"), registers, 0.0, 3, [230.0]).currents.values
    except (FrameAbsurd, KeyError):
        return None


KEYS = (b'"ChargeProfileMaxStackLevel"', b'"ChargingScheduleAllowedChargingRateUnit"', b'"NumberOfConnectors"')

SOCKETS = (
    Target(
        "charger_socket",
        check_charger_socket,
        (b"UPGRADE", b"\r\n", b"\x81\xfe\xff\xff", b"\x89\x80", *WORDS),
        share=0.5,
    ),
    Target("charger_answers", check_charger_answers, (b"ID", b"\n", b"[3,ID,", b"[4,ID,", *WORDS, *KEYS), share=0.2),
    Target(
        "modbus_answers",
        check_modbus_answers,
        (APART, b"TT", b"GOOD", b"CCCC", b"\x00\x00\xff\xff\x01\x04", b"\x84\x02", b"\x84\x0b", b"\x03\x02"),
        share=0.4,
    ),
)
