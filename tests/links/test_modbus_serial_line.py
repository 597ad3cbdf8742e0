"""Several meters on one RS485 line. The line is a real pseudo-terminal, the far end hand-written."""

from __future__ import annotations

import asyncio
import os
import struct
import time
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.links.meter_registers import identification_of, is_identification, shown_by

from ampacity.core.errors import AmpacityError
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.site import MeterId
from ampacity.devices.catalogue import meter_families
from ampacity.devices.meter_family import MeterFamily
from ampacity.links.modbus import Bus, MeterSilent, ModbusMeter, SerialPort

FAMILIES = meter_families()
ON_A_LINE = [one for one in FAMILIES.values() if one.serial is not None and not one.unusable]

Reply = Iterator[tuple[float, bytes]]
"""Pieces of what goes onto the line, each after a pause in seconds."""
Device = Callable[[int, int, int], Reply]
"""Unit, address, count -> what it says."""


def crc(body: bytes) -> bytes:
    """Modbus over Serial Line V1.02, 6.2.2."""
    value = 0xFFFF
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def frame(unit: int, pdu: bytes) -> bytes:
    body = bytes([unit]) + pdu
    return body + crc(body)


def registers(unit: int, values: list[int]) -> bytes:
    return frame(unit, bytes([4, 2 * len(values)]) + struct.pack(f">{len(values)}H", *values))


def as_holding(piece: bytes) -> bytes:
    """Devices here answer for input registers; a holding register holds the same. What is no whole frame stays."""
    if len(piece) < 4 or crc(piece[:-2]) != piece[-2:] or piece[1] not in (4, 0x84):
        return piece
    return frame(piece[0], bytes([piece[1] - 1]) + piece[2:-2])


def counting(unit: int, address: int, count: int) -> Reply:
    """Every register holds its own address."""
    yield 0.0, registers(unit, list(range(address, address + count)))


def meter_like(family: MeterFamily) -> Device:
    """A meter that shows the first sample of its family, and its identification only where that is read alone."""
    words = shown_by(family)

    def answer(unit: int, address: int, count: int) -> Reply:
        if is_identification(family, address, count):
            yield 0.0, registers(unit, identification_of(family))
        elif all(address + n in words for n in range(count)):
            yield 0.0, registers(unit, [words[address + n] for n in range(count)])
        else:
            yield 0.0, frame(unit, bytes([0x84, 2]))

    return answer


class FarEnd:
    """The other end of the line: all devices on it, by unit. Who is not there says nothing."""

    def __init__(self, devices: dict[int, Device], link: Path) -> None:
        """`link` becomes the name of the port."""
        self._near, self._port = os.openpty()
        for end in (self._near, self._port):
            tty.setraw(end)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._port))
        self._devices = devices
        self._buffer = b""
        self._talking: set[asyncio.Task[None]] = set()
        self.said_s: list[float] = []
        """When the line was last talked on, by request."""
        self.asked_s: list[float] = []
        asyncio.get_running_loop().add_reader(self._near, self._heard)

    def _heard(self) -> None:
        self._buffer += os.read(self._near, 256)
        while len(self._buffer) >= 8:
            asked, self._buffer = self._buffer[:8], self._buffer[8:]
            assert crc(asked[:6]) == asked[6:]
            unit, function, address, count = struct.unpack(">BBHH", asked[:6])
            self.asked_s.append(time.monotonic())
            if unit in self._devices:
                reply = self._devices[unit](unit, address, count)
                self._talking.add(asyncio.create_task(self._talk(reply, function)))

    async def _talk(self, reply: Reply, function: int) -> None:
        for pause_s, piece in reply:
            await asyncio.sleep(pause_s)
            os.write(self._near, as_holding(piece) if function == 3 else piece)
            self.said_s.append(time.monotonic())

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._near)
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        os.close(self._near)
        os.close(self._port)


@asynccontextmanager
async def line(devices: dict[int, Device], link: Path) -> AsyncIterator[FarEnd]:
    far = FarEnd(devices, link)
    try:
        async with asyncio.timeout(30):
            yield far
    finally:
        await far.close()


@asynccontextmanager
async def bus_on(link: Path, answer_s: float = 0.2, loud_s: float = 5.0) -> AsyncIterator[Bus]:
    bus = Bus.rtu(SerialPort(str(link), 9600, "N", 1), answer_s=answer_s, loud_s=loud_s)
    try:
        yield bus
    finally:
        await bus.close()


@pytest.fixture
def port(tmp_path: Path) -> Path:
    return tmp_path / "rs485"


def meter(bus: Bus, unit: int, lines: int = 3, family: MeterFamily | None = None) -> ModbusMeter:
    return ModbusMeter(
        MeterId(f"m{unit}"),
        bus,
        address=f"rs485, unit {unit}",
        unit=unit,
        family=family,
        families=FAMILIES,
        period_s=0.05,
        lines=lines,
        nominal_v=[230.0],
        now_s=time.monotonic,
    )


async def first_reading(one: ModbusMeter) -> MeterReading:
    got: list[Observation] = []

    def put(seen: Observation) -> None:
        got.append(seen)
        running.cancel()

    running = asyncio.create_task(one.run(put))
    with suppress(asyncio.CancelledError):
        await running
    assert isinstance(got[0], MeterReading)
    return got[0]


@pytest.mark.parametrize("family", ON_A_LINE, ids=lambda f: f.id)
async def test_every_family_is_recognised_and_read_over_a_serial_line(family: MeterFamily, port: Path) -> None:
    async with line({1: meter_like(family)}, port), bus_on(port) as bus:
        known = None if family.identification is not None else family
        reading = await first_reading(meter(bus, 1, family.phases, known))
    assert reading.currents.values == pytest.approx(family.samples[0].currents)


def test_the_controllers_own_event_loop_can_use_a_serial_line(port: Path) -> None:
    family = FAMILIES["carlo-gavazzi-em3xx"]

    async def main() -> MeterReading:
        async with line({1: meter_like(family)}, port), bus_on(port) as bus:
            return await first_reading(meter(bus, 1))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()).currents.values == pytest.approx(family.samples[0].currents)


async def test_different_meters_share_a_line(port: Path) -> None:
    families = [one for one in ON_A_LINE if one.identify_values]
    devices = {unit: meter_like(family) for unit, family in enumerate(families, start=1)}
    async with line(devices, port), bus_on(port) as bus:
        readings = await asyncio.gather(
            *(first_reading(meter(bus, unit, family.phases)) for unit, family in enumerate(families, start=1))
        )
    assert [r.currents.values for r in readings] == [pytest.approx(f.samples[0].currents) for f in families]


async def test_a_dead_meter_does_not_keep_the_others_on_its_line_from_being_read(port: Path) -> None:
    async with line({2: counting}, port), bus_on(port) as bus:
        dead = asyncio.create_task(bus.read(1, 0, 2))
        assert await bus.read(2, 10, 2) == [10, 11]
        with pytest.raises(MeterSilent, match="Unit 1 did not answer"):
            await dead


def late_in_pieces(unit: int, address: int, count: int) -> Reply:
    """The answer to address 5 begins when it has been given up, and goes on for longer than an answer may take."""
    answer = registers(unit, list(range(address, address + count)))
    if address == 5:
        yield 0.25, answer[:4]
        for place in range(4, len(answer)):
            yield 0.06, answer[place : place + 1]
    else:
        yield 0.0, answer


async def test_a_late_answer_that_drags_on_is_not_taken_for_the_next_one(port: Path) -> None:
    async with line({1: late_in_pieces}, port), bus_on(port) as bus:
        with pytest.raises(MeterSilent):
            await bus.read(1, 5, 2)
        assert await bus.read(1, 50, 2) == [50, 51]


async def test_nothing_is_asked_before_the_line_has_been_silent_for_an_answering_time(port: Path) -> None:
    async with line({1: late_in_pieces}, port) as far, bus_on(port) as bus:
        with pytest.raises(MeterSilent):
            await bus.read(1, 5, 2)
        await bus.read(1, 50, 2)
    before_s = max(said for said in far.said_s if said < far.asked_s[1])
    assert far.asked_s[1] - before_s > 0.19


def babbling(unit: int, address: int, count: int) -> Reply:
    while True:
        yield 0.05, b"\x55"


async def test_a_line_that_is_never_silent_is_not_used_and_told(port: Path) -> None:
    async with line({1: babbling}, port) as far, bus_on(port, loud_s=0.5) as bus:
        with pytest.raises(MeterSilent, match="did not answer"):
            await bus.read(1, 0, 2)
        with pytest.raises(MeterSilent, match=r"never silent.*no other system asks on it"):
            await bus.read(1, 0, 2)
    assert len(far.asked_s) == 1


def other_unit(unit: int, address: int, count: int) -> Reply:
    yield 0.0, registers(unit + 1, list(range(count)))


def wrong_crc(unit: int, address: int, count: int) -> Reply:
    yield 0.0, registers(unit, list(range(count)))[:-1] + b"\x00"


def wrong_length(unit: int, address: int, count: int) -> Reply:
    yield 0.0, registers(unit, list(range(count + 1)))


def wrong_function(unit: int, address: int, count: int) -> Reply:
    yield 0.0, frame(unit, bytes([3, 2 * count]) + bytes(2 * count))


@pytest.mark.parametrize(
    "device", [other_unit, wrong_crc, wrong_length, wrong_function], ids=lambda d: d.__name__.replace("_", " ")
)
async def test_a_wrong_frame_is_no_answer_and_the_next_one_is(device: Device, port: Path) -> None:
    async with line({1: device, 2: counting}, port), bus_on(port) as bus:
        with pytest.raises(MeterSilent):
            await bus.read(1, 7, 2)
        assert await bus.read(2, 10, 2) == [10, 11]


async def test_a_port_that_is_not_there_is_told_with_what_to_do(port: Path) -> None:
    async with bus_on(port) as bus, asyncio.timeout(10):
        with pytest.raises(MeterSilent, match=r"No connection.*adapter is plugged in"):
            await bus.read(1, 0, 2)


async def test_an_adapter_that_was_unplugged_is_used_again_once_it_is_back(port: Path) -> None:
    async with bus_on(port) as bus:
        async with line({1: counting}, port):
            assert await bus.read(1, 10, 2) == [10, 11]
        async with asyncio.timeout(10):
            with pytest.raises(MeterSilent):
                await bus.read(1, 20, 2)
        async with line({1: counting}, port):
            assert await bus.read(1, 30, 2) == [30, 31]


async def _one_read(port: Path, reply: bytes) -> list[int]:
    def answer(unit: int, address: int, count: int) -> Reply:
        yield 0.0, reply

    async with line({1: answer}, port), bus_on(port, answer_s=0.02) as bus:
        return await bus.read(1, 0, 6)


@settings(max_examples=60, deadline=None)
@given(pdu=st.binary(max_size=250), whole=st.booleans())
def test_any_bytes_on_the_line_give_registers_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, pdu: bytes, whole: bool
) -> None:
    port = tmp_path_factory.getbasetemp() / "rs485"
    try:
        words = asyncio.run(_one_read(port, frame(1, pdu) if whole else pdu))
    except AmpacityError as error:
        assert error.remedy
    else:
        assert len(words) == 6
