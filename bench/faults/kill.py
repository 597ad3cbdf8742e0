"""`kill -9` at any instant, again and again, with chargers connected and cars charging."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from faults.record import look
from faults.stories import until
from faults.town import LATE_S, TRACES, Lot, Town, name_of

LEASE_S = 30.0
BACK_S = 60.0
WATCH_S = 12.0
"""So long after a start nobody may be stopped by the start alone."""


@dataclass(slots=True)
class Kills:
    """What came of them."""

    kills: int = 0
    trips: int = 0
    budget: float = 0.0
    beyond: list[str] = field(default_factory=list)
    """Chargers above what they acknowledged, or above the safe current after the lease."""
    back_s: list[float] = field(default_factory=list)
    """From each start until every charger was steered again."""
    stopped: list[str] = field(default_factory=list)
    """Cars that charged at the start and were stopped with no reason but that."""
    sessions_missing: int = 0
    unopened: int = 0
    late: int = 0
    """Kills during which the machine was too slow to tell."""

    @property
    def is_broken(self) -> bool:
        return bool(
            self.trips
            or self.beyond
            or self.stopped
            or self.sessions_missing
            or self.unopened
            or any(one > 10.0 for one in self.back_s)
        )


async def kill_again_and_again(seed: int, times: int, done: Callable[[], None] = lambda: None) -> Kills:
    chance = random.Random(seed)
    lot = Lot(
        chargers=chance.randint(3, 8),
        trace=chance.choice(TRACES),
        begin_s=chance.randrange(0, 40_000),
        seconds=40_000,
        safe_a=chance.choice((0.0, 6.0)),
        lease_s=LEASE_S,
        spare_a=40.0,
        seed=seed,
    )
    out = Kills()
    with tempfile.TemporaryDirectory(prefix="ampacity-kill-") as folder:
        town = Town(lot, Path(folder))
        await town.open()
        try:
            for number in range(lot.chargers):
                town.plug_in(number)
            await town.controller.start()
            await until(lambda: bool(town.charging()), BACK_S)
            for _ in range(times):
                await _once(town, chance, out)
                done()
            await town.controller.end(signal.SIGTERM)
            out.sessions_missing = look(town).sessions_missing
        finally:
            await town.controller.end(signal.SIGKILL)
            await town.close()
        out.trips, out.budget, out.beyond = town.toll.trips, town.toll.budget, town.toll.beyond
    return out


async def _once(town: Town, chance: random.Random, out: Kills) -> None:
    town.toll.late_s = 0.0
    await asyncio.sleep(chance.uniform(0.0, 6.0))
    if chance.random() < 0.4:
        # A session ends about when the controller does.
        number = chance.randrange(len(town.chargers))
        town.chargers[number].unplug()
        await asyncio.sleep(chance.uniform(0.0, 0.3))
    town.away()
    await town.controller.end(signal.SIGKILL)
    out.kills += 1
    dead_s = chance.choice((0.0, chance.uniform(0.0, 6.0), chance.uniform(LEASE_S, LEASE_S + 5.0)))
    await asyncio.sleep(dead_s)
    if not look(town).opens:
        out.unopened += 1
    charging = town.charging()
    town.back()
    started_s = time.monotonic()
    await town.controller.start()
    online = await until(lambda: _is_back(town), BACK_S)
    out.back_s.append(round(time.monotonic() - started_s, 1) if online else BACK_S)
    # Renewed at half their time: those that end meanwhile stop cars, as they should.
    held = dead_s < LEASE_S / 2 - 5.0
    stopped = await _stopped(town, charging, started_s + WATCH_S) if held else []
    if town.toll.late_s >= LATE_S:
        out.late += 1
    else:
        out.stopped += stopped
    for number in range(len(town.chargers)):
        town.plug_in(number)
    await until(lambda: bool(town.charging()), BACK_S)


def _is_back(town: Town) -> bool:
    """Whether it steers: its meter is believed, and every charger that has dialled again is steered. Chargers dial when
    they like, some only after many seconds."""
    status = town.controller.status
    if status is None or any(circuit["blind"] for circuit in status["circuits"]):
        return False
    dialled = [one for one, charger in zip(status["chargers"], town.chargers, strict=True) if charger.online.is_set()]
    return bool(dialled) and all(one["online"] and one["rule"] != "starting" for one in dialled)


async def _stopped(town: Town, charging: set[int], end_s: float) -> list[str]:
    """Of those that charged, who was stopped until then without a reason of its own. A charger that has not dialled yet
    is not stopped by us: its lease has ended."""
    out = []
    while time.monotonic() < end_s:
        await asyncio.sleep(0.2)
        for number in sorted(charging - town.charging()):
            one = town.controller.charger(name_of(number))
            rule = None if one is None else one["rule"]
            if rule is not None and rule not in ("circuit-full", "turn", "offline"):
                out.append(f"{name_of(number)}: {rule}")
            if rule is not None:
                charging.discard(number)
    return out
