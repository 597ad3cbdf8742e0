"""Other ways to steer, to compare with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, PauseMode, Site
from ampacity.sim.policies import NAMES, PolicyUnknown, named
from ampacity.sim.simulate import Story, simulate
from ampacity.sim.tables import Building, Session

SECONDS = 1200
LINES = (Line.L1, Line.L2, Line.L3)


def site(limit_a: float = 40.0, cars: int = 2) -> Site:
    return Site(
        name="test",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((limit_a,) * 3), meter=MeterId("main")),),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(
            Charger(id=ChargerId(f"c{n}"), circuit=CircuitId("main"), wiring=LINES, max_a=16.0) for n in range(cars)
        ),
    )


def story(loads: list[float], where: Site | None = None) -> Story:
    where = where or site()
    return Story(
        site=where,
        building=Building(tuple(range(len(loads))), tuple((amps, 0.0, 0.0) for amps in loads)),
        sessions=[
            Session(
                id=f"s{n}",
                charger=charger.id,
                arrival_s=0,
                departure_s=len(loads),
                energy_wh=1e9,
                max_a=16.0,
                lines=3,
            )
            for n, charger in enumerate(where.chargers)
        ],
    )


def run(name: str, told: Story) -> dict[str, Any]:
    policy, where = named(name, told.site)
    return simulate(replace(told, site=where), policy=policy)


def test_uncontrolled_is_all_that_the_cars_can_take() -> None:
    summary = run("uncontrolled", story([20.0] * SECONDS))
    assert summary["energy_wh"] == pytest.approx(2 * 16 * 690 * SECONDS / 3600, rel=0.01)
    assert summary["over_as"] == pytest.approx(12 * SECONDS, rel=0.01)


def test_a_fixed_current_is_what_the_highest_load_of_the_run_leaves() -> None:
    summary = run("static", story([5.0] * (SECONDS - 1) + [24.0]))
    assert summary["energy_wh"] == pytest.approx(16 * 690 * SECONDS / 3600, rel=0.01)
    assert summary["over_as"] == 0


def test_a_rolling_maximum_of_no_time_follows_the_building_at_once() -> None:
    loads = [20.0 if second % 60 < 30 else 10.0 for second in range(SECONDS)]
    assert run("rolling-0", story(loads))["headroom_used"] > 0.97


def test_a_rolling_maximum_holds_back_what_the_building_took_lately() -> None:
    loads = [20.0 if second % 60 < 30 else 10.0 for second in range(SECONDS)]
    summary = run("rolling-60", story(loads))
    assert summary["energy_wh"] == pytest.approx(20 * 690 * SECONDS / 3600, rel=0.01)
    assert summary["over_as"] == 0


def test_cars_take_turns_where_not_all_minimums_fit() -> None:
    summary = run("rolling-0", story([10.0] * 3600, site(limit_a=18.0)))
    assert summary["least_to_best"] == pytest.approx(1.0, abs=0.01)
    assert summary["stops"] == 3


def test_strict_is_the_same_controller_that_never_waits_with_a_pause() -> None:
    _, where = named("ampacity-strict", site())
    assert where == replace(site(), pause_mode=PauseMode.STRICT)


@pytest.mark.parametrize("name", [*NAMES, "rolling-7"])
def test_every_name_stands_for_a_policy(name: str) -> None:
    assert run(name, story([10.0] * 30))["seconds"] == 30


@pytest.mark.parametrize("name", ["", "rolling", "rolling-", "rolling-x", "rolling--1", "rolling-1e3", "Ampacity"])
def test_any_other_name_is_a_mistake(name: str) -> None:
    with pytest.raises(PolicyUnknown, match="There is no policy"):
        named(name, site())
