"""Memory and idle processor time of `ampacity run` with 25 chargers, a meter at 1 Hz and a database.

python bench/run_footprint.py [SECONDS]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import psutil

from ampacity.sim.wire.meter import Em340, Sample

FAKE = Path(__file__).with_name("fake_chargers.py")
COUNT = 25


def site_text(meter_port: int, ocpp_port: int) -> str:
    chargers = "\n".join(f'[chargers.c{n}]\nlines = ["L1", "L2", "L3"]\nmax_a = 16\nsafe_a = 0\n' for n in range(COUNT))
    return f"""
[circuits.main]
limit_a = 200
meter = "main"
[meters.main]
host = "127.0.0.1"
port = {meter_port}
[ocpp]
listen = "127.0.0.1"
port = {ocpp_port}
[app]
listen = "127.0.0.1"
port = 0
{chargers}
"""


async def main(seconds: float) -> None:
    calm = Sample(volts=(230.0,) * 3, amps=(30.0,) * 3, watts=(6900.0,) * 3, import_wh=1000.0)
    meter = Em340(calm)
    ocpp_port = 18899
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site.toml"
        site.write_text(site_text(await meter.open(), ocpp_port), encoding="utf-8")
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ampacity.cli.main", "run", str(site), stderr=asyncio.subprocess.DEVNULL
        )
        await asyncio.sleep(4)
        cars = await asyncio.create_subprocess_exec(
            sys.executable, str(FAKE), str(ocpp_port), str(COUNT), "obey", stdout=asyncio.subprocess.DEVNULL
        )
        await asyncio.sleep(30)
        process = psutil.Process(run.pid)
        before = process.cpu_times()
        await asyncio.sleep(seconds)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        here = [c for c in process.net_connections() if c.laddr.port == ocpp_port and c.status == "ESTABLISHED"]
        print(f"{len(here)} chargers connected: ", end="")
        print(f"memory {process.memory_info().rss / 2**20:.0f} MiB, processor {100 * used / seconds:.1f} % of a core")
        cars.kill()
        run.terminate()
        await run.wait()
        await meter.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60))
