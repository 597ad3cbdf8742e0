"""Every meter family in the catalogue has sources, fits its own limits, and decodes its samples."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.catalogue import meter_families
from ampacity.devices.meter_family import FrameAbsurd, MeterFamily
from ampacity.devices.registers import WORDS

FAMILIES = list(meter_families().values())
USABLE = [one for one in FAMILIES if not one.unusable]
by_id = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.id)


def _flat(blocks: dict[int, tuple[int, ...]]) -> dict[int, int]:
    return {address + n: word for address, words in blocks.items() for n, word in enumerate(words)}


@by_id
def test_a_family_decodes_its_samples(family: MeterFamily) -> None:
    assert family.samples
    for sample in family.samples:
        registers = _flat(sample.registers)
        assert (family.energy_import_wh(registers), family.unusable != "") == (
            sample.energy_import_wh,
            sample.currents == (),
        )
        if family.unusable:
            continue
        reading = family.reading(MeterId("m"), registers, 1.5, family.phases, [230.0])
        voltages = None if reading.voltages is None else reading.voltages.values
        powers = None if reading.powers is None else reading.powers.values
        assert voltages == (None if sample.voltages is None else pytest.approx(sample.voltages))
        assert reading.currents.values == pytest.approx(sample.currents)
        assert powers == (None if sample.powers is None else pytest.approx(sample.powers))
        assert reading.at_s == 1.5
        assert family.frequency_hz(registers) == (
            None if sample.frequency_hz is None else pytest.approx(sample.frequency_hz)
        )


@by_id
def test_a_family_says_where_its_facts_are_from(family: MeterFamily) -> None:
    assert family.source
    assert family.verified


@by_id
def test_the_samples_hold_exactly_what_is_read(family: MeterFamily) -> None:
    read = {(address, count) for address, count in (*family.reads, *family.slow_reads)}
    for sample in family.samples:
        assert {(address, len(words)) for address, words in sample.registers.items()} == read


@by_id
def test_no_read_is_longer_than_the_meter_allows(family: MeterFamily) -> None:
    assert all(count <= family.max_registers for _, count in (*family.reads, *family.slow_reads))


@by_id
def test_no_two_reads_are_of_one_length_so_that_a_late_frame_can_be_told(family: MeterFamily) -> None:
    lengths = [count for _, count in (*family.reads, *family.slow_reads)] + [1]
    assert len(set(lengths)) == len(lengths)


def test_no_two_families_share_an_identification() -> None:
    for one, other in itertools.combinations(FAMILIES, 2):
        if one.identification == other.identification:
            assert not set(one.identify_values) & set(other.identify_values)


@pytest.mark.parametrize("family", [one for one in FAMILIES if one.overflow is not None], ids=lambda f: f.id)
def test_an_overflow_is_no_reading(family: MeterFamily) -> None:
    registers = _flat(family.samples[0].registers)
    at = family.currents.addresses[0]
    assert family.overflow is not None
    registers[at], registers[at + 1] = family.overflow & 0xFFFF, family.overflow >> 16
    with pytest.raises(FrameAbsurd, match="out of its range"):
        family.reading(MeterId("m"), registers, 0.0, family.phases, [230.0])


@pytest.mark.parametrize("family", USABLE, ids=lambda f: f.id)
def test_a_power_without_the_current_for_it_is_no_reading(family: MeterFamily) -> None:
    sample = family.samples[0]
    registers = _flat(sample.registers)
    for at in family.currents.addresses:
        for n in range(WORDS[family.currents.type]):
            registers[at + n] = 0
    with pytest.raises(FrameAbsurd, match="W with"):
        family.reading(MeterId("m"), registers, 0.0, family.phases, [230.0])


@pytest.mark.parametrize("family", [one for one in FAMILIES if one.missing and one.powers], ids=lambda f: f.id)
def test_a_current_that_is_not_available_is_no_reading(family: MeterFamily) -> None:
    registers = _flat(family.samples[0].registers)
    count = WORDS[family.currents.type]
    nothing = max(one for one in family.missing if one < 1 << 16 * count)
    for n in range(count):
        registers[family.currents.addresses[0] + n] = nothing >> 16 * (count - 1 - n) & 0xFFFF
    with pytest.raises(FrameAbsurd, match="not available"):
        family.reading(MeterId("m"), registers, 0.0, family.phases, [230.0])


def test_a_family_that_can_not_be_used_says_why() -> None:
    assert "nothing of a single line" in meter_families()["eastron-sdm72-v1"].unusable


def test_a_sunspec_meter_is_read_where_its_model_begins() -> None:
    family = meter_families()["sunspec"]
    sample = family.samples[0]
    moved = {address + 40_070: word for address, word in _flat(sample.registers).items()}
    reading = family.located(203, 40_070).reading(MeterId("m"), moved, 0.0, 3, [230.0])
    assert reading.currents.values == pytest.approx(sample.currents)


def test_a_single_phase_sunspec_meter_may_have_nothing_on_the_other_lines() -> None:
    family = meter_families()["sunspec"]
    registers = _flat(family.samples[0].registers)
    for quantity in (family.currents, family.voltages, family.powers):
        assert quantity is not None
        for at in quantity.addresses[1:]:
            registers[at] = 0x8000
    reading = family.located(201, 0).reading(MeterId("m"), registers, 0.0, 1, [230.0])
    assert reading.currents.values == pytest.approx(family.samples[0].currents[:1])


def test_what_has_no_number_of_its_own_is_told_by_its_registers() -> None:
    assert meter_families()["inepro-pro"].own_number([0x1234, 0x5678]) == str(0x12345678)


def test_a_meter_on_the_wrong_supply_is_no_reading() -> None:
    family = meter_families()["carlo-gavazzi-em3xx"]
    with pytest.raises(FrameAbsurd, match="V on a supply of 120 V"):
        family.reading(MeterId("m"), _flat(family.samples[0].registers), 0.0, 3, [120.0])


@given(words=st.lists(st.integers(0, 65535), min_size=24, max_size=24), lines=st.integers(1, 3))
def test_any_registers_give_a_reading_or_a_clear_error(words: list[int], lines: int) -> None:
    family = meter_families()["carlo-gavazzi-em3xx"]
    try:
        reading = family.reading(MeterId("m"), dict(enumerate(words)), 0.0, lines, [230.0])
    except FrameAbsurd as error:
        assert error.remedy
    else:
        assert isinstance(reading, MeterReading)
        assert len(reading.currents) == lines
