"""MeterValues in every legal form, and in some that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.observations import ChargerReport, ChargerState
from ampacity.core.site import ChargerId
from ampacity.devices.charger_reports import Sampled, number_of, report_of, state_of


def _report(*values: tuple[str, str, str | None, str | None], phases: int = 3) -> ChargerReport:
    report, _ = report_of(ChargerId("c"), 1.0, phases, 230.0, [Sampled(*value) for value in values])
    assert report is not None
    return report


def test_currents_per_phase() -> None:
    report = _report(
        ("16.0", "Current.Import", "L1", "A"),
        ("15,5", "Current.Import", "L2-N", "A"),
        ("0", "Current.Import", "L3", None),
        ("0.2", "Current.Import", "N", "A"),
    )
    assert report.currents is not None
    assert report.currents.values == (16.0, 15.5, 0.0)


def test_a_current_without_a_phase_is_the_phase_of_a_single_phase_charger() -> None:
    report = _report(("10", "Current.Import", None, "A"), phases=1)
    assert report.currents is not None
    assert report.currents.values == (10.0,)


def test_a_current_without_a_phase_stays_unplaced_on_three_phases() -> None:
    report = _report(("10", "Current.Import", None, "A"))
    assert report.currents is None
    assert report.current_a == 10.0


def test_phases_that_are_not_mentioned_carry_nothing_when_the_power_says_so() -> None:
    report = _report(("16", "Current.Import", "L1", "A"), ("3.68", "Power.Active.Import", None, "kW"))
    assert report.currents is not None
    assert report.currents.values == (16.0, 0.0, 0.0)
    assert report.power_w == 3680.0


def test_power_per_phase_gives_currents() -> None:
    report = _report(
        ("2300", "Power.Active.Import", "L1", "W"),
        ("2400", "Power.Active.Import", "L2", "W"),
        ("2300", "Power.Active.Import", "L3", "W"),
        ("240", "Voltage", "L2", "V"),
    )
    assert report.currents is not None
    assert report.currents.values == pytest.approx((10.0, 10.0, 10.0))
    assert report.power_w == 7000.0


def test_energy_in_either_unit() -> None:
    assert _report(("1234", "Energy.Active.Import.Register", None, None)).energy_wh == 1234
    assert _report(("1.234", "Energy.Active.Import.Register", None, "kWh")).energy_wh == 1234


def test_what_cannot_be_used_is_named_and_the_rest_counts() -> None:
    report, unused = report_of(
        ChargerId("c"),
        0.0,
        1,
        230.0,
        [Sampled("abc", "Current.Import", None, "A"), Sampled("7", "Current.Import", None, "A")],
    )
    assert report is not None
    assert report.currents is not None
    assert report.currents.values == (7.0,)
    assert "abc" in unused


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Charging", ChargerState.CHARGING),
        ("SuspendedEV", ChargerState.SUSPENDED_EV),
        ("suspended_evse", ChargerState.SUSPENDED_EVSE),
        ("Dancing", None),
    ],
)
def test_states_by_their_words(word: str, state: ChargerState | None) -> None:
    assert state_of(word) is state


def test_numbers_that_are_none() -> None:
    assert [number_of(text) for text in ("", "NaN", "inf", "1e999", "16,0", " 8 ")] == [
        None,
        None,
        None,
        None,
        16.0,
        8.0,
    ]


@given(
    st.lists(
        st.tuples(
            st.text(max_size=12) | st.floats().map(str),
            st.sampled_from(
                ["Current.Import", "Power.Active.Import", "Voltage", "SoC", "Energy.Active.Import.Register"]
            )
            | st.text(max_size=8),
            st.none() | st.text(max_size=4) | st.sampled_from(["L1", "L2", "L3", "N", "L1-N"]),
            st.none() | st.text(max_size=4) | st.sampled_from(["A", "W", "kW", "Wh"]),
        ),
        max_size=8,
    ),
    st.integers(1, 3),
)
def test_any_values_give_a_report_without_negative_currents_or_none(
    values: list[tuple[str, str, str | None, str | None]], phases: int
) -> None:
    report, _ = report_of(ChargerId("c"), 0.0, phases, 230.0, [Sampled(*value) for value in values])
    if report is not None and report.currents is not None:
        assert len(report.currents) == phases
        assert all(amps >= 0 for amps in report.currents)


def test_a_unit_of_another_measurand_is_no_unit() -> None:
    report, unused = report_of(ChargerId("c"), 0.0, 3, 230.0, [Sampled("500", "Current.Import", None, "W")])
    assert report is None
    assert unused == "Current.Import = '500' W"


def test_a_measurand_that_is_not_read_is_passed_over_in_silence() -> None:
    assert report_of(ChargerId("c"), 0.0, 3, 230.0, [Sampled("41", "Temperature", None, "Celsius")]) == (None, "")


def test_energy_by_phase_is_summed() -> None:
    values = [("100", "Energy.Active.Import.Register", f"L{n}", "Wh") for n in (1, 2, 3)]
    assert _report(*values).energy_wh == 300


def test_a_voltage_between_phases_is_brought_to_neutral() -> None:
    report = _report(
        *(("2300", "Power.Active.Import", f"L{n}", "W") for n in (1, 2, 3)),
        *(("398.37", "Voltage", phase, "V") for phase in ("L1-L2", "L2-L3", "L3-L1")),
    )
    assert report.currents is not None
    assert report.currents.values == pytest.approx((10.0, 10.0, 10.0), abs=0.01)


def test_a_charger_between_two_lines_draws_the_power_of_both() -> None:
    report = _report(("3600", "Power.Active.Import", "L1", "W"), ("3600", "Power.Active.Import", "L2", "W"), phases=1)
    assert report.currents is not None
    assert report.currents.values == pytest.approx((7200 / 230,))


@pytest.mark.parametrize("phases", [1, 3])
def test_powers_that_no_current_could_carry_place_no_current(phases: int) -> None:
    megawatts = [("1000", "Power.Active.Import", line, "kW") for line in ("L1", "L2", "L3")]
    report = _report(*megawatts, phases=phases)
    assert (report.currents, report.current_a) == (None, None)
