"""A controller that starts anew while cars charge: nobody gets more, or less, before it knows what they draw."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.test_trust import SITE, car, house
from tests.properties.house import House

from ampacity.core.phases import PhaseAmps


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
