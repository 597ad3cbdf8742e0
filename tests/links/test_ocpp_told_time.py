"""A jump of our wall clock ends no lease too soon or too late, though chargers set their clocks by ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ampacity.core.decision import Command
from ampacity.core.observations import ChargerLink, Observation, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.station import Station
from ampacity.sim.wire.profiles import Installed, Transaction, profile_of

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEFT = ChargerId("left")
HOUR_S = 3600.0
SAFE_A, LIMIT_A, LEASE_S = 6.0, 16.0, 120.0
JUMPS_S = [5 * HOUR_S, -5 * HOUR_S, 0.5, 400 * 24 * HOUR_S, -400 * 24 * HOUR_S]


class Pair:
    """A station, and a charger whose clock is set by every time it is told."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.jump_s = 0.0
        self.clock_off_s = -30.0
        self.installed = Installed()
        self.seen: list[Observation] = []
        self._came = asyncio.Event()
        self._begin: datetime | None = None
        self.station = Station(
            Endpoint(charger=LEFT, ocpp_id="CP", phases=3, volts=230.0, safe_a=SAFE_A, password=None, family=None),
            charger_families(),
            Remembered(LEFT, lambda: 7),
            send=self._told,
            put=self._put,
            now_s=lambda: self.now_s,
            wall=lambda: BEGIN + timedelta(seconds=self.now_s + self.jump_s),
        )

    @property
    def clock(self) -> datetime:
        """The charger's."""
        return BEGIN + timedelta(seconds=self.now_s + self.clock_off_s)

    @property
    def limit_a(self) -> float | None:
        transaction = None if self._begin is None else Transaction(id=7, began=self._begin)
        return self.installed.limit_a(self.clock, transaction)

    def _put(self, one: Observation) -> None:
        self.seen.append(one)
        self._came.set()

    async def _told(self, text: str) -> None:
        _, number, action, payload = json.loads(text)
        if action != "SetChargingProfile":
            self.station.receive(json.dumps([4, number, "NotImplemented", "", {}]))
            return
        profile = profile_of(payload["connectorId"], payload["csChargingProfiles"], phases=3, volts=230.0)
        self.installed = self.installed.with_(profile)
        self.station.receive(json.dumps([3, number, {"status": "Accepted"}]))

    def say(self, action: str, **payload: Any) -> dict[str, Any]:
        answer = self.station.receive(json.dumps([2, "n", action, payload]))
        assert answer is not None
        told: dict[str, Any] = json.loads(answer)[2]
        if "currentTime" in told:
            moment = datetime.fromisoformat(told["currentTime"])
            self.clock_off_s = (moment - BEGIN).total_seconds() - self.now_s
        return told

    def report(self) -> None:
        stamp = self.clock.isoformat()
        self.say("MeterValues", connectorId=1, transactionId=7, meterValue=[{"timestamp": stamp, "sampledValue": []}])

    def start_session(self) -> None:
        self._begin = self.clock
        self.say("StatusNotification", connectorId=1, status="Charging", timestamp=self.clock.isoformat())
        self.say("StartTransaction", connectorId=1, idTag="x", meterStart=0, timestamp=self.clock.isoformat())

    async def limited(self) -> None:
        done = sum(isinstance(one, SetpointAnswer) for one in self.seen)
        self.station.apply(
            Command(charger=LEFT, limit_a=LIMIT_A, safe_a=SAFE_A, lease_s=LEASE_S, renewal=False), self._put
        )
        async with asyncio.timeout(10):
            while sum(isinstance(one, SetpointAnswer) for one in self.seen) == done:
                self._came.clear()
                await self._came.wait()

    def links(self) -> int:
        """How often it was asked for that what the charger holds is told again."""
        return sum(isinstance(one, ChargerLink) for one in self.seen)


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    one = Pair()
    work = asyncio.create_task(one.station.work())
    try:
        yield one
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


@pytest.mark.parametrize("jump_s", JUMPS_S)
async def test_a_jump_of_our_clock_in_mid_session_leaves_the_lease_as_it_was(jump_s: float) -> None:
    async with pair() as one:
        one.say("BootNotification", chargePointVendor="a", chargePointModel="b")
        one.start_session()
        one.now_s = 20.0
        one.report()
        await one.limited()
        one.jump_s = jump_s
        for second in range(21, 320, 10):
            one.now_s = float(second)
            one.report()
            one.say("Heartbeat")
            assert one.limit_a == (LIMIT_A if second < 20 + LEASE_S else SAFE_A), second
    assert one.links() == 0


@pytest.mark.parametrize("jump_s", JUMPS_S)
async def test_a_charger_without_a_car_is_told_the_new_time_and_then_its_limit_again(jump_s: float) -> None:
    async with pair() as one:
        one.say("BootNotification", chargePointVendor="a", chargePointModel="b")
        one.say("StatusNotification", connectorId=1, status="Available", timestamp=one.clock.isoformat())
        await one.limited()
        one.jump_s = jump_s
        for second in range(10, 60, 10):
            one.now_s = float(second)
            one.say("Heartbeat")
            one.say("StatusNotification", connectorId=1, status="Available", timestamp=one.clock.isoformat())
            if one.links():
                break
        assert abs(one.clock_off_s - jump_s) <= 1.0
        assert one.links() == (abs(jump_s) > 5)
        await one.limited()
        assert one.limit_a == LIMIT_A
        one.now_s += LEASE_S + 1.0
        assert one.limit_a == SAFE_A


async def test_a_charger_that_sets_its_own_clock_in_mid_session_is_told_its_limit_again() -> None:
    async with pair() as one:
        one.say("BootNotification", chargePointVendor="a", chargePointModel="b")
        one.start_session()
        await one.limited()
        for second in range(10, 40, 10):
            one.now_s = float(second)
            one.report()
        assert one.links() == 0
        one.clock_off_s -= HOUR_S
        for second in range(40, 70, 10):
            one.now_s = float(second)
            one.report()
        assert one.links() == 1
        await one.limited()
        one.now_s += LEASE_S + 2.0
        assert one.limit_a == SAFE_A
