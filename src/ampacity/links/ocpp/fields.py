"""What messages of every version are made of: lenient fields in what is received, strict ones in what is sent."""

from __future__ import annotations

import msgspec

Scalar = str | int | float | bool | None
_LARGEST = 2**53
"""So far every whole number has a float of its own."""
_INLET = "inlet"
_ELSEWHERE = ("ev", "body", _INLET, "upstream")
"""Where values are not those of the socket."""


class In(msgspec.Struct):
    """What a charger sends. Unknown fields are passed over; what is missing has a default."""


class Noted(In):
    """A message of which nothing is needed, and whose answer is empty."""


class Out(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What we send: exactly the fields of the schema, none that is None. The class bears the action's name."""


def text(value: Scalar) -> str:
    return "" if value is None else str(value)


def whole(value: Scalar) -> int | None:
    """A whole number in whichever form; None if it is none, or larger than any that is counted."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = int(float(value))
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= _LARGEST else None


def is_elsewhere(location: Scalar) -> bool:
    """Whether a value from there is not the socket's."""
    return location is not None and text(location).strip().lower() in _ELSEWHERE


def is_inlet(location: Scalar) -> bool:
    """Whether a value from there is of the supply that the charger hangs on."""
    return location is not None and text(location).strip().lower() == _INLET


def number(value: Scalar) -> float | None:
    """A finite number that is not below zero, in whichever form; None if it is none."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found <= _LARGEST else None
