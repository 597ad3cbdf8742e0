"""A meter's settings, read over its bus, and written."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ampacity.core.errors import DeviceError
from ampacity.devices.meter_family import MeterFamily
from ampacity.devices.meter_settings import Check, Held, Lock, Setting, Stated
from ampacity.devices.registers import whole_of, words_of

READ_BACK = 5
READ_BACK_EVERY_S = 1.0
"""A meter may be busy with storing a setting, or start anew: so often, and so far apart, it is asked what it holds."""


class Registers(Protocol):
    """Those of the devices on a bus. All raise DeviceError where there is no good answer."""

    async def read(self, unit: int, address: int, count: int, *, holding: bool = False) -> list[int]: ...

    async def write(self, unit: int, address: int, words: Sequence[int]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a meter says is wrong with its wiring, and what to do."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a meter is set to, and says of its wiring."""

    settings: tuple[Held, ...]
    remarks: tuple[Remark, ...]
    unread: frozenset[int]
    """Addresses at which it gave no good answer."""

    @property
    def wrong(self) -> tuple[Held, ...]:
        return tuple(held for held in self.settings if held.is_wrong)


class Outcome(Enum):
    """Of setting something."""

    DONE = "done"
    """It was read back, and is right."""
    LOCKED = "locked"
    """Nothing was written: the meter takes no setting now."""
    REFUSED = "refused"
    """The meter said that it will not, or kept what it had."""
    UNKNOWN = "unknown"
    """It did not answer any more: what it holds is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What came of setting something."""

    outcome: Outcome
    held: Held
    """What was found before."""
    now: str
    """What it holds now, in words; empty: not known."""
    what: str
    """Why it is not done; empty: it is."""
    remedy: str


async def read_setup(
    bus: Registers,
    unit: int,
    family: MeterFamily,
    model: str,
    stated: Stated,
    *,
    without: Collection[int] = (),
) -> Setup:
    """What a meter is set to, and says of its wiring; at these addresses nothing is asked."""
    settings, remarks, unread = [], [], set(without)
    for setting in family.settings_of(model):
        if setting.address not in without:
            try:
                raw = await _raw(bus, unit, family, setting)
            except DeviceError:
                unread.add(setting.address)
            else:
                settings.append(Held(setting=setting, raw=raw, wanted=setting.wanted(stated)))
    for check in family.checks_of(model):
        if check.address not in without:
            try:
                words = await bus.read(unit, check.address, check.count)
            except DeviceError:
                unread.add(check.address)
            else:
                remarks += _remarks(check, whole_of(words, check.type, low_word_first=family.low_word_first))
    return Setup(settings=tuple(settings), remarks=tuple(remarks), unread=frozenset(unread))


def _remarks(check: Check, number: int) -> list[Remark]:
    told = check.told(number)
    return [Remark(what=f"It says of its {check.what}: {', '.join(told)}.", remedy=check.remedy)] if told else []


async def put_right(
    bus: Registers,
    unit: int,
    family: MeterFamily,
    model: str,
    held: Held,
    *,
    read_back_s: float = READ_BACK_EVERY_S,
) -> Put:
    """Writes what is wanted, and reads it back. Whoever calls this has seen to it that nobody else asks on the line,
    and that the meter is the one it was."""
    setting = held.setting
    if held.wanted is None or not setting.write or model in setting.refused_by:
        return _not_done(Outcome.REFUSED, held, setting.refused or "It can't be set over the wire.")
    try:
        if setting.lock is not None and await _is_locked(bus, unit, setting.lock):
            return Put(
                outcome=Outcome.LOCKED,
                held=held,
                now=held.now,
                what=setting.lock.what,
                remedy=setting.lock.remedy,
            )
        begun = await _raw(bus, unit, family, setting)
        address, words = _changed(setting, begun, held.wanted, low_word_first=family.low_word_first)
    except DeviceError as error:
        return _not_done(Outcome.UNKNOWN, held, f"Nothing was written: {error.what}", remedy=error.remedy)
    refusal = ""
    try:
        if words:
            await bus.write(unit, address, words)
    except DeviceError as error:
        refusal = error.what  # what it holds decides
    return await _read_back(bus, unit, family, held, refusal, read_back_s)


async def _read_back(
    bus: Registers, unit: int, family: MeterFamily, held: Held, refusal: str, read_back_s: float
) -> Put:
    setting, raw = held.setting, None
    for attempt in range(READ_BACK):
        if attempt:
            await asyncio.sleep(read_back_s)
        try:
            raw = await _raw(bus, unit, family, setting)
        except DeviceError as error:
            refusal = refusal or error.what
            continue
        if raw == held.wanted:
            return Put(outcome=Outcome.DONE, held=held, now=setting.words(raw), what="", remedy="")
        if refusal:
            break
    if raw is None:
        return _not_done(Outcome.UNKNOWN, held, refusal, remedy="Run the probe again, and look at the meter's display.")
    told = refusal or f"It took it, and still holds {setting.words(raw)}."
    return _not_done(Outcome.REFUSED, held, " ".join(filter(None, (told, setting.refused))), now=setting.words(raw))


def _not_done(outcome: Outcome, held: Held, what: str, *, remedy: str = "", now: str = "") -> Put:
    return Put(outcome=outcome, held=held, now=now, what=what, remedy=remedy or held.setting.remedy)


def _changed(setting: Setting, now: int, wanted: int, *, low_word_first: bool) -> tuple[int, list[int]]:
    """The first register to write, and what: only those that change, since many meters write one at a time."""
    before = words_of(now, setting.type, low_word_first=low_word_first)
    after = words_of(wanted, setting.type, low_word_first=low_word_first)
    differing = [n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    if not differing:
        return setting.address, []
    return setting.address + differing[0], list(after[differing[0] : differing[-1] + 1])


async def _is_locked(bus: Registers, unit: int, lock: Lock) -> bool:
    return (await bus.read(unit, lock.address, 1, holding=True))[0] == lock.value


async def _raw(bus: Registers, unit: int, family: MeterFamily, setting: Setting) -> int:
    """
    Raises:
        DeviceError: it can't be read.
    """
    words = await bus.read(unit, setting.address, setting.count, holding=True)
    return whole_of(words, setting.type, low_word_first=family.low_word_first)
