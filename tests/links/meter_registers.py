"""The registers of a meter of each family, as its first sample has them."""

from __future__ import annotations

import struct

from ampacity.devices.meter_family import SUNSPEC_END, SUNSPEC_MARK, MeterFamily

CHAIN = 40_000
MODEL_AT = CHAIN + 2 + 2 + 66
"""A SunSpec chain begins with the model of the device itself, of 66 registers."""


def identification_of(family: MeterFamily) -> list[int]:
    """What stands where it says what it is; empty: it does not say."""
    if family.identify_text:
        text = family.models[0].encode().ljust(2 * family.identify_registers, b"\0")
        return list(struct.unpack(f">{family.identify_registers}H", text))
    if not family.identify_values:
        return []
    code = next(iter(family.identify_values))
    count = family.identify_registers
    return [code >> 16 * (count - 1 - n) & 0xFFFF for n in range(count)]


def shown_by(family: MeterFamily) -> dict[int, int]:
    """All registers but the identification, its settings as they should be."""
    by = MODEL_AT if family.sunspec is not None else 0
    words = {by + a + n: w for a, block in family.samples[0].registers.items() for n, w in enumerate(block)}
    words.update({one.address: one.want for one in family.setup if one.want is not None})
    if family.sunspec is not None:
        model = next(number for number, lines in family.sunspec.models.items() if lines == family.phases)
        length = 2 + max(at for at in words) - MODEL_AT
        words.update({CHAIN: SUNSPEC_MARK[0], CHAIN + 1: SUNSPEC_MARK[1], CHAIN + 2: 1, CHAIN + 3: 66})
        words.update({MODEL_AT: model, MODEL_AT + 1: length})
        words.update({MODEL_AT + 2 + length: SUNSPEC_END, MODEL_AT + 3 + length: 0})
    return words


def is_identification(family: MeterFamily, address: int, count: int) -> bool:
    """Whether it is asked what it is: read alone."""
    return (address, count) == (family.identify_address, family.identify_registers)
