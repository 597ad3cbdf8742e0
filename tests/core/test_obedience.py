"""Chargers that take a limit and do something else, or can't let it end."""

from __future__ import annotations

from tests.core.test_trust import LEFT, SITE, car, house, setpoints
from tests.properties.house import House, Obeys

from ampacity.core.cars import STOPPED_S
from ampacity.core.decide import decide
from ampacity.core.decision import Command, Flag, Rule, Setpoint
from ampacity.core.observations import ChargerLink, ChargerReport, ChargerState, Observed, SetpointAnswer
from ampacity.core.words import in_words


def first(one: House) -> Setpoint:
    assert one.decision is not None
    return one.decision.setpoints[0]


def disobedient() -> House:
    """A car that takes all it can as soon as it is offered anything, where there is room for a part of it."""
    one = house()
    one.step_load(0, 0, 24.0)
    one.plug_in(0, car())
    one.run(60)
    one.obeys(0, Obeys.WHEN_PAUSED)
    return one


def is_stopped(one: House) -> bool:
    held = first(one).held_by
    return held is not None and held.rule is Rule.DISOBEYS


def test_a_car_that_draws_more_than_it_may_is_flagged_and_then_stopped() -> None:
    one = disobedient()
    one.run(120)
    assert first(one).flag is Flag.DISOBEYS
    one.run(180)
    held = first(one).held_by
    assert held is not None
    assert held.rule is Rule.DISOBEYS
    assert setpoints(one)[0] == 0.0
    assert one.amps(one.posts[0]) == 0.0


def test_a_car_that_was_stopped_is_let_charge_again_when_it_was_unplugged() -> None:
    one = disobedient()
    one.run(300)
    one.unplug(0)
    one.run(10)
    one.plug_in(0, car())
    one.run(120)
    assert setpoints(one)[0] > 6.0


def test_a_car_that_was_stopped_is_tried_again_after_an_hour_and_stopped_sooner() -> None:
    one = disobedient()
    while not is_stopped(one):
        one.run(1)
    one.run(STOPPED_S - 10)
    assert is_stopped(one)
    told = []
    for _ in range(100):
        one.run(1)
        told.append(setpoints(one)[0])
    assert max(told) >= 6.0
    assert is_stopped(one)


def test_a_car_that_draws_although_it_is_stopped_has_its_transaction_ended() -> None:
    one = disobedient()
    one.run(30)
    one.obeys(0, Obeys.NEVER)
    stops: list[Command] = []

    def watch(at: House) -> None:
        if at.decision is not None:
            stops.extend(command for command in at.decision.commands if command.stop)

    one.after = watch
    one.run(200)
    assert stops
    assert {(command.charger, command.limit_a) for command in stops} == {(LEFT, 0.0)}


def test_a_car_that_obeys_is_never_flagged() -> None:
    one = house()
    one.plug_in(0, car())
    for load in (0.0, 24.0, 10.0, 33.0, 0.0):
        one.step_load(0, 0, load)
        for _ in range(60):
            one.run(1)
            assert first(one).flag is None


def taken(lease_end_s: float | None) -> Observed:
    """A charger that took 16 A, and what it said of the end."""
    observed = Observed().with_(
        SITE,
        [
            ChargerLink(charger=LEFT, at_s=0.0, online=True),
            ChargerReport(charger=LEFT, at_s=0.0, state=ChargerState.CHARGING, current_a=16.0),
        ],
    )
    decision = decide(SITE, observed, 1.0)
    observed = observed.remembering(decision.memory)
    limit = decision.setpoints[0].limit_a
    answer = SetpointAnswer(charger=LEFT, at_s=1.5, limit_a=limit, accepted=True, lease_end_s=lease_end_s)
    return observed.with_(SITE, [answer])


def test_a_charger_that_takes_a_limit_which_does_not_end_counts_at_its_maximum_when_it_is_gone() -> None:
    observed = taken(None)
    decision = decide(SITE, observed, 2.0)
    assert decision.setpoints[0].flag is Flag.UNGUARDED
    assert "do not end" in in_words(decision.setpoints[0])
    observed = observed.remembering(decision.memory).with_(SITE, [ChargerLink(charger=LEFT, at_s=3.0, online=False)])
    memory = decide(SITE, observed, 500.0).memory.chargers
    assert memory is not None
    assert memory[LEFT].ceiling_a == 32.0


def test_a_charger_whose_limit_ends_counts_at_its_safe_current_once_it_has() -> None:
    observed = taken(121.0)
    decision = decide(SITE, observed, 2.0)
    assert decision.setpoints[0].flag is None
    observed = observed.remembering(decision.memory).with_(SITE, [ChargerLink(charger=LEFT, at_s=3.0, online=False)])
    memory = decide(SITE, observed, 500.0).memory.chargers
    assert memory is not None
    assert memory[LEFT].ceiling_a == 0.0
