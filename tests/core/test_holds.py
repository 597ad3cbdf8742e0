"""Wishes with an end, the features that hold chargers, static load management, and load management that is off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_decide import World, charger, limits, site_of

from ampacity.core.decision import Rule
from ampacity.core.errors import SiteError
from ampacity.core.observations import Allowance, ChargerState, Hold, SessionEnded, Wish
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId, Circuit, CircuitId, MeterId

A, B = ChargerId("a"), ChargerId("b")
MAIN = Circuit(id=CircuitId("main"), rating_a=PhaseAmps((32.0,) * 3), meter=MeterId("main"))


def network(limit_a: float) -> Circuit:
    return Circuit(id=CircuitId("chargers"), rating_a=PhaseAmps((limit_a,) * 3), spans=True)


def allow(world: World, most_a: float | None, hold: Hold = Hold.SCHEDULE, who: ChargerId = A) -> None:
    world.extra = [Allowance(charger=who, at_s=float(world.second), most_a=most_a, hold=hold)]


def wish(world: World, *, paused: bool | None = None, first: bool | None = None, for_s: float | None = None) -> None:
    until_s = None if for_s is None else world.second + for_s
    world.extra = [Wish(charger=A, at_s=float(world.second), paused=paused, first=first, until_s=until_s)]


def test_a_pause_with_an_end_ends_by_itself() -> None:
    world = World(site_of(charger("a")))
    world.run(30)
    wish(world, paused=True, for_s=60)
    assert limits(world.run(60)) == [0.0]
    assert world.rule("a") is Rule.PAUSED_BY_USER
    assert limits(world.run(60)) == [16.0]


def test_a_pause_without_an_end_ends_with_the_session() -> None:
    world = World(site_of(charger("a")))
    world.run(30)
    wish(world, paused=True)
    assert limits(world.run(120)) == [0.0]
    world.extra = [SessionEnded(charger=A, at_s=float(world.second), session="1")]
    assert limits(world.run(60)) == [16.0]


def test_a_pause_without_an_end_ends_when_the_car_leaves() -> None:
    world = World(site_of(charger("a")))
    world.run(30)
    wish(world, paused=True)
    world.run(20)
    world.state[A] = ChargerState.AVAILABLE
    world.run(20)
    world.state[A] = ChargerState.CHARGING
    assert limits(world.run(60)) == [16.0]


def test_who_is_wished_first_charges_first() -> None:
    world = World(site_of(charger("a"), charger("b"), limit_a=13.0))
    world.run(120)
    assert sorted(limits(world.step())) == [0.0, pytest.approx(8.0)]
    loser = next(s.charger for s in world.step().setpoints if s.limit_a == 0)
    world.extra = [Wish(charger=loser, at_s=float(world.second), first=True)]
    decision = world.run(180)
    assert {s.charger: s.limit_a > 0 for s in decision.setpoints}[loser]


def test_a_schedule_that_allows_less_lowers_at_once_and_says_so() -> None:
    world = World(site_of(charger("a")))
    assert limits(world.run(60)) == [16.0]
    allow(world, 8.0)
    assert limits(world.step()) == [8.0]
    world.run(30)
    assert world.rule("a") is Rule.SCHEDULE


@pytest.mark.parametrize("most_a", [0.0, 5.9])
def test_less_than_the_minimum_is_a_pause(most_a: float) -> None:
    world = World(site_of(charger("a")))
    world.run(60)
    allow(world, most_a, Hold.SURPLUS)
    assert limits(world.run(5)) == [0.0]
    assert world.rule("a") is Rule.SURPLUS


def test_what_is_allowed_again_is_used_again() -> None:
    world = World(site_of(charger("a")))
    allow(world, 0.0)
    world.run(60)
    allow(world, None)
    assert limits(world.run(90)) == [16.0]


def test_what_a_held_charger_leaves_goes_to_the_others() -> None:
    world = World(site_of(charger("a"), charger("b"), limit_a=25.0))
    world.run(90)
    allow(world, 6.0)
    assert limits(world.run(120)) == pytest.approx([6.0, 14.0], abs=0.11)


def test_chargers_together_keep_to_the_networks_current() -> None:
    world = World(site_of(charger("a"), charger("b"), limit_a=63.0, circuits=(MAIN, network(20.0))))
    decision = world.run(120)
    assert sum(limits(decision)) == pytest.approx(20.0, abs=0.2)
    assert world.rule("a") is Rule.CIRCUIT_FULL
    cause = decision.setpoints[0].held_by
    assert cause is not None
    assert cause.circuit == "chargers"


def test_with_a_meter_the_lower_limit_holds() -> None:
    world = World(site_of(charger("a"), charger("b"), circuits=(MAIN, network(30.0))))
    world.building = [20.0, 5.0, 5.0]
    assert sum(limits(world.run(120))) == pytest.approx(12.0, abs=0.2)


def test_static_load_management_needs_no_meter() -> None:
    main = Circuit(id=CircuitId("main"), rating_a=PhaseAmps((63.0,) * 3))
    world = World(site_of(charger("a"), charger("b"), circuits=(main, network(20.0)), meters=()))
    world.meter_works = False
    assert sum(limits(world.run(120))) == pytest.approx(20.0, abs=0.2)


def test_a_charger_can_t_hang_on_what_has_no_wire() -> None:
    with pytest.raises(SiteError, match="no wire"):
        site_of(charger("a", circuit=CircuitId("chargers")), circuits=(MAIN, network(20.0)))


def test_while_load_management_is_off_nobody_has_more_than_the_safe_current() -> None:
    world = World(site_of(charger("a", safe_a=6.0), charger("b"), active=False))
    assert limits(world.run(60)) == [6.0, 0.0]
    assert world.rule("a") is Rule.OFF
    assert world.rule("b") is Rule.OFF


@given(data=st.data())
def test_nobody_ever_has_more_than_is_allowed_or_the_network_bears(data: st.DataObject) -> None:
    amps = st.none() | st.sampled_from([0.0, 3.0, 6.0, 7.05, 10.0, 16.0, 40.0])
    network_a = data.draw(st.sampled_from([7.0, 13.0, 20.0, 32.0]))
    world = World(site_of(charger("a"), charger("b", step_a=1.0), circuits=(MAIN, network(network_a))))
    allowed: dict[ChargerId, float | None] = {A: None, B: None}
    for _ in range(data.draw(st.integers(1, 6))):
        who = data.draw(st.sampled_from([A, B]))
        allowed[who] = data.draw(amps)
        allow(world, allowed[who], who=who)
        world.building[0] = data.draw(st.sampled_from([0.0, 5.0, 25.0, 40.0]))
        for _ in range(data.draw(st.integers(1, 40))):
            decision = world.step()
            assert sum(limits(decision)) <= network_a + 1e-6
            for setpoint in decision.setpoints:
                most_a = allowed[setpoint.charger]
                assert most_a is None or setpoint.limit_a <= most_a
