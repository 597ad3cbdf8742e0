"""One live picture a second at the most, encoded once for all who watch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

from ampacity.api.picture import picture
from ampacity.api.ports import Latest, Services
from ampacity.api.problems import Problem
from ampacity.api.setup import status_of
from ampacity.storage.errors import StorageError

EVERY_S = 1.0
SIGN_OF_LIFE_S = 15.0
MOST_STREAMS = 200


class TooManyStreams(Problem):
    """Every page keeps one."""

    code = "too-many-streams"
    status = 503
    remedy = "Close pages that are not needed; each shows live values."


class Stream:
    """Newest pictures for many pages. A page that is slow misses some, and nothing waits for it."""

    def __init__(self, services: Services, since_s: Callable[[], float | None]) -> None:
        """`since_s`: when load management was switched on; may block."""
        self._services = services
        self._since_s = since_s
        self._lock = threading.Lock()
        self._body: tuple[float, bytes] = (0.0, b"")
        """The newest picture and the time of its decision."""
        self.open = 0

    def body(self) -> bytes:
        """The newest picture as JSON. May block a little; not for the control thread."""
        latest = self._services.control.latest
        at_s = 0.0 if latest is None else latest.at_s
        with self._lock:
            if not self._body[1] or at_s != self._body[0]:
                self._body = at_s, self._encoded(latest)
            return self._body[1]

    def enter(self) -> None:
        """
        Raises:
            TooManyStreams
        """
        if self.open >= MOST_STREAMS:
            raise TooManyStreams(f"{MOST_STREAMS} pages are open already.", most=MOST_STREAMS)
        self.open += 1

    async def events(self, still_in: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Server-sent events, until `still_in` (which may block) says no. Call `enter` first."""
        sent, quiet_s = b"", 0.0
        try:
            yield b"retry: 2000\n\n"
            while True:
                body = await asyncio.to_thread(self.body)
                if body is not sent:
                    sent = body
                    yield b"event: live\ndata: " + body + b"\n\n"
                quiet_s += EVERY_S
                if quiet_s >= SIGN_OF_LIFE_S:
                    quiet_s = 0.0
                    if not await asyncio.to_thread(still_in):
                        return
                    yield b": here\n\n"
                await asyncio.sleep(EVERY_S)
        finally:
            self.open -= 1

    def _encoded(self, latest: Latest | None) -> bytes:
        control = self._services.control
        try:
            since_s = self._since_s()
        except StorageError:
            since_s = None  # what goes on now is shown without the record as well
        status = status_of(control.installation, latest, since_s)
        return picture(control.installation, latest, control.stations(), status).model_dump_json().encode()
