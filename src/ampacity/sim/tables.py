"""The simulator's input: building traces and charging sessions as CSV, plain or gzip, checked line by line."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ampacity.core.errors import AmpacityError

MOST_SHOWN = 20
SESSION_COLUMNS = ("session_id", "charger", "arrival_s", "departure_s", "energy_wh", "max_a", "lines")
LONGEST_S = 400 * 86_400


class TableError(AmpacityError):
    """A CSV file can't be used; the text has one line for each mistake."""

    code = "table-invalid"
    remedy = ""

    def __init__(self, path: Path, mistakes: Sequence[str]) -> None:
        shown = [f"{path.name}, {mistake}" for mistake in mistakes[:MOST_SHOWN]]
        if len(mistakes) > MOST_SHOWN:
            shown.append(f"{path.name}: and {len(mistakes) - MOST_SHOWN} more.")
        super().__init__("\n".join(shown), remedy="")

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Building:
    """What the building draws, in amperes per line; each value holds until the next."""

    times_s: tuple[int, ...]
    amps: tuple[tuple[float, ...], ...]

    def by_second(self) -> list[tuple[float, ...]]:
        """One row a second, from the first to the last time."""
        out = []
        for place, time_s in enumerate(self.times_s):
            end_s = self.times_s[place + 1] if place + 1 < len(self.times_s) else time_s + 1
            out.extend([self.amps[place]] * (end_s - time_s))
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A car's stay."""

    id: str
    charger: str
    arrival_s: int
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
    for number, row in _rows(path, wanted, mistakes):
        numbers = _numbers(row, wanted, number, mistakes)
        if numbers is None:
            continue
        time_s = int(numbers[0])
        if time_s != numbers[0]:
            mistakes.append(f"line {number}, time_s: {row[0]} is no whole second. Resample to 1 s or coarser.")
        elif times and time_s <= times[-1]:
            mistakes.append(f"line {number}, time_s: {time_s} is not after {times[-1]}. Sort the lines by time.")
        elif times and time_s - times[0] > LONGEST_S:
            mistakes.append(f"line {number}, time_s: more than {LONGEST_S // 86_400} days. Cut the trace.")
        elif any(abs(a) > 10_000 for a in numbers[1:]):
            mistakes.append(f"line {number}: a current above 10000 A. Give amperes.")
        else:
            times.append(time_s)
            amps = tuple(numbers[1:])
            rows.append(known.setdefault(amps, amps))
    if not times and not mistakes:
        mistakes.append("there is no line below the heading. Add at least one.")
    if mistakes:
        raise TableError(path, mistakes)
    return Building(tuple(times), tuple(rows))


def read_sessions(path: Path, chargers: dict[str, int]) -> list[Session]:
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
        name, charger = row[0], row[1]
        arrival, departure, energy, most, lines = numbers
        at = f"line {number}"
        if charger not in chargers:
            mistakes.append(f"{at}, charger: {charger!r} is not on the site. Use one of: {', '.join(chargers)}.")
        elif name in ids:
            mistakes.append(f"{at}, session_id: {name!r} is there twice. Give each its own.")
        elif not 0 <= arrival < departure:
            mistakes.append(f"{at}, departure_s: it must be after arrival_s, and both at least 0.")
        elif energy < 0 or most <= 0:
            mistakes.append(f"{at}: energy_wh must be at least 0 and max_a more than 0.")
        elif lines not in range(1, chargers[charger] + 1):
            mistakes.append(f"{at}, lines: {row[6]} can't be; {charger} has {chargers[charger]}.")
        else:
            ids.add(name)
            out.append(
                Session(
                    id=name,
                    charger=charger,
                    arrival_s=int(arrival),
                    departure_s=int(departure),
                    energy_wh=energy,
                    max_a=most,
                    lines=int(lines),
                )
            )
    out.sort(key=lambda session: (session.arrival_s, session.id))
    ends: dict[str, Session] = {}
    for session in out:
        before = ends.get(session.charger)
        if before is not None and session.arrival_s < before.departure_s:
            mistakes.append(f"session {session.id}: {session.charger} is still taken by {before.id}. Move one.")
        ends[session.charger] = session
    if mistakes:
        raise TableError(path, mistakes)
    return out


def _rows(path: Path, wanted: Sequence[str], mistakes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and the wanted columns of each line, in the wanted order."""
    try:
        open_text = gzip.open if _is_gzip(path) else open
        with open_text(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            heading = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in wanted if name not in heading]
            if missing:
                mistakes.append(f"line 1: column {', '.join(missing)} is missing. The heading is {','.join(wanted)}.")
                return
            places = [heading.index(name) for name in wanted]
            for row in reader:
                if not row:
                    continue
                if len(row) < len(heading):
                    mistakes.append(f"line {reader.line_num}: {len(row)} columns instead of {len(heading)}.")
                    continue
                yield reader.line_num, [row[place] for place in places]
    except FileNotFoundError:
        raise TableError(path, ["there is no such file. Check the path."]) from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        mistakes.append(f"it can't be read to the end ({error}). Give a CSV file, plain or gzip.")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _numbers(row: Sequence[str], names: Sequence[str], line: int, mistakes: list[str]) -> list[float] | None:
    out = []
    for name, text in zip(names, row, strict=True):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            mistakes.append(f"line {line}, {name}: {text[:40]!r} is not a number. Write it as 12.5.")
            return None
        out.append(number)
    return out
