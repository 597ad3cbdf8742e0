"""Registers of Modbus and what they say."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ampacity.devices.direct_family import Point

NUMBERS = {
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "float32": "f",
    "uint64": "Q",
    "int64": "q",
    "float64": "d",
}
"""How they are packed."""
TEXTS = ("text", "high-char", "low-char")
"""Text of several registers; one letter in the high or the low byte of one."""
BIT = "bit"
TYPES = (*NUMBERS, *TEXTS, BIT)


def count_of(type_: str, registers: int) -> int:
    """How many registers, or coils, a type fills."""
    return struct.calcsize(f">{NUMBERS[type_]}") // 2 if type_ in NUMBERS else registers


def words_of(point: Point, value: float, *, low_word_first: bool) -> tuple[int, ...]:
    """The registers that a number fills; of a coil, 0 or 1.

    Raises:
        ValueError: the point does not hold such a number.
    """
    if point.type == BIT:
        return (1 if value else 0,)
    code = NUMBERS[point.type]
    raw = value / point.scale
    try:
        packed = struct.pack(f">{code}", raw if code in "fd" else round(raw))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value:g} does not fit into {point.type} at {point.at}") from error
    words = struct.unpack(f">{len(packed) // 2}H", packed)
    return words[::-1] if low_word_first else words


def value_of(
    point: Point, words: Sequence[int], *, low_word_first: bool, nothing: int | None = None
) -> float | str | None:
    """What registers say; None: they say that it is not known, by all bits of `nothing`."""
    if point.type in TEXTS:
        packed = struct.pack(f">{len(words)}H", *words)
        part = {"text": packed, "high-char": packed[:1], "low-char": packed[1:2]}[point.type]
        return part.decode("ascii", "replace").strip("\0 \ufffd")
    if point.type == BIT:
        return float(words[0])
    packed = struct.pack(f">{len(words)}H", *(words[::-1] if low_word_first else words))
    if int.from_bytes(packed, "big") == nothing:
        return None
    (raw,) = struct.unpack(f">{NUMBERS[point.type]}", packed)
    if point.mask:
        raw = (raw & point.mask) >> (point.mask & -point.mask).bit_length() - 1
    return float(raw) * point.scale


def reads_of(points: Sequence[Point], *, single: bool, most: int = 60) -> list[tuple[int, int, int]]:
    """(function, first address, count) of as few requests as bring all points: registers next to each other go
    together, and nothing is asked that is not wanted: what lies between may be no register."""
    found: list[tuple[int, int, int]] = []
    places = {(point.read, int(point.at), point.registers) for point in points}
    for function, address, count in sorted(places):
        if found and not single:
            last, first, length = found[-1]
            end = max(first + length, address + count)
            if last == function and address <= first + length and end - first <= most:
                found[-1] = (last, first, end - first)
                continue
        found.append((function, address, count))
    return found
