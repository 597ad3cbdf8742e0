"""An energy meter on the wire: a Carlo Gavazzi EM340 behind a Modbus TCP gateway.

Registers after Carlo Gavazzi, EM300 and ET300 series, Modbus serial protocol rev. 2.6, tables 2.7-2 to 2.8-9; the
controller's own meter files are not used, so that the two can disagree.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from typing import cast

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from ampacity.sim.wire import LOOPBACK

EM340 = 341
_IDENTIFICATION = 0x000B
_OWN_NUMBER = 0x5000
_SETTINGS = {0x1002: 0, 0x1103: 1, 0x1105: 0}
"""Three phases with neutral; measurement mode B, in which export is negative; no wiring error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the meter measures. Three values each, by line; positive is import."""

    volts: tuple[float, float, float]
    amps: tuple[float, float, float]
    """Signed like the power."""
    watts: tuple[float, float, float]
    import_wh: float
    export_wh: float = 0.0
    hertz: float = 50.0


def registers_of(sample: Sample) -> dict[int, int]:
    """Value of each 16-bit register by its address on the wire."""
    words: dict[int, int] = {}

    def long(address: int, value: float, scale: float) -> None:
        low, high = struct.unpack("<HH", struct.pack("<i", round(value / scale)))
        words[address], words[address + 1] = low, high

    def short(address: int, value: float, scale: float) -> None:
        words[address] = round(value / scale) & 0xFFFF

    for line in range(3):
        long(0x0000 + 2 * line, sample.volts[line], 0.1)
        long(0x0006 + 2 * line, sample.volts[line] * 3**0.5, 0.1)
        long(0x000C + 2 * line, sample.amps[line], 0.001)
        long(0x0012 + 2 * line, sample.watts[line], 0.1)
        apparent_va = sample.volts[line] * abs(sample.amps[line])
        long(0x0018 + 2 * line, apparent_va, 0.1)
        factor = sample.watts[line] / apparent_va if apparent_va > abs(sample.watts[line]) else 1.0
        short(0x002E + line, factor, 0.001)
        long(0x0040 + 2 * line, sample.import_wh / 3000, 0.1)
    long(0x0028, sum(sample.watts), 0.1)
    short(0x0032, 0, 1)
    short(0x0033, sample.hertz, 0.1)
    long(0x0034, sample.import_wh / 1000, 0.1)
    long(0x004E, sample.export_wh / 1000, 0.1)
    return words


class Em340:
    """The meter. `show` sets what it measures; it answers function codes 3 and 4 as unit 1."""

    def __init__(self, sample: Sample, *, unit: int = 1, number: str = "AM34000000001A") -> None:
        """`number`: its own (serial) number, of 14 characters."""
        self._unit = unit
        self._number = number
        self._words: dict[int, int] = {}
        self._server: ModbusTcpServer | None = None
        self.show(sample)

    def show(self, sample: Sample) -> None:
        """From now on, this is what it measures."""
        self._words = registers_of(sample)

    async def open(self, port: int = 0) -> int:
        """Begins to answer on loopback; returns the port, a free one if 0 was given.

        Raises:
            RuntimeError: the port is taken.
        """
        self._server = ModbusTcpServer(self._device(), address=(LOOPBACK, port))
        await self._server.serve_forever(background=True)
        # pymodbus keeps the listening server in its field for a connection's transport.
        listening = cast(asyncio.Server, self._server.transport)
        return int(listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it without types
            self._server = None

    def _device(self) -> SimDevice:
        blocks = [SimData(0x0000, count=0x70, values=0, datatype=DataType.REGISTERS, readonly=True)]
        blocks += [
            SimData(address, values=value, datatype=DataType.REGISTERS, readonly=True)
            for address, value in _SETTINGS.items()
        ]
        blocks.append(SimData(_OWN_NUMBER, values=self._number, datatype=DataType.STRING, readonly=True))
        return SimDevice(id=self._unit, simdata=blocks, action=self._answer)

    async def _answer(
        self,
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        current_registers: list[int],
        set_values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Puts the present figures into the registers that are asked for."""
        for at in range(address, address + count):
            if at in self._words:
                current_registers[at - start_address] = self._words[at]
        if (address, count) == (_IDENTIFICATION, 1):
            # Read alone, this is the identification code; else half of the voltage between L3 and L1.
            current_registers[_IDENTIFICATION - start_address] = EM340
        return None
