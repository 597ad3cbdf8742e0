"""Our requests to one charger: one at a time, each with its answer or a reason why there is none."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ampacity.links.ocpp import framing
from ampacity.links.ocpp.fields import Out
from ampacity.links.tally import Tally


class NoAnswer(Exception):
    """A request was not answered in time, or by nonsense; the text says which."""


class Refused(NoAnswer):
    """A request was answered by a CALLERROR."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f'it answered "{f"{code}: {description}".strip(": ")[:120]}"')
        self.code = code


class Calls:
    """Correlates answers with requests. Answers that come late, twice or unasked are passed over."""

    def __init__(self, send: Callable[[str], Awaitable[None]], tally: Tally) -> None:
        self._send = send
        self._tally = tally
        self._waiting: tuple[str, asyncio.Future[bytes]] | None = None
        self._limit: asyncio.Timeout | None = None
        self._begin_s = 0.0

    async def call(self, payload: Out, *, patience_s: float) -> Any:
        """Sends a request and returns its answer, as JSON gave it. One at a time.

        Raises:
            NoAnswer: none came, or nonsense.
            Refused: it was answered by a CALLERROR.
        """
        loop = asyncio.get_running_loop()
        message_id = uuid.uuid4().hex
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting = (message_id, future)
        self._begin_s = loop.time()
        begun_s = time.monotonic()
        self._tally.requests += 1
        try:
            async with asyncio.timeout(patience_s) as self._limit:
                await self._send(framing.call_text(message_id, payload))
                answer = await future
        except TimeoutError as error:
            self._tally.timeouts += 1
            raise NoAnswer(f"no answer within {loop.time() - self._begin_s:.0f} s") from error
        except Refused:
            self._tally.exceptions += 1
            raise
        finally:
            self._waiting = self._limit = None
        try:
            decoded = msgspec.json.decode(answer)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self._tally.garbled += 1
            raise NoAnswer(f"an answer that is no JSON ({error})") from error
        now_s = time.monotonic()
        self._tally.answered(now_s - begun_s, now_s)
        return decoded

    def hurry(self, patience_s: float) -> None:
        """Something more urgent waits: the request under way is given up after so long in all."""
        if self._limit is None or self._limit.expired():
            return
        when, sooner = self._limit.when(), self._begin_s + patience_s
        if when is None or sooner < when:
            self._limit.reschedule(sooner)

    def answered(self, result: framing.Result) -> None:
        if (future := self._future(result.id)) is not None:
            future.set_result(bytes(result.payload))

    def refused(self, refusal: framing.Refusal) -> None:
        if (future := self._future(refusal.id)) is not None:
            future.set_exception(Refused(refusal.code, refusal.description))

    def _future(self, message_id: str) -> asyncio.Future[bytes] | None:
        if self._waiting is None or self._waiting[0] != message_id or self._waiting[1].done():
            return None
        return self._waiting[1]
