"""`ampacity run` against OCPP clients that this project didn't write, in 1.6, 2.0.1 and 2.1: the `ocpp` package's.

They check each message that they get against the official schemas, and answer those that break one by an error.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import websockets
from ocpp import v16, v21, v201
from ocpp.routing import on
from tests.integration.test_controller import free_port

from ampacity.sim.wire import LOOPBACK
from ampacity.sim.wire.meter import Em340, Sample

BUILDING_A, MOST_A, LIMIT_A = 4.0, 16.0, 32.0
VERSIONS = {"first": "1.6", "second": "2.0.1", "third": "2.1"}


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Car:
    """What a charger was told, and what its car draws of each phase: all that it may, from 6 A on."""

    def __init__(self) -> None:
        self.given: list[tuple[str, dict[str, Any]]] = []
        """Each request with its payload."""
        self.offered_a = 0.0
        self.safe_a: float | None = None
        self.energy_wh = 1000.0

    @property
    def draws_a(self) -> float:
        return min(MOST_A, self.offered_a) if self.offered_a >= 6 else 0.0

    def note(self, level: int, limit_a: float) -> None:
        if level > 0:
            self.offered_a = float(limit_a)
        else:
            self.safe_a = float(limit_a)


class Charger16(v16.ChargePoint):  # type: ignore[misc]
    car: Car

    @on("SetChargingProfile")  # type: ignore[untyped-decorator]
    def on_profile(self, connector_id: int, cs_charging_profiles: dict[str, Any]) -> Any:
        self.car.given.append(("SetChargingProfile", cs_charging_profiles))
        period = cs_charging_profiles["charging_schedule"]["charging_schedule_period"][0]
        self.car.note(cs_charging_profiles["stack_level"], period["limit"])
        return v16.call_result.SetChargingProfile(status="Accepted")

    @on("GetConfiguration")  # type: ignore[untyped-decorator]
    def on_get(self, **_: Any) -> Any:
        return v16.call_result.GetConfiguration(configuration_key=[])

    @on("ChangeConfiguration")  # type: ignore[untyped-decorator]
    def on_change(self, **_: Any) -> Any:
        return v16.call_result.ChangeConfiguration(status="Accepted")

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def on_trigger(self, **_: Any) -> Any:
        return v16.call_result.TriggerMessage(status="Accepted")

    @on("GetCompositeSchedule")  # type: ignore[untyped-decorator]
    def on_composite(self, **_: Any) -> Any:
        return v16.call_result.GetCompositeSchedule(status="Rejected")

    async def begin(self) -> None:
        booted = await self.call(v16.call.BootNotification(charge_point_vendor="Other", charge_point_model="16"))
        assert booted.status == "Accepted"
        await self.call(v16.call.StatusNotification(connector_id=1, error_code="NoError", status="Charging"))
        begun = await self.call(
            v16.call.StartTransaction(connector_id=1, id_tag="TAG", meter_start=1000, timestamp=stamp())
        )
        self.number = begun.transaction_id

    async def report(self) -> None:
        phases = ("L1", "L2", "L3")
        one_a = f"{self.car.draws_a:.2f}"
        values = [{"value": one_a, "measurand": "Current.Import", "phase": p, "unit": "A"} for p in phases]
        entry = {"timestamp": stamp(), "sampled_value": values}
        await self.call(v16.call.MeterValues(connector_id=1, transaction_id=self.number, meter_value=[entry]))

    async def finish(self) -> None:
        await self.call(
            v16.call.StopTransaction(meter_stop=9000, timestamp=stamp(), transaction_id=self.number, reason="Local")
        )


class _Charger2:
    """What 2.0.1 and 2.1 have in common; `call` and `result` are their own types of message."""

    car: Car
    message: Any
    result: Any
    call: Callable[[Any], Any]
    name: str

    @on("SetChargingProfile")  # type: ignore[untyped-decorator]
    def on_profile(self, evse_id: int, charging_profile: dict[str, Any]) -> Any:
        self.car.given.append(("SetChargingProfile", charging_profile))
        period = charging_profile["charging_schedule"][0]["charging_schedule_period"][0]
        self.car.note(charging_profile["stack_level"], period["limit"])
        return self.result.SetChargingProfile(status="Accepted")

    @on("GetVariables")  # type: ignore[untyped-decorator]
    def on_get(self, get_variable_data: list[dict[str, Any]]) -> Any:
        values = {"SupportsMaxOfflineDuration": "true", "Enabled": "true", "TxUpdatedInterval": "900"}
        results = []
        for one in get_variable_data:
            value = values.get(one["variable"]["name"])
            told = {"attribute_status": "UnknownVariable"}
            if value is not None:
                told = {"attribute_status": "Accepted", "attribute_value": value}
            results.append({**one, **told})
        return self.result.GetVariables(get_variable_result=results)

    @on("SetVariables")  # type: ignore[untyped-decorator]
    def on_set(self, set_variable_data: list[dict[str, Any]]) -> Any:
        self.car.given += [("SetVariables", one) for one in set_variable_data]
        kept = [{key: one[key] for key in ("component", "variable")} for one in set_variable_data]
        return self.result.SetVariables(set_variable_result=[{**one, "attribute_status": "Accepted"} for one in kept])

    @on("GetReport")  # type: ignore[untyped-decorator]
    def on_report(self, **_: Any) -> Any:
        return self.result.GetReport(status="EmptyResultSet")

    @on("GetChargingProfiles")  # type: ignore[untyped-decorator]
    def on_profiles(self, **payload: Any) -> Any:
        self.car.given.append(("GetChargingProfiles", payload))
        return self.result.GetChargingProfiles(status="NoProfiles" if self.car.safe_a is None else "Accepted")

    @on("GetCompositeSchedule")  # type: ignore[untyped-decorator]
    def on_composite(self, **_: Any) -> Any:
        return self.result.GetCompositeSchedule(status="Rejected")

    @on("ClearChargingProfile")  # type: ignore[untyped-decorator]
    def on_clear(self, **_: Any) -> Any:
        return self.result.ClearChargingProfile(status="Unknown")

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def on_trigger(self, **_: Any) -> Any:
        return self.result.TriggerMessage(status="Accepted")

    async def begin(self) -> None:
        station = {"vendor_name": "Other", "model": "Two"}
        booted = await self.call(self.message.BootNotification(charging_station=station, reason="PowerUp"))
        assert booted.status == "Accepted"
        await self.call(
            self.message.StatusNotification(timestamp=stamp(), connector_status="Occupied", evse_id=1, connector_id=1)
        )
        self.number = 0
        begun = await self._event("Started", "Authorized", id_token={"id_token": "TAG", "type": "ISO14443"})
        assert begun.id_token_info["status"] == "Accepted"

    async def report(self) -> None:
        phases = ("L1", "L2", "L3")
        values = [{"value": self.car.draws_a, "measurand": "Current.Import", "phase": p} for p in phases]
        await self._event(
            "Updated", "MeterValuePeriodic", meter_value=[{"timestamp": stamp(), "sampled_value": values}]
        )

    async def finish(self) -> None:
        value = {"value": 9000, "measurand": "Energy.Active.Import.Register", "context": "Transaction.End"}
        await self._event("Ended", "EVDeparted", meter_value=[{"timestamp": stamp(), "sampled_value": [value]}])

    async def _event(self, kind: str, trigger: str, **more: Any) -> Any:
        info = {"transaction_id": f"{self.name}-1", "charging_state": "Charging" if kind != "Ended" else "Idle"}
        number, self.number = self.number, self.number + 1
        return await self.call(
            self.message.TransactionEvent(
                event_type=kind,
                timestamp=stamp(),
                trigger_reason=trigger,
                seq_no=number,
                transaction_info=info,
                evse={"id": 1, "connector_id": 1},
                **more,
            )
        )


class Charger201(_Charger2, v201.ChargePoint):  # type: ignore[misc]
    message, result, name = v201.call, v201.call_result, "second"


class Charger21(_Charger2, v21.ChargePoint):  # type: ignore[misc]
    message, result, name = v21.call, v21.call_result, "third"


KINDS: dict[str, Any] = {"first": Charger16, "second": Charger201, "third": Charger21}


class House:
    """`ampacity run`, a meter, and a charger of each version."""

    def __init__(self, process: asyncio.subprocess.Process, meter: Em340, chargers: dict[str, Any]) -> None:
        self.process = process
        self.chargers = chargers
        self._meter = meter
        self.decisions: list[dict[str, Any]] = []
        self.fullest_a = 0.0

    @property
    def cars(self) -> dict[str, Car]:
        return {name: charger.car for name, charger in self.chargers.items()}

    async def play(self) -> None:
        """The cars draw, the meter shows it, the chargers report it, until cancelled."""
        while True:
            amps = BUILDING_A + sum(car.draws_a for car in self.cars.values())
            self.fullest_a = max(self.fullest_a, amps)
            self._meter.show(sample(amps))
            for charger in self.chargers.values():
                await charger.report()
            await asyncio.sleep(0.3)

    async def until(self, test: Callable[[dict[str, Any]], bool]) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self.process.stdout.readline():
                self.decisions.append(json.loads(line))
                if test(self.decisions[-1]):
                    return
        raise AssertionError("the controller ended")

    async def end(self) -> str:
        """Its log."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            _, log = await self.process.communicate()
        assert self.process.returncode == 0
        return log.decode()


def sample(amps: float) -> Sample:
    watts = 230.0 * amps
    return Sample(volts=(230.0,) * 3, amps=(amps,) * 3, watts=(watts,) * 3, import_wh=1_000_000.0)


def site_of(folder: Path, meter_port: int, ocpp_port: int) -> Path:
    text = f"""\
[site]
name = "Three versions"
supply = "three-phase"

[circuits.main]
limit_a = {LIMIT_A:g}
meter = "main"

[meters.main]
device = "carlo-gavazzi-em3xx"
host = "{LOOPBACK}"
port = {meter_port}

[ocpp]
listen = "{LOOPBACK}"
port = {ocpp_port}
"""
    for name in VERSIONS:
        text += f'\n[chargers.{name}]\nlines = ["L1", "L2", "L3"]\nmax_a = {MOST_A:g}\n'
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    meter, port = Em340(sample(BUILDING_A)), free_port()
    site = site_of(folder, await meter.open(), port)
    options = ("--json", "--no-app", "--no-storage", "--check-ocpp")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ampacity.cli.main", "run", str(site), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        async with AsyncExitStack() as opened:
            chargers = {}
            for name, version in VERSIONS.items():
                socket = await opened.enter_async_context(await _dialled(port, name, version))
                charger = KINDS[name](name, socket)
                charger.car = Car()
                task = asyncio.create_task(charger.start())
                opened.push_async_callback(_ended, task)
                chargers[name] = charger
            yield House(process, meter, chargers)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
        await meter.close()


async def _dialled(port: int, name: str, version: str) -> websockets.connect:
    """Once the controller listens."""
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return websockets.connect(
                f"ws://{LOOPBACK}:{port}/{name}", subprotocols=[websockets.Subprotocol(f"ocpp{version}")]
            )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
        await task


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[House]:
    """All three have booted, and their cars charge."""
    async with house(tmp_path) as here:
        for charger in here.chargers.values():
            await charger.begin()
        playing = asyncio.create_task(here.play())
        try:
            await here.until(_all_charge)
            yield here
        finally:
            playing.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await playing


def _all_charge(decision: dict[str, Any]) -> bool:
    return all(min(one["current_a"] or [0]) >= 6 for one in decision["chargers"])


async def test_clients_of_all_three_versions_are_steered_to_their_shares_and_left_safe(running: House) -> None:
    shares = {name: car.offered_a for name, car in running.cars.items()}
    assert all(6 <= amps <= MOST_A for amps in shares.values())
    assert running.fullest_a <= LIMIT_A
    assert [car.safe_a for car in running.cars.values()] == [0.0, 0.0, 0.0]
    sessions = [one["session"] for one in running.decisions[-1]["chargers"]]
    assert sessions[1:] == ["second-1", "third-1"]
    _check_what_each_version_has_of_its_own(running.cars)
    for charger in running.chargers.values():
        await charger.finish()
    log = await running.end()
    assert [car.offered_a for car in running.cars.values()] == [0.0, 0.0, 0.0]
    for version in VERSIONS.values():
        told = [line for line in log.splitlines() if "ocpp-checked" in line and f"version={version}" in line]
        assert len(told) == 1
        assert "wrong_sent=0" in told[0]
        assert "wrong_received=0" in told[0]
    assert "ocpp-check-sent" not in log


def _check_what_each_version_has_of_its_own(cars: dict[str, Car]) -> None:
    for name, car in cars.items():
        last = [given for action, given in car.given if action == "SetChargingProfile" and given["stack_level"] == 1][
            -1
        ]
        assert ("max_offline_duration" in last) == (name == "third")
        actions = [action for action, _ in car.given]
        assert ("GetChargingProfiles" in actions) == (name != "first")
    for name in ("second", "third"):
        changes = {
            one["variable"]["name"]: one["attribute_value"]
            for action, one in cars[name].given
            if action == "SetVariables"
        }
        assert changes["TxUpdatedInterval"] == "10"
