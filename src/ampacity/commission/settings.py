"""Sets what lies in a meter that was found: only what somebody agreed to, and when nobody else asks on the line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from ampacity.commission.probe import AGAIN, ANSWER_S, TAKEN_REMEDY, Found
from ampacity.core.errors import AmpacityError, DeviceError
from ampacity.devices.meter_family import MeterFamily
from ampacity.devices.meter_settings import Held
from ampacity.devices.registers import bits_of
from ampacity.links.meter_settings import READ_BACK_EVERY_S, Put, put_right
from ampacity.links.modbus import Bus

LISTEN_S = 5.0
"""So long a serial line must be silent before anything is written: whoever steers by a meter asks more often."""


class LineTaken(AmpacityError):
    """Another system asks on the line: nothing is written."""

    code = "line-taken"
    remedy = TAKEN_REMEDY


class MeterChanged(AmpacityError):
    """It is not the meter any more that was found: nothing is written."""

    code = "meter-changed"
    remedy = "Run the probe again."


async def set_right(
    found: Found,
    agreed: Sequence[Held],
    families: Mapping[str, MeterFamily],
    *,
    answer_s: float = ANSWER_S,
    listen_s: float = LISTEN_S,
    read_back_s: float = READ_BACK_EVERY_S,
) -> AsyncIterator[Put]:
    """Writes what was agreed to, one after the other, and reads each back. `found` is a meter that can be used.

    Raises:
        LineTaken: somebody talks on the serial line.
        MeterChanged: something else answers now, or nothing.
    """
    bus = found.way.bus(answer_s)
    family = families[str(found.family)]
    try:
        if found.way.serial is not None:
            await _must_be_silent(bus, found, listen_s)
        for held in agreed:
            await _must_be(bus, found, family)
            yield await put_right(bus, found.unit, family, str(found.model), held, read_back_s=read_back_s)
    finally:
        await bus.close()


async def _must_be_silent(bus: Bus, found: Found, listen_s: float) -> None:
    try:
        heard = await bus.overhear(listen_s)
    except DeviceError as error:
        raise MeterChanged(f"{found.way.place}: {error.what}", remedy=error.remedy) from error
    if heard:
        raise LineTaken(f"{found.way.place}: somebody else talks on this line. Nothing was written.")


async def _must_be(bus: Bus, found: Found, family: MeterFamily) -> None:
    place = f"{found.way.place}, unit {found.unit}"
    number = found.own_number
    try:
        asked = family.identification
        assert asked is not None
        words = await _read(bus, found.unit, asked[0], asked[1], holding=asked[2])
        code = bits_of(words, low_word_first=False)
        if family.number_address is not None and number is not None:
            told = await _read(
                bus, found.unit, family.number_address, family.number_registers, holding=family.function == 3
            )
            number = family.own_number(told)
    except DeviceError as error:
        raise MeterChanged(f"{place}: {error.what} Nothing was written.", remedy=error.remedy) from error
    if (code, number) != (found.code, found.own_number):
        raise MeterChanged(f"{place}: another device answers than the {found.model} that was found.")


async def _read(bus: Bus, unit: int, address: int, count: int, *, holding: bool = False) -> list[int]:
    """
    Raises:
        DeviceError: no good answer, again and again.
    """
    for _ in range(AGAIN - 1):
        with suppress(DeviceError):
            return await bus.read(unit, address, count, holding=holding)
    return await bus.read(unit, address, count, holding=holding)
