"""What a meter over Modbus TCP may do wrong, and what becomes of it. The meter is hand-written, on a real socket."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ampacity.core.errors import AmpacityError
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.site import MeterId
from ampacity.devices.catalogue import meter_families
from ampacity.devices.meter_family import MeterFamily
from ampacity.links.modbus import SETTINGS_EVERY_S, SILENT_AFTER, Bus, MeterMismatch, MeterSilent, ModbusMeter

FAMILIES = meter_families()
EM3XX = FAMILIES["carlo-gavazzi-em3xx"]
EM340 = 341
MODE = 0x1103

Request = tuple[int, int, int, int]
"""Transaction, unit, address, count."""
Answer = Callable[[Request], Awaitable[bytes | None]]
"""The frame to send; None: none. A ConnectionError closes the connection."""


NUMBER = "AM34000000001A"


def em340_words(family: MeterFamily = EM3XX) -> dict[int, int]:
    words = {one.address: one.want for one in family.setup if one.want is not None}
    words.update({0x5000 + n: word for n, word in enumerate(struct.unpack(">7H", NUMBER.encode()))})
    words.update({a + n: w for a, block in family.samples[0].registers.items() for n, w in enumerate(block)})
    return words


def frame(request: Request, pdu: bytes) -> bytes:
    """MODBUS Messaging on TCP/IP V1.0b, 3.1.3."""
    return struct.pack(">HHHB", request[0], 0, len(pdu) + 1, request[1]) + pdu


def refusal(request: Request, code: int) -> bytes:
    return frame(request, bytes([0x84, code]))


def answer_of(request: Request, words: dict[int, int], code: int = EM340) -> bytes:
    _, _, address, count = request
    values = [words.get(address + n, 0) for n in range(count)]
    if (address, count) == (0x000B, 1):
        values = [code]
    return frame(request, bytes([4, 2 * count]) + struct.pack(f">{count}H", *values))


def as_holding(reply: bytes) -> bytes:
    """Answers here are for input registers; a holding register holds the same."""
    return reply[:7] + bytes([reply[7] - 1]) + reply[8:] if reply[7:8] in (b"\x04", b"\x84") else reply


def control_only(request: Request) -> bool:
    return request[2:] == EM3XX.reads[0]


@asynccontextmanager
async def device(answer: Answer) -> AsyncIterator[int]:
    """Yields the port. Requests of one connection are answered one after another."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                tid, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", await reader.readexactly(12))
                if (reply := await answer((tid, unit, address, count))) is not None:
                    writer.write(as_holding(reply) if function == 3 else reply)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def meter(bus: Bus, period_s: float = 0.02, now_s: Callable[[], float] = time.monotonic) -> ModbusMeter:
    return ModbusMeter(
        MeterId("main"),
        bus,
        address="10.0.0.7:502, unit 1",
        unit=1,
        family=EM3XX,
        families=FAMILIES,
        period_s=period_s,
        lines=3,
        nominal_v=[230.0],
        now_s=now_s,
    )


async def run_until(one: ModbusMeter, count: int) -> list[MeterReading]:
    """Runs until so many readings with figures; raises what the run raises."""
    return [reading for reading in await all_until(one, count) if reading.currents.values]


async def all_until(one: ModbusMeter, count: int) -> list[MeterReading]:
    """With those of answers that can't be."""
    got: list[MeterReading] = []
    enough = asyncio.Event()

    def put(seen: Observation) -> None:
        assert isinstance(seen, MeterReading)
        got.append(seen)
        if sum(1 for reading in got if reading.currents.values) >= count:
            enough.set()

    running = asyncio.create_task(one.run(put))
    waiting = asyncio.create_task(enough.wait())
    async with asyncio.timeout(20):
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not running.done():
        running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return got


class Faulty:
    """A good EM340 that does `fault` to the control reads whose numbers, from 0, are in `at`."""

    def __init__(self, fault: Answer, at: range) -> None:
        self._fault = fault
        self._at = at
        self.control_reads = 0
        self.words = em340_words()

    async def __call__(self, request: Request) -> bytes | None:
        if control_only(request):
            number, self.control_reads = self.control_reads, self.control_reads + 1
            if number in self._at:
                return await self._fault(request)
        return answer_of(request, self.words)


async def silence(request: Request) -> bytes | None:
    return None


async def hang_up(request: Request) -> bytes | None:
    raise ConnectionError


async def no_voltage(request: Request) -> bytes | None:
    return answer_of(request, {})


async def overflow(request: Request) -> bytes | None:
    return answer_of(request, em340_words() | {0x000C: 0xFFFF, 0x000D: 0x7FFF})


async def too_short(request: Request) -> bytes | None:
    return frame(request, bytes([4, 4]) + bytes(4))


async def other_function(request: Request) -> bytes | None:
    return frame(request, bytes([6]) + bytes(4))


async def other_unit(request: Request) -> bytes | None:
    tid, _, address, count = request
    return answer_of((tid, 9, address, count), em340_words())


FAULTS = [silence, hang_up, no_voltage, overflow, too_short, other_function, other_unit]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__.replace("_", " "))
async def test_a_bad_frame_is_no_reading_and_does_not_stop_the_meter(fault: Answer) -> None:
    async with device(Faulty(fault, range(1, 2))) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        one = meter(bus)
        got = await run_until(one, 3)
        await bus.close()
    assert {reading.currents.values for reading in got} == {EM3XX.samples[0].currents}
    assert one.tally.failures == 1


async def test_figures_that_cannot_be_are_told_as_a_reading_without_figures() -> None:
    async with device(Faulty(no_voltage, range(1, 2))) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        got = await all_until(meter(bus), 3)
        await bus.close()
    assert [len(reading.currents) for reading in got] == [3, 0, 3, 3]


async def test_a_meter_tells_its_own_number_with_each_reading() -> None:
    async with device(Faulty(no_voltage, range(0))) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        got = await run_until(meter(bus), 1)
        await bus.close()
    assert {reading.serial for reading in got} == {NUMBER}


async def test_bad_frames_in_a_row_are_told_once_and_so_is_their_end() -> None:
    async with device(Faulty(no_voltage, range(1, 8))) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        with capture_logs() as logs:
            await run_until(meter(bus), 3)
        await bus.close()
    told = [log["event"] for log in logs if log["event"] in ("meter-absurd", "meter-back")]
    assert told == ["meter-absurd", "meter-back"]


async def test_a_meter_that_stays_silent_ends_the_run_with_its_name_and_address() -> None:
    faulty = Faulty(silence, range(2, 1000))
    async with device(faulty) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.05)
        with pytest.raises(MeterSilent, match=r"meter main \(10\.0\.0\.7:502, unit 1\).*did not answer.*power"):
            await run_until(meter(bus), 1000)
        await bus.close()
    assert faulty.control_reads == 2 + SILENT_AFTER


async def test_a_meter_that_came_back_is_read_by_the_next_run() -> None:
    async with device(Faulty(silence, range(2, 2 + SILENT_AFTER))) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.05)
        one = meter(bus)
        with pytest.raises(MeterSilent):
            await run_until(one, 1000)
        got = await run_until(one, 2)
        await bus.close()
    assert len(got) == 2


async def test_a_late_answer_over_tcp_is_not_taken_for_the_next_one() -> None:
    async def late(request: Request) -> bytes | None:
        if request[2] == 5:
            await asyncio.sleep(0.3)
        return answer_of(request, {5: 5, 50: 50})

    async with device(late) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.2)
        async with asyncio.timeout(10):
            with pytest.raises(MeterSilent):
                await bus.read(1, 5, 1)
            assert await bus.read(1, 50, 1) == [50]
        await bus.close()


async def test_a_gateway_without_its_meter_says_to_look_behind_the_gateway() -> None:
    async def behind(request: Request) -> bytes | None:
        return refusal(request, 0x0B)

    async with device(behind) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        with pytest.raises(MeterSilent, match=r"gateway gets no answer from unit 1.*wiring to the gateway"):
            await run_until(meter(bus), 1)
        await bus.close()


async def test_a_device_without_these_registers_says_to_check_which_device_is_set() -> None:
    async def other(request: Request) -> bytes | None:
        return refusal(request, 0x02)

    async with device(other) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        with pytest.raises(MeterSilent, match=r"refuses to give 1 registers from 0x000b.*device set"):
            await run_until(meter(bus), 1)
        await bus.close()


@pytest.mark.parametrize("code", [330, 340])
async def test_an_engineering_sample_is_refused_by_name(code: int) -> None:
    async def sample(request: Request) -> bytes | None:
        return answer_of(request, {}, code)

    async with device(sample) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        with pytest.raises(MeterMismatch, match="engineering sample"):
            await run_until(meter(bus), 1)
        await bus.close()


async def test_measurement_mode_a_is_told_with_what_to_do() -> None:
    async def mode_a(request: Request) -> bytes | None:
        return answer_of(request, em340_words() | {MODE: 0})

    async with device(mode_a) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        with capture_logs() as logs:
            await run_until(meter(bus), 1)
        await bus.close()
    warnings = [log for log in logs if log["event"] == "meter-setup"]
    assert len(warnings) == 1
    assert "mode B" in warnings[0]["remedy"]


async def test_settings_are_looked_at_again_so_that_one_set_right_is_not_called_wrong_for_good() -> None:
    words, looks = em340_words() | {MODE: 0}, 0

    async def set_right_later(request: Request) -> bytes | None:
        nonlocal looks
        looks += request[2] == MODE
        return answer_of(request, words | {MODE: int(looks > 1)})

    async with device(set_right_later) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        at_s = count(step=SETTINGS_EVERY_S / 4)
        one = meter(bus, now_s=lambda: next(at_s))
        with capture_logs() as logs:
            await run_until(one, 5)
        await bus.close()
    assert [log["found"][0] for log in logs if log["event"] == "meter-setup"] == ["0"]
    assert one.setup.wrong == ()


async def test_a_setting_that_can_not_be_read_does_not_keep_the_meter_from_being_read() -> None:
    async def locked(request: Request) -> bytes | None:
        return refusal(request, 2) if request[2] == MODE else answer_of(request, em340_words())

    async with device(locked) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        got = await run_until(meter(bus), 1)
        await bus.close()
    assert len(got) == 1


async def test_readings_carry_the_energy_that_was_last_read() -> None:
    async with device(Faulty(silence, range(0))) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.3)
        got = await run_until(meter(bus), 2)
        await bus.close()
    assert got[1].energy_import_wh == EM3XX.samples[0].energy_import_wh


async def test_after_a_stall_there_is_no_burst() -> None:
    period_s = 0.1

    async def stall(request: Request) -> bytes | None:
        await asyncio.sleep(10 * period_s)
        return answer_of(request, em340_words())

    async with device(Faulty(stall, range(1, 2))) as port:
        bus = Bus.tcp("127.0.0.1", port, answer_s=5.0)
        got = await run_until(meter(bus, period_s), 11)
        await bus.close()
    hasty = [now.at_s - then.at_s < period_s / 2 for then, now in pairwise(got)]
    assert sum(hasty) <= 3


async def _one_read(reply: Callable[[Request], bytes]) -> list[int]:
    async def answer(request: Request) -> bytes | None:
        return reply(request)

    async with device(answer) as port, asyncio.timeout(10):
        bus = Bus.tcp("127.0.0.1", port, answer_s=0.02)
        try:
            return await bus.read(1, 0, 6)
        finally:
            await bus.close()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_registers_or_a_clear_error(body: bytes) -> None:
    try:
        words = asyncio.run(_one_read(lambda request: body))
    except AmpacityError as error:
        assert error.remedy
    else:
        assert len(words) == 6


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=250))
def test_any_answer_in_a_good_frame_gives_registers_or_a_clear_error(pdu: bytes) -> None:
    try:
        words = asyncio.run(_one_read(lambda request: frame(request, pdu)))
    except AmpacityError as error:
        assert error.remedy
    else:
        assert len(words) == 6
