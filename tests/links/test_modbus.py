"""Meters over real sockets and a real pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import struct
import time
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from ampacity.core.observations import MeterReading, Observation
from ampacity.core.site import MeterId
from ampacity.devices.catalogue import meter_families
from ampacity.devices.meter_family import MeterFamily
from ampacity.links.modbus import Bus, MeterMismatch, MeterSilent, ModbusMeter, SerialPort

FAMILIES = meter_families()
EM3XX = FAMILIES["carlo-gavazzi-em3xx"]


@asynccontextmanager
async def served(blocks: dict[int, tuple[int, ...]]) -> AsyncIterator[int]:
    """A Modbus TCP server with these registers; yields its port."""
    data = [SimData(a, values=list(words), datatype=DataType.REGISTERS) for a, words in sorted(blocks.items())]
    server = ModbusTcpServer(SimDevice(id=1, simdata=data), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    listening = server.transport
    assert isinstance(listening, asyncio.Server)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it without types


def blocks_of(family: MeterFamily, code: int) -> dict[int, tuple[int, ...]]:
    """Registers of the family's first sample, its settings as they should be."""
    words = {a + n: w for a, block in family.samples[0].registers.items() for n, w in enumerate(block)}
    words[family.identify_address] = code
    words.update({one.address: one.want for one in family.setup if one.want is not None})
    blocks: dict[int, tuple[int, ...]] = {}
    for address in sorted(words):
        for start, block in blocks.items():
            if start + len(block) == address:
                blocks[start] = (*block, words[address])
                break
        else:
            blocks[address] = (words[address],)
    return blocks


def meter(bus: Bus, family: MeterFamily | None = None, lines: int = 3, period_s: float = 0.05) -> ModbusMeter:
    return ModbusMeter(
        MeterId("main"),
        bus,
        address="here, unit 1",
        unit=1,
        family=family,
        families=FAMILIES,
        period_s=period_s,
        lines=lines,
        nominal_v=[230.0],
        now_s=time.monotonic,
    )


async def readings(one: ModbusMeter, count: int) -> list[MeterReading]:
    """The first readings of a meter."""
    got: list[MeterReading] = []
    enough = asyncio.Event()

    def put(seen: Observation) -> None:
        assert isinstance(seen, MeterReading)
        got.append(seen)
        if len(got) >= count:
            enough.set()

    task = asyncio.create_task(one.run(put))
    waiting = asyncio.create_task(enough.wait())
    async with asyncio.timeout(20):
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return got


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.id)
async def test_every_family_is_recognised_and_read_over_tcp(family: MeterFamily) -> None:
    sample = family.samples[0]
    async with served(blocks_of(family, next(iter(family.identify_values)))) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=2.0)
        got = await readings(meter(bus, lines=family.phases), 2)
        await bus.close()
    assert got[0].currents.values == pytest.approx(sample.currents)
    assert got[0].powers is not None
    assert got[0].powers.values == pytest.approx(sample.powers)


async def test_a_rejected_sample_is_refused_with_what_to_do() -> None:
    async with served(blocks_of(EM3XX, 338)) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=2.0)
        with pytest.raises(MeterMismatch, match="carlo-gavazzi-em24"):
            await readings(meter(bus, EM3XX), 1)
        await bus.close()


async def test_another_meter_than_the_one_set_is_refused_by_name() -> None:
    async with served(blocks_of(EM3XX, 341)) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=2.0)
        with pytest.raises(MeterMismatch, match=r"EM340 answers, but carlo-gavazzi-em5xx is set"):
            await readings(meter(bus, FAMILIES["carlo-gavazzi-em5xx"]), 1)
        await bus.close()


async def test_a_meter_of_one_line_is_refused_on_three() -> None:
    async with served(blocks_of(FAMILIES["carlo-gavazzi-em1xx"], 104)) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=2.0)
        with pytest.raises(MeterMismatch, match="measures 1 line"):
            await readings(meter(bus), 1)
        await bus.close()


async def test_nobody_at_the_address_is_said_with_name_and_address() -> None:
    bus = Bus.tcp("127.0.0.1", 1, answer_s=0.2)
    with pytest.raises(MeterSilent, match=r"meter main \(here, unit 1\)"):
        await readings(meter(bus), 1)


async def test_a_device_that_has_only_holding_registers_is_read_as_well() -> None:
    words = {a + n: w for a, block in blocks_of(EM3XX, 341).items() for n, w in enumerate(block)}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                number, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", await reader.readexactly(12))
                body = bytes([function | 0x80, 1])
                if function == 3:
                    values = [words.get(address + n, 0) for n in range(count)]
                    body = struct.pack(f">BB{count}H", function, 2 * count, *values)
                writer.write(struct.pack(">HHHB", number, 0, len(body) + 1, unit) + body)
        writer.close()
        await writer.wait_closed()
        gone.set()

    gone = asyncio.Event()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    bus = Bus.tcp("127.0.0.1", server.sockets[0].getsockname()[1], answer_s=2.0)
    got = await readings(meter(bus), 2)
    await bus.close()
    async with asyncio.timeout(5):
        await gone.wait()
    server.close()
    assert got[0].powers is not None
    assert got[0].powers.values == pytest.approx(EM3XX.samples[0].powers)


# --- RTU -------------------------------------------------------------------------------------------------------------


def crc(frame: bytes) -> bytes:
    """Modbus over Serial Line V1.02, 6.2.2."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


class Slave:
    """A hand-written RTU meter at the far end of a pseudo-terminal. `delays_s` by address; the default is none."""

    def __init__(self, words: Callable[[int], int]) -> None:
        self._near, far = os.openpty()
        tty.setraw(self._near)
        tty.setraw(far)
        self.path = os.ttyname(far)
        self._far = far
        self._words = words
        self.delays_s: dict[int, float] = {}
        self.asked = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(self._near, self._readable)
        self._buffer = b""

    def _readable(self) -> None:
        self._buffer += os.read(self._near, 256)
        while len(self._buffer) >= 8:
            frame, self._buffer = self._buffer[:8], self._buffer[8:]
            assert crc(frame[:6]) == frame[6:]
            _, _, address, count = struct.unpack(">BBHH", frame[:6])
            self.asked.set()
            task = asyncio.create_task(self._answer(frame, address, count))
            self._tasks.add(task)

    async def _answer(self, frame: bytes, address: int, count: int) -> None:
        await asyncio.sleep(self.delays_s.pop(address, 0.0))
        body = frame[:2] + bytes([2 * count])
        body += b"".join(struct.pack(">H", self._words(address + n)) for n in range(count))
        os.write(self._near, body + crc(body))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._near)
        for task in self._tasks:
            task.cancel()
        os.close(self._near)
        os.close(self._far)


@asynccontextmanager
async def slave(words: Callable[[int], int]) -> AsyncIterator[Slave]:
    one = Slave(words)
    try:
        yield one
    finally:
        one.close()


def em340(address: int) -> int:
    words = {a: w for start, block in blocks_of(EM3XX, 341).items() for a, w in enumerate(block, start)}
    return words.get(address, 0)


async def test_a_meter_is_read_over_a_serial_line() -> None:
    async with slave(em340) as one:
        bus = Bus.rtu(SerialPort(one.path, 9600, "N", 1), answer_s=1.0)
        got = await readings(meter(bus, period_s=0.1), 2)
        await bus.close()
    assert got[-1].powers is not None
    assert got[-1].powers.values == pytest.approx(EM3XX.samples[0].powers)


async def test_an_answer_that_comes_late_is_never_taken_for_the_next_one() -> None:
    """The trap: asked for address 50, same length, and the late answer of address 5 arrives."""
    async with slave(lambda address: address) as one:
        bus = Bus.rtu(SerialPort(one.path, 9600, "N", 1), answer_s=0.4)
        one.delays_s[5] = 0.55
        with pytest.raises(MeterSilent):
            await bus.read(1, 5, 2)
        async with asyncio.timeout(10):
            assert await bus.read(1, 50, 2) == [50, 51]
        await bus.close()


async def test_a_read_that_nobody_waits_for_any_more_does_not_spoil_the_next() -> None:
    async with slave(lambda address: address) as one:
        bus = Bus.rtu(SerialPort(one.path, 9600, "N", 1), answer_s=1.0)
        one.delays_s[5] = 0.3
        abandoned = asyncio.create_task(bus.read(1, 5, 2))
        await one.asked.wait()
        abandoned.cancel()
        async with asyncio.timeout(10):
            assert await bus.read(1, 50, 2) == [50, 51]
        await bus.close()


async def test_two_meters_share_one_line_one_request_at_a_time() -> None:
    async with slave(lambda address: address) as one:
        bus = Bus.rtu(SerialPort(one.path, 9600, "N", 1), answer_s=1.0)
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(bus.read(unit, 10 * unit, 3) for unit in (1, 2, 3)))
        await bus.close()
    assert answers == [[10, 11, 12], [20, 21, 22], [30, 31, 32]]
