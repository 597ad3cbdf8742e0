"""The simulated OCPP 2 charger, against the schemas and against a central system by script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from tests.links.peer2 import schema
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from ampacity.sim.wire.car import Car
from ampacity.sim.wire.charger import Model
from ampacity.sim.wire.charger2 import SimulatedCharger2

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Central:
    """Answers all; what it hears, and each answer, fits the schemas."""

    def __init__(self, version: str, clock: Clock) -> None:
        self.version = version
        self.clock = clock
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.connection: ServerConnection | None = None
        self._numbers = count()
        self._asked: dict[str, tuple[str, asyncio.Future[Any]]] = {}
        self._came = asyncio.Event()

    async def serve(self, connection: ServerConnection) -> None:
        self.connection = connection
        async for text in connection:
            frame = json.loads(text)
            if frame[0] == 2:
                schema(self.version, f"{frame[2]}Request").validate(frame[3])
                await connection.send(json.dumps([3, frame[1], self._answer(frame[2], frame[3])]))
                self.heard.append((frame[2], frame[3]))
            else:
                action, future = self._asked.pop(frame[1])
                if frame[0] == 3:
                    schema(self.version, f"{action}Response").validate(frame[2])
                future.set_result(frame[2])
            self._came.set()

    async def ask(self, action: str, payload: dict[str, Any]) -> Any:
        number = f"c{next(self._numbers)}"
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = (action, future)
        assert self.connection is not None
        await self.connection.send(json.dumps([2, number, action, payload]))
        async with asyncio.timeout(10):
            return await future

    async def until(self, test: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not test():
                self._came.clear()
                await self._came.wait()

    def of(self, action: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.heard if name == action]

    def events(self) -> list[tuple[str, str]]:
        """(type, charging state) of each."""
        return [
            (one["eventType"], one["transactionInfo"].get("chargingState", "")) for one in self.of("TransactionEvent")
        ]

    def _answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        match action:
            case "BootNotification":
                return {"currentTime": self.clock().isoformat(), "interval": 300, "status": "Accepted"}
            case "Heartbeat":
                return {"currentTime": self.clock().isoformat()}
            case "NotifyEVChargingNeeds":
                return {"status": "Rejected"}
        return {}


@asynccontextmanager
async def bench(version: str = "2.0.1") -> AsyncIterator[tuple[Central, SimulatedCharger2]]:
    clock = Clock()
    central = Central(version, clock)
    async with serve(central.serve, "127.0.0.1", 0, subprotocols=[Subprotocol(f"ocpp{version}")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        charger = SimulatedCharger2(
            Model(identity="CP", phases=3, version=version), f"ws://127.0.0.1:{port}", wall=clock
        )
        task = asyncio.create_task(charger.run())
        try:
            async with asyncio.timeout(10):
                await charger.online.wait()
            yield central, charger
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def step(charger: SimulatedCharger2, central: Central, seconds: float) -> None:
    """Second by second."""
    for _ in range(int(seconds)):
        central.clock.now += timedelta(seconds=1)
        charger.step(1.0)


def profile(limit: float, level: int = 1, profile_id: int = 2, **more: Any) -> dict[str, Any]:
    schedule = {
        "id": profile_id,
        "chargingRateUnit": "A",
        "startSchedule": (NOON - timedelta(minutes=1)).isoformat(),
        "chargingSchedulePeriod": more.pop("periods", [{"startPeriod": 0, "limit": limit}]),
    }
    values = {"chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"}
    return {
        "evseId": 0,
        "chargingProfile": {"id": profile_id, "stackLevel": level, **values, "chargingSchedule": [schedule], **more},
    }


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_session_is_told_from_its_begin_to_its_end(version: str) -> None:
    async with bench(version) as (central, charger):
        charger.needs = {"requestedEnergyTransfer": "AC_three_phase"}
        charger.plug_in(Car(name="car", phases=3, max_a=16.0, wanted_wh=50_000.0))
        step(charger, central, 5)
        await central.until(lambda: ("Updated", "Charging") in central.events())
        charger.unplug()
        await central.until(lambda: central.events()[-1][0] == "Ended")
        assert central.events()[0][0] == "Started"
        numbers = [one["seqNo"] for one in central.of("TransactionEvent")]
        assert numbers == list(range(len(numbers)))
        assert central.of("NotifyEVChargingNeeds")
        await central.until(lambda: central.of("StatusNotification")[-1]["connectorStatus"] == "Available")


async def test_it_keeps_to_a_limit() -> None:
    async with bench() as (central, charger):
        assert (await central.ask("SetChargingProfile", profile(10.0)))["status"] == "Accepted"
        charger.plug_in(Car(name="car", phases=3, max_a=16.0, wanted_wh=50_000.0))
        step(charger, central, 60)
        assert max(charger.currents_a) == pytest.approx(10.0)


async def test_a_limit_of_each_phase_holds_the_car_to_the_smallest() -> None:
    async with bench("2.1") as (central, charger):
        periods = [{"startPeriod": 0, "limit": 16.0, "limit_L2": 8.0, "limit_L3": 12.0}]
        assert (await central.ask("SetChargingProfile", profile(0, periods=periods)))["status"] == "Accepted"
        assert charger.limit_a == 8.0


async def test_what_is_of_2_1_is_refused_in_2_0_1() -> None:
    async with bench() as (central, _):
        offline = profile(10.0, maxOfflineDuration=60)
        assert (await central.ask("SetChargingProfile", offline))["status"] == "Rejected"


async def test_another_profile_at_the_same_level_is_refused_and_the_same_id_replaces() -> None:
    async with bench() as (central, charger):
        assert (await central.ask("SetChargingProfile", profile(6.0, 0, 1)))["status"] == "Accepted"
        assert (await central.ask("SetChargingProfile", profile(10.0, 0, 2)))["status"] == "Rejected"
        assert (await central.ask("SetChargingProfile", profile(10.0, 0, 1)))["status"] == "Accepted"
        assert charger.limit_a == 10.0


async def test_a_profile_of_2_1_ends_with_the_connection_after_its_time() -> None:
    async with bench("2.1") as (central, charger):
        await central.ask("SetChargingProfile", profile(6.0, 0, 1))
        await central.ask("SetChargingProfile", profile(16.0, maxOfflineDuration=30, invalidAfterOfflineDuration=True))
        assert charger.limit_a == 16.0
        charger.online.clear()
        step(charger, central, 30)
        assert charger.limit_a == 16.0
        step(charger, central, 1)
        assert charger.limit_a == 6.0
        charger.online.set()
        step(charger, central, 1)
        assert charger.limit_a == 6.0  # for good


async def test_it_tells_what_it_holds() -> None:
    async with bench() as (central, _):
        assert (await central.ask("GetChargingProfiles", {"requestId": 7, "chargingProfile": {}}))[
            "status"
        ] == "NoProfiles"
        await central.ask("SetChargingProfile", profile(6.0, 0, 1))
        await central.ask("SetChargingProfile", profile(16.0))
        assert (await central.ask("GetChargingProfiles", {"requestId": 8, "chargingProfile": {}}))[
            "status"
        ] == "Accepted"
        await central.until(lambda: len(central.of("ReportChargingProfiles")) == 2)
        told = central.of("ReportChargingProfiles")
        assert [(one["requestId"], one["tbc"], one["chargingProfile"][0]["id"]) for one in told] == [
            (8, True, 1),
            (8, False, 2),
        ]


async def test_its_variables_can_be_read_and_some_be_set() -> None:
    async with bench("2.1") as (central, _):
        unit = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "RateUnit"}}
        interval = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
        read = await central.ask("GetVariables", {"getVariableData": [unit, interval]})
        assert [one["attributeValue"] for one in read["getVariableResult"]] == ["A,W", "60"]
        changes = [{**unit, "attributeValue": "W"}, {**interval, "attributeValue": "10"}]
        done = await central.ask("SetVariables", {"setVariableData": changes})
        assert [one["attributeStatus"] for one in done["setVariableResult"]] == ["Rejected", "Accepted"]


async def test_it_says_how_many_profiles_it_holds_and_what_it_will_do() -> None:
    async with bench() as (central, _):
        entries = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "Entries"}}
        assert (await central.ask("GetReport", {"requestId": 1, "componentVariable": [entries]}))[
            "status"
        ] == "Accepted"
        await central.until(lambda: bool(central.of("NotifyReport")))
        await central.ask("SetChargingProfile", profile(10.0))
        shown = await central.ask("GetCompositeSchedule", {"duration": 60, "evseId": 1, "chargingRateUnit": "A"})
        assert shown["status"] == "Accepted"
