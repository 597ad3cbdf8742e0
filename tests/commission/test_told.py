"""What a step test left open is told with what would close it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.commission.steptest.test_steptest_judgement import L1, quiet, record, verdict

from ampacity.commission.steptest.following import Follows
from ampacity.commission.steptest.judgement import Verdict
from ampacity.commission.steptest.procedure import Ending
from ampacity.commission.steptest.verdict import Quantity
from ampacity.commission.told import step_findings


def codes(found: Verdict) -> list[str]:
    return [one.code for one in step_findings(found, str)]


def stormy(at_s: float) -> Sequence[float]:
    """Nothing of a car can be seen in it."""
    return [quiet(at_s)[line] + 60.0 * ((int(at_s) * (7 + 4 * line)) % 13) / 13 for line in range(3)]


def test_a_meter_that_gave_no_readings_is_told_to_be_looked_at() -> None:
    made = record()
    made.samples.clear()
    assert "meter-sees-unread" in codes(verdict(made))


def test_a_noisy_building_is_told_as_a_reason_to_test_again() -> None:
    assert "meter-sees-open" in codes(verdict(record(building=stormy, follows=Follows(1.5, 3.0, 1.0, 7.0))))


def test_a_meter_of_currents_alone_is_told_to_show_no_order_of_phases() -> None:
    told = codes(verdict(record(quantity=Quantity.AMPS)))
    assert "wiring-no-power" in told
    assert not {"wiring-some", "wiring-open", "wiring-unsure"} & set(told)


def test_a_charger_on_one_phase_that_a_meter_of_currents_sees_is_not_told_to_try_another_car() -> None:
    assert "wiring-some" not in codes(verdict(record([L1], quantity=Quantity.AMPS)))


def test_a_balanced_car_is_told_to_leave_the_order_to_one_with_fewer_phases() -> None:
    assert "wiring-open" in codes(verdict(record()))


def test_a_charger_that_reports_nothing_and_that_no_meter_sees_is_told_to_report() -> None:
    told = codes(verdict(record(reports_s=None, sees=False)))
    assert "obeys-unreported" in told
    assert "obeys-open" not in told


def test_a_test_that_ended_early_is_told_with_its_reason_and_no_needs() -> None:
    assert codes(verdict(record(), ending=Ending.METER_SILENT))[0] == "step-meter-silent"
