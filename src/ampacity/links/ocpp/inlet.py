"""What a charger tells of the building's supply, as a meter: the source of last resort."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from ampacity.core.errors import DeviceError
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId, MeterId
from ampacity.devices.charger_reports import Sampled
from ampacity.devices.inlet import inlet_reading
from ampacity.devices.readings import FrameAbsurd
from ampacity.links.meter_settings import Setup
from ampacity.links.tally import Tally

LATE_PERIODS = 3.0
"""What is told of a longer time ago is late, and the circuit blind by it."""

_log = structlog.get_logger("ampacity.meter")


class SupplyTold(NamedTuple):
    """Values of one moment."""

    at_s: float | None
    """When they were measured, or a little earlier; None: they bear no stamp."""
    values: Sequence[Sampled]


Supply = Callable[[SupplyTold], None]


class InletLate(DeviceError):
    """What a charger tells of the supply bears old stamps."""

    code = "meter-late"
    remedy = "Set the charger's clock, in UTC; it may also take it from here (Heartbeat). Else it holds values back."


class InletMeter:
    """A meter as a source of observations, which speaks when its charger does."""

    def __init__(
        self,
        meter: MeterId,
        charger: ChargerId,
        *,
        every_s: float,
        lines: int,
        nominal_v: Sequence[float],
        now_s: Callable[[], float],
    ) -> None:
        """`every_s`: so often it is expected to tell."""
        self.charger = charger
        self.every_s = every_s
        self.connected = False
        """Whether its charger is."""
        self.tally = Tally()
        self.setup = Setup(settings=(), remarks=(), unread=frozenset())
        """It has none that could be read."""
        self.identified: str | None = None
        """Once it has told something good."""
        self.trouble: DeviceError | None = None
        """Why the newest that was told can't be used; None: it is good, or nothing was told yet."""
        self._meter = meter
        self._lines = lines
        self._nominal_v = nominal_v
        self._now_s = now_s
        self._put: Callable[[Observation], None] | None = None
        self._newest_s = float("-inf")

    @property
    def name(self) -> str:
        return f"meter {self._meter} (charger {self.charger})"

    async def run(self, put: Callable[[Observation], None]) -> None:
        """Until cancelled: puts a reading for each thing told."""
        self._put = put
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._put = None

    def take(self, told: SupplyTold) -> None:
        """Its charger told something. What is no newer than what was told before is no new evidence."""
        now_s = self._now_s()
        # Without a stamp it may be as old as the one before it would have been.
        at_s = now_s - self.every_s if told.at_s is None else told.at_s
        if self._put is None or at_s <= self._newest_s:
            return
        try:
            reading = inlet_reading(self._meter, at_s, told.values, lines=self._lines, nominal_v=self._nominal_v)
        except FrameAbsurd as error:
            self._tell_trouble(error)
            self.tally.garbled += 1
            reading = MeterReading(meter=self._meter, at_s=at_s, currents=PhaseAmps(()))
        else:
            if reading is None:
                return
            self._judge(now_s - at_s)
            self.tally.answered(0.0, at_s)
        self.tally.requests += 1
        self._newest_s = at_s
        self._put(reading)

    def _judge(self, age_s: float) -> None:
        if age_s > LATE_PERIODS * self.every_s:
            self._tell_trouble(InletLate(f"What charger {self.charger} tells of the supply is {age_s:.0f} s old."))
        elif self.trouble is not None:
            _log.info("meter-back", meter=self.name)
            self.trouble = None
        if self.identified is None:
            self.identified = "charger"
            _log.info("meter-identified", meter=self.name, model=self.identified, number=None)

    def _tell_trouble(self, error: DeviceError) -> None:
        if self.trouble is None or self.trouble.code != error.code:
            _log.warning(error.code, meter=self.name, what=error.what, remedy=error.remedy)
        self.trouble = error
