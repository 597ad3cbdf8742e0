"""The whole controller on real sockets: a Modbus meter, OCPP chargers, a database; and its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from ampacity.core.decide import decide
from ampacity.sim.wire.plant import Plant, write_site
from ampacity.storage.database import open_database
from ampacity.storage.recording import recorded_runs, replay


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Controller:
    """`ampacity run` as a program of its own, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.decisions: list[dict[str, Any]] = []

    async def until(self, test: Any, seconds: float = 40) -> dict[str, Any]:
        """Reads its decisions up to the first that passes the test."""
        assert self.process.stdout is not None
        async with asyncio.timeout(seconds):
            while line := await self.process.stdout.readline():
                decision = json.loads(line)
                self.decisions.append(decision)
                if test(decision):
                    return dict(decision)
        raise AssertionError("the controller ended")

    async def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        async with asyncio.timeout(20):
            await self.process.communicate()
        return int(self.process.returncode or 0)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Plant, Path]]:
    """The demo's house on the wire, and its site.toml."""
    port = free_port()
    plant = Plant(f"ws://127.0.0.1:{port}", seed=1, tell=lambda _: None)
    meter_port = await plant.meter.open()
    site = write_site(folder, meter_port=meter_port, ocpp_port=port)
    task = asyncio.create_task(plant.run())
    try:
        yield plant, site
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await plant.meter.close()


@asynccontextmanager
async def controlled(site: Path, **environment: str) -> AsyncIterator[Controller]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ampacity.cli.main",
        "run",
        str(site),
        "--json",
        "--no-app",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
        limit=1 << 20,
    )
    controller = Controller(process)
    try:
        yield controller
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def charging(decision: dict[str, Any]) -> bool:
    return any(max(c["current_a"] or [0]) > 5 for c in decision["chargers"])


def within(decision: dict[str, Any]) -> bool:
    """Whether no line is above its limit, by the meter."""
    main = decision["circuits"][0]
    return main["measured_a"] is None or all(
        amps <= limit + 0.5 for amps, limit in zip(main["measured_a"], main["limit_a"], strict=True)
    )


async def test_a_car_charges_within_what_the_building_leaves(tmp_path: Path) -> None:
    async with house(tmp_path) as (_, site), controlled(site) as controller:
        await controller.until(charging, 60)
        await controller.until(lambda d: charging(d) and within(d) and d["circuits"][0]["blind"] is None, 30)
        assert all(c["because"] for c in controller.decisions[-1]["chargers"])
        assert await controller.end(signal.SIGTERM) == 0
    engine = open_database(next(site.parent.glob("*.db")))
    assert recorded_runs(engine)[0].passes >= len(controller.decisions)
    results = list(replay(engine, 1, decide))
    assert results
    assert all(result.same for result in results)
    engine.dispose()


async def test_ctrl_c_leaves_every_charger_at_its_safe_current(tmp_path: Path) -> None:
    async with house(tmp_path) as (plant, site):
        async with controlled(site) as controller:
            await controller.until(charging, 60)
            assert await controller.end(signal.SIGINT) == 0
        async with asyncio.timeout(20):
            while any(charger.limit_a > safe for charger, safe in zip(plant.chargers, _safe(site), strict=True)):
                await asyncio.sleep(0.1)


def _safe(site: Path) -> list[float]:
    return [float(c.get("safe_a", 0)) for c in tomllib.loads(site.read_text())["chargers"].values()]


async def test_a_meter_that_falls_silent_stops_what_is_above_safe(tmp_path: Path) -> None:
    async with house(tmp_path) as (plant, site), controlled(site) as controller:
        await controller.until(charging, 60)
        await plant.meter.close()
        blind = await controller.until(lambda d: d["circuits"][0]["blind"] == "silent", 40)
        assert all(
            charger["setpoint_a"] <= safe
            for charger, safe in zip(blind["chargers"], _safe(site), strict=True)
            if charger["online"]
        )


async def test_systemd_hears_that_it_is_ready_that_it_lives_and_that_it_ends(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        async with house(tmp_path) as (_, site):
            told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
            async with controlled(site, **told) as controller:
                await controller.until(lambda decision: decision["at_s"] > controller.decisions[0]["at_s"] + 3, 40)
                assert await controller.end(signal.SIGTERM) == 0
        heard = []
        with suppress(BlockingIOError):
            while True:
                heard += systemd.recv(4096).decode().split("\n")
    assert heard.count("READY=1") == 1
    assert heard.count("WATCHDOG=1") >= 3
    assert heard[-1] == "STOPPING=1"
    assert any(line.startswith("STATUS=") for line in heard)


async def test_it_says_what_is_wrong_with_its_file_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[site]\nname = 1\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ampacity.cli.main", "run", str(file), "--no-app", stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert "site.toml, line 2, site.name" in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_two_controllers_on_one_port_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    async with house(tmp_path) as (_, site), controlled(site) as first:
        await first.until(lambda _: True, 30)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ampacity.cli.main",
            "run",
            str(site),
            "--no-storage",
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            _, errors = await process.communicate()
        assert process.returncode == 1
        assert "Choose another port" in errors.decode()


async def test_a_charger_that_is_not_in_the_file_is_taken_in_and_steered(tmp_path: Path) -> None:
    async with house(tmp_path) as (_, site):
        text = site.read_text()
        begin = text.index("[chargers.street]")
        end = text.find("\n[", begin + 1)
        text = text[:begin] + (text[end + 1 :] if end > 0 else "")
        assert "[ocpp]" in text
        site.write_text(text.replace("[ocpp]", '[ocpp]\nadopt_into = "main"'))
        async with controlled(site) as controller:
            decision = await controller.until(lambda d: len(d["chargers"]) == 4 and d["chargers"][3]["online"], 40)
            adopted = decision["chargers"][3]
            assert adopted["lines"] is None
            await controller.until(lambda d: d["chargers"][3]["state"] is not None, 20)
            assert await controller.end(signal.SIGTERM) == 0
        assert adopted["id"] in tomllib.loads(site.read_text())["chargers"]
    engine = open_database(next(site.parent.glob("*.db")))
    results = list(replay(engine, 1, decide))
    assert all(result.same for result in results)
    assert len(results[-1].recorded.site.chargers) == 4
    engine.dispose()
