"""Registers of 16 bits, and the numbers and texts that they hold; by the types that device files name."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_PACKED = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
_FLOATS = ("float32", "float64")
_POWERS = ("t5", "t6")
"""A power of ten of 8 bits, and a number of 24, without or with a sign (Iskra). They are only read."""
WORDS = {type_: struct.calcsize(f">{code}") // 2 for type_, code in _PACKED.items()} | dict.fromkeys(_POWERS, 2)
"""How many registers a number takes."""
TEXTS = ("text", "high-char", "low-char")
"""Text of several registers; one letter in the high or the low byte of one."""
WHOLE = tuple(type_ for type_ in _PACKED if type_ not in _FLOATS)
"""Types of whole numbers."""
BIT = "bit"
"""A coil."""


def bits_of(words: Sequence[int], *, low_word_first: bool) -> int:
    """All bits, as one number without a sign."""
    return int.from_bytes(_bytes_of(words, low_word_first=low_word_first), "big")


def whole_of(words: Sequence[int], type_: str, *, low_word_first: bool) -> int:
    """The whole number that registers hold; `type_` is one of WHOLE."""
    (number,) = struct.unpack(f">{_PACKED[type_]}", _bytes_of(words, low_word_first=low_word_first))
    return int(number)


def value_of(words: Sequence[int], type_: str, *, low_word_first: bool) -> float:
    """The number that registers hold, whole or not; may be infinite, or no number."""
    if type_ in _POWERS:
        raw = bits_of(words, low_word_first=low_word_first)
        power, number = raw >> 24, raw & 0xFFFFFF
        if type_ == "t6" and number & 0x800000:
            number -= 1 << 24
        return float(number * 10.0 ** (power - 256 if power & 0x80 else power))
    if type_ not in _FLOATS:
        return whole_of(words, type_, low_word_first=low_word_first)
    (value,) = struct.unpack(f">{_PACKED[type_]}", _bytes_of(words, low_word_first=low_word_first))
    return float(value)


def words_of(value: float, type_: str, *, low_word_first: bool) -> tuple[int, ...]:
    """The registers that hold a number; of a type of whole numbers the nearest one.

    Raises:
        ValueError: it does not fit.
    """
    if type_ in _POWERS:
        raise ValueError(f"{type_} is only read")
    try:
        packed = struct.pack(f">{_PACKED[type_]}", value if type_ in _FLOATS else round(value))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value:g} does not fit into {type_}") from error
    words = struct.unpack(f">{len(packed) // 2}H", packed)
    return words[::-1] if low_word_first else words


def text_of(words: Sequence[int], type_: str = "text") -> str:
    """The text that registers hold; empty where there is none."""
    raw = _bytes_of([word & 0xFFFF for word in words], low_word_first=False)
    part = {"text": raw, "high-char": raw[:1], "low-char": raw[1:2]}[type_]
    text = part.decode("ascii", "replace").strip("\0 \ufffd")
    return text if text.isprintable() else ""


def _bytes_of(words: Sequence[int], *, low_word_first: bool) -> bytes:
    return struct.pack(f">{len(words)}H", *(reversed(words) if low_word_first else words))
