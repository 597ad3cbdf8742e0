"""The simulator's input: building traces and charging sessions as CSV, plain or gzip, checked line by line."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ampacity.core.errors import AmpacityError
from ampacity.core.site import ChargerId

MOST_SHOWN = 20
MOST_A = 10_000
FLOOR_A = 6.0
"""IEC 61851-1: below, a car may not charge."""
SESSION_COLUMNS = ("session_id", "charger", "arrival_s", "departure_s", "energy_wh", "max_a", "lines")
LONGEST_S = 400 * 86_400
LONGEST_LINE = 10_000
"""Characters."""
MOST_LINES = LONGEST_S
MOST_CHARACTERS = 2_000_000_000
MOST_SESSIONS = 1_000_000
MOST_MISTAKES = 1000
"""Reading ends there: what follows is more of the same."""
LATEST_S = 2**33
"""Times are seconds of any clock that both tables share, a Unix time if you like."""


class TableError(AmpacityError):
    """A CSV file can't be used; the text has one line for each mistake."""

    code = "table-invalid"
    remedy = "Correct the named lines of the table."

    def __init__(self, path: Path, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(f"{path.name}, {mistake}" for mistake in mistakes[:MOST_SHOWN])
        """One sentence each, with line, column, value and remedy; the first 20."""
        more = len(mistakes) - MOST_SHOWN
        super().__init__("\n".join([*self.mistakes, *([f"{path.name}: and {more} more."] if more > 0 else [])]))

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Building:
    """What the building draws, in amperes per line; each value holds until the next."""

    times_s: tuple[int, ...]
    amps: tuple[tuple[float, ...], ...]

    @property
    def start_s(self) -> int:
        return self.times_s[0]

    @property
    def seconds(self) -> int:
        """From the first time to the last, which holds for one second."""
        return self.times_s[-1] + 1 - self.times_s[0]

    def by_second(self) -> list[tuple[float, ...]]:
        """One row a second."""
        ends_s = (*self.times_s[1:], self.times_s[-1] + 1)
        out: list[tuple[float, ...]] = []
        for time_s, end_s, amps in zip(self.times_s, ends_s, self.amps, strict=True):
            out.extend([amps] * (end_s - time_s))
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A car's stay."""

    id: str
    charger: ChargerId
    arrival_s: int
    """On the clock of the building's trace."""
    departure_s: int
    energy_wh: float
    """What it can take; it stops by itself then."""
    max_a: float
    lines: int
    """How many of the charger's own lines it uses, from the first."""


def read_building(path: Path, lines: int) -> Building:
    """A trace with `lines` current columns: time_s,l1_a,l2_a,l3_a.

    Raises:
        TableError: with every line that is wrong.
    """
    wanted = ("time_s", *(f"l{n + 1}_a" for n in range(lines)))
    mistakes: list[str] = []
    times: list[int] = []
    rows: list[tuple[float, ...]] = []
    known: dict[tuple[float, ...], tuple[float, ...]] = {}
    """Equal rows are kept once."""
    for number, row in _rows(path, wanted, mistakes):
        numbers = _numbers(row, wanted, number, mistakes)
        if numbers is None:
            continue
        time_s, amps = numbers[0], tuple(numbers[1:])
        at = f"line {number}, time_s: {row[0]}"
        most = next((n for n, a in enumerate(amps) if abs(a) > MOST_A), None)
        if not time_s.is_integer() or abs(time_s) > LATEST_S:
            mistakes.append(f"{at} is no whole second. Resample to 1 s or coarser.")
        elif times and time_s <= times[-1]:
            mistakes.append(f"{at} is not after {times[-1]}. Sort the lines by time, and give each time once.")
        elif times and time_s - times[0] > LONGEST_S:
            mistakes.append(f"{at} is more than {LONGEST_S // 86_400} days after the first. Cut the trace.")
        elif most is not None:
            mistakes.append(f"line {number}, {wanted[1 + most]}: {row[1 + most]} is above {MOST_A} A. Give amperes.")
        else:
            times.append(int(time_s))
            rows.append(known.setdefault(amps, amps))
    if not times and not mistakes:
        mistakes.append("there is no line below the heading. Add at least one.")
    if mistakes:
        raise TableError(path, mistakes)
    return Building(tuple(times), tuple(rows))


def read_sessions(path: Path, chargers: Mapping[ChargerId, int]) -> list[Session]:
    """Sessions, in the order of arrival. `chargers`: how many lines each charger of the site has.

    Raises:
        TableError: with every line that is wrong.
    """
    mistakes: list[str] = []
    out: list[Session] = []
    ids: set[str] = set()
    for number, row in _rows(path, SESSION_COLUMNS, mistakes):
        numbers = _numbers(row[2:], SESSION_COLUMNS[2:], number, mistakes)
        if numbers is None:
            continue
        wrong = _wrong_session(row, numbers, chargers, ids)
        if wrong is not None:
            mistakes.append(f"line {number}, {wrong}")
            continue
        arrival, departure, energy, most, lines = numbers
        if len(out) >= MOST_SESSIONS:
            mistakes.append(f"line {number}: there are more than {MOST_SESSIONS} sessions. Cut the table.")
            break
        ids.add(row[0])
        out.append(
            Session(
                id=row[0],
                charger=ChargerId(row[1]),
                arrival_s=int(arrival),
                departure_s=int(departure),
                energy_wh=energy,
                max_a=most,
                lines=int(lines),
            )
        )
    out.sort(key=lambda session: (session.arrival_s, session.id))
    there: dict[ChargerId, Session] = {}
    for session in out:
        before = there.get(session.charger)
        if before is not None and session.arrival_s < before.departure_s:
            mistakes.append(
                f"session {session.id}, arrival_s: {session.arrival_s}, but {session.charger} is taken by {before.id} "
                f"until {before.departure_s}. Move one."
            )
        there[session.charger] = session
    if mistakes:
        raise TableError(path, mistakes)
    return out


def _wrong_session(
    row: Sequence[str], numbers: Sequence[float], chargers: Mapping[ChargerId, int], ids: Container[str]
) -> str | None:
    """Column, value and remedy; None: nothing is wrong."""
    arrival, departure, energy, most, lines = numbers
    count = chargers.get(ChargerId(row[1]))
    if not row[0] or row[0] in ids:
        return f"session_id: {row[0]!r} is empty or there twice. Give each session its own."
    if count is None:
        return f"charger: {row[1]!r} is not on the site. Use one of: {', '.join(chargers)}."
    for place, time_s in ((2, arrival), (3, departure)):
        if not time_s.is_integer() or abs(time_s) > LATEST_S:
            return f"{SESSION_COLUMNS[place]}: {row[place]} is no whole second. Round it."
    if arrival >= departure:
        return f"departure_s: {row[3]} is not after arrival_s ({row[2]}). Correct one."
    if energy < 0:
        return f"energy_wh: {row[4]} is negative. Give what the car can take, in Wh."
    if not FLOOR_A <= most <= MOST_A:
        return f"max_a: {row[5]} can't be. Give {FLOOR_A:g} A (the least at which a car charges) or more."
    if lines not in range(1, count + 1):
        return f"lines: {row[6]} can't be; {row[1]} has {count}. Give 1 to {count}."
    return None


def _rows(path: Path, wanted: Sequence[str], mistakes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and the wanted columns of each line, in the wanted order."""
    try:
        open_text = gzip.open if _is_gzip(path) else open
        with open_text(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_lines(file))
            heading = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in wanted if name not in heading]
            if missing:
                mistakes.append(f"line 1: column {', '.join(missing)} is missing. The heading is {','.join(wanted)}.")
                return
            twice = [name for name in wanted if heading.count(name) > 1]
            if twice:
                mistakes.append(f"line 1: column {', '.join(twice)} is there twice. Remove one.")
                return
            places = [heading.index(name) for name in wanted]
            for row in reader:
                if len(mistakes) >= MOST_MISTAKES:
                    return
                if not row:
                    continue
                if len(row) < len(heading):
                    mistakes.append(
                        f"line {reader.line_num}: {len(row)} columns instead of {len(heading)}. Complete or remove it."
                    )
                    continue
                yield reader.line_num, [row[place].strip() for place in places]
    except FileNotFoundError:
        raise TableError(path, ["there is no such file. Check the path."]) from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error, _TooMuch) as error:
        mistakes.append(f"it can't be read to the end ({error}). Give a CSV file, plain or gzip.")


class _TooMuch(ValueError):
    """A file that is no table of anybody; small ones become so by gzip."""


def _lines(file: TextIO) -> Iterator[str]:
    """Line by line, none of which is longer than it may be."""
    number = size = 0
    while line := file.readline(LONGEST_LINE + 1):
        number, size = number + 1, size + len(line)
        if len(line) > LONGEST_LINE:
            raise _TooMuch(f"line {number} has more than {LONGEST_LINE} characters")
        if number > MOST_LINES or size > MOST_CHARACTERS:
            raise _TooMuch(f"it has more than {MOST_LINES} lines or {MOST_CHARACTERS} characters")
        yield line


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _numbers(row: Sequence[str], names: Sequence[str], line: int, mistakes: list[str]) -> list[float] | None:
    out = []
    for name, text in zip(names, row, strict=True):
        try:
            number = math.nan if "_" in text else float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            mistakes.append(f"line {line}, {name}: {text[:40]!r} is not a number. Write it like 12.5.")
            return None
        out.append(number)
    return out
