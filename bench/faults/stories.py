"""Stories on the wire: one to four things go wrong at once, on a random building, and it all ends well."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faults.deeds import BLINDING, DEEDS
from faults.record import look
from faults.town import LATE_S, TRACES, Lot, Town

START_S, RECOVER_S, STOP_S = 90.0, 150.0, 12.0
SETTLE_S = 3.0
LONGEST_S = 20.0
BLIND_S = 12.0
"""From the meter's deadline until everybody must be at the safe current: a message, the cars' time, and a lease where a
charger can't be told."""

FLUSH_S = 12.0
"""So much of the record may be lost with a kill: less than 10 s are promised, and a pass may be under way."""


@dataclass(slots=True, kw_only=True)
class Told:
    """How a story went."""

    seed: int
    chargers: int
    deeds: list[str]
    began: bool = False
    """Cars charged before anything went wrong."""
    trips: int = 0
    budget: float = 0.0
    over_s: float = 0.0
    safe_s: float | None = 0.0
    """The longest time in which a line was above its limit without a break, or from the loss of the meter until
    everybody was at the safe current; None: it never came to that."""
    recover_s: float | None = None
    """From the end of the last deed until as many cars charge as before; None: it took too long."""
    unexplained: int = 0
    sessions_missing: int = 0
    passes_missing: int = 0
    beyond: list[str] | None = None
    exit_code: int = 0
    at_safe_in_the_end: bool = False
    late_s: float = 0.0

    @property
    def is_broken(self) -> bool:
        """A promise was not kept, and the machine is not to blame."""
        return self.late_s < LATE_S and (
            not self.began
            or self.trips > 0
            or self.safe_s is None
            or self.recover_s is None
            or self.unexplained > 0
            or self.sessions_missing > 0
            or self.passes_missing > 0
            or bool(self.beyond)
            or self.exit_code != 0
            or not self.at_safe_in_the_end
        )

    def row(self) -> dict[str, Any]:
        return asdict(self)


def lot_of(seed: int, most_chargers: int = 12) -> tuple[Lot, list[str]]:
    """A random building, and what goes wrong there."""
    chance = random.Random(seed)
    safe_a = chance.choice((0.0, 0.0, 6.0))
    chargers = chance.randint(2, 5 if safe_a else most_chargers)
    lot = Lot(
        chargers=chargers,
        trace=chance.choice(TRACES),
        begin_s=chance.randrange(0, 86_400 - 600),
        seconds=600,
        safe_a=safe_a,
        period_s=chance.choice((0.3, 0.5, 1.0)),
        spare_a=chance.uniform(10.0, 20.0) + 3.0 * chargers,
        seed=seed,
    )
    return lot, chance.sample(sorted(DEEDS), chance.randint(1, 4))


async def tell(seed: int, most_chargers: int = 12) -> Told:
    lot, names = lot_of(seed, most_chargers)
    with tempfile.TemporaryDirectory(prefix="ampacity-faults-") as folder:
        town = Town(lot, Path(folder))
        told = Told(seed=seed, chargers=lot.chargers, deeds=names)
        await town.open()
        try:
            await town.controller.start()
            await _play(town, told)
        finally:
            await town.controller.end(signal.SIGKILL)
            await town.close()
        toll = town.toll
        told.trips, told.budget, told.over_s = toll.trips, round(toll.budget, 3), round(toll.over_s, 1)
        told.beyond, told.late_s = toll.beyond, round(toll.late_s, 2)
        return told


async def _play(town: Town, told: Told) -> None:
    for number in range(town.lot.chargers):
        if number == 0 or town.chance.random() < 0.7:
            town.plug_in(number)
    if not await until(lambda: bool(town.charging()), START_S):
        return
    told.began = True
    await asyncio.sleep(SETTLE_S + town.chance.uniform(0.0, 10.0))
    before = len(town.charging())
    watch = asyncio.create_task(_watch(town, told))
    await asyncio.gather(*(_do(town, name, told) for name in told.deeds))
    end_s = time.monotonic()
    if await until(lambda: _is_well(town, before), RECOVER_S):
        told.recover_s = round(time.monotonic() - end_s, 1)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    if not town.within():
        told.safe_s = None
    stopped = town.chargers[next(iter(sorted(town.charging())), 0)]
    stopped.unplug()
    await asyncio.sleep(1.5)
    told.exit_code = await town.controller.end(signal.SIGTERM)
    told.at_safe_in_the_end = await until(town.at_safe, STOP_S)
    _count(town, told)


async def _do(town: Town, name: str, told: Told) -> None:
    await asyncio.sleep(town.chance.uniform(0.0, 12.0))
    deed = asyncio.create_task(DEEDS[name](town, town.chance.uniform(2.0, LONGEST_S)))
    if name in BLINDING:
        begin_s = time.monotonic()
        while not deed.done() and not town.at_safe():
            await asyncio.sleep(0.1)
        lasted_s = time.monotonic() - begin_s
        if town.at_safe():
            _note(told, lasted_s)
        elif lasted_s > town.lot.deadline_s + BLIND_S and town.controller.running and _all_online(town):
            told.safe_s = None
    await deed


def _note(told: Told, seconds: float) -> None:
    if told.safe_s is not None:
        told.safe_s = max(told.safe_s, round(seconds, 1))


def _all_online(town: Town) -> bool:
    return all(charger.online.is_set() for charger in town.chargers)


async def _watch(town: Town, told: Told) -> None:
    over_s: float | None = None
    while True:
        await asyncio.sleep(0.1)
        if town.within():
            over_s = None
        else:
            over_s = time.monotonic() if over_s is None else over_s
            _note(told, time.monotonic() - over_s)


def _is_well(town: Town, before: int) -> bool:
    """Whether as many cars charge as before, and nothing is held against anything, but for those that were stopped."""
    status = town.controller.status
    if status is None or any(circuit["blind"] for circuit in status["circuits"]):
        return False
    if not all(one["online"] for one in status["chargers"]):
        return False
    stopped = sum(one["rule"] == "disobeys" for one in status["chargers"])
    waiting = sum(one["rule"] in ("turn", "circuit-full") and not one["setpoint_a"] for one in status["chargers"])
    return town.within() and len(town.charging()) + stopped + waiting >= before and bool(town.charging() or stopped)


def _count(town: Town, told: Told) -> None:
    kept = look(town)
    told.unexplained = town.controller.unexplained
    told.sessions_missing = kept.sessions_missing if kept.opens else len(told.deeds)
    kills = sum(name in ("controller-killed",) for name in told.deeds)
    lost_with_kills = kills * FLUSH_S * 5.0 / min(1.0, town.lot.period_s * 5.0)
    missing = town.controller.decisions - kept.passes - kept.gaps - lost_with_kills
    told.passes_missing = max(0, round(missing))


async def until(test: Callable[[], bool], seconds: float) -> bool:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if test():
            return True
        await asyncio.sleep(0.1)
    return test()
