from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.commission.steptest.ground import Ground, Room
from ampacity.commission.steptest.procedure import LONGEST_S, Ending, Stage, StepTest, sample_of
from ampacity.core.decision import Command, Decision
from ampacity.core.memory import Memory
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    SetpointAnswer,
)
from ampacity.core.phases import PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site

A, B = ChargerId("a"), ChargerId("b")
MAIN = MeterId("main")


def _site(min_interval_s: float = 0.0, supply: Supply = Supply.THREE_PHASE) -> Site:
    return Site(
        name="site",
        supply=supply,
        nominal_v=208.0 if supply is Supply.LINE_TO_LINE else 230.0,
        circuits=(
            Circuit(
                id=CircuitId("main"),
                rating_a=PhaseAmps((63.0,) * 3),
                meter=MAIN,
                worst_load_a=PhaseAmps((30.0,) * 3),
            ),
            Circuit(
                id=CircuitId("roof"),
                parent=CircuitId("main"),
                rating_a=PhaseAmps((16.0,) * 3),
                meter=MeterId("elsewhere"),
            ),
        ),
        meters=(Meter(id=MAIN), Meter(id=MeterId("elsewhere"))),
        chargers=tuple(
            Charger(id=one, circuit=CircuitId("main"), wiring=None, phases=3, min_interval_s=min_interval_s)
            for one in (A, B)
        ),
    )


SITE = _site()
Answer = Callable[[float, float], Sequence[Observation]]
"""What is seen at a time, while the charger holds so much."""


def reading(at_s: float, meter: MeterId = MAIN) -> MeterReading:
    return MeterReading(meter=meter, at_s=at_s, currents=PhaseAmps((1.0, 2.0, 3.0)))


def report(at_s: float, amps: float, state: ChargerState = ChargerState.CHARGING) -> ChargerReport:
    return ChargerReport(charger=A, at_s=at_s, state=state, currents=PhaseAmps((amps,) * 3))


class Loop:
    """What stands around a test: a controller that gives what is asked, and a charger that takes it."""

    def __init__(self, test: StepTest, answer: Answer, *, gives: bool = True, least_s: float = 0.0) -> None:
        self.test = test
        self.answer = answer
        self.gives = gives
        self.least_s = least_s
        self.held_a = 0.0
        self.told: list[tuple[float, float]] = []
        self.most_a = {A: 0.0, B: 0.0}

    def run(self, until_s: float = 400.0, step_s: float = 0.5) -> StepTest:
        now_s = 0.0
        while self.test.stage is not Stage.ENDED and now_s < until_s:
            now_s += step_s
            self.turn(now_s)
        return self.test

    def turn(self, now_s: float) -> None:
        asked = self.test.most_a()
        for charger, amps in asked.items():
            self.most_a[charger] = max(self.most_a[charger], amps)
        commands = []
        soon = self.told and now_s - self.told[-1][0] < self.least_s and asked[A] > self.held_a
        if asked[A] != self.held_a and self.gives and not soon:
            self.held_a = asked[A]
            self.told.append((now_s, self.held_a))
            commands = [Command(charger=A, limit_a=self.held_a, safe_a=0.0, lease_s=None, renewal=False)]
        decision = Decision(at_s=now_s, setpoints=(), commands=tuple(commands), circuits=(), memory=Memory())
        self.test.see(self.answer(now_s, self.held_a), decision, now_s)


def obedient(now_s: float, held_a: float) -> Sequence[Observation]:
    return (reading(now_s), report(now_s, held_a))


def a_test(site: Site = SITE, seed: int = 1) -> StepTest:
    return StepTest(site, A, Room(Ground.WORST_LOAD, 6.0, 16.0, site), 0.0, random.Random(seed))


def test_a_test_goes_to_its_end() -> None:
    assert Loop(a_test(), obedient).run().ending is Ending.DONE


def test_it_steps_between_its_two_setpoints() -> None:
    loop = Loop(a_test(), obedient)
    loop.run()
    assert {limit for _, limit in loop.told} == {6.0, 16.0}


def test_it_steps_often_enough_to_tell_something() -> None:
    loop = Loop(a_test(), obedient)
    loop.run()
    assert len(loop.told) > 15


def test_all_other_chargers_are_stopped() -> None:
    loop = Loop(a_test(), obedient)
    loop.run()
    assert loop.most_a[B] == 0.0


def test_nothing_is_given_before_the_others_have_stopped() -> None:
    loop = Loop(a_test(), obedient)
    loop.run()
    assert loop.told[0][0] > 9.0


def test_after_its_end_it_asks_for_nothing() -> None:
    assert Loop(a_test(), obedient).run().most_a() == {A: 0.0, B: 0.0}


def test_what_the_meter_shows_without_cars_is_kept() -> None:
    assert len(Loop(a_test(), obedient).run().record.without[MAIN]) > 3


def test_a_meter_elsewhere_is_not_looked_at() -> None:
    def answer(now_s: float, held_a: float) -> Sequence[Observation]:
        return (*obedient(now_s, held_a), reading(now_s, MeterId("elsewhere")))

    assert set(Loop(a_test(), answer).run().record.samples) == {MAIN}


@pytest.mark.parametrize("interval_s", [0.0, 5.0, 10.0, 30.0])
def test_a_charger_is_told_no_sooner_than_it_likes(interval_s: float) -> None:
    loop = Loop(a_test(_site(interval_s)), obedient)
    loop.run()
    steps = [now_s for now_s, _ in loop.told[1:]]
    assert min(b - a for a, b in pairwise(steps)) >= interval_s


def test_two_tests_step_at_other_times() -> None:
    first, second = Loop(a_test(seed=1), obedient), Loop(a_test(seed=2), obedient)
    first.run()
    second.run()
    assert first.told != second.told


def test_a_slow_car_is_waited_for() -> None:
    amps = 0.0

    def slow(now_s: float, held_a: float) -> Sequence[Observation]:
        nonlocal amps
        amps = min(held_a, amps + 0.4)
        return (reading(now_s), report(now_s, amps))

    loop = Loop(a_test(), slow)
    loop.run()
    highs = [b - a for (a, limit), (b, _) in pairwise(loop.told) if limit == 16.0]
    assert min(highs) > 10.0


def test_a_slow_charger_s_own_clock_does_not_make_the_steps_regular() -> None:
    amps = 0.0

    def seldom(now_s: float, held_a: float) -> Sequence[Observation]:
        nonlocal amps
        amps = min(held_a, amps + 0.4)
        return (reading(now_s), *((report(now_s, amps),) if now_s % 10.0 == 0.0 else ()))

    loop = Loop(a_test(), seldom)
    loop.run()
    lasted = [round(b - a) for (a, _), (b, _) in pairwise(loop.told[1:])]
    assert len(set(lasted)) >= len(lasted) / 2


def test_a_charger_that_reports_nothing_is_tested_all_the_same() -> None:
    assert Loop(a_test(), lambda now_s, _: (reading(now_s),)).run().ending is Ending.DONE


def test_without_a_car_it_ends() -> None:
    def empty(now_s: float, _: float) -> Sequence[Observation]:
        return (reading(now_s), report(now_s, 0.0, ChargerState.AVAILABLE))

    assert Loop(a_test(), empty).run().ending is Ending.NO_CAR


def test_when_the_car_leaves_it_ends() -> None:
    def leaves(now_s: float, held_a: float) -> Sequence[Observation]:
        gone = now_s > 60
        state = ChargerState.AVAILABLE if gone else ChargerState.CHARGING
        return (reading(now_s), report(now_s, 0.0 if gone else held_a, state))

    assert Loop(a_test(), leaves).run().ending is Ending.NO_CAR


def test_when_the_charger_goes_offline_it_ends() -> None:
    def cut(now_s: float, held_a: float) -> Sequence[Observation]:
        return (*obedient(now_s, held_a), ChargerLink(charger=A, at_s=now_s, online=now_s < 50))

    assert Loop(a_test(), cut).run().ending is Ending.OFFLINE


def test_a_car_that_draws_more_than_it_may_ends_it() -> None:
    def greedy(now_s: float, held_a: float) -> Sequence[Observation]:
        return (reading(now_s), report(now_s, 20.0 if held_a else 0.0))

    assert Loop(a_test(), greedy).run().ending is Ending.DISOBEYS


def test_a_car_that_draws_more_ends_it_soon() -> None:
    def greedy(now_s: float, held_a: float) -> Sequence[Observation]:
        return (reading(now_s), report(now_s, 20.0 if held_a else 0.0))

    loop = Loop(a_test(), greedy)
    loop.run(until_s=35.0)
    assert loop.test.stage is Stage.ENDED


def test_a_car_that_falls_slowly_is_not_one_that_disobeys() -> None:
    amps = 0.0

    def slow(now_s: float, held_a: float) -> Sequence[Observation]:
        nonlocal amps
        amps = max(held_a, amps - 0.5) if amps > held_a else held_a
        return (reading(now_s), report(now_s, amps))

    assert Loop(a_test(), slow).run().ending is Ending.DONE


def test_when_the_meter_falls_silent_it_ends() -> None:
    def mute(now_s: float, held_a: float) -> Sequence[Observation]:
        return (*([reading(now_s)] if now_s < 60 else []), report(now_s, held_a))

    assert Loop(a_test(), mute).run().ending is Ending.METER_SILENT


def test_a_meter_that_speaks_every_ten_seconds_is_not_silent() -> None:
    def rarely(now_s: float, held_a: float) -> Sequence[Observation]:
        return (*([reading(now_s)] if now_s % 10 == 0 else []), report(now_s, held_a))

    assert Loop(a_test(), rarely).run().ending is Ending.DONE


def test_it_can_be_stopped() -> None:
    loop = Loop(a_test(), obedient)
    loop.run(until_s=40.0)
    loop.test.stop()
    assert loop.test.ending is Ending.STOPPED


def test_a_stopped_test_asks_for_nothing() -> None:
    loop = Loop(a_test(), obedient)
    loop.run(until_s=40.0)
    loop.test.stop()
    assert set(loop.test.most_a().values()) == {0.0}


def test_where_the_controller_gives_nothing_it_ends_by_itself() -> None:
    loop = Loop(a_test(), lambda now_s, _: (reading(now_s), report(now_s, 0.0)), gives=False)
    loop.run()
    assert loop.test.stage is Stage.ENDED


def test_what_was_not_sent_is_no_order() -> None:
    loop = Loop(a_test(), lambda now_s, _: (reading(now_s), report(now_s, 0.0)), gives=False)
    assert [one.limit_a for one in loop.run().record.orders] == [6.0]


def test_refused_commands_are_counted() -> None:
    def refuses(now_s: float, held_a: float) -> Sequence[Observation]:
        answer = SetpointAnswer(charger=A, at_s=now_s, limit_a=held_a, accepted=now_s != 60.0)
        return (*obedient(now_s, held_a), answer)

    assert Loop(a_test(), refuses).run().record.refusals == 1


def test_how_much_is_over_never_falls() -> None:
    shares: list[float] = []
    loop = Loop(a_test(), obedient)

    def watched(now_s: float, held_a: float) -> Sequence[Observation]:
        shares.append(loop.test.share)
        return obedient(now_s, held_a)

    loop.answer = watched
    loop.run()
    assert shares == sorted(shares)


EVENTS = st.sampled_from(
    ["report", "nothing", "zero", "offline", "refuse", "available", "suspended", "short", "odd-meter", "far"]
)


def _events(kind: str, now_s: float, held_a: float) -> Sequence[Observation]:
    match kind:
        case "report":
            return obedient(now_s, held_a)
        case "zero":
            return (reading(now_s), report(now_s, 0.0))
        case "offline":
            return (ChargerLink(charger=B, at_s=now_s, online=False), reading(now_s))
        case "refuse":
            return (SetpointAnswer(charger=A, at_s=now_s, limit_a=held_a, accepted=False),)
        case "available":
            return (report(now_s, 0.0, ChargerState.AVAILABLE),)
        case "suspended":
            return (report(now_s, 0.0, ChargerState.SUSPENDED_EV), reading(now_s))
        case "short":
            return (ChargerReport(charger=A, at_s=now_s, currents=PhaseAmps((held_a,))), reading(now_s))
        case "odd-meter":
            return (MeterReading(meter=MAIN, at_s=now_s, currents=PhaseAmps(())),)
        case "far":
            return (reading(now_s), report(now_s, held_a + 3.0))
        case _:
            return ()


@settings(max_examples=60)
@given(st.lists(EVENTS, min_size=1, max_size=40), st.booleans(), st.integers(0, 1000), st.floats(0.3, 7.0))
def test_whatever_happens_it_ends_in_under_three_minutes(
    events: list[str], gives: bool, seed: int, pass_s: float
) -> None:
    def answer(now_s: float, held_a: float) -> Sequence[Observation]:
        return _events(events[int(now_s) % len(events)], now_s, held_a)

    loop = Loop(a_test(seed=seed), answer, gives=gives)
    loop.run(until_s=LONGEST_S + pass_s, step_s=pass_s)
    assert loop.test.stage is Stage.ENDED


@settings(max_examples=60)
@given(st.lists(EVENTS, min_size=1, max_size=40), st.booleans(), st.integers(0, 1000), st.floats(6.0, 30.0))
def test_whatever_happens_it_never_asks_for_more_than_there_is_room_for(
    events: list[str], gives: bool, seed: int, high_a: float
) -> None:
    def answer(now_s: float, held_a: float) -> Sequence[Observation]:
        return _events(events[int(now_s) % len(events)], now_s, held_a)

    test = StepTest(SITE, A, Room(Ground.WORST_LOAD, 6.0, high_a, SITE), 0.0, random.Random(seed))
    loop = Loop(test, answer, gives=gives)
    loop.run(step_s=1.0)
    assert loop.most_a[A] <= high_a


def test_a_sample_has_the_sizes_of_currents() -> None:
    one = MeterReading(meter=MAIN, at_s=1.0, currents=PhaseAmps((-4.0, 2.0, 0.0)))
    assert sample_of(one, SITE).amps == (4.0, 2.0, 0.0)


def test_a_sample_without_voltages_is_at_the_nominal_one() -> None:
    assert sample_of(reading(1.0), SITE).volts == (230.0,) * 3


def test_voltages_from_line_to_line_are_taken_to_neutral() -> None:
    site = _site(supply=Supply.LINE_TO_LINE)
    one = MeterReading(meter=MAIN, at_s=1.0, currents=PhaseAmps((1.0,) * 3), voltages=PhaseVolts((208.0, 208.0, 208.0)))
    assert sample_of(one, site).volts == pytest.approx((120.1,) * 3, abs=0.1)


def test_reactive_power_without_active_power_is_not_used() -> None:
    one = MeterReading(meter=MAIN, at_s=1.0, currents=PhaseAmps((1.0,) * 3), reactive=PhaseVars((5.0,) * 3))
    assert sample_of(one, SITE).vars is None


def test_powers_of_another_number_of_lines_are_not_used() -> None:
    one = MeterReading(meter=MAIN, at_s=1.0, currents=PhaseAmps((1.0,) * 3), powers=PhaseWatts((690.0,)))
    assert sample_of(one, SITE).watts is None
