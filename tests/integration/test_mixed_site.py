"""Seven kinds of charger and two kinds of meter under one breaker, on real sockets: three versions of OCPP, Modbus TCP
twice, a serial line, HTTP; and the real controller."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.integration.test_controller import controlled, free_port

from ampacity.app import App
from ampacity.config.site_toml import load
from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import Site
from ampacity.sim.wire.court import LIMIT_A, MAIN, MIXED, SAFE_A, YARD, YARD_LIMIT_A, Court
from ampacity.sim.wire.quick import QuickLoop, QuickTime

NEAR_A = 0.1
GUARDED = [spot.name for spot in MIXED if spot.kind != "go-e-http"]
"""Those that fall back by themselves: over HTTP no known charger does."""
YARDS = [spot.name for spot in MIXED if spot.circuit == YARD]
ASKED_LEASE_S, OCPP_LEASE_S, VALIDITY_S = 25.0, 10.0, 10.0


class Scene:
    """The court, and the controller that runs in it."""

    def __init__(self, court: Court, running: asyncio.Task[None]) -> None:
        self.court = court
        self.building_a, self.yard_a = 10.0, 3.0
        self.online: set[str] = set()
        self._running = running
        court.trace = lambda _: (self.building_a, self.yard_a)

    def watch(self, _: Site, observed: Observed, __: Sequence[Observation], ___: Decision) -> None:
        self.online = {str(name) for name, seen in observed.chargers.items() if seen.online}

    async def until(self, test: Callable[[], bool], within_s: float = 300.0) -> None:
        async with asyncio.timeout(within_s):
            while not test():
                assert not self._running.done(), "the controller has ended"
                await asyncio.sleep(0.5)

    @property
    def within(self) -> bool:
        """Nothing is above a limit."""
        amps = self.court.amps
        return max(amps[MAIN]) <= LIMIT_A + NEAR_A and max(amps[YARD]) <= YARD_LIMIT_A + NEAR_A

    async def charging(self) -> None:
        """All cars draw, and most of what there is, is used."""
        await self.until(lambda: self.online == set(self.court.chargers))
        self.court.plug_in()
        await self.until(lambda: min(self.court.cars.values()) >= 6.0 and max(self.court.amps[MAIN]) > 0.9 * LIMIT_A)


def played(folder: Path, play: Callable[[Scene], Coroutine[Any, Any, None]]) -> Scene:
    """Runs it in quick time, until `play` has ended."""
    quick = QuickTime()

    async def main() -> Scene:
        async with scene(folder, quick) as one:
            await play(one)
        return one

    with asyncio.Runner(loop_factory=lambda: QuickLoop(quick)) as runner:
        return runner.run(main())


@asynccontextmanager
async def scene(folder: Path, quick: QuickTime) -> AsyncIterator[Scene]:
    async with court_of(now_s=quick.now_s, wall=quick.wall) as court:
        path = folder / "site.toml"
        path.write_text(court.site_toml(lease_s=OCPP_LEASE_S, asked_lease_s=ASKED_LEASE_S))
        watchers: list[Any] = []
        app = App(
            load(path),
            clock=quick,
            wall=quick.wall,
            port=0,
            storage=False,
            watchers=[lambda *seen: watchers[0](*seen)],
        )
        running = asyncio.create_task(app.run())
        one = Scene(court, running)
        watchers.append(one.watch)
        await app.server.listening.wait()
        court.connect(f"ws://127.0.0.1:{app.server.port}")
        playing = asyncio.create_task(court.run())
        try:
            yield one
        finally:
            for task in (running, playing):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def court_of(**clocks: Any) -> AsyncIterator[Court]:
    court = Court(MIXED, validity_s=VALIDITY_S, **clocks)
    await court.open()
    try:
        yield court
    finally:
        await court.close()


def test_all_seven_kinds_charge_and_no_line_is_ever_above_its_breaker(tmp_path: Path) -> None:
    highest = {MAIN: 0.0, YARD: 0.0}

    async def play(one: Scene) -> None:
        def look() -> None:
            for name, amps in one.court.amps.items():
                highest[name] = max(highest[name], *amps)

        one.court.watch = look
        await one.charging()
        await asyncio.sleep(60.0)
        look()

    court = played(tmp_path, play).court
    assert min(court.cars.values()) >= 6.0
    assert highest[MAIN] <= LIMIT_A + NEAR_A
    assert highest[YARD] <= YARD_LIMIT_A + NEAR_A


def test_each_gets_a_current_that_its_kind_can_be_told(tmp_path: Path) -> None:
    offers: dict[str, float] = {}

    async def play(one: Scene) -> None:
        await one.charging()
        offers.update({name: one.court.offered_a(name) for name in one.court.chargers})

    played(tmp_path, play)
    assert all(offers[name] == round(offers[name]) for name in ("barn", "wall"))


def test_a_load_that_comes_is_answered_by_every_kind_before_a_breaker_minds(tmp_path: Path) -> None:
    before: dict[str, float] = {}

    async def play(one: Scene) -> None:
        await one.charging()
        # Somewhat more than the minimum for each, so that everyone has to give.
        await one.until(lambda: min(one.court.cars.values()) > 7.0 or one.court.at_s > 200.0)
        before.update(one.court.cars)
        one.building_a = 54.0
        await one.until(lambda: not one.within, 10.0)
        await one.until(lambda: one.within, 60.0)

    court = played(tmp_path, play).court
    lowered = {name for name, amps in court.cars.items() if amps < before[name] - NEAR_A}
    assert lowered == {name for name, amps in before.items() if amps > 6.0 + NEAR_A}
    assert not court.tripped
    assert max(pole.budget_worst for poles in court.breakers.values() for pole in poles) < 0.1


def test_a_load_in_the_yard_is_seen_by_its_own_meter_and_answered_there(tmp_path: Path) -> None:
    before: dict[str, float] = {}

    async def play(one: Scene) -> None:
        await one.charging()
        before.update(one.court.cars)
        one.yard_a = 45.0 - 19.0
        one.building_a = 0.0  # the main breaker bears it easily
        await one.until(lambda: not one.within, 10.0)
        await one.until(lambda: one.within, 60.0)
        await asyncio.sleep(5.0)

    court = played(tmp_path, play).court
    assert max(court.amps[YARD]) <= YARD_LIMIT_A + NEAR_A
    assert all(amps >= before[name] - NEAR_A for name, amps in court.cars.items() if name not in YARDS)


def test_a_charger_whose_line_is_cut_falls_by_itself_and_the_others_go_on(tmp_path: Path) -> None:
    async def play(one: Scene) -> None:
        await one.charging()
        assert one.court.line is not None
        one.court.line.is_cut = True
        await one.until(lambda: one.court.offered_a("shed") == SAFE_A, 60.0)
        await asyncio.sleep(30.0)

    one = played(tmp_path, play)
    assert one.court.cars["shed"] <= SAFE_A
    assert all(amps >= 6.0 for name, amps in one.court.cars.items() if name != "shed")
    assert one.within
    assert set(one.court.chargers) - one.online == {"shed"}


async def test_each_kind_that_can_falls_to_its_safe_current_when_the_controller_is_killed(tmp_path: Path) -> None:
    port = free_port()
    async with court_of(now_s=time.monotonic) as court:
        site = tmp_path / "site.toml"
        site.write_text(court.site_toml(ocpp_port=port, lease_s=OCPP_LEASE_S, asked_lease_s=ASKED_LEASE_S))
        court.connect(f"ws://127.0.0.1:{port}")
        playing = asyncio.create_task(court.run())
        async with controlled(site) as controller:
            await controller.until(lambda d: len(d["chargers"]) == 7 and all(c["online"] for c in d["chargers"]), 60)
            court.plug_in()
            await controller.until(
                lambda _: sum(court.cars[name] for name in GUARDED) > 1.5 * SAFE_A * len(GUARDED), 90
            )
            await controller.end(signal.SIGKILL)
            async with asyncio.timeout(90):
                while {name: court.offered_a(name) for name in GUARDED} != dict.fromkeys(GUARDED, SAFE_A):
                    await asyncio.sleep(0.2)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        assert court.offered_a("barn") <= next(spot.max_a for spot in MIXED if spot.name == "barn")
        assert not court.tripped
