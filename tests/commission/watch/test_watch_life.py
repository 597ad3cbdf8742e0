"""Daily life in virtual time: nothing is said where nothing is wrong, and what is said is so."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from ampacity.commission.steptest.mounting import wirings
from ampacity.commission.watch.explanations import Claim, Kind
from ampacity.commission.watch.judge import Learned, Said, share_of
from ampacity.commission.watch.life import Expected, Found, Life, Passed
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.daily import DAY_S, Daily, Stay
from ampacity.sim.mounted import CarAtCharger, MountedMeter, line_volts

LEFT, RIGHT, METER = ChargerId("left"), ChargerId("right"), MeterId("main")
WIRED = {LEFT: (Line.L1, Line.L2, Line.L3), RIGHT: (Line.L2, Line.L3, Line.L1)}
VOLTS = line_volts(Supply.THREE_PHASE)


def site(*, known: bool = True) -> Site:
    return Site(
        name="site",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((63.0,) * 3), meter=METER),),
        meters=(Meter(id=METER),),
        chargers=tuple(
            Charger(id=one, circuit=CircuitId("main"), wiring=wiring if known else None)
            for one, wiring in WIRED.items()
        ),
    )


def house(seed: int, days: float) -> Daily:
    """Two chargers, three stays a day; an oven and a heat pump that start when they like."""
    draw = random.Random(seed)
    stays = []
    for charger, wiring in WIRED.items():
        for number in range(int(3 * days)):
            car = CarAtCharger(
                charger=charger,
                wiring=tuple(int(line) for line in wiring),
                uses=draw.choice([1, 2, 2, 3]),
                most_a=draw.choice([10.0, 16.0]),
                up_a_per_s=draw.choice([math.inf, 2.0]),
                takes=draw.uniform(0.95, 1.0),
                displacement=draw.uniform(0.0, 0.15),
            )
            arrives_s = number * DAY_S / 3 + round(draw.uniform(0.0, 9000.0))
            stays.append(
                Stay(car=car, arrives_s=arrives_s, leaves_s=arrives_s + 14_000.0, takes_s=draw.uniform(3000.0, 9000.0))
            )
    noise = random.Random(seed)

    def load(at_s: float) -> list[complex]:
        oven = 9.0 if at_s % 47.0 < 20.0 and (at_s // 1800) % 4 == 0 else 0.0
        pump = 6.0 if at_s % 2711.0 < 900.0 else 0.0
        sizes = (3.0 + oven + pump, 2.0 + pump, 1.0 + pump)
        return [(amps + noise.gauss(0.0, 0.1)) * volt for amps, volt in zip(sizes, VOLTS, strict=True)]

    meter = MountedMeter(id=METER, order=(0, 1, 2), turned=(False,) * 3, ratios=(1.0,) * 3, period_s=2.0)
    return Daily(site(), load, meter, stays, seed=seed, after_s=140.0)


KNOWN = Expected(mountings={}, wirings={one: [wiring] for one, wiring in WIRED.items()}, open={}, marks={})


def lived(daily: Daily, life: Life, from_days: float, to_days: float) -> list[Found]:
    found, last_s = [], -math.inf
    for now in daily.live(to_days * DAY_S, from_days * DAY_S):
        life.passed(Passed(at_s=now.at_s, seen=now.seen, commands=now.commands, unsure=()))
        if now.at_s - last_s >= 10.0:
            last_s = now.at_s
            found += life.found(now.at_s, now.at_s)
    return found


def claims(found: list[Found]) -> list[tuple[Claim, ChargerId | None]]:
    return [(one.what.claim, one.what.charger) for one in found if isinstance(one.what, Said)]


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    daily = house(1, 3)
    life = Life(daily.site, KNOWN)
    assert lived(daily, life, 0, 3) == []
    judge = life.scales[METER].judge
    assert judge is not None
    assert judge.weighed > 25


def lost(daily: Daily) -> None:
    daily.meter = replace(daily.meter, ratios=(1.0, 0.0, 1.0))


def slipped(daily: Daily) -> None:
    daily.meter = replace(daily.meter, ratios=(1.0, 1.0, 0.4))


def turned(daily: Daily) -> None:
    daily.meter = replace(daily.meter, turned=(True, False, False))


def swapped(daily: Daily) -> None:
    daily.meter = replace(daily.meter, order=(1, 0, 2))


def moved(daily: Daily) -> None:
    daily.wired[LEFT] = (1, 2, 0)


def unseen(daily: Daily) -> None:
    daily.unseen.add(RIGHT)


def misreported(daily: Daily) -> None:
    daily.report_share[LEFT] = 2.0


@pytest.mark.parametrize(
    ("fault", "claim", "charger"),
    [
        (lost, Claim(Kind.CLAMP_LOST, (1,)), None),
        (slipped, Claim(Kind.RATIO, (2,)), None),
        (turned, Claim(Kind.CLAMP_TURNED, (0,)), None),
        (swapped, Claim(Kind.CLAMPS_MOVED), None),
        (moved, Claim(Kind.WIRING, (1, 2, 0)), LEFT),
        (unseen, Claim(Kind.UNSEEN), RIGHT),
        (misreported, Claim(Kind.REPORT), LEFT),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_went_wrong_is_said_once_and_nothing_else(
    fault: Callable[[Daily], None], claim: Claim, charger: ChargerId | None
) -> None:
    daily = house(2, 2.5)
    life = Life(daily.site, KNOWN)
    assert lived(daily, life, 0, 0.7) == []
    fault(daily)
    ((said, whose), *later) = claims(lived(daily, life, 0.7, 2.5))
    assert (said.kind, whose) == (claim.kind, charger)
    # Of a phase that no car has used alone so far it is not said where it is.
    assert all(one in (-1, line) for one, line in zip(said.lines, claim.lines, strict=True))
    assert all(one.kind is Kind.WIRING for one, _ in later)


def test_how_much_a_slipped_clamp_shows_is_told_as_it_is() -> None:
    daily = house(2, 2)
    slipped(daily)
    (found,) = lived(daily, Life(daily.site, KNOWN), 0, 2)
    assert isinstance(found.what, Said)
    assert share_of(found.what) == pytest.approx(0.4, abs=0.05)


def test_it_is_said_when_all_is_well_again() -> None:
    daily = house(3, 4)
    life = Life(daily.site, KNOWN)
    lost(daily)
    assert [one.kind for one, _ in claims(lived(daily, life, 0, 1.5))] == [Kind.CLAMP_LOST]
    daily.meter = replace(daily.meter, ratios=(1.0,) * 3)
    assert [one.kind for one, _ in claims(lived(daily, life, 1.5, 4))] == [None]


def test_the_order_that_a_step_test_left_open_is_learned_from_cars_that_use_some_phases() -> None:
    daily = house(4, 4)
    every = wirings(Supply.THREE_PHASE, 3)
    open_orders = dict.fromkeys(WIRED, every)
    expected = Expected(mountings={}, wirings=open_orders, open=open_orders, marks={})
    life = Life(site(known=False), expected)
    found = [one.what for one in lived(daily, life, 0, 4)]
    learned = [one for one in found if isinstance(one, Learned)]
    assert learned == found
    assert {one.charger: list(one.wirings) for one in learned} == {one: [wiring] for one, wiring in WIRED.items()}


def test_what_was_summed_up_before_a_start_counts_after_it() -> None:
    daily = house(5, 2)
    life = Life(daily.site, KNOWN)
    lost(daily)
    assert lived(daily, life, 0, 0.35) == []
    judge = life.scales[METER].judge
    assert judge is not None
    before = judge.sums.values.max()
    assert before > 4.0
    kept = json.loads(json.dumps(life.kept()))
    again = Life(daily.site, KNOWN)
    again.resume(kept)
    resumed = again.scales[METER].judge
    assert resumed is not None
    assert resumed.sums.values.max() == pytest.approx(before, abs=0.1)
    assert [one.kind for one, _ in claims(lived(daily, again, 0.35, 2))] == [Kind.CLAMP_LOST]


def test_a_meter_that_was_changed_is_learned_anew() -> None:
    daily = house(5, 1)
    life = Life(daily.site, KNOWN)
    lost(daily)
    lived(daily, life, 0, 0.4)
    life.use(daily.site, replace(KNOWN, marks={METER: "another"}))
    assert life.scales[METER].judge is None


def test_a_charger_that_was_wired_anew_in_site_toml_is_learned_anew_and_the_meter_is_not() -> None:
    daily = house(5, 1)
    life = Life(daily.site, KNOWN)
    lost(daily)
    lived(daily, life, 0, 0.4)
    judge = life.scales[METER].judge
    assert judge is not None
    assert len(judge.chargers[LEFT].steps) > 0
    life.use(daily.site, replace(KNOWN, marks={LEFT: "another"}))
    assert len(judge.chargers[LEFT].steps) == 0
    assert life.scales[METER].judge is judge


def test_a_test_that_is_under_way_is_no_daily_life() -> None:
    daily = house(5, 1)
    life = Life(daily.site, KNOWN)
    lived(daily, life, 0, 0.2)
    life.interrupt()
    assert len(life.scales[METER].samples) == 0
    assert life.found(DAY_S, DAY_S) == []
