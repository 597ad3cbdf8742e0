"""Control with many pages open: from a meter's sample to the decision that answers it, without pages and with them.

A real controller steers the demo's house on loopback; pages are real connections to the live stream in a process of
their own, each signed in. What is measured is the time from the moment the meter's sample is put into the inbox until
the pass has ended, taken inside the controller's process by a watcher.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2
import uvloop

from ampacity.app import App, Served
from ampacity.cli.account import first_start_link
from ampacity.config.site_toml import load
from ampacity.core.decision import Decision
from ampacity.core.observations import MeterReading, Observation, Observed
from ampacity.core.site import Site
from ampacity.sim.wire.plant import write_site

PAGES = """
import asyncio, sys, httpx2
async def page(url, cookie, count):
    async with httpx2.AsyncClient(base_url=url, cookies={"ampacity": cookie}, timeout=None) as client:
        async with client.stream("GET", "/api/v1/live/stream") as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data"):
                    count[0] += 1
async def main():
    count = [0]
    tasks = [asyncio.create_task(page(sys.argv[1], sys.argv[2], count)) for _ in range(int(sys.argv[3]))]
    await asyncio.sleep(float(sys.argv[4]))
    print(count[0], flush=True)
    for task in tasks: task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
asyncio.run(main())
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def measured(app: App, put_s: list[float], seconds: float) -> list[float]:
    put_s.clear()
    await asyncio.sleep(seconds)
    return sorted(put_s)


async def run(pages: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="ampacity-bench-") as name:
        ocpp = free_port()
        plant = subprocess.Popen(
            [sys.executable, "-m", "ampacity.sim.wire.plant", "--ocpp-port", str(ocpp), "--seed", "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert plant.stdout is not None
        meter_port = json.loads(plant.stdout.readline())["meter_port"]
        asyncio.get_running_loop().run_in_executor(None, plant.stdout.read)
        site = write_site(Path(name), meter_port=meter_port, ocpp_port=ocpp)
        told: list[Served] = []
        taken: list[float] = []

        def watch(_: Site, __: Observed, seen: Sequence[Observation], ___: Decision) -> None:
            now_s = time.monotonic()
            taken.extend(now_s - one.at_s for one in seen if isinstance(one, MeterReading))

        app = App(load(site), serve=True, served=told.append, watchers=[watch])
        control = asyncio.create_task(app.run())
        while not told:
            await asyncio.sleep(0.1)
        link = first_start_link(told[0].engine(), told[0].url)
        assert link is not None
        given = {"name": "Ann", "email": "a@example.org", "password": "four words do not belong", "language": "en"}
        async with httpx2.AsyncClient(base_url=told[0].url) as client:
            answer = await client.post("/api/v1/first-start", json={"key": link.partition("#")[2], **given})
            cookie = answer.cookies["ampacity"]
        await asyncio.sleep(10)
        alone = await measured(app, taken, seconds)
        watching = subprocess.Popen(
            [sys.executable, "-c", PAGES, told[0].url, cookie, str(pages), str(seconds + 5)], stdout=subprocess.PIPE
        )
        await asyncio.sleep(4)
        watched = await measured(app, taken, seconds)
        out, _ = await asyncio.to_thread(watching.communicate)
        for label, found in (("no page", alone), (f"{pages} pages", watched)):
            print(
                f"{label:>9}: sample to decision, ms: median {statistics.median(found) * 1e3:.2f}, "
                f"p99 {found[int(len(found) * 0.99)] * 1e3:.2f}, most {found[-1] * 1e3:.2f}, of {len(found)} samples"
            )
        print(f"pictures received by the pages: {int(out)}")
        control.cancel()
        await asyncio.gather(control, return_exceptions=True)
        plant.terminate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(given.pages, given.seconds))
