"""What may go wrong, on the wire: each deed begins, lasts for a while, and is undone."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from ampacity.sim.wire.charger import SimulatedCharger
from ampacity.sim.wire.meter import Sample
from faults.town import Town

Deed = Callable[[Town, float], Coroutine[Any, Any, None]]
"""Takes the town and how long it lasts, in seconds."""


async def meter_silent(town: Town, lasts_s: float) -> None:
    town.meter_wire.cut = True
    town.meter_wire.sever()
    await asyncio.sleep(lasts_s)
    town.meter_wire.cut = False


async def meter_half_open(town: Town, lasts_s: float) -> None:
    town.meter_wire.swallow()
    await asyncio.sleep(lasts_s)
    town.meter_wire.release()


async def meter_late(town: Town, lasts_s: float) -> None:
    town.meter_wire.from_s = town.chance.choice((0.7, 1.5, 4.0))
    await asyncio.sleep(lasts_s)
    town.meter_wire.from_s = 0.0


async def meter_slow(town: Town, lasts_s: float) -> None:
    """New figures only every ten seconds."""
    last: list[tuple[float, Sample]] = []

    def old(sample: Sample) -> Sample:
        if not last or time.monotonic() - last[-1][0] >= 10.0:
            last.append((time.monotonic(), sample))
        return last[-1][1]

    await _shows(town, lasts_s, old)


async def meter_frozen(town: Town, lasts_s: float) -> None:
    town.meter_works = False
    await asyncio.sleep(lasts_s)
    town.meter_works = True


async def _shows(town: Town, lasts_s: float, shows: Callable[[Sample], Sample]) -> None:
    town.shows.append(shows)
    await asyncio.sleep(lasts_s)
    town.shows.remove(shows)


async def meter_absurd(town: Town, lasts_s: float) -> None:
    await _shows(town, lasts_s, lambda sample: replace(sample, amps=(500_000.0, 0.0, 1.0)))


async def meter_turned(town: Town, lasts_s: float) -> None:
    def turned(sample: Sample) -> Sample:
        amps, watts = sample.amps, sample.watts
        return replace(sample, amps=(-amps[0], -amps[1], -amps[2]), watts=(-watts[0], -watts[1], -watts[2]))

    await _shows(town, lasts_s, turned)
    # Somebody puts it right, and for that it is without power.
    await meter_silent(town, 4.0)


async def meter_restarts(town: Town, lasts_s: float) -> None:
    await meter_silent(town, min(2.0, lasts_s))
    none = (0.0, 0.0, 0.0)
    await _shows(town, min(3.0, lasts_s), lambda sample: replace(sample, amps=none, watts=none, import_wh=0.0))


async def meter_exchanged(town: Town, lasts_s: float) -> None:
    await town.exchange_meter()
    await asyncio.sleep(lasts_s)


async def meter_counts_backwards(town: Town, lasts_s: float) -> None:
    begin_s = time.monotonic()
    await _shows(
        town,
        lasts_s,
        lambda sample: replace(sample, import_wh=max(0.0, sample.import_wh - 1e4 * (time.monotonic() - begin_s))),
    )


def _someone(town: Town) -> int:
    return town.chance.choice(sorted(town.charging()) or range(len(town.chargers)))


async def charger_cut(town: Town, lasts_s: float) -> None:
    wire = town.wires[_someone(town)]
    wire.cut = True
    wire.sever()
    await asyncio.sleep(lasts_s)
    wire.cut = False


async def chargers_all_cut(town: Town, lasts_s: float) -> None:
    for wire in town.wires:
        wire.cut = True
        wire.sever()
    await asyncio.sleep(lasts_s)
    for wire in town.wires:
        wire.cut = False


async def charger_half_open(town: Town, lasts_s: float) -> None:
    wire = town.wires[_someone(town)]
    wire.swallow()
    await asyncio.sleep(lasts_s)
    wire.release()


async def charger_delayed(town: Town, lasts_s: float) -> None:
    wire = town.wires[_someone(town)]
    wire.to_s, wire.from_s = town.chance.uniform(0, 2.5), town.chance.uniform(0, 2.5)
    await asyncio.sleep(lasts_s)
    wire.to_s = wire.from_s = 0.0


async def charger_on_a_bad_line(town: Town, lasts_s: float) -> None:
    """A few dozen bytes a second."""
    wire = town.wires[_someone(town)]
    wire.bytes_per_s = 40.0
    await asyncio.sleep(lasts_s)
    wire.bytes_per_s = None


async def charger_has_a_wrong_clock(town: Town, lasts_s: float) -> None:
    """Hours off, whatever time it is told."""
    charger = town.chargers[_someone(town)]
    charger.faults.keeps_its_clock = True
    charger.set_clock(town.chance.choice((-1.0, 1.0)) * town.chance.uniform(1.0, 20.0) * 3600.0)
    await asyncio.sleep(lasts_s)
    charger.faults.keeps_its_clock = False


async def charger_reboots(town: Town, lasts_s: float) -> None:
    town.chargers[_someone(town)].reboot(forgets=town.chance.random() < 0.5)
    await asyncio.sleep(lasts_s)


async def charger_disobeys(town: Town, lasts_s: float) -> None:
    faults = town.chargers[_someone(town)].faults
    faults.disobeys = True
    await asyncio.sleep(min(lasts_s, 12.0))
    faults.disobeys = False


async def charger_refuses(town: Town, lasts_s: float) -> None:
    faults = town.chargers[_someone(town)].faults
    faults.refuses = True
    await asyncio.sleep(lasts_s)
    faults.refuses = False


async def charger_slow(town: Town, lasts_s: float) -> None:
    faults = town.chargers[_someone(town)].faults
    faults.answers_after_s = town.chance.choice((2.0, 8.0, 30.0))
    await asyncio.sleep(lasts_s)
    faults.answers_after_s = 0.0


async def charger_floods(town: Town, lasts_s: float) -> None:
    charger, end_s = town.chargers[_someone(town)], time.monotonic() + lasts_s
    while time.monotonic() < end_s:
        await charger.flood(500)
        await asyncio.sleep(0.5)


async def charger_twice(town: Town, lasts_s: float) -> None:
    """Another one comes with the same identity, again and again."""
    number = _someone(town)
    model = town.chargers[number].model
    twin = SimulatedCharger(model, f"ws://127.0.0.1:{town.wires[number].port}", seed=99)
    task = asyncio.create_task(twin.run())
    await asyncio.sleep(lasts_s)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def car_comes_and_goes(town: Town, lasts_s: float) -> None:
    number = _someone(town)
    town.chargers[number].unplug()
    await asyncio.sleep(lasts_s)
    town.plug_in(number)


async def _kill(town: Town, lasts_s: float, how: signal.Signals) -> None:
    if not town.controller.running:
        return
    town.away()
    await town.controller.end(how)
    await asyncio.sleep(lasts_s)
    town.back()
    await town.controller.start()


async def controller_killed(town: Town, lasts_s: float) -> None:
    await _kill(town, lasts_s, signal.SIGKILL)


async def controller_ended(town: Town, lasts_s: float) -> None:
    await _kill(town, lasts_s, signal.SIGTERM)


async def controller_stalls(town: Town, lasts_s: float) -> None:
    """It gets no processor time."""
    town.controller.signal(signal.SIGSTOP)
    await asyncio.sleep(min(lasts_s, 9.0))
    town.controller.signal(signal.SIGCONT)


async def database_locked(town: Town, lasts_s: float) -> None:
    with closing(sqlite3.connect(town.site.parent / "ampacity.db", timeout=10.0)) as other:
        with suppress(sqlite3.OperationalError):
            other.execute("BEGIN EXCLUSIVE")
        await asyncio.sleep(lasts_s)
        other.rollback()


DEEDS: Mapping[str, Deed] = {
    deed.__name__.replace("_", "-"): deed
    for deed in (
        meter_silent,
        meter_half_open,
        meter_late,
        meter_slow,
        meter_frozen,
        meter_absurd,
        meter_turned,
        meter_restarts,
        meter_exchanged,
        meter_counts_backwards,
        charger_cut,
        chargers_all_cut,
        charger_half_open,
        charger_delayed,
        charger_on_a_bad_line,
        charger_has_a_wrong_clock,
        charger_reboots,
        charger_disobeys,
        charger_refuses,
        charger_slow,
        charger_floods,
        charger_twice,
        car_comes_and_goes,
        controller_killed,
        controller_ended,
        controller_stalls,
        database_locked,
    )
}
BLINDING = frozenset({"meter-silent", "meter-half-open", "meter-absurd"})
"""While one of these lasts, everybody must be at the safe current."""
