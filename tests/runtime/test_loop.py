"""The loop: five calls a pass, a sample answered at once, and safe currents if deciding fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from ampacity.core.decision import Command, Decision
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    SetpointAnswer,
)
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.runtime.loop import Loop


def site() -> Site:
    return Site(
        name="t",
        supply=Supply.SINGLE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((32.0,)), meter=MeterId("m")),),
        meters=(Meter(id=MeterId("m")),),
        chargers=(
            Charger(
                id=ChargerId("c"),
                circuit=CircuitId("main"),
                wiring=Supply.SINGLE_PHASE.lines,
                phases=1,
                safe_a=6.0,
            ),
        ),
    )


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def now_s(self) -> float:
        self.at_s += 1.0
        return self.at_s


class Chargers:
    """Accepts everything."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def apply(self, command: Command, put: Callable[[Observation], None]) -> None:
        self.commands.append(command)
        put(SetpointAnswer(charger=command.charger, at_s=0.0, limit_a=command.limit_a, accepted=True))


class Journal:
    def __init__(self) -> None:
        self.passes: list[tuple[list[Observation], Decision]] = []
        self.came = asyncio.Event()

    def append(self, seen: Sequence[Observation], decision: Decision) -> None:
        self.passes.append((list(seen), decision))
        self.came.set()


async def test_a_meter_sample_triggers_a_pass_and_everything_is_journalled() -> None:
    journal, chargers = Journal(), Chargers()
    loop = Loop(site(), Clock(), chargers, journal)
    task = asyncio.create_task(loop.run())
    loop.put(ChargerLink(charger=ChargerId("c"), at_s=0.5, online=True))
    loop.put(ChargerReport(charger=ChargerId("c"), at_s=0.5, state=ChargerState.CHARGING))
    loop.put(MeterReading(meter=MeterId("m"), at_s=0.5, currents=PhaseAmps((3.0,))))
    async with asyncio.timeout(5):
        await journal.came.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    seen, decision = journal.passes[0]
    assert len(seen) == 3
    assert [command.charger for command in decision.commands] == [command.charger for command in chargers.commands]


async def test_silence_is_covered_by_the_timer() -> None:
    journal = Journal()
    loop = Loop(site(), Clock(), Chargers(), journal)
    task = asyncio.create_task(loop.run())
    async with asyncio.timeout(5):
        await journal.came.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert journal.passes[0][0] == []


async def test_a_watcher_that_fails_is_told_once_and_control_goes_on() -> None:
    seen: list[float] = []

    def broken(site: Site, observed: Observed, _: Sequence[Observation], decision: Decision) -> None:
        seen.append(decision.at_s)
        raise ZeroDivisionError

    journal = Journal()
    loop = Loop(site(), Clock(), Chargers(), journal, [broken, lambda *_: after.set()])
    after = asyncio.Event()
    with capture_logs() as logs:
        task = asyncio.create_task(loop.run())
        async with asyncio.timeout(5):
            for _ in range(3):
                after.clear()
                loop.put(MeterReading(meter=MeterId("m"), at_s=0.5, currents=PhaseAmps((3.0,))))
                await after.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert len(seen) >= 3
    assert [log["event"] for log in logs].count("watcher-failed") == 1


class BrokenClock:
    """A clock that yields what no decision can be made of."""

    def now_s(self) -> float:
        return None  # type: ignore[return-value]


async def test_if_deciding_fails_every_charger_is_sent_its_safe_current() -> None:
    chargers = Chargers()
    loop = Loop(site(), BrokenClock(), chargers, Journal())
    loop.put(ChargerLink(charger=ChargerId("c"), at_s=0.0, online=True))
    loop.put(MeterReading(meter=MeterId("m"), at_s=1.0, currents=PhaseAmps((3.0,))))
    with pytest.raises(TypeError):
        async with asyncio.timeout(5):
            await loop.run()
    assert [(command.charger, command.limit_a, command.lease_s) for command in chargers.commands] == [("c", 6.0, None)]
