"""On a serial line where things go wrong, a meter is found or it is not; never is something taken for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.links.rs485 import Mix, Piece, PtyWay, Rig, Slave, all_ways, port_at, rig, through, words_of_meter
from tests.links.test_modbus_serial_line import frame, registers

from ampacity.commission.probe import (
    BESIDE,
    CLASH,
    LATE,
    SETTINGS,
    TAKEN,
    Found,
    Nothing,
    Told,
    Way,
    probe,
    serial_ways,
)
from ampacity.devices.catalogue import meter_families
from ampacity.links.modbus import SerialPort

FAMILIES = meter_families()
EM3XX = FAMILIES["carlo-gavazzi-em3xx"]
EM24 = FAMILIES["carlo-gavazzi-em24"]
EM340, EM330, EM24_CODE = 341, 331, 71
ANSWER_S = 0.4


async def looked(
    line: Rig,
    ways: Sequence[Way],
    units: Sequence[int] = (1,),
    *,
    answer_s: float = ANSWER_S,
    listen_s: float = 0.05,
    alone_s: float = 0.1,
) -> list[Told]:
    def step(way: Way, unit: int) -> None:
        assert way.serial is not None
        line.set_to = way.serial

    return [
        one
        async for one in probe(ways, units, FAMILIES, step=step, answer_s=answer_s, listen_s=listen_s, alone_s=alone_s)
    ]


def em340(path: Path, *, number: str = "A0000000000001", unit: int = 1, pause_s: float = 0.0) -> Slave:
    words = words_of_meter(EM3XX, EM340, number)
    return Slave(unit=unit, words=words, port=port_at(path), pause_s=pause_s)


def em24(path: Path, *, unit: int = 1, pause_s: float = 0.0) -> Slave:
    return Slave(unit=unit, words=words_of_meter(EM24, EM24_CODE), port=port_at(path), pause_s=pause_s)


def usable(told: Iterable[Told]) -> list[Found]:
    return [one for one in told if isinstance(one, Found) and one.family is not None]


# --- how the ends are set ---


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
async def test_a_meter_is_found_at_the_setting_it_has_and_at_no_other(
    setting: tuple[int, str, int], tmp_path: Path
) -> None:
    port = port_at(tmp_path / "bus", *setting)
    slave = Slave(unit=1, words=words_of_meter(EM3XX, EM340), port=port)
    async with rig(tmp_path / "bus", slave) as line:
        told = await looked(line, all_ways(line.path), answer_s=0.3)
    assert [one.way.serial for one in usable(told)] == [port]


@pytest.mark.parametrize("parity", ["N", "E", "O"])
@pytest.mark.parametrize("baud", [2400, 9600, 19200])
def test_a_uart_hears_what_one_that_is_set_alike_says(baud: int, parity: str) -> None:
    port = port_at(Path("x"), baud, parity)
    assert through(bytes(range(256)), port, port, strict=True) == bytes(range(256))


@given(data=st.binary(min_size=8, max_size=8), sent=st.sampled_from(SETTINGS), heard=st.sampled_from(SETTINGS))
def test_a_meter_that_is_set_otherwise_hears_something_else(
    data: bytes, sent: tuple[int, str, int], heard: tuple[int, str, int]
) -> None:
    """So that the tests above are of what would happen. A second stop bit is not heard, and a short run of characters
    may keep its parity by luck."""
    request = frame(1, b"\x04\x00\x0b\x00\x01") + data
    ends = SerialPort("x", *sent), SerialPort("x", *heard)
    if sent != heard:
        assert through(request, *ends, strict=True) != request


async def test_a_port_that_refuses_a_setting_is_free_for_the_next(tmp_path: Path) -> None:
    """A pseudo-terminal refuses parity."""
    slave = Slave(unit=1, words=words_of_meter(EM3XX, EM340), port=port_at(tmp_path / "bus", 2400))
    async with rig(tmp_path / "bus", slave) as line:
        told = await looked(line, serial_ways(str(line.path)), answer_s=0.3)
    assert [one.way.serial for one in usable(told)] == [slave.port]


# --- two with one number ---


def anded(offset: int) -> Mix:
    """Both drive the line at once; a zero wins."""

    def mix(answers: Sequence[bytes]) -> Iterable[Piece]:
        first, second = answers[0], b"\xff" * offset + answers[1]
        longest = max(len(first), len(second))
        pairs = zip(first.ljust(longest, b"\xff"), second.ljust(longest, b"\xff"), strict=True)
        yield 0.0, bytes(a & b for a, b in pairs)

    return mix


def interleaved(answers: Sequence[bytes]) -> Iterable[Piece]:
    first, second = answers
    for n in range(max(len(first), len(second))):
        yield 0.001, first[n : n + 1] + second[n : n + 1]


def back_to_back(answers: Sequence[bytes]) -> Iterable[Piece]:
    yield 0.0, b"".join(answers)


def in_turn(answers: Sequence[bytes]) -> Iterable[Piece]:
    for answer in answers:
        yield 0.03, answer


MIXES = {"and": anded(0), "and-late": anded(3), "interleaved": interleaved, "joined": back_to_back, "turns": in_turn}
PAIRS: dict[str, Callable[[Path], tuple[Slave, Slave]]] = {
    "of two kinds": lambda path: (em340(path), em24(path)),
    "of one kind": lambda path: (em340(path), em340(path, number="B1234567890123")),
}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("pair", PAIRS)
async def test_two_meters_with_one_number_are_never_taken_for_one(pair: str, mix: str, tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", *PAIRS[pair](tmp_path / "bus"), mix=MIXES[mix]) as line:
        (found,) = await looked(line, [Way(serial=line.set_to)], answer_s=0.15)
    assert isinstance(found, Found)
    assert (found.family, found.what) in {(None, CLASH), (None, BESIDE), (None, LATE)}


@pytest.mark.parametrize("pause_s", [0.05, 0.25])
@pytest.mark.parametrize("second", [em340, em24])
async def test_a_second_meter_with_the_same_number_that_is_slower_is_noticed(
    second: Callable[..., Slave], pause_s: float, tmp_path: Path
) -> None:
    """0.25 s is later than an answer may come here."""
    path = tmp_path / "bus"
    async with rig(path, em340(path), second(path, pause_s=pause_s)) as line:
        (found,) = await looked(line, [Way(serial=line.set_to)], answer_s=0.15, alone_s=0.4)
    assert isinstance(found, Found)
    assert (found.family, found.what) in {(None, CLASH), (None, BESIDE), (None, LATE)}


async def test_a_clash_on_one_number_does_not_hide_the_meter_on_another(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    async with rig(path, em340(path), em24(path), em24(path, unit=2), mix=interleaved) as line:
        told = await looked(line, [Way(serial=line.set_to)], [1, 2])
    assert [(one.unit, one.family) for one in told if isinstance(one, Found)] == [(1, None), (2, EM24.id)]


# --- late, noisy, taken ---


async def test_a_device_that_answers_too_late_is_told_and_not_taken_for_the_next(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    async with rig(path, em340(path, pause_s=0.6), em24(path, unit=2)) as line:
        told = await looked(line, [Way(serial=line.set_to)], [1, 2, 3])
    found = [(one.unit, one.family, one.what) for one in told if isinstance(one, Found)]
    assert found == [(1, None, LATE), (2, EM24.id, "")]


class Disturbed:
    """A meter, some of whose answers are disturbed on their way: by number, from 0."""

    def __init__(self, slave: Slave, which: Container[int]) -> None:
        self._slave = slave
        self._which = which
        self._count = -1
        self.port, self.pause_s = slave.port, slave.pause_s

    def answer(self, request: bytes) -> bytes | None:
        answer = self._slave.answer(request)
        self._count += 1
        if answer is None or self._count not in self._which:
            return answer
        return bytes([answer[0], answer[1] ^ 0x40]) + answer[2:]


@pytest.mark.parametrize("which", [{0}, {1}, {3}], ids=["identification", "number", "setting"])
async def test_a_meter_one_of_whose_answers_is_disturbed_is_found_all_the_same(which: set[int], tmp_path: Path) -> None:
    path = tmp_path / "bus"
    async with rig(path, Disturbed(em340(path), which)) as line:
        told = await looked(line, [Way(serial=line.set_to)])
    assert [one.model for one in usable(told)] == ["EM340"]


async def test_a_meter_whose_answers_are_disturbed_again_and_again_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    async with rig(path, Disturbed(em340(path), range(0, 100, 2))) as line:
        (found,) = await looked(line, [Way(serial=line.set_to)])
    assert isinstance(found, Found)
    assert (found.family, found.what) == (None, CLASH)


async def test_a_line_on_which_somebody_else_asks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    async with rig(path, em340(path)) as line:
        master = line.say((0.02, frame(1, b"\x04\x00\x00\x00\x18") + registers(1, [0] * 24)) for _ in range(40))
        told = await looked(line, all_ways(path), listen_s=0.3)
        master.cancel()
    assert [one.what for one in told if isinstance(one, Nothing)] == [TAKEN]
    assert line.requests == []


async def test_a_line_that_begins_to_babble_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "bus"

    def babble(answers: Sequence[bytes]) -> Iterable[Piece]:
        return [(0.02, b"\x55")] * 600

    async with rig(path, em340(path), em24(path), mix=babble) as line:
        told = await looked(line, [PtyWay(serial=line.set_to)], range(1, 200))
    assert usable(told) == []
    assert len(line.requests) < 6


# --- whatever comes ---

CODES = sorted({code for family in FAMILIES.values() for code in family.identify_values})
CHUNKS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(CODES).map(lambda code: registers(1, [code])),
    st.sampled_from(CODES).map(lambda code: registers(2, [code])),
    st.sampled_from(CODES).map(lambda code: frame(1, bytes([3, 2]) + code.to_bytes(2, "big"))),
    st.sampled_from(CODES).map(lambda code: registers(1, [code, 0])),
)


def is_clear(chunks: Sequence[bytes]) -> bool:
    """All that came is one answer to what was asked."""
    return b"".join(chunks) in {registers(1, [code]) for code in CODES}


class Scripted:
    """Asked who it is, it says what it was given; all else as a meter does."""

    def __init__(self, slave: Slave, said: bytes) -> None:
        self._slave = slave
        self._said = said
        self.port, self.pause_s = slave.port, slave.pause_s

    def answer(self, request: bytes) -> bytes | None:
        return self._said if request[2:6] == b"\x00\x0b\x00\x01" else self._slave.answer(request)


async def _answered_with(path: Path, said: bytes) -> list[Told]:
    async with rig(path, Scripted(em340(path), said)) as line:
        return await looked(line, [Way(serial=line.set_to)], answer_s=0.03, listen_s=0.001)


@settings(max_examples=60, deadline=None)
@given(chunks=st.lists(CHUNKS, max_size=4))
def test_whatever_answers_only_a_clear_answer_is_an_identification(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    told = asyncio.run(_answered_with(tmp_path_factory.mktemp("bus") / "bus", b"".join(chunks)))
    if not is_clear(chunks):
        assert usable(told) == []
