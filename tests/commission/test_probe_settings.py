"""Settings that lie are told and set right: agreed ones alone, on a silent line, in the meter that was found, and read
back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.links.rs485 import Rig, Slave, port_at, rig, words_of_meter
from tests.links.test_modbus_serial_line import registers

from ampacity.commission.probe import Found, Way, probe
from ampacity.commission.settings import LineTaken, MeterChanged, set_right
from ampacity.devices.catalogue import meter_families
from ampacity.devices.meter_settings import Stated
from ampacity.links.meter_settings import Outcome, Put

FAMILIES = meter_families()
EM3XX = FAMILIES["carlo-gavazzi-em3xx"]
EM24 = FAMILIES["carlo-gavazzi-em24"]
EM340, EM330, EM24_CODE = 341, 331, 71
MODE, SYSTEM, RATIO, WIRING, SEQUENCE = 0x1103, 0x1002, 0x1003, 0x1105, 0x0032
APPLICATION, SELECTOR, LOCKED = 0x1101, 0x0304, 3
FOUR_BITS = 0b0011_0101


def em340(path: Path, words: dict[int, int] | None = None, **how: Any) -> Slave:
    all_words = words_of_meter(EM3XX, EM340, "A0000000000001") | {MODE: 0} | (words or {})
    return Slave(unit=1, words=all_words, port=port_at(path), **how)


def em330(path: Path, ratio: int) -> Slave:
    words = words_of_meter(EM3XX, EM330) | {RATIO: ratio & 0xFFFF, RATIO + 1: ratio >> 16}
    return Slave(unit=1, words=words, port=port_at(path))


def em24(path: Path, selector: int) -> Slave:
    words = words_of_meter(EM24, EM24_CODE) | {APPLICATION: 0, SELECTOR: selector}
    return Slave(unit=1, words=words, port=port_at(path), locked=lambda: words[SELECTOR] == LOCKED)


async def found_on(line: Rig, stated: Stated | None = None) -> Found:
    ways = [Way(serial=line.set_to)]
    told = [one async for one in probe(ways, [1], FAMILIES, stated=stated, answer_s=0.5, listen_s=0.02, alone_s=0.05)]
    (found,) = told
    assert isinstance(found, Found)
    return found


async def set_on(line: Rig, found: Found) -> list[Put]:
    setting = set_right(found, found.wrong, FAMILIES, answer_s=0.5, listen_s=0.1, read_back_s=0.05)
    return [put async for put in setting]


# --- what is told ---


async def test_a_meter_that_is_set_right_has_nothing_wrong(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em340(tmp_path / "bus", {MODE: 1})) as line:
        found = await found_on(line)
    assert (found.wrong, found.remarks, found.doubt) == ((), (), "")


async def test_what_a_setting_holds_and_should_hold_is_told_in_words(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em340(tmp_path / "bus")) as line:
        (wrong,) = (await found_on(line)).wrong
    assert (wrong.now, wrong.right) == ("0 (A: currents and powers are never negative)", "1 (B: bidirectional)")


async def test_a_value_that_the_document_does_not_have_is_told_as_it_is(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em340(tmp_path / "bus", {MODE: 77})) as line:
        (wrong,) = (await found_on(line)).wrong
    assert wrong.now == "77"


async def test_what_the_meter_measures_is_told(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em340(tmp_path / "bus")) as line:
        shows = (await found_on(line)).shows
    assert shows is not None
    assert shows.currents.values == pytest.approx(EM3XX.samples[0].currents)


async def test_a_measured_value_that_can_not_be_is_told_and_the_meter_is_found(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em340(tmp_path / "bus", {0x0002: 0})) as line:
        found = await found_on(line)
    assert (found.model, found.shows) == ("EM340", None)
    assert "L2 shows 0 V" in found.doubt


async def test_wiring_errors_that_the_meter_sees_are_told_each_once(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em340(tmp_path / "bus", {MODE: 1, WIRING: FOUR_BITS})) as line:
        (remark,) = (await found_on(line)).remarks
    assert remark.what == (
        "It says of its wiring: the phases come in the wrong order, the current of L2 runs backwards, "
        "phases are exchanged."
    )


async def test_a_wrong_phase_sequence_is_told(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em340(tmp_path / "bus", {MODE: 1, SEQUENCE: 0xFFFF})) as line:
        (remark,) = (await found_on(line)).remarks
    assert "wrong order" in remark.what


async def test_a_ratio_that_nobody_has_stated_is_told_and_not_called_wrong(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em330(tmp_path / "bus", 400)) as line:
        found = await found_on(line)
    assert found.wrong == ()
    assert [(held.now, held.right) for held in found.settings if held.setting.stated] == [("40", "")]


async def test_a_ratio_is_held_against_the_one_stated(tmp_path: Path) -> None:
    async with rig(tmp_path / "bus", em330(tmp_path / "bus", 400)) as line:
        (wrong,) = (await found_on(line, {"ct_ratio": 50})).wrong
    assert (wrong.now, wrong.right) == ("40", "50")


async def test_a_ratio_is_not_asked_of_a_model_without_transformers(tmp_path: Path) -> None:
    words = {MODE: 1, RATIO: 400, RATIO + 1: 0}
    async with rig(tmp_path / "bus", em340(tmp_path / "bus", words)) as line:
        found = await found_on(line, {"ct_ratio": 50})
    assert found.wrong == ()


# --- what is written ---


async def test_what_was_agreed_to_is_written_and_read_back(tmp_path: Path) -> None:
    slave = em340(tmp_path / "bus", {SYSTEM: 2})
    async with rig(tmp_path / "bus", slave) as line:
        put = await set_on(line, await found_on(line))
    assert [(one.outcome, one.now[:1]) for one in put] == [(Outcome.DONE, "1"), (Outcome.DONE, "0")]
    assert slave.written == [(6, MODE, (1,)), (6, SYSTEM, (0,))]


async def test_nothing_is_written_that_was_not_agreed_to(tmp_path: Path) -> None:
    slave = em340(tmp_path / "bus", {SYSTEM: 2})
    async with rig(tmp_path / "bus", slave) as line:
        found = await found_on(line)
        _ = [put async for put in set_right(found, found.wrong[1:], FAMILIES, answer_s=0.5, listen_s=0.02)]
    assert [address for _, address, _ in slave.written] == [SYSTEM]


async def test_looking_alone_writes_nothing(tmp_path: Path) -> None:
    slave = em340(tmp_path / "bus")
    async with rig(tmp_path / "bus", slave) as line:
        await found_on(line)
    assert slave.written == []
    assert {request[1] for request in line.requests} <= {3, 4}


async def test_of_a_number_of_two_registers_the_one_that_changes_is_written(tmp_path: Path) -> None:
    """Function 6 is all that many meters know."""
    slave = em330(tmp_path / "bus", 400)
    slave.functions = (3, 4, 6)
    async with rig(tmp_path / "bus", slave) as line:
        (put,) = await set_on(line, await found_on(line, {"ct_ratio": 50}))
    assert (put.outcome, put.now) == (Outcome.DONE, "50")
    assert slave.written == [(6, RATIO, (500,))]


async def test_a_meter_that_writes_several_at_once_alone_is_set_too(tmp_path: Path) -> None:
    slave = em340(tmp_path / "bus", functions=(3, 4, 16))
    async with rig(tmp_path / "bus", slave) as line:
        (put,) = await set_on(line, await found_on(line))
    assert put.outcome is Outcome.DONE
    assert slave.written == [(16, MODE, (1,))]


async def test_a_number_whose_two_registers_change_is_written_at_once(tmp_path: Path) -> None:
    slave = em330(tmp_path / "bus", 65_546)
    async with rig(tmp_path / "bus", slave) as line:
        (put,) = await set_on(line, await found_on(line, {"ct_ratio": 50}))
    assert put.outcome is Outcome.DONE
    assert slave.written == [(16, RATIO, (500, 0))]


# --- what stands in the way ---


async def test_a_locked_selector_is_told_and_nothing_written(tmp_path: Path) -> None:
    slave = em24(tmp_path / "bus", LOCKED)
    async with rig(tmp_path / "bus", slave) as line:
        (put,) = await set_on(line, await found_on(line))
    assert (put.outcome, put.what) == (Outcome.LOCKED, "The selector on its front is locked.")
    assert "Turn the selector" in put.remedy
    assert all(request[1] in (3, 4) for request in line.requests)


async def test_once_the_selector_is_turned_it_is_set(tmp_path: Path) -> None:
    slave = em24(tmp_path / "bus", 1)
    async with rig(tmp_path / "bus", slave) as line:
        (put,) = await set_on(line, await found_on(line))
    assert put.outcome is Outcome.DONE


async def test_a_meter_that_refuses_is_told_with_the_reason_that_is_known(tmp_path: Path) -> None:
    slave = em24(tmp_path / "bus", 1)
    slave.locked = lambda: True
    async with rig(tmp_path / "bus", slave) as line:
        (put,) = await set_on(line, await found_on(line))
    assert put.outcome is Outcome.REFUSED
    assert "refuses to take" in put.what
    assert "PFA models have no application H" in put.what


async def test_a_meter_that_says_yes_and_keeps_what_it_had_is_found_out(tmp_path: Path) -> None:
    slave = em340(tmp_path / "bus", keeps=True)
    async with rig(tmp_path / "bus", slave) as line:
        (put,) = await set_on(line, await found_on(line))
    assert put.outcome is Outcome.REFUSED
    assert "still holds 0" in put.what


async def test_a_meter_that_goes_silent_after_it_was_written_to_is_told_as_not_known(tmp_path: Path) -> None:
    slave = em340(tmp_path / "bus", deaf_after_write=True)
    async with rig(tmp_path / "bus", slave) as line:
        (put,) = await set_on(line, await found_on(line))
    assert (put.outcome, put.now) == (Outcome.UNKNOWN, "")


async def test_a_model_that_is_known_to_refuse_is_not_written_to(tmp_path: Path) -> None:
    family = FAMILIES["carlo-gavazzi-em24-ethernet"]
    words = words_of_meter(family, 1649) | {0xA000: 0}
    slave = Slave(unit=1, words=words, port=port_at(tmp_path / "bus"))
    async with rig(tmp_path / "bus", slave) as line:
        found = await found_on(line)
        (put,) = await set_on(line, found)
    assert found.model == "EM24DINAV23XE1PFA"
    assert (put.outcome, slave.written) == (Outcome.REFUSED, [])


async def test_nothing_is_written_while_somebody_else_talks_on_the_line(tmp_path: Path) -> None:
    slave = em340(tmp_path / "bus")
    async with rig(tmp_path / "bus", slave) as line:
        found = await found_on(line)
        master = line.say([(0.05, registers(1, [0] * 24))] * 20)
        with pytest.raises(LineTaken, match="Nothing was written"):
            await set_on(line, found)
        master.cancel()
    assert slave.written == []


def other_code(words: dict[int, int]) -> None:
    words[0x000B] = 346


def other_number(words: dict[int, int]) -> None:
    words[0x5000] += 1


def gone(words: dict[int, int]) -> None:
    words.clear()


@pytest.mark.parametrize("change", [other_code, other_number, gone])
async def test_nothing_is_written_to_another_meter_than_the_one_found(
    change: Callable[[dict[int, int]], None], tmp_path: Path
) -> None:
    slave = em340(tmp_path / "bus")
    async with rig(tmp_path / "bus", slave) as line:
        found = await found_on(line)
        change(slave.words)
        with pytest.raises(MeterChanged):
            await set_on(line, found)
    assert slave.written == []
