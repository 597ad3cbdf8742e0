"""One live picture a second at the most, encoded once for all who watch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from ampacity.api.picture import Facts, picture
from ampacity.api.ports import Latest, Services, StationFacts
from ampacity.api.problems import Problem
from ampacity.api.routes.events import shown
from ampacity.api.setup import status_of
from ampacity.core.site import ChargerId
from ampacity.runtime.happenings import OF_PEOPLE
from ampacity.storage.errors import StorageError

EVERY_S = 1.0
SIGN_OF_LIFE_S = 15.0
MOST_STREAMS = 200
TAKEN_S = 60.0
"""A page that has not taken what was sent for so long is hung up on: it asks again once it is back."""


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

    async def events(self, still_in: Callable[[], bool], *, people: bool = True) -> AsyncGenerator[bytes]:
        """Server-sent events, until `still_in` (which may block) says no. Call `enter` first. `people`: with events
        that name somebody."""
        chronicle = self._services.events
        sent, quiet_s, told = b"", 0.0, chronicle.number
        self.open += 1  # not before it is asked: who leaves meanwhile never asks
        try:
            yield b"retry: 2000\n\n"
            while True:
                body = await asyncio.to_thread(self.body)
                if body is not sent:
                    sent = body
                    yield b"event: live\ndata: " + body + b"\n\n"
                for news in chronicle.since(told):
                    told = news.number
                    if people or news.event.code not in OF_PEOPLE:
                        yield b"event: news\ndata: " + shown(news.event).model_dump_json().encode() + b"\n\n"
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
        stations = control.stations()

        def facts(charger: ChargerId) -> Facts:
            seen = None if latest is None else latest.observed.chargers.get(charger)
            running = None if seen is None else self._services.sessions.of(charger, seen.session)
            station = stations.get(charger, StationFacts())
            return Facts(station, running, self._services.driver_of(charger))

        return picture(control.installation, latest, facts, status).model_dump_json().encode()


class StreamAnswer(StreamingResponse):
    """Server-sent events, to who takes them: what is not taken is not kept for later."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes], status_code: int = 200) -> None:
        """`status_code`: where the description of the API looks for it."""
        super().__init__(events, status_code)
        self._events = events

    async def stream_response(self, send: Send) -> None:
        async def in_time(message: Message) -> None:
            async with asyncio.timeout(TAKEN_S):
                await send(message)

        async with aclosing(self._events):
            await super().stream_response(in_time)
