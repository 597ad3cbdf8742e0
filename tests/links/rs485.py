"""An RS485 line on a real pseudo-terminal, with meters that hear and talk through a model of their UARTs."""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from tests.links.test_modbus_serial_line import crc, frame

from ampacity.commission.probe import Way, serial_ways
from ampacity.devices.meter_family import MeterFamily
from ampacity.links.modbus import Bus, SerialPort

FRAME_END_S = 0.004
"""So long after the last byte a frame is over: a pseudo-terminal brings a frame at once."""

Piece = tuple[float, bytes]
"""A pause, and what comes then."""
Mix = Callable[[Sequence[bytes]], Iterable[Piece]]
"""What is on the line when several answer at once."""


def port_at(path: Path, baud: int = 9600, parity: str = "N", stop_bits: int = 1) -> SerialPort:
    return SerialPort(str(path), baud, parity, stop_bits)


class PtyWay(Way):
    """A pseudo-terminal has no parity and refuses it: it is opened without, and the UARTs here make it. A line that is
    never silent is given up sooner."""

    def bus(self, answer_s: float) -> Bus:
        assert self.serial is not None
        return Bus.rtu(replace(self.serial, parity="N"), answer_s=answer_s, loud_s=0.6)


def all_ways(path: Path) -> list[Way]:
    return [PtyWay(serial=way.serial) for way in serial_ways(str(path))]


def through(data: bytes, sent: SerialPort, heard: SerialPort, *, strict: bool) -> bytes:
    """What a UART that is set like `heard` makes of bytes that one set like `sent` has sent. `strict`: it drops a
    character with a wrong parity or without a stop bit, as a meter does; a computer takes it."""
    levels: list[int] = [1] * 3
    for byte in data:
        bits = [byte >> n & 1 for n in range(8)]
        levels += [0, *bits, *_parity(bits, sent.parity), *[1] * sent.stop_bits]
    levels += [1] * 20
    ratio = sent.baud / heard.baud
    out, edge = bytearray(), 0
    while True:
        while edge < len(levels) and not levels[edge]:
            edge += 1  # a break lasts until the line is idle
        while edge < len(levels) and levels[edge]:
            edge += 1
        if edge >= len(levels):
            return bytes(out)
        stop = 9 + len(_parity([], heard.parity))
        sampled = [_level(levels, edge + (n + 0.5) * ratio) for n in range(stop + 1)]
        bits = sampled[1:9]
        good = sampled[9:stop] == _parity(bits, heard.parity) and sampled[stop] == 1
        if good or not strict:
            out.append(sum(bit << n for n, bit in enumerate(bits)))
        edge = int(edge + (stop + 0.5) * ratio)


def _level(levels: Sequence[int], at: float) -> int:
    return levels[int(at)] if at < len(levels) else 1


def _parity(bits: Sequence[int], kind: str) -> list[int]:
    if kind == "N":
        return []
    return [(sum(bits) + (kind == "O")) % 2]


class Talker(Protocol):
    """What is on the line."""

    port: SerialPort
    """How it is set."""
    pause_s: float
    """How long it takes to answer."""

    def answer(self, request: bytes) -> bytes | None:
        """None: it says nothing."""


@dataclass(slots=True, kw_only=True)
class Slave:
    """A meter as its document says: functions 3, 4, 6 and 16 over one map of registers."""

    unit: int
    words: dict[int, int]
    port: SerialPort
    """How it is set."""
    functions: tuple[int, ...] = (3, 4, 6, 16)
    locked: Callable[[], bool] = lambda: False
    """It refuses to be written to."""
    keeps: bool = False
    """It says that it took what is written, and did not."""
    pause_s: float = 0.0
    deaf_after_write: bool = False
    """It answers nothing any more after that."""
    written: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)
    """Function, address, words."""

    def answer(self, request: bytes) -> bytes | None:
        if len(request) < 8 or crc(request[:-2]) != request[-2:] or request[0] != self.unit:
            return None
        if self.deaf_after_write and self.written:
            return None
        function, address, count = struct.unpack(">BHH", request[1:6])
        if function not in self.functions:
            return frame(self.unit, bytes([function | 0x80, 1]))
        if function in (3, 4):
            return self._given(function, address, count)
        words = (count,) if function == 6 else struct.unpack(f">{count}H", request[7:-2])
        return self._taken(function, address, words, request[2:6])

    def _given(self, function: int, address: int, count: int) -> bytes:
        if any(address + n not in self.words for n in range(count)):
            return frame(self.unit, bytes([function | 0x80, 2]))
        values = [self.words[address + n] for n in range(count)]
        return frame(self.unit, bytes([function, 2 * count]) + struct.pack(f">{count}H", *values))

    def _taken(self, function: int, address: int, words: tuple[int, ...], said: bytes) -> bytes | None:
        if self.locked() or any(address + n not in self.words for n in range(len(words))):
            return frame(self.unit, bytes([function | 0x80, 3]))
        self.written.append((function, address, words))
        if not self.keeps:
            self.words.update({address + n: word for n, word in enumerate(words)})
        return None if self.deaf_after_write else frame(self.unit, bytes([function]) + said)


def words_of_meter(family: MeterFamily, code: int | None = None, number: str = "") -> dict[int, int]:
    """Registers of the family's first sample, its settings as they should be."""
    words = {one.address: one.want for one in family.setup if one.want is not None}
    words.update({check.address + n: 0 for check in family.checks for n in range(check.count)})
    words.update({a + n: w for a, block in family.samples[0].registers.items() for n, w in enumerate(block)})
    words[family.identify_address] = next(iter(family.identify_values)) if code is None else code
    if number and family.number_address is not None:
        packed = number.encode().ljust(2 * family.number_registers, b"\0")
        numbers = struct.unpack(f">{family.number_registers}H", packed)
        words.update({family.number_address + n: word for n, word in enumerate(numbers)})
    return words


def one_after_another(answers: Sequence[bytes]) -> Iterable[Piece]:
    for answer in answers:
        yield 0.0, answer


class Rig:
    """The far end of the line, and the path of the near one."""

    def __init__(self, path: Path, slaves: Sequence[Talker], mix: Mix) -> None:
        self.path = path
        self.slaves = list(slaves)
        self.mix = mix
        self.set_to = port_at(path)
        """How our end is set. A pseudo-terminal does not tell parity, so whoever sets it says so here."""
        self.requests: list[bytes] = []
        """As sent."""
        self._near, self._port = os.openpty()
        for end in (self._near, self._port):
            tty.setraw(end)
        path.symlink_to(os.ttyname(self._port))
        self._buffer = b""
        self._ending: asyncio.TimerHandle | None = None
        self._talking: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(self._near, self._heard)

    def say(self, pieces: Iterable[Piece]) -> asyncio.Task[None]:
        """Puts this onto the line."""
        task = asyncio.create_task(self._say(list(pieces)))
        self._talking.add(task)
        return task

    def _heard(self) -> None:
        self._buffer += os.read(self._near, 512)
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(FRAME_END_S, self._frame)

    def _frame(self) -> None:
        request, self._buffer, self._ending = self._buffer, b"", None
        self.requests.append(request)
        pieces: dict[float, list[bytes]] = {}
        for slave in self.slaves:
            answer = slave.answer(through(request, self.set_to, slave.port, strict=True))
            if answer is not None:
                heard = through(answer, slave.port, self.set_to, strict=False)
                pieces.setdefault(slave.pause_s, []).append(heard)
        for pause_s, answers in pieces.items():
            mixed = list(self.mix(answers)) if len(answers) > 1 else [(0.0, answers[0])]
            self.say([(pause_s, b""), *mixed])

    async def _say(self, pieces: list[Piece]) -> None:
        for pause_s, piece in pieces:
            if pause_s:
                await asyncio.sleep(pause_s)
            if piece:
                os.write(self._near, piece)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._near)
        if self._ending is not None:
            self._ending.cancel()
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        os.close(self._near)
        os.close(self._port)
        self.path.unlink(missing_ok=True)


@asynccontextmanager
async def rig(path: Path, *slaves: Talker, mix: Mix = one_after_another) -> AsyncIterator[Rig]:
    one = Rig(path, slaves, mix)
    try:
        async with asyncio.timeout(60):
            yield one
    finally:
        await one.close()
