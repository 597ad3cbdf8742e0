"""An hour of `ampacity run` with 25 chargers and something always going wrong: does it keep its figure?"""

from __future__ import annotations

import asyncio
import random
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from faults.deeds import DEEDS
from faults.stories import until
from faults.town import Lot, Town

CHARGERS = 25
SAMPLE_S = 10.0
WARM_S = 600.0
"""Memory is compared with what it is after this."""

MOST_GROWTH = 0.02
MILD = sorted(set(DEEDS) - {"controller-killed", "controller-ended"})
_EVENT = re.compile(r"\[(warning|error|critical)\s*\] (\S+)")
_TASKS = re.compile(r"\] alive .*tasks=(\d+)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(slots=True)
class Soaked:
    """What was measured."""

    minutes: float = 0.0
    deeds: Counter[str] = field(default_factory=Counter)
    trips: int = 0
    budget: float = 0.0
    decisions: int = 0
    unexplained: int = 0
    memory_mb: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    """Warnings and errors in its log."""
    processor_pct: float = 0.0
    ended_early: bool = False
    """The controller ended by itself."""
    last_words: list[str] = field(default_factory=list)
    exit_code: int = 0

    def growth(self) -> float:
        """Of the memory: the last tenth against the tenth after the first ten minutes."""
        warm = round(min(WARM_S, self.minutes * 60 / 3) / SAMPLE_S)
        after = self.memory_mb[warm:]
        tenth = max(1, len(after) // 10)
        first, last = after[:tenth], after[-tenth:]
        return (sum(last) / len(last)) / (sum(first) / len(first)) - 1.0 if after else 0.0


async def soak(minutes: float, seed: int, tell: Callable[[str], None]) -> Soaked:
    chance = random.Random(seed)
    lot = Lot(
        chargers=CHARGERS,
        trace="apartments8_day_1s.csv.gz",
        begin_s=16 * 3600,
        seconds=round(minutes * 60) + 600,
        lease_s=20.0,
        period_s=1.0,
        deadline_s=3.0,
        spare_a=100.0,
        log_level="debug",
        seed=seed,
    )
    out = Soaked(minutes=minutes)
    with tempfile.TemporaryDirectory(prefix="ampacity-soak-") as folder:
        town = Town(lot, Path(folder))
        await town.open()
        try:
            for number in range(CHARGERS):
                town.plug_in(number)
            await town.controller.start()
            await until(lambda: bool(town.charging()), 120.0)
            spoiling = asyncio.create_task(_spoil(town, chance, out))
            await _watch(town, minutes, out, tell)
            spoiling.cancel()
            await asyncio.gather(spoiling, return_exceptions=True)
            out.exit_code = await town.controller.end(signal.SIGTERM)
        finally:
            await town.controller.end(signal.SIGKILL)
            await town.close()
        out.trips, out.budget = town.toll.trips, town.toll.budget
        out.decisions, out.unexplained = town.controller.decisions, town.controller.unexplained
        lines = town.controller.log.read_text(encoding="utf-8", errors="replace").splitlines()
        out.last_words = lines[-60:] if out.ended_early else []
        for line in lines:
            plain = _COLOUR.sub("", line)
            if found := _TASKS.search(plain):
                out.tasks.append(int(found[1]))
            if found := _EVENT.search(plain):
                out.told[f"{found[1]} {found[2]}"] += 1
    return out


async def _spoil(town: Town, chance: random.Random, out: Soaked) -> None:
    """One thing after the other, and sometimes two at once."""
    while True:
        names = chance.sample(MILD, chance.choice((1, 1, 2)))
        out.deeds.update(names)
        await asyncio.gather(*(DEEDS[name](town, chance.uniform(3.0, 20.0)) for name in names))
        await asyncio.sleep(chance.uniform(5.0, 25.0))


async def _watch(town: Town, minutes: float, out: Soaked, tell: Callable[[str], None]) -> None:
    process = psutil.Process(town.controller.pid)
    begin, end_s = process.cpu_times(), time.monotonic() + minutes * 60
    while time.monotonic() < end_s:
        await asyncio.sleep(SAMPLE_S)
        if not town.controller.running:
            out.ended_early = True
            return
        out.memory_mb.append(round(process.memory_info().rss / 2**20, 2))
        out.files.append(process.num_fds())
        out.threads.append(process.num_threads())
        tell(
            f"{(end_s - time.monotonic()) / 60:5.1f} min left, {out.memory_mb[-1]:.1f} MiB, {out.files[-1]} files, "
            f"{len(town.charging())} charging, budget {town.toll.budget:.2f}"
        )
    after = process.cpu_times()
    used_s = after.user + after.system - begin.user - begin.system
    out.processor_pct = 100 * used_s / (minutes * 60)
