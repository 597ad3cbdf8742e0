"""Solar charging: what the building would feed into the grid goes to the cars, and no limit of a circuit is touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.test_decide import L1, World, charger, limits, site_of

from ampacity.core.decision import Rule
from ampacity.core.features import SolarMode
from ampacity.core.observations import Allowance, Hold
from ampacity.core.site import ChargerId
from ampacity.core.solar import START_S, STOP_S, Solar, shared

A = ChargerId("a")


class Sunny(World):
    """A world whose chargers have what the sun gives."""

    def __init__(self, *chargers: Any, mode: SolarMode = SolarMode.SURPLUS, **site: Any) -> None:
        super().__init__(site_of(*chargers, **site))
        self.mode = mode
        self.solar = Solar()
        self.told: dict[ChargerId, float] = {}
        self.changes = 0
        self.sun(0.0)
        self.extra = self._news(0.0)

    def sun(self, watts: float) -> None:
        """What the building alone feeds in, on all three lines together."""
        self.building = [-watts / 230 / 3] * 3

    def step(self) -> Any:
        decision = super().step()
        self.solar = shared(self.site, decision, self.solar, self.mode)
        self.extra = self._news(decision.at_s)
        self.changes += len(self.extra)
        return decision

    def _news(self, at_s: float) -> list[Any]:
        news = []
        for one in self.site.chargers:
            most_a = self.solar.given_a.get(one.id, 0.0)
            if self.told.get(one.id) != most_a:
                self.told[one.id] = most_a
                news.append(Allowance(charger=one.id, at_s=at_s, most_a=most_a, hold=Hold.SURPLUS))
        return news

    def imported_w(self) -> float:
        return sum(self.total()) * 230


def test_without_sun_nobody_charges_and_it_is_told_why() -> None:
    world = Sunny(charger("a"))
    assert limits(world.run(200)) == [0.0]
    assert world.rule("a") is Rule.SURPLUS


def test_surplus_that_lasts_is_used_and_none_is_bought() -> None:
    world = Sunny(charger("a"))
    world.sun(6900.0)
    world.run(int(START_S) + 90)
    assert world.drawn[A] == pytest.approx(10.0, abs=0.6)
    assert world.imported_w() == pytest.approx(0.0, abs=400)


def test_a_gap_in_the_clouds_starts_nobody() -> None:
    world = Sunny(charger("a"))
    world.run(30)
    world.sun(9000.0)
    world.run(40)
    world.sun(0.0)
    assert limits(world.run(120)) == [0.0]
    assert all(command.limit_a == 0.0 for _, command in world.commands)


def test_a_cloud_stops_nobody_and_a_grey_hour_does() -> None:
    world = Sunny(charger("a"))
    world.sun(6900.0)
    world.run(150)
    world.sun(1000.0)
    assert limits(world.run(int(STOP_S) - 30)) == [6.0]
    assert limits(world.run(90)) == [0.0]


def test_topped_up_keeps_the_minimum() -> None:
    world = Sunny(charger("a"), mode=SolarMode.TOP_UP)
    assert limits(world.run(120)) == [6.0]
    world.sun(6900.0)
    assert limits(world.run(180))[0] == pytest.approx(10.0, abs=0.6)


def test_a_car_on_one_phase_uses_the_surplus_of_all() -> None:
    world = Sunny(charger("a", L1))
    world.sun(2300.0)
    world.run(200)
    assert world.drawn[A] == pytest.approx(10.0, abs=0.6)


def test_two_cars_share_the_sun_and_the_first_to_start_does_not_wait_for_both() -> None:
    world = Sunny(charger("a"), charger("b"))
    world.sun(4800.0)
    assert sorted(limits(world.run(240))) == [0.0, pytest.approx(6.9, abs=0.6)]
    world.sun(9660.0)
    assert limits(world.run(240)) == pytest.approx([7.0, 7.0], abs=0.6)


def test_a_silent_meter_ends_charging_by_the_controller_not_by_the_sun() -> None:
    world = Sunny(charger("a"))
    world.sun(6900.0)
    world.run(150)
    given_a = dict(world.solar.given_a)
    world.meter_works = False
    assert limits(world.run(10)) == [0.0]
    assert world.solar.given_a == given_a


def test_the_breaker_is_above_the_sun() -> None:
    world = Sunny(charger("a", L1, max_a=32.0), limit_a=16.0)
    world.building = [6.0, -14.0, -14.0]
    assert limits(world.run(200)) == [pytest.approx(10.0, abs=0.2)]


@settings(max_examples=30)
@given(
    watts=st.lists(st.tuples(st.floats(0, 12_000), st.integers(5, 90)), min_size=1, max_size=6),
    mode=st.sampled_from(SolarMode),
)
def test_above_their_minimums_nobody_is_given_more_than_the_sun_ever_gave(
    watts: list[tuple[float, int]], mode: SolarMode
) -> None:
    world = Sunny(charger("a"), charger("b", L1, max_a=32.0), mode=mode)
    least_w = {A: 6 * 690.0, ChargerId("b"): 6 * 230.0}
    for sun_w, seconds in watts:
        world.sun(sun_w)
        for _ in range(seconds):
            world.step()
            above_w = sum(
                max(0.0, amps * (690.0 if one == A else 230.0) - least_w[one])
                for one, amps in world.solar.given_a.items()
                if amps > 0
            )
            assert above_w <= max(w for w, _ in watts) + 400
            for one in world.site.chargers:
                assert 0 <= world.solar.given_a[one.id] <= one.max_a
