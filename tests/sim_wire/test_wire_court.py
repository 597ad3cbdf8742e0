"""What a court of many makers has beside its chargers: a serial line, a meter that tells JSON."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from ampacity.core.site import MeterId
from ampacity.devices.catalogue import direct_families, json_families
from ampacity.links.direct.wires import ChargerSilent, ModbusWire
from ampacity.links.modbus import Bus, SerialPort
from ampacity.sim.wire.car import Car
from ampacity.sim.wire.court import MIXED, OCPP_ALONE, Court
from ampacity.sim.wire.direct import DirectSim, ModbusSimServer
from ampacity.sim.wire.meter import Sample
from ampacity.sim.wire.serial_line import SerialLine
from ampacity.sim.wire.shelly import status_of

HEIDELBERG = direct_families()["heidelberg-energy-control"]


async def test_a_charger_on_the_serial_line_is_read_until_the_line_is_cut() -> None:
    sim = DirectSim(HEIDELBERG, now_s=time.monotonic)
    server, line = ModbusSimServer({7: sim}, rtu_frames=True), SerialLine(baud=19_200)
    await line.open(await server.open())
    bus = Bus.rtu(SerialPort(line.path, 19_200, "N", 1), answer_s=0.5)
    wire = ModbusWire(bus, HEIDELBERG, unit=7)
    point = HEIDELBERG.currents[0]
    assert await wire.read([point]) == {point: pytest.approx(16.0)}
    line.is_cut = True
    with pytest.raises(ChargerSilent):
        await wire.read([point])
    await bus.close()
    await line.close()
    await server.close()


def test_what_the_json_meter_tells_is_read_with_the_sign_of_its_power() -> None:
    told = Sample(volts=(230.0, 231.0, 229.0), amps=(10.0, -4.0, 0.0), watts=(2300.0, -924.0, 0.0), import_wh=1.0)
    reading = json_families()["shelly-pro-3em"].map.reading(MeterId("yard"), status_of(told), 0.0, 3, [230.0])
    assert reading.currents.values == pytest.approx((10.0, -4.0, 0.0))


def test_a_slow_car_follows_a_lower_offer_within_seconds_and_not_before() -> None:
    at_s = 0.0
    sim = DirectSim(HEIDELBERG, now_s=lambda: at_s)
    sim.plug_in(Car("a", 16.0, 3, 1e6))
    drawn: list[float] = []
    for _ in range(300):
        at_s += 0.1
        sim.step(0.1)
        drawn.append(sim.drawn_a)
    assert drawn[0] == 0.0
    assert drawn[-1] == 16.0


def test_both_courts_have_the_same_places_and_differ_in_kinds_alone() -> None:
    assert [(one.name, one.wiring, one.circuit, one.max_a) for one in MIXED] == [
        (one.name, one.wiring, one.circuit, one.max_a) for one in OCPP_ALONE
    ]
    assert len({one.kind for one in MIXED}) == 7


async def test_a_court_counts_what_flows_on_its_breakers() -> None:
    court = Court(now_s=time.monotonic, trace=lambda _: (12.0, 5.0))
    await court.open()
    court.connect("ws://127.0.0.1:1")
    running = asyncio.create_task(court.run())
    async with asyncio.timeout(20):
        while court.at_s < 0.5:
            await asyncio.sleep(0.05)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await court.close()
    assert court.amps == {"main": [17.0] * 3, "yard": [5.0] * 3}
