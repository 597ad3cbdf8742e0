"""Versions of firmware, as chargers write them."""

from __future__ import annotations

import re

_VERSION = re.compile(r"[vV]?(\d{1,18}(?:\.\d{1,18})*)")
_PARTS = re.compile(r"[^A-Za-z0-9.]+")


def is_older(firmware: str, least: str) -> bool | None:
    """Whether a firmware is older than the least one, as `1.8.21` or `328`. None: it can't be told, since the charger
    says none, or several numbers that may each be its version."""
    wanted = _version(least)
    dotted = "." in least
    found = {_version(part) for part in _PARTS.split(firmware) if _VERSION.fullmatch(part) and ("." in part) == dotted}
    if len(found) != 1:
        return None
    return found.pop() < wanted


def is_version(text: str) -> bool:
    """Whether it has the form that `is_older` compares with."""
    return _VERSION.fullmatch(text) is not None


def _version(text: str) -> tuple[int, ...]:
    """Without zeros at its end: 1.8 is 1.8.0."""
    found = _VERSION.fullmatch(text)
    numbers = [int(one) for one in found[1].split(".")] if found is not None else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
