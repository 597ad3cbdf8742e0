from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ampacity.core.decision import Cause, Command, Decision, Rule, Setpoint
from ampacity.core.memory import Memory
from ampacity.core.observations import MeterReading, Observed
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.policies import using
from ampacity.sim.simulate import Story, simulate, write_summary
from ampacity.sim.tables import Building, Session

MAIN = CircuitId("main")
ALL = (Line.L1, Line.L2, Line.L3)

Orders = Callable[[int], Sequence[tuple[int, float]]]


class Told:
    """A controller that sends what it was told: in each second, (charger number, amperes) pairs."""

    def __init__(self, orders: Orders, lease_s: float | None = None) -> None:
        self._orders = orders
        self._lease_s = lease_s
        self._limits: dict[int, float] = {}
        self.seen: list[Observed] = []

    def __call__(self, site: Site, observed: Observed, now_s: float) -> Decision:
        self.seen.append(observed)
        commands = []
        for number, amps in self._orders(int(now_s)):
            self._limits[number] = amps
            commands.append(
                Command(
                    charger=site.chargers[number].id, limit_a=amps, safe_a=0.0, lease_s=self._lease_s, renewal=False
                )
            )
        setpoints = tuple(
            Setpoint(
                charger=charger.id,
                limit_a=self._limits.get(number, 0.0),
                held_by=Cause(Rule.CIRCUIT_FULL, MAIN, Line.L1) if number == 0 else None,
            )
            for number, charger in enumerate(site.chargers)
        )
        return Decision(at_s=now_s, setpoints=setpoints, commands=tuple(commands), circuits=(), memory=Memory())


def site_of(count: int = 1, *, limit_a: float = 40.0, weights: Sequence[float] = (1.0, 1.0)) -> Site:
    return Site(
        name="test",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=MAIN, rating_a=PhaseAmps((limit_a,) * 3), meter=MeterId("main")),),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(
            Charger(id=ChargerId(f"c{n}"), circuit=MAIN, wiring=ALL, weight=weights[n]) for n in range(count)
        ),
    )


def story_of(
    count: int = 1, *, seconds: int = 100, load: Callable[[int], float] = lambda second: 5.0, **rest: Any
) -> Story:
    site = site_of(count, weights=rest.pop("weights", (1.0,) * count))
    return Story(
        site=site,
        building=Building(tuple(range(seconds)), tuple((load(second),) * 3 for second in range(seconds))),
        sessions=[
            Session(
                id=f"s{n}",
                charger=ChargerId(f"c{n}"),
                arrival_s=0,
                departure_s=seconds,
                energy_wh=1e9,
                max_a=32,
                lines=3,
            )
            for n in range(count)
        ],
        **rest,
    )


def at_start(*amps: float) -> Orders:
    return lambda second: list(enumerate(amps)) if second == 0 else []


def run(story: Story, orders: Orders) -> dict[str, Any]:
    return simulate(story, policy=using(Told(orders)))


def test_seconds_above_the_limit_count_from_a_twentieth_of_an_ampere_on() -> None:
    def load(second: int) -> float:
        return {10: 40.04, 20: 40.06, 30: 45.0}.get(second, 5.0)

    summary = run(story_of(load=load), at_start())
    assert summary["over_s"] == 2
    assert summary["over_as"] == pytest.approx(0.04 + 0.06 + 5.0)


@pytest.mark.parametrize("lag_s", [1, 4])
def test_an_excess_is_unavoidable_from_a_step_of_the_building_until_the_dead_time_has_passed(lag_s: int) -> None:
    summary = run(story_of(load=lambda second: 5.0 if second < 50 else 35.0, lag_s=lag_s), at_start(10.0))
    assert summary["over_s"] == 50
    assert summary["over_as"] == pytest.approx(50 * 5.0)
    assert summary["over_unavoidable_as"] == pytest.approx((lag_s + 1) * 5.0)


def test_an_excess_that_the_cars_made_was_avoidable() -> None:
    summary = run(story_of(), lambda second: [(0, 40.0)] if second == 10 else [])
    assert summary["over_as"] == 0.0  # the car takes 32 A at most
    summary = run(story_of(load=lambda second: 20.0), lambda second: [(0, 32.0)] if second == 10 else [])
    assert summary["over_as"] > 0.0
    assert summary["over_unavoidable_as"] == 0.0


def test_a_breaker_trips_with_all_its_poles_together_and_begins_cold_again() -> None:
    summary = run(story_of(seconds=200, load=lambda second: 58.0), at_start())
    assert summary["trips"] == 2
    assert summary["budget_worst"] >= 1.0


def test_a_command_changes_a_setpoint_and_anything_else_is_a_renewal() -> None:
    orders = {0: 0.0, 1: 6.0, 2: 6.005, 3: 6.1}
    summary = run(story_of(), lambda second: [(0, orders[second])] if second in orders else [])
    assert summary["commands"] == 2
    assert summary["renewals"] == 2


def test_a_stop_is_nothing_for_a_car_that_was_charging_and_wants_more() -> None:
    summary = run(
        story_of(),
        lambda second: [(0, {0: 10.0, 20: 0.0, 30: 10.0, 40: 0.0}[second])] if second in (0, 20, 30, 40) else [],
    )
    assert summary["stops"] == 2
    assert summary["paused_s"] == 10 + 60


def test_a_full_car_is_neither_stopped_nor_waiting() -> None:
    story = story_of()
    full = Session(id="s", charger=ChargerId("c0"), arrival_s=0, departure_s=100, energy_wh=10.0, max_a=32, lines=3)
    story = Story(site=story.site, building=story.building, sessions=[full])
    summary = run(story, lambda second: [(0, 10.0 if second == 0 else 0.0)] if second in (0, 50) else [])
    assert summary["stops"] == 0
    assert summary["paused_s"] == 0
    assert summary["energy_wh"] == pytest.approx(10.0)
    assert summary["headroom_used"] == pytest.approx(1.0)


def test_the_share_of_the_optimum_is_what_was_delivered_of_what_could_have_been() -> None:
    summary = run(story_of(seconds=1000, lag_s=0), at_start(16.0))
    assert summary["energy_wh"] == pytest.approx(690 * 16 * 999 / 3600, abs=0.1)
    assert summary["energy_optimum_wh"] == pytest.approx(690 * 32 * 1000 / 3600, abs=0.1)
    assert summary["headroom_used"] == pytest.approx(0.4995, abs=1e-4)


def test_least_to_best_compares_cars_that_wanted_current_together_for_an_hour() -> None:
    summary = run(story_of(2, seconds=3600, lag_s=0), at_start(8.0, 10.0))
    assert summary["least_to_best"] == pytest.approx(0.8, abs=1e-3)
    assert run(story_of(2, seconds=3599), at_start(8.0, 10.0))["least_to_best"] is None


def test_a_car_of_twice_the_weight_is_expected_to_get_twice_as_much() -> None:
    summary = run(story_of(2, seconds=3600, weights=(1.0, 2.0)), at_start(7.0, 14.0))
    assert summary["least_to_best"] == pytest.approx(1.0)


def test_a_car_that_got_its_own_maximum_is_not_less_served() -> None:
    summary = run(story_of(2, seconds=7200, lag_s=0), at_start(32.0, 16.0))
    assert summary["least_to_best"] == pytest.approx(0.5, abs=1e-3)
    story = story_of(2, seconds=7200, lag_s=0)
    small = Session(id="s1", charger=ChargerId("c1"), arrival_s=0, departure_s=7200, energy_wh=1e9, max_a=16, lines=3)
    story = Story(site=story.site, building=story.building, sessions=[story.sessions[0], small], lag_s=0)
    assert run(story, at_start(32.0, 16.0))["least_to_best"] is None


def test_the_controller_sees_its_commands_accepted_a_second_later() -> None:
    told = Told(lambda second: [(0, 10.0)] if second == 5 else [], lease_s=60.0)
    simulate(story_of(), policy=using(told))
    assert told.seen[5].chargers[ChargerId("c0")].answer is None
    answer = told.seen[6].chargers[ChargerId("c0")].answer
    assert answer is not None
    assert (answer.limit_a, answer.accepted, answer.lease_end_s) == (10.0, True, 65.0)


def test_the_controller_sees_a_fresh_sample_each_second() -> None:
    told = Told(at_start())
    simulate(story_of(load=float), policy=using(told))
    readings: list[MeterReading] = [observed.meters[MeterId("main")] for observed in told.seen]
    assert [(reading.at_s, reading.currents[0]) for reading in readings] == [(float(n), float(n)) for n in range(100)]


def test_building_and_sessions_share_a_clock_that_need_not_begin_at_zero() -> None:
    story = story_of()
    building = Building((1000, 1099), ((5.0,) * 3, (5.0,) * 3))
    late = Session(id="s", charger=ChargerId("c0"), arrival_s=1050, departure_s=1060, energy_wh=1e9, max_a=32, lines=3)
    summary = simulate(
        Story(site=story.site, building=building, sessions=[late], lag_s=0), policy=using(Told(at_start(16.0)))
    )
    assert summary["seconds"] == 100
    assert summary["energy_wh"] == pytest.approx(690 * 16 * 10 / 3600, abs=0.1)


def test_loads_of_circuits_below_count_above_as_well() -> None:
    site = site_of()
    below = Circuit(id=CircuitId("garage"), parent=MAIN, rating_a=PhaseAmps((20.0,) * 3))
    site = Site(
        name="test",
        supply=site.supply,
        nominal_v=230.0,
        circuits=(*site.circuits, below),
        meters=site.meters,
        chargers=site.chargers,
    )
    trace = Building((0, 9), ((30.0,) * 3,) * 2)
    story = Story(site=site, building=trace, sessions=[], below={CircuitId("garage"): trace})
    circuits = simulate(story, policy=using(Told(at_start())))["circuits"]
    assert circuits["garage"]["over_as"] == pytest.approx(10 * 10.0)
    assert circuits["main"]["over_as"] == pytest.approx(20 * 10.0)


def test_the_trace_has_a_row_a_second_with_setpoints_currents_and_causes(tmp_path: Path) -> None:
    story = story_of(2, seconds=20, load=lambda second: 5.25 if second < 10 else -1.0)
    simulate(story, tmp_path / "trace.csv", using(Told(lambda second: [(0, 10.5)] if second == 4 else [])))
    with (tmp_path / "trace.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["time_s"]) for row in rows] == list(range(20))
    assert [row["building_l2_a"] for row in rows] == ["5.25"] * 10 + ["-1"] * 10
    assert [row["c0.setpoint_a"] for row in rows] == ["0"] * 4 + ["10.5"] * 16
    assert [row["c0.l3_a"] for row in rows] == ["0"] * 6 + ["10.5"] * 14
    assert [row["cars_l1_a"] for row in rows] == ["0"] * 6 + ["10.5"] * 14
    assert {row["limit_l1_a"] for row in rows} == {"40"}
    assert {row["c0.cause"] for row in rows} == {"circuit-full main L1"}
    assert {row["c1.cause"] for row in rows} == {""}


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    def written(name: str, seed: int) -> bytes:
        load = {0: 5.0, 1: 5.0, 2: 20.0, 3: 31.0}
        story = story_of(2, seconds=600, load=lambda second: load[second // 50 % 4], seed=seed)
        summary = simulate(story, tmp_path / name)
        write_summary(tmp_path / "summary.json", summary)
        return (tmp_path / name).read_bytes() + (tmp_path / "summary.json").read_bytes()

    assert written("one", 1) == written("two", 1)
    assert written("one", 1) != written("three", 7)


def test_the_summary_is_json_with_a_part_for_each_circuit(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", run(story_of(), at_start(10.0)))
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["circuits"]["main"]["energy_wh"] == summary["energy_wh"]
    assert summary["seconds"] == 100
    assert summary["version"]


def test_progress_ends_with_all_seconds_done() -> None:
    told: list[tuple[int, int]] = []
    simulate(
        story_of(seconds=1500),
        policy=using(Told(at_start())),
        progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(0, 1500), (600, 1500), (1200, 1500), (1500, 1500)]
