"""Meters that are made of others, and standby meters that take over."""

from __future__ import annotations

from ampacity.core.observations import ChargerLink, MeterReading, Observation
from ampacity.core.phases import PhaseAmps, PhaseWatts
from ampacity.core.site import ChargerId, MeterId
from ampacity.runtime.relay import GOOD_AGAIN, Made, Relay

A, B, SUM = MeterId("a"), MeterId("b"), MeterId("sum")


def reading(meter: MeterId, at_s: float, amps: float = 10.0, *, serial: str | None = None) -> MeterReading:
    return MeterReading(
        meter=meter, at_s=at_s, currents=PhaseAmps((amps,)), powers=PhaseWatts((230 * amps,)), serial=serial
    )


def unusable(meter: MeterId, at_s: float) -> MeterReading:
    return MeterReading(meter=meter, at_s=at_s, currents=PhaseAmps(()))


def summing() -> Relay:
    relay = Relay()
    relay.use({SUM: Made(plus=(A, B))}, {}, period_s={}, nominal_v=230.0)
    return relay


def standing_in() -> Relay:
    """B stands in for A, which tells once a second."""
    relay = Relay()
    relay.use({}, {A: B}, period_s={A: 1.0, B: 1.0}, nominal_v=230.0)
    return relay


def slowly_standing_in() -> Relay:
    """The same, but B tells every ten seconds."""
    relay = Relay()
    relay.use({}, {A: B}, period_s={A: 1.0, B: 10.0}, nominal_v=230.0)
    return relay


def of(meter: MeterId, told: list[Observation]) -> list[MeterReading]:
    return [one for one in told if isinstance(one, MeterReading) and one.meter == meter]


def test_a_sum_is_told_once_all_its_parts_are_there() -> None:
    relay = summing()
    assert of(SUM, relay.passed(reading(A, 1.0))) == []
    assert [one.currents.values for one in of(SUM, relay.passed(reading(B, 1.2, 5.0)))] == [(15.0,)]


def test_the_parts_of_a_sum_are_told_as_well() -> None:
    assert of(A, summing().passed(reading(A, 1.0))) == [reading(A, 1.0)]


def test_a_sum_whose_oldest_part_is_the_same_is_no_new_evidence() -> None:
    relay = summing()
    relay.passed(reading(A, 1.0))
    relay.passed(reading(B, 1.2))
    assert of(SUM, relay.passed(reading(B, 2.2))) == []


def test_a_sum_whose_part_has_become_unusable_is_unusable_at_once() -> None:
    relay = summing()
    relay.passed(reading(A, 1.0))
    relay.passed(reading(B, 1.2))
    assert [one.currents.values for one in of(SUM, relay.passed(unusable(B, 2.2)))] == [()]


def test_a_standby_meter_is_not_heard_while_the_first_one_tells() -> None:
    relay = standing_in()
    relay.passed(reading(A, 1.0))
    assert of(A, relay.passed(reading(B, 2.0, 7.0))) == []


def test_a_standby_meter_takes_over_before_the_circuit_is_blind() -> None:
    relay = standing_in()
    relay.passed(reading(A, 1.0))
    told = [of(A, relay.passed(reading(B, 1.0 + second, 7.0))) for second in range(1, 6)]
    assert [len(one) for one in told] == [0, 0, 0, 1, 1]


def test_what_a_standby_meter_tells_has_no_number_or_counter_of_its_own() -> None:
    relay = standing_in()
    relay.passed(reading(A, 1.0, serial="first"))
    stood_in = of(A, relay.passed(reading(B, 9.0, serial="second")))[0]
    assert (stood_in.serial, stood_in.energy_import_wh) == (None, None)


def test_a_standby_meter_serves_when_the_first_one_never_came() -> None:
    relay = standing_in()
    relay.passed(reading(B, 1.0))
    assert len(of(A, relay.passed(reading(B, 5.0)))) == 1


def test_the_first_meter_is_used_again_after_several_good_samples() -> None:
    relay = standing_in()
    relay.passed(reading(A, 1.0))
    told = []
    for second in range(10, 10 + GOOD_AGAIN + 1):
        relay.passed(reading(B, float(second), 7.0))
        told.append(len(of(A, relay.passed(reading(A, second + 0.5)))))
    assert told == [0] * (GOOD_AGAIN - 1) + [1, 1]


def test_the_first_meter_is_used_at_once_when_the_standby_one_is_silent_too() -> None:
    relay = standing_in()
    relay.passed(reading(A, 1.0))
    relay.passed(reading(B, 10.0))
    assert len(of(A, relay.passed(reading(A, 20.0)))) == 1


def test_what_can_not_be_is_passed_over_while_the_standby_meter_can_take_over() -> None:
    relay = standing_in()
    relay.passed(reading(A, 1.0))
    relay.passed(reading(B, 1.5))
    assert of(A, relay.passed(unusable(A, 2.0))) == []


def test_what_can_not_be_is_told_where_no_standby_meter_tells() -> None:
    relay = standing_in()
    relay.passed(reading(A, 1.0))
    assert of(A, relay.passed(unusable(A, 2.0))) == [unusable(A, 2.0)]


def test_other_observations_pass() -> None:
    link = ChargerLink(charger=ChargerId("c"), at_s=1.0, online=True)
    assert standing_in().passed(link) == [link]


def test_it_tells_which_standby_meter_serves() -> None:
    relay = standing_in()
    relay.passed(reading(A, 1.0))
    assert relay.standins() == {A: None}
    for second in range(1, 6):
        relay.passed(reading(B, 1.0 + second))
    assert relay.standins() == {A: B}
    for second in range(GOOD_AGAIN):
        relay.passed(reading(A, 10.0 + second))
    assert relay.standins() == {A: None}


def test_with_its_first_sample_a_standby_meter_tells_how_often_it_will() -> None:
    relay = slowly_standing_in()
    relay.passed(reading(A, 1.0))
    told = [of(A, relay.passed(reading(B, at_s)))[0].period_s for at_s in (9.0, 19.0)]
    assert told == [10.0, None]


def test_a_slow_standby_meter_serves_until_the_first_one_has_been_good_for_a_while() -> None:
    relay = slowly_standing_in()
    relay.passed(reading(A, 1.0))
    relay.passed(reading(B, 9.0))
    told = [of(A, relay.passed(reading(A, 15.0 + second))) for second in range(GOOD_AGAIN)]
    assert [[one.period_s for one in some] for some in told] == [[]] * (GOOD_AGAIN - 1) + [[1.0]]


def test_a_slow_standby_meter_that_is_silent_itself_serves_no_more() -> None:
    relay = slowly_standing_in()
    relay.passed(reading(A, 1.0))
    relay.passed(reading(B, 9.0))
    assert len(of(A, relay.passed(reading(A, 30.0)))) == 1
