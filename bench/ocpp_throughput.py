"""Reports of 8 samples from 200 connected chargers: decoded and answered, for each second of our CPU.

First as MeterValues of OCPP 1.6, then in TransactionEvents of 2.0.1, and their ratio. The chargers run in a process of
their own, on the other core. python bench/ocpp_throughput.py [CHARGERS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog
import uvloop

from ampacity.core.observations import ChargerReport, Observation
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp.server import OcppServer
from ampacity.links.ocpp.station import Endpoint

FAKE = Path(__file__).with_name("fake_chargers.py")
CONNECTED_S = 60.0


def endpoints(count: int) -> list[Endpoint]:
    return [
        Endpoint(
            charger=ChargerId(f"c{n}"),
            ocpp_id=f"c{n}",
            phases=3,
            volts=230.0,
            safe_a=0.0,
            password=None,
            family=None,
        )
        for n in range(count)
    ]


def server_of(count: int) -> OcppServer:
    return OcppServer(
        endpoints(count),
        charger_families(),
        listen="127.0.0.1",
        port=0,
        tls=None,
        adopt=None,
        now_s=time.monotonic,
        wall=lambda: datetime.now(UTC),
        first_transaction=1,
    )


async def measured(count: int, mode: str) -> tuple[float, float]:
    """Reports for each second of our CPU, and for each second."""
    reports = 0

    def put(one: Observation) -> None:
        nonlocal reports
        if isinstance(one, ChargerReport) and one.currents is not None:
            reports += 1

    server = server_of(count)
    task = asyncio.create_task(server.run(put))
    await server.listening.wait()
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(FAKE), str(server.port), str(count), mode, stdout=asyncio.subprocess.PIPE
    )
    await all_connected(server, child, count)
    begin_s, cpu_s, first = time.monotonic(), time.process_time(), reports
    await asyncio.sleep(6.0)
    wall_s, used_s, done = time.monotonic() - begin_s, time.process_time() - cpu_s, reports - first
    await child.communicate()
    task.cancel()
    return done / used_s, done / wall_s


async def all_connected(server: OcppServer, child: asyncio.subprocess.Process, count: int) -> None:
    """Waits until they are, and ends the bench if they will not be."""
    end_s = time.monotonic() + CONNECTED_S
    while (here := len(server.stations)) < count:
        if child.returncode is not None:
            raise SystemExit(
                f"The chargers' process ended ({child.returncode}), its error is above. For more than some hundred "
                "chargers raise the number of open files: ulimit -n."
            )
        if time.monotonic() > end_s:
            child.kill()
            raise SystemExit(f"After {CONNECTED_S:g} s only {here} of {count} chargers are connected.")
        await asyncio.sleep(0.05)


async def main(count: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    rates = {}
    for version, mode in (("1.6", "report"), ("2.0.1", "report2")):
        rates[version], per_s = await measured(count, mode)
        rate = f"{rates[version]:,.0f} for each second of our CPU"
        print(f"OCPP {version}, {count} chargers: {per_s:,.0f} reports/s, {rate}")
    print(f"2.0.1 to 1.6: {rates['2.0.1'] / rates['1.6']:.2f}")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
