"""Reading one table of a TOML file: every value is checked, every mistake is noted, and reading goes on."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ampacity.config.mistakes import Mistake


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
        line = self._lines.get(dotted, self._lines.get(self.place))
        self._mistakes.append(Mistake(line, dotted, what, remedy))

    def text(self, key: str, default: str, *, choices: Sequence[str] = ()) -> str:
        """A string that is not empty; one of `choices`, where there are some."""
        value = self._take(key, default)
        if not isinstance(value, str) or (not value.strip() and key in self._values):
            self.wrong(key, f"{_shown(value)} is not a text.", f'Write it in quotes, as {key} = "{default or "..."}".')
            return default
        if choices and value not in choices:
            near = difflib.get_close_matches(value, choices, n=1)
            hint = f'Did you mean "{near[0]}"? ' if near else ""
            self.wrong(key, f'"{value}" is not known.', f"{hint}Use one of: {', '.join(choices)}.")
            return default
        return value

    def optional_text(self, key: str) -> str | None:
        """As `text`; None if absent."""
        self._known.append(key)
        return self.text(key, "") if key in self._values else None

    def number(self, key: str, default: float, least: float, most: float, unit: str) -> float:
        value = self._take(key, default)
        if (amount := _number(value)) is None or not least <= amount <= most:
            what = f"{_shown(value)} is not a number." if amount is None else f"{amount:g} {unit} is out of range."
            self.wrong(key, what.replace("  ", " "), f"Set a number from {least:g} to {most:g}{unit and ' ' + unit}.")
            return default
        return amount

    def optional_number(self, key: str, least: float, most: float, unit: str) -> float | None:
        if self._take(key, None) is None:
            return None
        before = len(self._mistakes)
        amount = self.number(key, least, least, most, unit)
        return amount if len(self._mistakes) == before else None

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(key, f"{_shown(value)} can't be.", f"Set a whole number from {least} to {most}.")
            return default
        return value

    def switch(self, key: str, default: bool) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.wrong(key, f"{_shown(value)} is neither true nor false.", f"Write {key} = true or {key} = false.")
            return default
        return value

    def per_line(self, key: str, lines: int) -> tuple[float, ...] | None:
        """One number for all lines, or a list with one for each. None if absent or wrong."""
        if (value := self._take(key, None)) is None:
            return None
        many = value if isinstance(value, list) else [value] * lines
        amounts = [_number(one) for one in many]
        if len(amounts) != lines or any(a is None or not 0 <= a <= 10_000 for a in amounts):
            self.wrong(
                key,
                f"{_shown(value)} does not say amperes for {lines} line{'s' if lines > 1 else ''}.",
                f"Give one number for all lines{f', or a list of {lines}' if lines > 1 else ''}: 0 to 10000 A each.",
            )
            return None
        return tuple(a for a in amounts if a is not None)

    def raw(self, key: str) -> Any:
        """As it stands in the file, for the caller to check; None if absent."""
        return self._take(key, None)

    def done(self) -> None:
        """Notes every key that nobody asked for."""
        for key in self._values:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, n=1, cutoff=0.5)
                hint = f"Did you mean `{near[0]}`? " if near else ""
                self.wrong(key, "this key is not known.", f"{hint}Known here: {', '.join(self._known)}.")

    def _take(self, key: str, default: Any) -> Any:
        if key not in self._known:
            self._known.append(key)
        return self._values.get(key, default)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount if math.isfinite(amount) else None


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
