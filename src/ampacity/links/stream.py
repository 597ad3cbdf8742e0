"""Meters that tell by themselves, or are polled for a whole document: a stream of messages, each a reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, Protocol, TypeVar

import structlog

from ampacity.core.errors import DeviceError
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import MeterId
from ampacity.devices.readings import FrameAbsurd
from ampacity.links.meter_settings import Setup
from ampacity.links.modbus import MeterSilent
from ampacity.links.tally import Tally

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)

SHORTEST_WAIT_S = 10.0
PERIODS = 5
"""So many periods without a message: the link is given up and built anew."""

_log = structlog.get_logger("ampacity.meter")


class Garbled(DeviceError):
    """Something came that is no message: half of one, a wrong check sum. The next may be good."""

    code = "meter-garbled"
    remedy = "Check cable, baud and parity, and that the right device is set."


class Stream(Protocol[M_co]):
    """A connection to one meter, as messages."""

    @property
    def connected(self) -> bool: ...

    def messages(self, tally: Tally) -> AsyncGenerator[M_co, None]:
        """Connects, and yields messages until the connection ends.

        Raises:
            MeterSilent: no connection, or it was lost.
        """
        ...


class StreamMeter(Generic[M]):
    """A meter as a source of observations."""

    def __init__(
        self,
        meter: MeterId,
        stream: Stream[M],
        decoded: Callable[[M, float], MeterReading | None],
        *,
        address: str,
        model: str,
        every_s: float,
        now_s: Callable[[], float],
    ) -> None:
        """`decoded`: a message that came at a time, as a reading; None: it is of something else; raises Garbled or
        FrameAbsurd. `every_s`: between messages; `address` is for people."""
        self._meter = meter
        self._stream = stream
        self._decoded = decoded
        self._address = address
        self._model = model
        self._wait_s = max(SHORTEST_WAIT_S, PERIODS * every_s)
        self._now_s = now_s
        self.tally = Tally()
        self.setup = Setup(settings=(), remarks=(), unread=frozenset())
        """It has none that could be read."""
        self.identified: str | None = None
        """Once it has told something good."""
        self.own_number: str | None = None
        self.trouble: DeviceError | None = None
        """Why its newest message is missing or can't be used; None: it is good, or none came yet."""

    @property
    def name(self) -> str:
        return f"meter {self._meter} ({self._address})"

    @property
    def connected(self) -> bool:
        return self._stream.connected

    async def run(self, put: Callable[[Observation], None]) -> None:
        """Puts a reading for each message.

        Raises:
            MeterSilent: no connection, or no message for several periods.
        """
        try:
            async with aclosing(self._stream.messages(self.tally)) as messages:
                while True:
                    message = await self._next(messages)
                    self._take(message, put)
        except MeterSilent as error:
            self.trouble = MeterSilent(f"{self.name}: {error.what}", remedy=error.remedy)
            raise self.trouble from error

    async def _next(self, messages: AsyncGenerator[M, None]) -> M:
        self.tally.requests += 1
        try:
            async with asyncio.timeout(self._wait_s):
                return await anext(messages)
        except TimeoutError as error:
            self.tally.timeouts += 1
            raise MeterSilent(f"It has told nothing for {self._wait_s:g} s.") from error
        except StopAsyncIteration as error:
            raise MeterSilent("The connection has ended.") from error

    def _take(self, message: M, put: Callable[[Observation], None]) -> None:
        at_s = self._now_s()
        try:
            reading = self._decoded(message, at_s)
        except (Garbled, FrameAbsurd) as error:
            self.tally.garbled += 1
            if self.trouble is None or self.trouble.code != error.code:
                _log.warning(error.code, meter=self.name, what=error.what, remedy=error.remedy)
            self.trouble = error
            if isinstance(error, FrameAbsurd):
                put(MeterReading(meter=self._meter, at_s=at_s, currents=PhaseAmps(()), serial=self.own_number))
            return
        if reading is None:
            return
        if self.trouble is not None:
            _log.info("meter-back", meter=self.name)
        self.trouble = None
        self.tally.answered(0.0, at_s)
        if self.identified is None:
            self.identified = self._model
            _log.info("meter-identified", meter=self.name, model=self._model, number=reading.serial)
        self._number(reading.serial)
        put(reading)

    def _number(self, number: str | None) -> None:
        if number is not None and self.own_number is not None and number != self.own_number:
            _log.warning(
                "meter-exchanged",
                meter=self.name,
                before=self.own_number,
                now=number,
                remedy="Check its current transformers' ratio, direction and lines, as for a new meter.",
            )
        self.own_number = number or self.own_number
