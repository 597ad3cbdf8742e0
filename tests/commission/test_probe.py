"""Meters are found by what they answer, on a real pseudo-terminal and on real sockets; nothing is guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.links.postbox import closed_port
from tests.links.test_modbus import blocks_of, served
from tests.links.test_modbus_serial_line import Device, Reply, frame, line, meter_like, registers

from ampacity.commission.probe import Found, Nothing, Told, Way, probe, serial_ways
from ampacity.devices.catalogue import meter_families
from ampacity.devices.meter_family import MeterFamily
from ampacity.links.modbus import SerialPort

FAMILIES = meter_families()
ON_BOTH = [family for family in FAMILIES.values() if family.serial is not None]


async def looked(ways: Sequence[Way], units: Sequence[int]) -> list[Told]:
    async with asyncio.timeout(60):
        return [one async for one in probe(ways, units, FAMILIES, answer_s=0.15, listen_s=0.02, alone_s=0.05)]


def first_way(path: Path) -> list[Way]:
    return [Way(serial=SerialPort(str(path), 9600, "N", 1))]


@pytest.mark.parametrize("family", ON_BOTH, ids=lambda family: family.id)
async def test_every_family_is_found_on_a_serial_line(family: MeterFamily, tmp_path: Path) -> None:
    async with line({2: meter_like(family)}, tmp_path / "bus"):
        (found,) = await looked(first_way(tmp_path / "bus"), [1, 2, 3])
    assert isinstance(found, Found)
    assert (found.unit, found.family, found.wrong) == (2, family.id, ())


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.id)
async def test_every_family_is_found_on_the_network(family: MeterFamily) -> None:
    code = next(iter(family.identify_values))
    async with served(blocks_of(family, code)) as port:
        found = await looked([Way(host="127.0.0.1", port=port)], [1])
    assert [(one.family, one.model) for one in found if isinstance(one, Found)] == [
        (family.id, family.identify_values[code])
    ]


async def test_other_settings_of_a_line_with_a_meter_are_left_alone(tmp_path: Path) -> None:
    async with line({1: meter_like(ON_BOTH[0])}, tmp_path / "bus") as far:
        (found,) = await looked(serial_ways(str(tmp_path / "bus")), [1, 2])
        asked = len(far.asked_s)
    assert isinstance(found, Found)
    assert asked <= 6


def lying(family: MeterFamily) -> Device:
    """Each of its settings is another than is wanted."""
    right = meter_like(family)

    def answer(unit: int, address: int, count: int) -> Reply:
        for setting in family.setup:
            if address == setting.address and setting.want is not None:
                return iter([(0.0, registers(unit, [setting.want + 1]))])
        return right(unit, address, count)

    return answer


async def test_a_setting_that_lies_is_told_with_what_to_do(tmp_path: Path) -> None:
    family = next(family for family in ON_BOTH if family.setup)
    async with line({1: lying(family)}, tmp_path / "bus"):
        (found,) = await looked(first_way(tmp_path / "bus"), [1])
    assert isinstance(found, Found)
    assert [held.setting for held in found.wrong] == list(family.settings_of(str(found.model)))


def two_at_once(unit: int, address: int, count: int) -> Reply:
    """What is on the line when two devices answer to one number."""
    yield 0.0, bytes(a ^ b for a, b in zip(registers(unit, [331]), registers(unit, [102]), strict=True))


async def test_two_on_one_number_are_told_and_not_taken_for_a_meter(tmp_path: Path) -> None:
    async with line({1: two_at_once, 3: meter_like(ON_BOTH[0])}, tmp_path / "bus"):
        clash, found = await looked(first_way(tmp_path / "bus"), [1, 2, 3])
    assert isinstance(clash, Found)
    assert isinstance(found, Found)
    assert (clash.unit, clash.family) == (1, None)
    assert "two devices have this number" in clash.what
    assert (found.unit, found.family) == (3, ON_BOTH[0].id)


def stranger(unit: int, address: int, count: int) -> Reply:
    yield 0.0, registers(unit, [4711] * count)


def sample(unit: int, address: int, count: int) -> Reply:
    yield 0.0, registers(unit, [340] * count)


def unwilling(unit: int, address: int, count: int) -> Reply:
    yield 0.0, frame(unit, bytes([0x84, 2]))


@pytest.mark.parametrize(("device", "what"), [(stranger, "no known meter"), (sample, "engineering sample")])
async def test_what_is_no_meter_of_ours_is_told_by_its_code(device: Device, what: str, tmp_path: Path) -> None:
    async with line({1: device}, tmp_path / "bus"):
        (found,) = await looked(first_way(tmp_path / "bus"), [1])
    assert isinstance(found, Found)
    assert found.family is None
    assert what in found.what


async def test_who_refuses_and_who_is_not_there_is_nobody(tmp_path: Path) -> None:
    async with line({1: unwilling}, tmp_path / "bus"):
        told = await looked(first_way(tmp_path / "bus"), [1, 2])
    assert [type(one) for one in told] == [Nothing]
    nowhere = await looked([Way(host="127.0.0.1", port=closed_port()), *serial_ways(str(tmp_path / "none"))], [1, 2])
    assert {type(one) for one in nowhere} == {Nothing}
    assert all(one.remedy for one in nowhere if isinstance(one, Nothing))
