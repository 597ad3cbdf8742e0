"""`ampacity run` as a process of its own, what it says, and its end by any means."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

BUFFER = 1 << 22


class Controller:
    """Started and ended as often as one likes; what it says is counted over all its runs."""

    def __init__(self, site: Path, log_level: str = "info") -> None:
        self._site = site
        self._log_level = log_level
        self.log = site.with_suffix(".log")
        self.status: dict[str, Any] | None = None
        """The newest decision since it was last started."""
        self.decisions = 0
        self.unexplained = 0
        """Setpoints below a charger's maximum that came without a cause."""
        self.started_s = 0.0
        self.first_s: float | None = None
        """When it decided first, since it was last started."""
        self.rules: Counter[str] = Counter()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        self.status, self.first_s, self.started_s = None, None, time.monotonic()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ampacity.cli.main",
                "run",
                str(self._site),
                "--json",
                "--no-app",
                "--log-level",
                self._log_level,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=BUFFER,
            )
        self._reading = asyncio.create_task(self._read(self._process))

    async def end(self, how: signal.Signals) -> int:
        """Returns the exit code."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(how)
        code = await process.wait()
        if self._reading is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        return code

    def signal(self, what: signal.Signals) -> None:
        if self.running:
            assert self._process is not None
            self._process.send_signal(what)

    def charger(self, name: str) -> dict[str, Any] | None:
        """What it last said of a charger."""
        if self.status is None:
            return None
        return next((one for one in self.status["chargers"] if one["id"] == name), None)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            try:
                self._take(json.loads(line))
            except ValueError:
                continue  # cut off by its end

    def _take(self, status: dict[str, Any]) -> None:
        self.status = status
        self.decisions += 1
        if self.first_s is None:
            self.first_s = time.monotonic()
        for one in status["chargers"]:
            self.rules[str(one["rule"])] += 1
            if not one["because"] or (one["rule"] is None and one["setpoint_a"] < one["max_a"] - 1e-6):
                self.unexplained += 1
