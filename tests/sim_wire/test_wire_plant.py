from __future__ import annotations

import asyncio
import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.config.site_toml import load
from ampacity.sim.wire.car import LOWEST_A, Car
from ampacity.sim.wire.house import HOUSE, building_a
from ampacity.sim.wire.plant import LIMIT_A, SPOTS, Plant, write_site
from ampacity.sim.wire.visits import visits


def test_its_site_file_describes_it(tmp_path: Path) -> None:
    installation = load(write_site(tmp_path, meter_port=1502, ocpp_port=18887))
    site = installation.site
    assert [tuple(int(line) for line in charger.wiring or ()) for charger in site.chargers] == [
        spot.wiring for spot in SPOTS
    ]
    assert [connection.address for connection in installation.meters] == ["127.0.0.1:1502, unit 1"]
    assert installation.ocpp.port == 18887
    assert [one for one in installation.warnings if "Nobody has confirmed" not in one] == []


def played(seconds: float, seed: int = 1) -> tuple[Plant, list[str]]:
    """A plant without a controller, after so many seconds."""
    told: list[str] = []
    plant = Plant("ws://127.0.0.1:1", seed=seed, tell=told.append)
    for _ in range(round(seconds / 0.5)):
        plant.step(0.5)
    return plant, told


def test_somebody_who_watches_for_ten_minutes_sees_it_all() -> None:
    plant, told = played(600)
    seen = "\n".join(told)
    for what in ("plugs in at", "leaves", "is full", "kettle on", "kettle off", "oven on", "oven off"):
        assert what in seen
    assert "plugs in at garage-right (single-phase" in seen
    assert plant.summary.cars >= 6


def test_the_same_seed_plays_the_same() -> None:
    assert played(200, seed=5)[1] == played(200, seed=5)[1]
    assert played(200, seed=5)[1] != played(200, seed=6)[1]


def test_without_a_controller_the_limit_is_exceeded() -> None:
    plant, _ = played(120)
    assert plant.summary.fullest_a > LIMIT_A
    assert plant.summary.over_s > 10


def test_a_car_loads_the_lines_that_its_charger_is_wired_to() -> None:
    plant, _ = played(60)
    right = plant.chargers[1]
    assert right.currents_a[0] > LOWEST_A
    assert right.currents_a[1:] == (0.0, 0.0)
    building = building_a(60.0, 1)
    cars_on_l3 = plant.amps[2] - building[2]
    assert cars_on_l3 == pytest.approx(plant.chargers[0].currents_a[2])
    assert plant.amps[1] - building[1] == pytest.approx(plant.chargers[0].currents_a[1] + right.currents_a[0])


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), at_s=st.floats(0, 5000))
def test_the_house_alone_always_fits(seed: int, at_s: float) -> None:
    assert all(0 < amps < LIMIT_A - LOWEST_A for amps in building_a(at_s, seed))


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), at_s=st.floats(0, 5000))
def test_an_appliance_draws_only_while_it_is_on(seed: int, at_s: float) -> None:
    for one in HOUSE:
        assert one.is_on(at_s, seed) or one.draws_a(at_s, seed) == 0.0


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_two_cars_are_never_at_one_plug(seed: int) -> None:
    to_come = visits("left", 3, seed, first_s=3.0, first_phases=1)
    first = [next(to_come) for _ in range(10)]
    assert all(a.from_s < a.to_s < b.from_s for a, b in pairwise(first))


@settings(max_examples=100)
@given(
    offers=st.lists(st.tuples(st.integers(1, 60), st.floats(0.0, 40.0)), max_size=12),
    max_a=st.floats(6.0, 32.0),
    wanted_wh=st.floats(1.0, 2000.0),
)
def test_a_car_never_draws_more_than_it_was_offered_within_its_dead_time(
    offers: list[tuple[int, float]], max_a: float, wanted_wh: float
) -> None:
    car = Car(name="blue van", max_a=max_a, phases=1, wanted_wh=wanted_wh)
    history: list[float] = []
    for steps, offer in offers:
        for _ in range(steps):
            car.step(0.2, offer, 230.0)
            history.append(offer)
            assert car.current_a == 0.0 or LOWEST_A <= car.current_a <= max_a + 1e-9
            # 0.6 s until it heeds, and at most 40 A at 12 A a second to come down.
            assert car.current_a <= max(history[-21:]) + 1e-9


async def test_as_a_program_it_names_its_meters_port_and_ends_when_nobody_listens() -> None:
    async with asyncio.timeout(20):
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "ampacity.sim.wire.plant", "--ocpp-port", "1", "--seed", "3"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        assert json.loads(await program.stdout.readline())["meter_port"] > 0
        program.stdin.close()
        rest = [json.loads(line) for line in (await program.stdout.read()).splitlines()]
        assert await program.wait() == 0
    assert "summary" in rest[-1]
