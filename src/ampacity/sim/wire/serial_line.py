"""A serial line as a pseudo-terminal: at its far end are devices that take frames of Modbus RTU."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable

from ampacity.sim.wire import LOOPBACK

CHARACTER_BITS = 11
"""Start, eight of data, parity, stop."""


class SerialLine:
    """Passes bytes on between its near end, a path like that of a serial port, and a server of RTU frames over TCP.
    They take as long as they do at `baud`."""

    def __init__(self, *, baud: int) -> None:
        self.is_cut = False
        """Nothing passes any more."""
        self._character_s = CHARACTER_BITS / baud
        self._free_s = 0.0
        self._far, self._near = os.openpty()
        for end in (self._far, self._near):
            tty.setraw(end)
        self.path = os.ttyname(self._near)
        self._writer: asyncio.StreamWriter | None = None
        self._hearing: asyncio.Task[None] | None = None

    async def open(self, port: int) -> None:
        """Connects its far end to the server there, on loopback."""
        reader, self._writer = await asyncio.open_connection(LOOPBACK, port)
        self._hearing = asyncio.create_task(self._hear(reader))
        asyncio.get_running_loop().add_reader(self._far, self._sent)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._far)
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        os.close(self._far)
        os.close(self._near)

    def _sent(self) -> None:
        data = os.read(self._far, 512)
        self._carry(data, self._to_devices)

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(512):
            self._carry(data, self._to_controller)

    def _carry(self, data: bytes, on: Callable[[bytes], None]) -> None:
        if self.is_cut:
            return
        loop = asyncio.get_running_loop()
        self._free_s = max(self._free_s, loop.time()) + len(data) * self._character_s
        loop.call_at(self._free_s, on, data)

    def _to_devices(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    def _to_controller(self, data: bytes) -> None:
        if self._writer is not None:  # else it is closed
            os.write(self._far, data)
