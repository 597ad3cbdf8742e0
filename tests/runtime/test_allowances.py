from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.core.test_decide import charger, site_of

from ampacity.core.decide import decide
from ampacity.core.features import Feature, Features
from ampacity.core.observations import Allowance, Hold, Observation, Observed
from ampacity.core.schedule import Schedule
from ampacity.core.site import ChargerId
from ampacity.runtime.allowances import Allowances, Plan

SITE = site_of(charger("a"), charger("b"))
MADRID = ZoneInfo("Europe/Madrid")
NIGHT = Schedule(
    name="night",
    chargers=frozenset({ChargerId("a")}),
    days=frozenset(range(7)),
    from_min=2 * 60,
    to_min=3 * 60,
    limit_a=8.0,
)


class Wall:
    def __init__(self, *when: int) -> None:
        self.now = datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]

    def __call__(self) -> datetime:
        return self.now


def plan(*on: Feature, schedules: tuple[Schedule, ...] = (NIGHT,)) -> Plan:
    return Plan(features=Features(on=frozenset(on)), schedules=schedules, zone=MADRID)


def watched(allowances: Allowances, seen: list[Observation]) -> list[tuple[str, float | None]]:
    seen.clear()
    allowances(SITE, Observed(), [], decide(SITE, Observed(), 1.0))
    return [(one.charger, one.most_a) for one in seen if isinstance(one, Allowance)]


def test_only_what_changes_is_told() -> None:
    seen: list[Observation] = []
    wall = Wall(2026, 1, 15, 0, 59)
    allowances = Allowances(plan(Feature.DYNAMIC, Feature.SCHEDULES), seen.append, wall)
    assert watched(allowances, seen) == []
    wall.now += timedelta(minutes=1)  # two o'clock in Madrid
    assert watched(allowances, seen) == [("a", 8.0)]
    assert watched(allowances, seen) == []
    wall.now += timedelta(hours=1)
    assert watched(allowances, seen) == [("a", None)]


@pytest.mark.parametrize(
    ("utc", "held"),
    [
        ((2026, 3, 29, 0, 59), None),  # 01:59; then the hour from two to three is left out
        ((2026, 3, 29, 1, 0), None),  # 03:00
        ((2026, 10, 25, 0, 30), 8.0),  # 02:30 for the first time
        ((2026, 10, 25, 1, 30), 8.0),  # 02:30 again
        ((2026, 10, 25, 2, 0), None),  # 03:00
    ],
)
def test_a_schedule_goes_by_the_clock_on_the_wall_when_clocks_change(utc: tuple[int, ...], held: float | None) -> None:
    seen: list[Observation] = []
    allowances = Allowances(plan(Feature.SCHEDULES), seen.append, Wall(*utc))
    allowances.begin(SITE, 0.0)
    found = {one.charger: one.most_a for one in seen if isinstance(one, Allowance)}
    assert found.get(ChargerId("a")) == held


def test_switched_off_it_lets_go() -> None:
    seen: list[Observation] = []
    allowances = Allowances(plan(Feature.SCHEDULES), seen.append, Wall(2026, 1, 15, 1, 30))
    allowances.begin(SITE, 0.0)
    allowances.use(plan(Feature.DYNAMIC))
    assert watched(allowances, seen) == [("a", None)]


def test_before_the_sun_is_known_nobody_gets_any() -> None:
    seen: list[Observation] = []
    allowances = Allowances(plan(Feature.SOLAR, schedules=()), seen.append, Wall(2026, 1, 15, 12, 0))
    allowances.begin(SITE, 0.0)
    assert [(one.charger, one.most_a, one.hold) for one in seen if isinstance(one, Allowance)] == [
        ("a", 0.0, Hold.SURPLUS),
        ("b", 0.0, Hold.SURPLUS),
    ]
