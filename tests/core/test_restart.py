"""A controller that starts anew while cars charge: nobody gets more, or less, before it knows what they draw."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.test_trust import LEFT, RIGHT, SITE, car, house, setpoints
from tests.properties.house import House

from ampacity.core.decide import decide
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    SetpointAnswer,
)
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import MeterId

MAIN_METER = MeterId("main")


@pytest.fixture
def full() -> House:
    """A car that takes all that is left."""
    one = house()
    circuit = replace(SITE.circuits[0], rating_a=PhaseAmps((40.0,)))
    kinds = tuple(replace(kind, first_report_s=4.0) for kind in one.fittings.chargers)
    one = House(replace(one.fittings, site=replace(SITE, circuits=(circuit,)), chargers=kinds))
    one.step_load(0, 0, 20.0)
    one.plug_in(0, car())
    one.run(120)
    assert one.amps(one.posts[0]) == 20.0
    return one


def test_a_restart_raises_nobody_into_the_room_that_is_only_reserved_for_it(full: House) -> None:
    full.restart_controller()
    for _ in range(60):
        full.run(0.5)
        assert abs(full.flows()[0][0]) <= 40.0 + 1e-6


def test_cars_that_wait_at_a_start_are_not_started_into_room_that_is_only_reserved_for_them() -> None:
    one = house()
    one.step_load(0, 0, 39.0)
    for number in (0, 1):
        one.plug_in(number, car())
    one.run(120)
    assert setpoints(one) == [0.0, 0.0]
    one.step_load(0, 0, 15.0)
    for number in (0, 1):
        one.lose_link(number, 0.0)
    one.restart_controller()
    one.run(2)
    for number in (0, 1):
        one.regain_link(number)
    for _ in range(240):
        one.run(0.5)
        assert abs(one.flows()[0][0]) <= 40.0 + 1e-6
    assert all(limit_a > 6.0 for limit_a in setpoints(one))


def test_a_restart_cuts_nobody(full: House) -> None:
    full.restart_controller()
    for _ in range(60):
        full.run(0.5)
        assert full.amps(full.posts[0]) == 20.0


def test_a_car_is_not_raised_while_its_charger_has_not_confirmed_what_it_was_told_first(full: House) -> None:
    full.restart_controller()
    full.refuses(0, True)
    full.step_load(0, 0, 0.0)
    for _ in range(200):
        full.run(0.5)
        assert full.decision is not None
        told = [command.limit_a for command in full.decision.commands if command.charger == "left"]
        assert max(told, default=0.0) <= 20.0


def test_chargers_that_come_after_the_first_passes_start_within_the_room_that_there_is() -> None:
    circuit = replace(SITE.circuits[0], rating_a=PhaseAmps((29.0,)))
    site = replace(SITE, circuits=(circuit,))
    observed, told = Observed(), dict.fromkeys((LEFT, RIGHT), 0.0)
    answers: list[SetpointAnswer] = []
    for tick in range(120):
        now_s = 0.5 * tick
        arrived = [answer for answer in answers if answer.at_s <= now_s]
        answers = [answer for answer in answers if answer.at_s > now_s]
        seen: list[Observation] = [*arrived, MeterReading(meter=MAIN_METER, at_s=now_s, currents=PhaseAmps((4.0,)))]
        if tick == 6:
            for charger in (LEFT, RIGHT):
                seen.append(ChargerLink(charger=charger, at_s=now_s, online=True))
                seen.append(ChargerReport(charger=charger, at_s=now_s, state=ChargerState.PREPARING))
        observed = observed.with_(site, seen)
        decision = decide(site, observed, now_s)
        observed = observed.remembering(decision.memory)
        told.update((command.charger, command.limit_a) for command in decision.commands)
        assert sum(told.values()) <= 25.0
        # A charger that has just connected answers late.
        answers += [
            SetpointAnswer(charger=c.charger, at_s=now_s + 3, limit_a=c.limit_a, accepted=True, lease_end_s=now_s + 120)
            for c in decision.commands
        ]
    assert min(told.values()) >= 6.0
