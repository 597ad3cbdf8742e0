"""Numbers in registers of 16 bits."""

from __future__ import annotations

import struct
from collections.abc import Sequence

WORDS = {
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
    "t5": 2,
    "t6": 2,
}
"""How many registers a number takes. t5, t6: a power of ten of 8 bits, and a number of 24, without or with a sign
(Iskra)."""
_SIGNED = ("int16", "int32", "int64")
_FLOATS = {"float32": ">f", "float64": ">d"}


def unsigned_of(words: Sequence[int], *, low_word_first: bool) -> int:
    """All bits, as one number."""
    number = 0
    for word in reversed(words) if low_word_first else words:
        number = number << 16 | word
    return number


def number_of(words: Sequence[int], type_: str, *, low_word_first: bool) -> int:
    """The whole number that registers hold."""
    number = unsigned_of(words, low_word_first=low_word_first)
    if type_ in _SIGNED and number >> (16 * len(words) - 1):
        number -= 1 << 16 * len(words)
    return number


def value_of(words: Sequence[int], type_: str, *, low_word_first: bool) -> float:
    """The number that registers hold, whole or not; may be infinite, or no number."""
    if type_ in _FLOATS:
        raw = unsigned_of(words, low_word_first=low_word_first)
        (value,) = struct.unpack(_FLOATS[type_], raw.to_bytes(2 * len(words), "big"))
        return float(value)
    if type_ in ("t5", "t6"):
        raw = unsigned_of(words, low_word_first=low_word_first)
        power, number = raw >> 24, raw & 0xFFFFFF
        if type_ == "t6" and number & 0x800000:
            number -= 1 << 24
        return float(number * 10.0 ** (power - 256 if power & 0x80 else power))
    return number_of(words, type_, low_word_first=low_word_first)
