"""A network that can be spoiled: a TCP proxy between two ends on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

LOOPBACK = "127.0.0.1"
CHUNK = 4096


class Wire:
    """Forwards connections, as long as nothing is wrong with it. Each direction keeps its order, as TCP does."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.cut = False
        """Connections are refused; `sever` ends those that are there."""
        self.to_s = 0.0
        """How long bytes take to the target."""
        self.from_s = 0.0
        """How long they take back."""
        self.bytes_per_s: float | None = None
        """None: as fast as it goes."""
        self.port = 0
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.sever()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def sever(self) -> None:
        """All connections end at once, as by a reset."""
        for end in list(self._ends):
            end.transport.abort()

    def swallow(self) -> None:
        """From now on connections stay, and nothing goes through them: they are half open."""
        self._open.clear()

    def release(self) -> None:
        """What was held up goes on its way."""
        self._open.set()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._ends |= {writer, far_writer}
        both = [
            asyncio.create_task(self._pump(reader, far_writer, lambda: self.to_s)),
            asyncio.create_task(self._pump(far_reader, writer, lambda: self.from_s)),
        ]
        self._tasks.update(both)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self._tasks.difference_update(both)
            for end in (writer, far_writer):
                self._ends.discard(end)
                end.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: Callable[[], float]
    ) -> None:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)

        async def deliver() -> None:
            while True:
                due_s, chunk = await queue.get()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                await self._open.wait()
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(chunk) / self.bytes_per_s)
                writer.write(chunk)
                await writer.drain()

        async def collect() -> None:
            while chunk := await reader.read(CHUNK):
                await queue.put((loop.time() + delay_s(), chunk))
            while not queue.empty():
                await asyncio.sleep(0.05)

        await first_of(deliver, collect)


async def first_of(*parts: Callable[[], Awaitable[None]]) -> None:
    """Runs all until one ends; errors of connections are ends."""
    tasks = [asyncio.ensure_future(part()) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(OSError):
            await asyncio.gather(*tasks, return_exceptions=True)
