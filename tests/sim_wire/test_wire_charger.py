# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from ampacity.sim.wire.car import Car
from ampacity.sim.wire.charger import Model, SimulatedCharger

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMIT_S = 20.0


class Clock:
    """The charger's quartz, and the central system's time."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Central(ChargePoint):  # type: ignore[misc]
    """The `ocpp` package's side of one connection; keeps what it was told."""

    def __init__(self, name: str, connection: ServerConnection, clock: Clock, heard: asyncio.Queue[Any]) -> None:
        super().__init__(name, connection)
        self.clock = clock
        self.heard = heard

    @on(Action.boot_notification)
    def on_boot(self, **payload: Any) -> call_result.BootNotification:
        self.heard.put_nowait(("boot", payload))
        return call_result.BootNotification(current_time=self.clock().isoformat(), interval=300, status="Accepted")

    @on(Action.status_notification)
    def on_status(self, **payload: Any) -> call_result.StatusNotification:
        self.heard.put_nowait(("status", payload))
        return call_result.StatusNotification()

    @on(Action.start_transaction)
    def on_start(self, **payload: Any) -> call_result.StartTransaction:
        self.heard.put_nowait(("start", payload))
        return call_result.StartTransaction(transaction_id=42, id_tag_info={"status": "Accepted"})

    @on(Action.stop_transaction)
    def on_stop(self, **payload: Any) -> call_result.StopTransaction:
        self.heard.put_nowait(("stop", payload))
        return call_result.StopTransaction()

    @on(Action.meter_values)
    def on_values(self, **payload: Any) -> call_result.MeterValues:
        self.heard.put_nowait(("values", payload))
        return call_result.MeterValues()

    @on(Action.heartbeat)
    def on_heartbeat(self, **payload: Any) -> call_result.Heartbeat:
        self.heard.put_nowait(("heartbeat", payload))
        return call_result.Heartbeat(current_time=self.clock().isoformat())


class Bench:
    """A simulated charger connected to a central system."""

    def __init__(self, clock: Clock, port_of: Callable[[], int], connections: asyncio.Queue[Central]) -> None:
        self.clock = clock
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.port_of = port_of
        self.connections = connections
        self.central: Central
        self.charger: SimulatedCharger

    async def heard_of(self, what: str) -> Any:
        """The next message of that kind; others before it are passed over."""
        while True:
            kind, payload = await self.heard.get()
            if kind == what:
                return payload

    async def ask(self, request: Any) -> Any:
        return await self.central.call(request)

    def play(self, seconds: float) -> None:
        """The charger's clock and its car go on."""
        for _ in range(round(seconds / 0.5)):
            self.clock.pass_s(0.5)
            self.charger.step(0.5)

    async def charge(self, car: Car) -> None:
        self.charger.plug_in(car)
        self.play(3)
        await self.heard_of("start")
        await self.heard_of("status")  # calls go one after the other, so by now the start was answered


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with asyncio.timeout(LIMIT_S):
        clock = Clock()
        connections: asyncio.Queue[Central] = asyncio.Queue()
        servers: list[Server] = []
        bench = Bench(clock, lambda: int(servers[0].sockets[0].getsockname()[1]), connections)

        async def handle(connection: ServerConnection) -> None:
            central = Central("cp", connection, clock, bench.heard)
            connections.put_nowait(central)
            try:
                await central.start()
            except ConnectionClosed:
                return

        async with serve(handle, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")]) as server:
            servers.append(server)
            model = Model(identity="CP1", phases=3)
            bench.charger = SimulatedCharger(model, f"ws://127.0.0.1:{bench.port_of()}/ocpp", wall=clock)
            running = asyncio.create_task(bench.charger.run())
            bench.central = await connections.get()
            await bench.heard_of("status")
            yield bench
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def profile(limits: list[tuple[int, float]], **changes: Any) -> call.SetChargingProfile:
    return call.SetChargingProfile(
        connector_id=0,
        cs_charging_profiles={
            "charging_profile_id": 2,
            "stack_level": 1,
            "charging_profile_purpose": "TxDefaultProfile",
            "charging_profile_kind": "Absolute",
            "charging_schedule": {
                "charging_rate_unit": "A",
                "start_schedule": NOON.isoformat(),
                "charging_schedule_period": [{"start_period": s, "limit": a} for s, a in limits],
            },
            **changes,
        },
    )


def a_car(phases: int = 3, wanted_wh: float = 9000.0) -> Car:
    return Car(name="red van", max_a=16.0, phases=phases, wanted_wh=wanted_wh)


async def test_it_introduces_itself_and_says_that_its_plug_is_free() -> None:
    async with asyncio.timeout(LIMIT_S):
        clock, heard = Clock(), asyncio.Queue[Any]()

        async def handle(connection: ServerConnection) -> None:
            await Central("cp", connection, clock, heard).start()

        async with serve(handle, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")]) as server:
            port = server.sockets[0].getsockname()[1]
            charger = SimulatedCharger(Model(identity="CP1", phases=1), f"ws://127.0.0.1:{port}", wall=clock)
            running = asyncio.create_task(charger.run())
            assert (await heard.get())[0] == "boot"
            status = (await heard.get())[1]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert status["status"] == "Available"


async def test_it_sets_its_clock_to_the_central_systems(bench: Bench) -> None:
    assert bench.charger.now == bench.clock()


async def test_a_car_gets_a_transaction_and_draws_what_the_profile_allows(bench: Bench) -> None:
    assert (await bench.ask(profile([(0, 10.0)]))).status == "Accepted"
    await bench.charge(a_car())
    bench.play(10)
    assert bench.charger.currents_a == (10.0, 10.0, 10.0)
    assert bench.charger.status == "Charging"


async def test_a_lease_that_is_not_renewed_ends_by_itself(bench: Bench) -> None:
    await bench.ask(profile([(0, 12.0), (60, 0.0)]))
    await bench.charge(a_car())
    bench.play(20)
    assert bench.charger.currents_a == (12.0, 12.0, 12.0)
    bench.play(60)
    assert bench.charger.currents_a == (0.0, 0.0, 0.0)
    assert bench.charger.status == "SuspendedEVSE"


async def test_a_lease_ends_also_without_a_connection(bench: Bench) -> None:
    await bench.ask(profile([(0, 12.0), (60, 6.0)]))
    await bench.charge(a_car())
    await bench.central._connection.close()
    bench.play(80)
    assert bench.charger.currents_a == (6.0, 6.0, 6.0)


async def test_a_single_phase_car_uses_the_first_phase_only(bench: Bench) -> None:
    await bench.charge(a_car(phases=1))
    bench.play(15)
    assert bench.charger.currents_a == (16.0, 0.0, 0.0)


async def test_a_full_car_suspends_by_itself(bench: Bench) -> None:
    await bench.charge(a_car(wanted_wh=30.0))
    bench.play(40)
    assert bench.charger.status == "SuspendedEV"
    assert bench.charger.currents_a == (0.0, 0.0, 0.0)


async def test_meter_values_come_by_phase_as_texts_at_the_interval_asked_for(bench: Bench) -> None:
    names = "Current.Import,Voltage,Power.Active.Import,Energy.Active.Import.Register"
    await bench.ask(call.ChangeConfiguration(key="MeterValuesSampledData", value=names))
    await bench.ask(call.ChangeConfiguration(key="MeterValueSampleInterval", value="10"))
    await bench.ask(profile([(0, 8.0)]))
    await bench.charge(a_car())
    bench.play(10)
    values = await bench.heard_of("values")
    assert values["transaction_id"] == 42
    sampled = values["meter_value"][0]["sampled_value"]
    amps = {one["phase"]: one["value"] for one in sampled if one["measurand"] == "Current.Import"}
    assert amps == {"L1": "8.00", "L2": "8.00", "L3": "8.00"}
    assert {one["value"] for one in sampled if one["measurand"] == "Power.Active.Import"} == {"5520"}


async def test_a_car_that_leaves_ends_its_transaction(bench: Bench) -> None:
    await bench.charge(a_car())
    bench.play(30)
    bench.charger.unplug()
    stop = await bench.heard_of("stop")
    assert stop["transaction_id"] == 42
    assert stop["meter_stop"] == round(bench.charger.energy_wh) > 0
    assert bench.charger.status == "Available"


async def test_it_comes_back_after_its_connection_is_lost_and_stops_what_ended_meanwhile(bench: Bench) -> None:
    await bench.charge(a_car())
    await bench.central._connection.close()
    bench.charger.unplug()
    bench.central = await bench.connections.get()
    await bench.heard_of("boot")
    assert (await bench.heard_of("stop"))["transaction_id"] == 42


async def test_it_boots_again_after_a_reset_and_keeps_its_profiles(bench: Bench) -> None:
    await bench.ask(profile([(0, 10.0)]))
    assert (await bench.ask(call.Reset(type="Soft"))).status == "Accepted"
    bench.central = await bench.connections.get()
    await bench.heard_of("boot")
    assert bench.charger.limit_a == 10.0


async def test_it_says_what_it_is_triggered_to_say(bench: Bench) -> None:
    for message, kind in (("MeterValues", "values"), ("Heartbeat", "heartbeat"), ("BootNotification", "boot")):
        assert (await bench.ask(call.TriggerMessage(requested_message=message))).status == "Accepted"
        await bench.heard_of(kind)


async def test_its_configuration_can_be_read_and_changed_where_the_standard_allows(bench: Bench) -> None:
    answer = await bench.ask(call.GetConfiguration(key=["NumberOfConnectors", "Nonsense"]))
    assert answer.configuration_key == [{"key": "NumberOfConnectors", "readonly": True, "value": "1"}]
    assert answer.unknown_key == ["Nonsense"]
    for key, value, status in (
        ("NumberOfConnectors", "2", "Rejected"),
        ("Nonsense", "2", "NotSupported"),
        ("MeterValueSampleInterval", "soon", "Rejected"),
        ("MeterValuesSampledData", "SoC", "Rejected"),
        ("HeartbeatInterval", "30", "Accepted"),
    ):
        assert (await bench.ask(call.ChangeConfiguration(key=key, value=value))).status == status


async def test_the_plan_that_it_tells_has_the_leases_end_in_it(bench: Bench) -> None:
    await bench.ask(profile([(0, 12.0), (60, 6.0)]))
    plan = await bench.ask(call.GetCompositeSchedule(connector_id=1, duration=120))
    assert plan.charging_schedule["charging_schedule_period"] == [
        {"start_period": 0, "limit": 12.0},
        {"start_period": 60, "limit": 6.0},
    ]


async def test_profiles_are_cleared_when_told(bench: Bench) -> None:
    await bench.ask(profile([(0, 12.0)]))
    assert (await bench.ask(call.ClearChargingProfile(id=2))).status == "Accepted"
    assert (await bench.ask(call.ClearChargingProfile(id=2))).status == "Unknown"
    assert bench.charger.limit_a == 32.0


async def test_a_transaction_can_be_stopped_and_started_from_afar(bench: Bench) -> None:
    await bench.charge(a_car())
    assert (await bench.ask(call.RemoteStopTransaction(transaction_id=42))).status == "Accepted"
    assert (await bench.heard_of("stop"))["reason"] == "Remote"
    bench.play(5)
    assert bench.charger.status == "Finishing"
    assert (await bench.ask(call.RemoteStartTransaction(id_tag="x"))).status == "Accepted"
    bench.play(1)
    await bench.heard_of("start")


async def test_a_profile_against_the_standard_is_rejected(bench: Bench) -> None:
    assert (await bench.ask(profile([(0, 12.0)], stack_level=99))).status == "Rejected"
