from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusTcpClient

from ampacity.sim.wire.meter import Em340, Sample, registers_of

SAMPLE = Sample(
    volts=(230.1, 229.5, 231.0),
    amps=(5.23, -2.0, 100.0),
    watts=(1200.0, -460.0, 23203.8),
    import_wh=11_677_000,
    hertz=49.9,
)


@pytest.fixture
async def meter() -> AsyncIterator[tuple[Em340, AsyncModbusTcpClient]]:
    """A meter and a bare client that is connected to it."""
    async with asyncio.timeout(20):
        meter = Em340(SAMPLE)
        client = AsyncModbusTcpClient("127.0.0.1", port=await meter.open(), timeout=2)
        await client.connect()
        yield meter, client
        client.close()
        await meter.close()


async def words(client: AsyncModbusTcpClient, address: int, count: int) -> list[int]:
    async with asyncio.timeout(5):
        return list((await client.read_input_registers(address, count=count, device_id=1)).registers)


async def test_it_names_itself_an_em340_when_the_register_is_read_alone(
    meter: tuple[Em340, AsyncModbusTcpClient],
) -> None:
    assert await words(meter[1], 0x000B, 1) == [341]
    assert (await words(meter[1], 0x000A, 2))[1] == 0


async def test_numbers_come_with_the_low_word_first(meter: tuple[Em340, AsyncModbusTcpClient]) -> None:
    registers = await words(meter[1], 0x0000, 24)
    assert registers[:6] == [2301, 0, 2295, 0, 2310, 0]
    assert registers[12:] == [5230, 0, 0x10000 - 2000, 0xFFFF, 34464, 1, 12000, 0, 0xEE08, 0xFFFF, 35430, 3]


async def test_frequency_and_energy_are_read_together(meter: tuple[Em340, AsyncModbusTcpClient]) -> None:
    assert await words(meter[1], 0x0033, 3) == [499, 116770 & 0xFFFF, 1]


async def test_it_measures_in_both_directions_with_a_neutral(meter: tuple[Em340, AsyncModbusTcpClient]) -> None:
    assert await words(meter[1], 0x1103, 1) == [1]
    assert await words(meter[1], 0x1002, 1) == [0]


async def test_a_new_sample_is_what_is_read_next(meter: tuple[Em340, AsyncModbusTcpClient]) -> None:
    meter[0].show(Sample(volts=(230.0,) * 3, amps=(1.0, 2.0, 3.0), watts=(230.0, 460.0, 690.0), import_wh=0))
    assert await words(meter[1], 0x000C, 6) == [1000, 0, 2000, 0, 3000, 0]


async def test_registers_it_does_not_have_are_refused(meter: tuple[Em340, AsyncModbusTcpClient]) -> None:
    async with asyncio.timeout(5):
        answer = await meter[1].read_input_registers(0x0200, count=2, device_id=1)
    assert answer.isError()


@settings(max_examples=100)
@given(st.tuples(*[st.floats(-20_000, 20_000)] * 3), st.tuples(*[st.floats(-2000, 2000)] * 3))
def test_every_sample_fits_the_registers(watts: tuple[float, float, float], amps: tuple[float, float, float]) -> None:
    sample = Sample(volts=(230.0,) * 3, amps=amps, watts=watts, import_wh=0.0)
    assert all(0 <= word <= 0xFFFF for word in registers_of(sample).values())
