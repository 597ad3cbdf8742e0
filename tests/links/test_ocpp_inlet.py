"""What chargers tell of the building's supply: a meter's readings, and never the car's current."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.links.test_ocpp_steering import charger, endpoint, serving

from ampacity.core.observations import ChargerReport, MeterReading, Observation
from ampacity.core.site import ChargerId, MeterId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.inlet import InletMeter
from ampacity.links.ocpp.outlet import BACKLOG_S
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.station import Station

FAMILIES = charger_families()
BEGIN, BEGIN_S = datetime(2026, 1, 1, tzinfo=UTC), 1000.0
"""The same moment, for people and by the controller's clock."""
LEFT, MAIN = ChargerId("left"), MeterId("main")
EVERY_S = 10.0


class House:
    """A charger with clamps on the supply, and what is made of its messages."""

    def __init__(self, version: str, meter: InletMeter, at_s: list[float]) -> None:
        async def send(_: str) -> None:
            return None

        self.version = version
        self.meter = meter
        self.seen: list[Observation] = []
        self._at_s = at_s
        self.ahead_s = 0.0
        """Of its clock."""
        self.station = Station(
            Endpoint(charger=LEFT, ocpp_id="CP", phases=3, volts=230.0, safe_a=6.0, password=None, family=None),
            FAMILIES,
            Remembered(LEFT, lambda: 7),
            send=send,
            put=self.seen.append,
            now_s=lambda: at_s[0],
            wall=lambda: BEGIN,
            version=version,
            tell_supply=meter.take,
        )

    @property
    def now_s(self) -> float:
        return self._at_s[0]

    def rest(self, seconds: float) -> None:
        self._at_s[0] += seconds

    def say(self, action: str, payload: dict[str, Any]) -> None:
        kind = json.loads(self.station.receive(json.dumps([2, "m", action, payload])) or "")[0]
        assert kind == 3

    def stamp(self, old_s: float = 0.0) -> str:
        return (BEGIN + timedelta(seconds=self.now_s - BEGIN_S + self.ahead_s - old_s)).isoformat()

    def tell(self, *values: dict[str, Any], old_s: float = 0.0, socket: int = 1) -> None:
        """Meter values, by their stamp so old."""
        self.entries([{"timestamp": self.stamp(old_s), "sampledValue": list(values)}], socket=socket)

    def entries(self, entries: list[dict[str, Any]], *, socket: int = 1) -> None:
        self.say("MeterValues", {"connectorId" if self.version == "1.6" else "evseId": socket, "meterValue": entries})

    def status(self) -> None:
        if self.version == "1.6":
            fields: dict[str, Any] = {"connectorId": 1, "status": "Charging", "errorCode": "NoError"}
        else:
            fields = {"evseId": 1, "connectorId": 1, "connectorStatus": "Occupied"}
        self.say("StatusNotification", {**fields, "timestamp": self.stamp()})

    def value(self, number: float, measurand: str, phase: str | None, location: str | None, unit: str = "") -> Any:
        one: dict[str, Any] = {"value": str(number) if self.version == "1.6" else number, "measurand": measurand}
        if unit:
            one |= {"unit": unit} if self.version == "1.6" else {"unitOfMeasure": {"unit": unit}}
        one |= {} if phase is None else {"phase": phase}
        return one if location is None else {**one, "location": location}

    def amps(self, *numbers: float, location: str | None = "Inlet") -> list[Any]:
        return [self.value(one, "Current.Import", f"L{line}", location) for line, one in enumerate(numbers, 1)]

    @property
    def reports(self) -> list[ChargerReport]:
        """Of what it draws."""
        return [one for one in self.seen if isinstance(one, ChargerReport) and one.state is None]

    @property
    def readings(self) -> list[MeterReading]:
        return [one for one in self.seen if isinstance(one, MeterReading)]

    @property
    def ages_s(self) -> list[float]:
        """Of the newest reading, now."""
        return [round(self.now_s - one.at_s, 3) for one in self.readings[-1:]]


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    at_s = [BEGIN_S]
    meter = InletMeter(MAIN, LEFT, every_s=EVERY_S, lines=3, nominal_v=[230.0], now_s=lambda: at_s[0])
    one = House(request.param, meter, at_s)
    running = asyncio.create_task(meter.run(one.seen.append))
    await asyncio.sleep(0)
    yield one
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def entry(amps: str) -> dict[str, Any]:
    """Of OCPP 1.6, now."""
    value = {"value": amps, "measurand": "Current.Import", "location": "Inlet"}
    return {"timestamp": datetime.now(UTC).isoformat(), "sampledValue": [value]}


# --- never the car's ---


@pytest.mark.parametrize("location", ["Inlet", "inlet", " INLET"])
async def test_what_flows_into_the_building_is_not_what_the_car_draws(house: House, location: str) -> None:
    house.tell(*house.amps(30, 31, 32, location=location), *house.amps(6, 7, 8, location="Outlet"))
    house.rest(10.0)
    house.tell(*house.amps(6, 7, 8, location=None), *house.amps(30, 31, 32, location=location))
    assert [one.currents and one.currents.values for one in house.reports] == [(6, 7, 8), (6, 7, 8)]


@pytest.mark.parametrize(
    ("measurand", "unit"),
    [
        ("Current.Import", "A"),
        ("Power.Active.Import", "kW"),
        ("Voltage", "V"),
        ("Energy.Active.Import.Register", "Wh"),
    ],
)
@pytest.mark.parametrize("phase", [None, "L1", "L1-N"])
async def test_values_of_the_supply_alone_say_nothing_of_the_charger(
    house: House, measurand: str, unit: str, phase: str | None
) -> None:
    house.tell(house.value(20.0, measurand, phase, "Inlet", unit))
    assert house.reports == []


async def test_nor_in_the_messages_of_a_transaction(house: House) -> None:
    if house.version == "1.6":
        payload: dict[str, Any] = {"connectorId": 1, "transactionId": 7, "meterValue": []}
        payload["meterValue"] = [{"timestamp": house.stamp(), "sampledValue": house.amps(30, 31, 32)}]
        house.say("MeterValues", payload)
    else:
        house.say(
            "TransactionEvent",
            {
                "eventType": "Updated",
                "timestamp": house.stamp(),
                "triggerReason": "MeterValuePeriodic",
                "seqNo": 1,
                "transactionInfo": {"transactionId": "T"},
                "evse": {"id": 1},
                "meterValue": [{"timestamp": house.stamp(), "sampledValue": house.amps(30, 31, 32)}],
            },
        )
    assert house.reports == []
    assert [one.currents.values for one in house.readings] == [(30, 31, 32)]


async def test_a_charger_that_tells_of_the_supply_alone_is_asked_what_it_draws() -> None:
    async with serving() as bench, charger(bench) as one:
        await one.say("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
        await one.until_set_up()
        bench.server.report_often(LEFT, True)
        before = one.actions().count("TriggerMessage")
        async with asyncio.timeout(20):
            while one.actions().count("TriggerMessage") == before:
                await one.say("MeterValues", {"connectorId": 1, "meterValue": [entry("30")]})
                await asyncio.sleep(0.2)
        assert one.got[-1] == ("TriggerMessage", {"requestedMessage": "MeterValues"})


async def test_a_charger_that_tells_of_its_socket_alone_is_asked_for_the_supply() -> None:
    async with serving(endpoint(tells_supply=True)) as bench, charger(bench) as one:
        await one.say("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
        await one.until_set_up()
        bench.server.report_often(LEFT, True)
        before = one.actions().count("TriggerMessage")
        own = {"sampledValue": [{"value": "6", "measurand": "Current.Import"}]}
        async with asyncio.timeout(20):
            while one.actions().count("TriggerMessage") == before:
                await one.say("MeterValues", {"connectorId": 1, "meterValue": [own]})
                await asyncio.sleep(0.2)
        assert one.got[-1] == ("TriggerMessage", {"requestedMessage": "MeterValues"})


# --- a meter's ---


async def test_what_a_charger_tells_of_the_supply_is_a_meters_reading(house: House) -> None:
    house.tell(*house.amps(30, 5, 4), *house.amps(6, 6, 6, location="Outlet"))
    assert [(one.meter, one.currents.values) for one in house.readings] == [(MAIN, (30, 5, 4))]


async def test_what_is_fed_back_is_negative(house: House) -> None:
    powers = [(4.6, 0.0, 0.92), (0.0, 2.3, 0.0)]
    values = [
        house.value(kw, measurand, f"L{line}", "Inlet", "kW")
        for measurand, each in zip(("Power.Active.Import", "Power.Active.Export"), powers, strict=True)
        for line, kw in enumerate(each, 1)
    ]
    house.tell(*house.amps(20, 10, 4), *values)
    assert house.readings[0].currents.values == (20, -10, 4)


async def test_a_multiplier_counts() -> None:
    at_s = [BEGIN_S]
    meter = InletMeter(MAIN, LEFT, every_s=EVERY_S, lines=1, nominal_v=[230.0], now_s=lambda: at_s[0])
    house = House("2.0.1", meter, at_s)
    running = asyncio.create_task(meter.run(house.seen.append))
    await asyncio.sleep(0)
    value = house.value(2.3, "Power.Active.Import", "L1", "Inlet")
    house.tell({**value, "unitOfMeasure": {"unit": "W", "multiplier": 3}})
    running.cancel()
    assert [round(one.currents[0], 6) for one in house.readings] == [10.0]


async def test_entries_of_one_moment_are_one_reading(house: House) -> None:
    power = house.value(-2300, "Power.Active.Import", "L2", "Inlet", "W")
    others = [house.value(0, "Power.Active.Import", phase, "Inlet", "W") for phase in ("L1", "L3")]
    stamp = house.stamp()
    house.entries(
        [
            {"timestamp": stamp, "sampledValue": house.amps(1, 10, 1)},
            {"timestamp": stamp, "sampledValue": [power, *others]},
        ]
    )
    assert [one.currents.values for one in house.readings] == [(1, -10, 1)]


async def test_it_is_heard_from_the_whole_station_and_from_any_socket(house: House) -> None:
    for socket in (0, 1, 2):
        house.tell(*house.amps(socket, 5, 4), socket=socket)
        house.rest(10.0)
    assert [one.currents[0] for one in house.readings] == [0, 1, 2]


async def test_of_a_charger_that_is_no_meter_of_the_site_it_is_passed_over() -> None:
    async with serving() as bench, charger(bench) as one:
        await one.say("MeterValues", {"connectorId": 1, "meterValue": [entry("9")]})
        assert [type(one).__name__ for one in bench.seen] == ["ChargerLink"]


async def test_it_is_heard_through_the_door_as_long_as_it_is_connected() -> None:
    meter = InletMeter(MAIN, LEFT, every_s=EVERY_S, lines=1, nominal_v=[230.0], now_s=asyncio.get_running_loop().time)
    async with serving() as bench:
        bench.server.tell([meter])
        running = asyncio.create_task(meter.run(bench.put))
        async with charger(bench) as one:
            await bench.until(lambda: meter.connected)
            await one.say("MeterValues", {"connectorId": 1, "meterValue": [entry("9")]})
            assert [one.currents.values for one in bench.seen if isinstance(one, MeterReading)] == [(9,)]
        await bench.until(lambda: not bench.server.stations)
        assert not meter.connected
        running.cancel()


async def test_its_exports_are_asked_for_as_well() -> None:
    async with serving(endpoint(tells_supply=True)) as bench, charger(bench) as one:
        await one.say("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
        await one.until_set_up()
        asked = [change["value"] for change in one.changes() if change["key"] == "MeterValuesSampledData"]
        assert [value.split(",")[-1] for value in asked] == ["Power.Active.Export"]


# --- its age ---


async def test_a_reading_is_as_old_as_its_stamp_says(house: House) -> None:
    house.tell(*house.amps(1, 2, 3))
    house.rest(30.0)
    house.tell(*house.amps(1, 2, 3), old_s=12.0)
    assert house.ages_s == [12.0]


async def test_what_always_comes_late_is_always_old(house: House) -> None:
    for _ in range(6):
        house.tell(*house.amps(1, 2, 3), old_s=20.0)
        assert house.ages_s == [20.0]
        house.rest(10.0)


async def test_a_clock_that_is_ahead_makes_nothing_younger_or_older(house: House) -> None:
    house.ahead_s = 3600.0
    house.status()
    for old_s in (0.0, 8.0, 0.0):
        house.rest(10.0)
        house.tell(*house.amps(1, 2, 3), old_s=old_s)
        assert house.ages_s == [old_s]


async def test_a_clock_that_is_behind_is_not_believed_and_people_are_told(house: House) -> None:
    house.ahead_s = -3600.0
    with capture_logs() as logs:
        for _ in range(3):
            house.tell(*house.amps(1, 2, 3))
            house.rest(10.0)
    assert house.ages_s == [3610.0]
    assert house.meter.trouble is not None
    assert [one["event"] for one in logs if "late" in one["event"]] == ["meter-late"]


async def test_what_comes_again_is_no_new_evidence(house: House) -> None:
    house.tell(*house.amps(1, 2, 3))
    house.rest(10.0)
    house.tell(*house.amps(1, 2, 3), old_s=10.0)
    house.tell(*house.amps(1, 2, 3), old_s=15.0)
    assert len(house.readings) == 1


async def test_what_was_held_back_while_offline_says_nothing_of_now(house: House) -> None:
    for _ in range(2):
        house.status()
        house.rest(10.0)
    house.tell(*house.amps(1, 2, 3), old_s=300.0)
    assert house.readings == []


async def test_without_a_stamp_it_is_as_old_as_the_one_before_would_be(house: House) -> None:
    house.rest(BACKLOG_S + 1)
    house.entries([{"sampledValue": house.amps(1, 2, 3)}])
    assert house.ages_s == [EVERY_S]


async def test_without_a_stamp_nothing_counts_that_may_have_been_held_back(house: House) -> None:
    house.entries([{"sampledValue": house.amps(1, 2, 3)}])
    assert house.readings == []


# --- what can't be used ---


async def test_a_supply_of_which_a_line_is_missing_is_unusable_until_it_is_there(house: House) -> None:
    house.tell(*house.amps(30, 31))
    assert ([one.currents.values for one in house.readings], house.meter.tally.garbled) == ([()], 1)
    assert house.meter.trouble is not None
    house.rest(10.0)
    house.tell(*house.amps(30, 31, 32))
    assert house.readings[-1].currents.values == (30, 31, 32)
    assert house.meter.tally.answers == 1


async def test_a_meter_that_is_not_read_any_more_puts_nothing() -> None:
    at_s = [BEGIN_S]
    meter = InletMeter(MAIN, LEFT, every_s=EVERY_S, lines=3, nominal_v=[230.0], now_s=lambda: at_s[0])
    house = House("1.6", meter, at_s)
    running = asyncio.create_task(meter.run(house.seen.append))
    await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    house.tell(*house.amps(1, 2, 3))
    assert house.readings == []
