"""Reading one table of a TOML file: every value is checked, every mistake is noted, and reading goes on."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ampacity.config.mistakes import Mistake, line_of

LONGEST_TEXT = 500
MOST_A = 10_000.0
_LONGEST_SHOWN = 60


class Table:
    """A table under reading. Each method takes a key and gives its value or, after noting a mistake, the default."""

    def __init__(
        self, place: str, values: Mapping[str, Any], lines: Mapping[str, int], mistakes: list[Mistake]
    ) -> None:
        self.place = place
        self._values = values
        self._lines = lines
        self._mistakes = mistakes
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def wrong(self, key: str, what: str, remedy: str) -> None:
        dotted = f"{self.place}.{key}" if key else self.place
        self._mistakes.append(Mistake(line_of(self._lines, dotted), dotted, what, remedy))

    def text(self, key: str, default: str, *, choices: Sequence[str] = ()) -> str:
        """A printable string that is not empty; one of `choices`, where there are some."""
        value = self._take(key, default)
        if not isinstance(value, str):
            self.wrong(key, f"{shown(value)} is not a text.", f'Write it in quotes, as {key} = "{default or "..."}".')
        elif not value.strip() and key in self._values:
            self.wrong(key, "the text is empty.", "Fill it in, or remove the key.")
        elif not value.isprintable():
            self.wrong(key, f"{value!r} has characters that can't be shown.", "Keep to one line of plain text.")
        elif len(value) > LONGEST_TEXT:
            self.wrong(key, f"{len(value)} characters are too many.", f"Use {LONGEST_TEXT} at the most.")
        elif choices and value not in choices:
            self.wrong(key, f"{shown(value)} is not known.", f"{hint(value, choices)}Use one of: {', '.join(choices)}.")
        else:
            return value
        return default

    def optional_text(self, key: str) -> str | None:
        """As `text`; None if absent."""
        self._known.append(key)
        return self.text(key, "") if key in self._values else None

    def number(self, key: str, default: float, least: float, most: float, unit: str) -> float:
        value = self._take(key, default)
        amount = _number(value)
        if amount is None:
            self.wrong(key, _no_number(value), _number_remedy(key, value, least, most, unit))
        elif not least <= amount <= most:
            self.wrong(key, f"{_with(amount, unit)} is out of range.", _number_remedy(key, value, least, most, unit))
        else:
            return amount
        return default

    def optional_number(self, key: str, least: float, most: float, unit: str) -> float | None:
        if self._take(key, None) is None:
            return None
        before = len(self._mistakes)
        amount = self.number(key, least, least, most, unit)
        return amount if len(self._mistakes) == before else None

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(key, f"{shown(value)} is not a whole number.", _number_remedy(key, value, least, most, "", True))
        elif not least <= value <= most:
            self.wrong(key, f"{shown(value)} is out of range.", _number_remedy(key, value, least, most, "", True))
        else:
            return value
        return default

    def switch(self, key: str, default: bool) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.wrong(key, f"{shown(value)} is neither true nor false.", f"Write {key} = true or {key} = false.")
            return default
        return value

    def per_line(self, key: str, lines: int) -> tuple[float, ...] | None:
        """Amperes: one number for all lines, or a list with one for each. None if absent or wrong."""
        if (value := self._take(key, None)) is None:
            return None
        many = value if isinstance(value, list) else [value] * lines
        remedy = "Give one number" if lines == 1 else f"Give one number for all lines, or a list of {lines}"
        if len(many) != lines:
            what = f"{shown(value)} has {len(many)} value{'' if len(many) == 1 else 's'}"
            self.wrong(key, f"{what} for {lines} line{'' if lines == 1 else 's'}.", f"{remedy}.")
            return None
        amounts = []
        for one in many:
            amount = _number(one)
            if amount is None:
                self.wrong(key, _no_number(one), _number_remedy(key, one, 0, MOST_A, "A"))
                return None
            if not 0 <= amount <= MOST_A:
                self.wrong(key, f"{_with(amount, 'A')} is out of range.", f"{remedy}, 0 to {MOST_A:.0f} A each.")
                return None
            amounts.append(amount)
        return tuple(amounts)

    def raw(self, key: str) -> Any:
        """As it stands in the file, for the caller to check; None if absent."""
        return self._take(key, None)

    def done(self) -> None:
        """Notes every key that nobody asked for."""
        for key in self._values:
            if key not in self._known:
                self.wrong(key, "this key is not known.", f"{hint(key, self._known)}Known: {', '.join(self._known)}.")

    def _take(self, key: str, default: Any) -> Any:
        if key not in self._known:
            self._known.append(key)
        return self._values.get(key, default)


def shown(value: object) -> str:
    """A value as it would stand in the file, cut to a readable length."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = f'"{value}"' if value.isprintable() else repr(value)
        case int() if abs(value) >= 10**_LONGEST_SHOWN:
            return "a number of very many digits"
        case list():
            text = f"[{', '.join(shown(one) for one in value[:_LONGEST_SHOWN])}]"
        case dict():
            return "a table"
        case _:
            text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def hint(given: str, known: Sequence[str]) -> str:
    """A question that leads to the nearest known word; empty if none is near."""
    near = difflib.get_close_matches(given[:LONGEST_TEXT], known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}? " if near else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount if math.isfinite(amount) else None


def _no_number(value: object) -> str:
    return f"{shown(value)} is {'a text, ' if isinstance(value, str) else ''}not a number."


def _number_remedy(key: str, value: object, least: float, most: float, unit: str, whole: bool = False) -> str:
    quoted = _unquoted(value)
    if quoted is not None and least <= quoted <= most and (quoted.is_integer() or not whole):
        return f"Write it without quotes: {key} = {quoted:.12g}."
    return f"Set a {'whole ' if whole else ''}number from {least:g} to {most:.12g}{unit and ' ' + unit}."


def _unquoted(value: object) -> float | None:
    """The number that stands in a text."""
    if not isinstance(value, str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _with(amount: float, unit: str) -> str:
    return f"{amount:g} {unit}".rstrip()
