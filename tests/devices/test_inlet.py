"""What a charger says of the building's supply, as a reading."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.charger_reports import Sampled
from ampacity.devices.inlet import inlet_reading
from ampacity.devices.readings import FrameAbsurd

MAIN = MeterId("main")
THREE = ("L1", "L2", "L3")


def told(measurand: str, *numbers: float | str, unit: str | None = None, phase: str = "L{}") -> list[Sampled]:
    return [Sampled(one, measurand, phase.format(line), unit) for line, one in enumerate(numbers, 1)]


def read(*values: list[Sampled], lines: int = 3, nominal_v: tuple[float, ...] = (230.0,)) -> MeterReading:
    reading = inlet_reading(MAIN, 5.0, [one for some in values for one in some], lines=lines, nominal_v=nominal_v)
    assert reading is not None
    return reading


def amps(*values: list[Sampled], **more: Any) -> list[float]:
    return [round(one, 3) for one in read(*values, **more).currents]


def test_currents_are_taken_as_they_are_told() -> None:
    assert amps(told("Current.Import", "10.5", "0", "7,25")) == [10.5, 0.0, 7.25]


@pytest.mark.parametrize("phase", ["L{}", "L{}-N", "l{}"])
def test_a_line_is_named_alone_or_with_neutral(phase: str) -> None:
    assert amps(told("Current.Import", 1, 2, 3, phase=phase)) == [1.0, 2.0, 3.0]


def test_on_a_single_line_a_value_that_names_none_is_its() -> None:
    assert amps([Sampled(12.0, "Current.Import", None, "A")], lines=1) == [12.0]


def test_neutral_is_no_line() -> None:
    neutral = [Sampled(30.0, "Current.Import", "N", "A")]
    assert amps(told("Current.Import", 1, 2, 3), neutral) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("measurand", "number", "unit", "is_a"),
    [
        ("Current.Import", 9000, "mA", 9.0),
        ("Power.Active.Import", 2.3, "kW", 10.0),
        ("Power.Active.Import", 2300, "W", 10.0),
        ("Power.Active.Import", 2300, None, 10.0),
    ],
)
def test_units_are_scaled(measurand: str, number: float, unit: str | None, is_a: float) -> None:
    assert amps(told(measurand, number, number, number, unit=unit)) == [is_a] * 3


def test_power_that_flows_out_is_negative_and_so_is_its_current() -> None:
    reading = read(
        told("Current.Import", 10, 5, 4),
        told("Power.Active.Import", 2300, 0, 920),
        told("Power.Active.Export", 0, 1150, 0),
    )
    assert (reading.currents.values, reading.powers and reading.powers.values) == ((10, -5, 4), (2300, -1150, 920))


def test_import_told_as_a_negative_number_flows_out() -> None:
    assert amps(told("Current.Import", 10, 5, 4), told("Power.Active.Import", 2300, -1150, 920)) == [10, -5, 4]


def test_current_that_flows_out_is_negative() -> None:
    assert amps(told("Current.Import", 10, 0, 4), told("Current.Export", 0, 6, 0)) == [10, -6, 4]


def test_a_clamp_without_power_has_no_sign_and_counts_as_import() -> None:
    assert amps(told("Current.Import", 10, 5, 4)) == [10, 5, 4]


def test_powers_alone_give_the_currents_by_the_voltages() -> None:
    powers = told("Power.Active.Import", 2200, 1150, 460)
    assert amps(powers, told("Voltage", 220, 230, 230, phase="L{}-N")) == [10.0, 5.0, 2.0]


def test_reactive_power_is_part_of_such_a_current() -> None:
    powers = told("Power.Active.Import", 920, 0, 0)
    assert amps(powers, told("Power.Reactive.Import", 0.69, 0, 0, unit="kvar"))[0] == 5.0


def test_whole_amperes_are_refined_by_power() -> None:
    assert amps(told("Current.Import", 9, 0, 3), told("Power.Active.Import", 2300, 161, 460)) == [10.0, 0.7, 3.0]


def test_voltages_between_lines_are_made_those_to_neutral() -> None:
    volts = [Sampled(400.0, "Voltage", phase, "V") for phase in ("L1-L2", "L2-L3", "L3-L1")]
    found = read(told("Current.Import", 1, 2, 3), volts).voltages
    assert found is not None
    assert [round(one) for one in found] == [231, 231, 231]


def test_without_a_neutral_a_power_takes_the_current_of_the_voltage_to_its_middle() -> None:
    powers = told("Power.Active.Import", 1328, 1328, 1328)
    volts = told("Voltage", 230, 230, 230)
    nominal_v = (230.0, 230.0 / 3**0.5)
    assert [round(one) for one in read(powers, volts, nominal_v=nominal_v).currents] == [10, 10, 10]
    assert [round(one) for one in read(powers, nominal_v=nominal_v).currents] == [10, 10, 10]


def test_a_voltage_of_nothing_is_none() -> None:
    assert read(told("Current.Import", 1, 2, 3), told("Voltage", 0, 0, 0)).voltages is None


def test_the_counter_is_told_too() -> None:
    counter = [Sampled("12.5", "Energy.Active.Import.Register", None, "kWh")]
    assert read(told("Current.Import", 1, 2, 3), counter).energy_import_wh == 12500


@pytest.mark.parametrize(
    "values",
    [
        [],
        told("Voltage", 230, 230, 230),
        told("Energy.Active.Import.Register", 1, 2, 3),
        told("Current.Import", "nonsense", "", "nan"),
        told("Current.Import", 1, 2, 3, unit="furlong"),
        told("SoC", 50),
    ],
)
def test_what_says_nothing_of_what_flows_is_no_reading(values: list[Sampled]) -> None:
    assert inlet_reading(MAIN, 5.0, values, lines=3, nominal_v=[230.0]) is None


@pytest.mark.parametrize(
    "values",
    [
        told("Current.Import", 10),
        [Sampled(10.0, "Current.Import", None, "A")],
        [Sampled(6900.0, "Power.Active.Import", None, "W")],
        told("Power.Active.Export", 0, 0, 0),
        told("Power.Active.Export", 500, 0, 0),
        [*told("Current.Import", 1, 1, 1), *told("Power.Active.Import", 5000, 200, 200)],
        [*told("Current.Import", 1, 1, 1), *told("Voltage", 120, 230, 230)],
    ],
)
def test_what_is_not_told_of_every_line_or_can_not_be_is_refused(values: list[Sampled]) -> None:
    with pytest.raises(FrameAbsurd):
        inlet_reading(MAIN, 5.0, values, lines=3, nominal_v=[230.0])


VALUES = st.builds(
    Sampled,
    st.floats(allow_nan=True, allow_infinity=True) | st.text(max_size=4),
    st.sampled_from(["Current.Import", "Current.Export", "Power.Active.Import", "Power.Active.Export", "Voltage", "x"]),
    st.none() | st.sampled_from([*THREE, "L1-N", "L1-L2", "N", "", "Q"]),
    st.none() | st.sampled_from(["A", "kW", "W", "V", "?"]),
)


@given(st.lists(VALUES, max_size=12), st.sampled_from([1, 2, 3]))
def test_whatever_comes_is_a_reading_of_every_line_or_none(values: list[Sampled], lines: int) -> None:
    try:
        reading = inlet_reading(MAIN, 5.0, values, lines=lines, nominal_v=[230.0])
    except FrameAbsurd:
        return
    assert reading is None or len(reading.currents) == lines
