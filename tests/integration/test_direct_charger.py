"""The whole controller with a charger that is asked over Modbus: within what is left; and it falls by itself."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from tests.integration.test_controller import controlled

from ampacity.devices.catalogue import direct_families
from ampacity.sim.wire.direct import DirectSim, ModbusSimServer
from ampacity.sim.wire.meter import Em340, Sample
from ampacity.storage.database import open_database
from ampacity.storage.records import open_sessions

SITE = """
[circuits.main]
limit_a = 25
meter = "main"
[meters.main]
host = "127.0.0.1"
port = {meter}
[chargers.left]
device = "heidelberg-energy-control"
host = "127.0.0.1"
port = {charger}
lines = ["L1", "L2", "L3"]
safe_a = 6
lease_s = 30
[ocpp]
listen = "127.0.0.1"
port = 0
"""
BUILDING_A = 10.0


def measured(sim: DirectSim) -> Sample:
    amps = BUILDING_A + sim.drawn_a
    return Sample(volts=(230.0,) * 3, amps=(amps,) * 3, watts=(230.0 * amps,) * 3, import_wh=1000.0)


async def test_a_direct_charger_charges_within_what_is_left_and_falls_when_the_controller_is_killed(
    tmp_path: Path,
) -> None:
    sim = DirectSim(direct_families()["heidelberg-energy-control"], now_s=time.monotonic)
    sim.restart()
    server, meter = ModbusSimServer({1: sim}), Em340(measured(sim))
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(meter=await meter.open(), charger=await server.open()))

    async def measure() -> None:
        while True:
            meter.show(measured(sim))
            await asyncio.sleep(0.1)

    measuring = asyncio.create_task(measure())
    async with controlled(site) as controller:
        await controller.until(lambda d: d["chargers"][0]["setpoint_a"] > 10.0 and 10.0 < sim.drawn_a <= 15.0, 60)
        engine = open_database(tmp_path / "ampacity.db")
        async with asyncio.timeout(30):
            while [session.charger for session, _ in open_sessions(engine)] != ["left"]:
                await asyncio.sleep(0.2)
        engine.dispose()
        await controller.end(signal.SIGKILL)
        async with asyncio.timeout(40):
            while sim.offered_a != 6.0:
                await asyncio.sleep(0.2)
    measuring.cancel()
    await server.close()
    await meter.close()
