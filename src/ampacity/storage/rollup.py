"""History for people as it is written: every series by the second, and its spread by minute and quarter of an hour."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, func, select

from ampacity.core.decision import Decision
from ampacity.core.observations import Observed
from ampacity.storage.codec import packed, unpacked
from ampacity.storage.database import upsert
from ampacity.storage.errors import StorageDamaged
from ampacity.storage.schema import rollups, seconds

MINUTE_S = 60
QUARTER_S = 900

MOST_MINUTES = 180
"""Kept in memory while the database can't be written."""

DIGITS = 3
MOST = 1e9
"""What is larger is no measurement, and a float32 may not hold it."""

_SECONDS = msgspec.msgpack.Decoder(dict[str, bytes])
_SPREADS = msgspec.msgpack.Decoder(dict[str, list[float]])


@dataclass(frozen=True, slots=True)
class Spread:
    """A series over a span."""

    least: float
    mean: float
    most: float
    seconds: int
    """In how many of them there was a value. At least 1."""


def figures(decision: Decision, observed: Observed) -> dict[str, float]:
    """What is kept of a pass, by series, in amperes: `main.l1.measured_a`, `main.l1.cars_a`, `main.l1.limit_a`,
    `left.setpoint_a`, `left.current_a` (the highest of its phases)."""
    out: dict[str, float] = {}
    for view in decision.circuits:
        for line in range(len(view.limit_a)):
            name = f"{view.circuit}.l{line + 1}"
            if view.measured_a is not None:
                out[f"{name}.measured_a"] = view.measured_a[line]
            out[f"{name}.cars_a"] = view.cars_a[line]
            out[f"{name}.limit_a"] = view.limit_a[line]
    for setpoint in decision.setpoints:
        out[f"{setpoint.charger}.setpoint_a"] = setpoint.limit_a
        seen = observed.chargers.get(setpoint.charger)
        if seen is not None and seen.currents is not None:
            out[f"{setpoint.charger}.current_a"] = max(seen.currents, default=0.0)
        elif seen is not None and seen.current_a is not None:
            out[f"{setpoint.charger}.current_a"] = seen.current_a
    return out


class Roller:
    """Collects figures by the second and writes them, minute by minute. Used by one thread."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[str, array[float]]] = {}
        self._merged: set[int] = set()
        """Minutes that hold all that was written of them before."""
        self._merging: set[int] = set()
        self._begun = False

    def add(self, wall_s: float, values: Mapping[str, float]) -> None:
        """The last value of a second counts. What is no number, or no measurement, is left out."""
        minute, second = divmod(int(wall_s), MINUTE_S)
        if minute not in self._minutes:
            self._minutes[minute] = {}
            while len(self._minutes) > MOST_MINUTES:
                del self._minutes[next(iter(self._minutes))]
        rows = self._minutes[minute]
        for name, value in values.items():
            if abs(value) < MOST:  # false for NaN
                row = rows.get(name)
                if row is None:
                    row = rows[name] = _nothing()
                row[second] = value

    def write(self, connection: Connection) -> None:
        """Writes all minutes, and the spreads of those that are over. `written` must follow once it is committed."""
        quarters = set() if self._begun else _mend(connection)
        newest = max(self._minutes, default=0)
        self._merging = set(self._minutes)
        for minute, rows in self._minutes.items():
            if minute not in self._merged:
                _merge(rows, _minute(connection, minute))
            if rows:
                _put(connection, seconds, {"minute": minute}, {name: _bytes(row) for name, row in rows.items()})
            if rows and minute != newest:
                _write_spreads(connection, MINUTE_S, minute * MINUTE_S, spreads_of(rows))
                quarters.add(_quarter(minute))
        for quarter in quarters:
            _widen(connection, quarter)

    def written(self) -> None:
        """What was written is safe: only the minute under way is still needed."""
        self._begun = True
        newest = max(self._minutes, default=0)
        self._minutes = {minute: rows for minute, rows in self._minutes.items() if minute == newest}
        self._merged = self._merging & self._minutes.keys()


def spreads_of(rows: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """From values by the second, NaN where there is none."""
    out = {}
    for name, row in rows.items():
        known = [value for value in row if not math.isnan(value)]
        if known:
            out[name] = Spread(min(known), math.fsum(known) / len(known), max(known), len(known))
    return out


def merged(spreads: Sequence[Spread]) -> Spread:
    """Of spans side by side, at least one."""
    count = sum(one.seconds for one in spreads)
    mean = math.fsum(one.mean * one.seconds for one in spreads) / count
    return Spread(min(one.least for one in spreads), mean, max(one.most for one in spreads), count)


def second_rows(
    connection: Connection, from_minute: int, to_minute: int, most: int | None = None
) -> Sequence[tuple[int, bytes]]:
    """Minutes since 1970 in order, `to_minute` excluded, with the body that `minute_of` reads."""
    key = seconds.c.minute
    query = select(key, seconds.c.body).where(key >= from_minute, key < to_minute).order_by(key).limit(most)
    return [(minute, body) for minute, body in connection.execute(query)]


def spread_rows(
    connection: Connection, span_s: int, from_s: float, to_s: float, most: int | None = None
) -> Sequence[tuple[int, bytes]]:
    """UTC seconds of each span's start in order, `to_s` excluded, with the body that `span_of` reads."""
    key = rollups.c.start_s
    which = (rollups.c.span_s == span_s, key >= from_s, key < to_s)
    query = select(key, rollups.c.body).where(*which).order_by(key).limit(most)
    return [(start_s, body) for start_s, body in connection.execute(query)]


def minute_of(body: bytes) -> dict[str, array[float]]:
    """60 values of each series, NaN where there is none.

    Raises:
        StorageDamaged: these are not the bytes of a minute.
    """
    return {name: _values(row) for name, row in unpacked(body, _SECONDS).items()}


def span_of(body: bytes) -> dict[str, Spread]:
    """
    Raises:
        StorageDamaged: these are not the bytes of a span.
    """
    return {name: _spread(kept) for name, kept in unpacked(body, _SPREADS).items()}


def _values(row: bytes) -> array[float]:
    values = array("f")
    if len(row) != MINUTE_S * values.itemsize:
        raise StorageDamaged(f"A minute holds {len(row)} bytes of a series.")
    values.frombytes(row)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _spread(kept: list[float]) -> Spread:
    match kept:
        case [least, mean, most]:
            return Spread(least, mean, most, 1)
        case [least, mean, most, count]:
            return Spread(least, mean, most, max(1, int(count)))
    raise StorageDamaged(f"A span holds {len(kept)} figures of a series.")


def _nothing() -> array[float]:
    return array("f", [math.nan]) * MINUTE_S


def _bytes(row: array[float]) -> bytes:
    if sys.byteorder == "big":
        row = row[:]
        row.byteswap()
    return row.tobytes()


def _minute(connection: Connection, minute: int) -> dict[str, array[float]]:
    for _, body in second_rows(connection, minute, minute + 1):
        with suppress(StorageDamaged):
            return minute_of(body)
    return {}


def _merge(rows: dict[str, array[float]], old: Mapping[str, array[float]]) -> None:
    """Fills `rows` with what the run before this one wrote of the minute, or this one before its clock was set back."""
    for name, before in old.items():
        row = rows.setdefault(name, before)
        for second, value in enumerate(before):
            if math.isnan(row[second]):
                row[second] = value


def _mend(connection: Connection) -> set[int]:
    """The spreads of minutes that the run before this one had no time for. Returns the quarters they are in."""
    newest_s = connection.execute(select(func.max(rollups.c.start_s)).where(rollups.c.span_s == MINUTE_S)).scalar()
    quarters = set()
    for minute, body in second_rows(connection, 0 if newest_s is None else newest_s // MINUTE_S + 1, sys.maxsize):
        with suppress(StorageDamaged):
            _write_spreads(connection, MINUTE_S, minute * MINUTE_S, spreads_of(minute_of(body)))
            quarters.add(_quarter(minute))
    return quarters


def _quarter(minute: int) -> int:
    start_s = minute * MINUTE_S
    return start_s - start_s % QUARTER_S


def _widen(connection: Connection, quarter_s: int) -> None:
    """The quarter of an hour anew, from its minutes: right also after a restart in the middle of it."""
    parts: dict[str, list[Spread]] = {}
    for _, body in spread_rows(connection, MINUTE_S, quarter_s, quarter_s + QUARTER_S):
        with suppress(StorageDamaged):
            for name, spread in span_of(body).items():
                parts.setdefault(name, []).append(spread)
    _write_spreads(connection, QUARTER_S, quarter_s, {name: merged(spreads) for name, spreads in parts.items()})


def _write_spreads(connection: Connection, span_s: int, start_s: int, series: Mapping[str, Spread]) -> None:
    figures_ = {
        name: [round(one.least, DIGITS), round(one.mean, DIGITS), round(one.most, DIGITS), one.seconds]
        for name, one in series.items()
    }
    _put(connection, rollups, {"span_s": span_s, "start_s": start_s}, figures_)


def _put(connection: Connection, table: Table, key: Mapping[str, int], body: Mapping[str, Any]) -> None:
    row = upsert(connection, table, **key, body=packed(body))
    connection.execute(row.on_conflict_do_update(index_elements=list(key), set_={"body": row.excluded.body}))
