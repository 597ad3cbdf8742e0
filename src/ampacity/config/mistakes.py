"""Mistakes in a site.toml: all of them at once, each with file, line, key, value and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ampacity.core.errors import AmpacityError


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to correct."""

    line: int | None
    """From 1; None: the file as a whole."""
    place: str
    """Dotted key, as `circuits.garage.limit_a`."""
    what: str
    remedy: str


class Caution(str):
    """What is allowed, and worth a look: in English as it is, for other languages by its code and what it fills in."""

    __slots__ = ("code", "params")

    code: str
    params: Mapping[str, str | float]

    def __new__(cls, code: str, words: str, **params: str | float) -> Caution:
        made = super().__new__(cls, words)
        made.code, made.params = code, params
        return made


class SiteFileError(AmpacityError):
    """A site.toml that can't be used."""

    code = "site-file"
    remedy = "Correct the file; `ampacity check` tells when it is right."

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.lines()), remedy="")

    def lines(self) -> list[str]:
        """One sentence of what is wrong and one of what to do, for each mistake."""
        return [
            f"{self.path.name}{'' if m.line is None else f', line {m.line}'}{m.place and f', {m.place}'}: "
            f"{m.what} {m.remedy}"
            for m in self.mistakes
        ]

    def __str__(self) -> str:
        return self.what


_HEADER = re.compile(r"^\s*+\[\[?+([^\[\]]++)\]\]?+\s*+(#.*)?$")
_PART = r"(?:[A-Za-z0-9_-]++|\"[^\"]*+\"|'[^']*+')"
_KEY = re.compile(rf"^\s*+({_PART}(?:\s*+\.\s*+{_PART})*+)\s*+=")
_FENCE = re.compile(r'"""|\'\'\'')


def lines_of_keys(text: str) -> dict[str, int]:
    """The line of each table and key of a TOML text, by dotted name; the first, where one is there twice."""
    lines: dict[str, int] = {}
    table = ""
    fence = ""
    for number, line in enumerate(text.split("\n"), start=1):
        inside = fence
        for found in _FENCE.findall(line):
            fence = "" if found == fence else fence or found
        if inside:
            continue
        if header := _HEADER.match(line):
            table = _plain(header[1])
            _note(lines, table, number)
        elif key := _KEY.match(line):
            _note(lines, f"{table}.{_plain(key[1])}" if table else _plain(key[1]), number)
    return lines


def line_of(lines: Mapping[str, int], place: str) -> int | None:
    """The line of a key or, where it does not stand in the file, of the table it belongs to."""
    while place:
        if place in lines:
            return lines[place]
        place = place.rpartition(".")[0]
    return None


def _note(lines: dict[str, int], place: str, number: int) -> None:
    while place:
        lines.setdefault(place, number)
        place = place.rpartition(".")[0]


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
