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

FAMILIES = list(meter_families().values())
by_id = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.id)


def _flat(blocks: dict[int, tuple[int, ...]]) -> dict[int, int]:
    return {address + n: word for address, words in blocks.items() for n, word in enumerate(words)}


@by_id
def test_a_family_decodes_its_samples(family: MeterFamily) -> None:
    assert family.samples
    for sample in family.samples:
        registers = _flat(sample.registers)
        reading = family.reading(MeterId("m"), registers, 1.5, family.phases, [230.0])
        assert reading.voltages is not None
        assert reading.powers is not None
        assert reading.voltages.values == pytest.approx(sample.voltages)
        assert reading.currents.values == pytest.approx(sample.currents)
        assert reading.powers.values == pytest.approx(sample.powers)
        assert reading.at_s == 1.5
        assert family.values(family.frequency, registers)[0] == pytest.approx(sample.frequency_hz)
        assert family.energy_import_wh(registers) == sample.energy_import_wh


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
        assert not set(one.identify_values) & set(other.identify_values)


@by_id
def test_an_overflow_is_no_reading(family: MeterFamily) -> None:
    registers = _flat(family.samples[0].registers)
    at = family.currents.addresses[0]
    registers[at], registers[at + 1] = family.overflow & 0xFFFF, family.overflow >> 16
    with pytest.raises(FrameAbsurd, match="out of its range"):
        family.reading(MeterId("m"), registers, 0.0, family.phases, [230.0])


@by_id
def test_a_power_without_the_current_for_it_is_no_reading(family: MeterFamily) -> None:
    registers = _flat(family.samples[0].registers)
    at = family.powers.addresses[0]
    registers[at], registers[at + 1] = 0xFFFF, 0x000F
    with pytest.raises(FrameAbsurd, match="W with"):
        family.reading(MeterId("m"), registers, 0.0, family.phases, [230.0])


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
