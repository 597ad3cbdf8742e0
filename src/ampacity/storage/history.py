"""History for people: every series at 1 s, 1 min and 15 min, each kept as long as is set."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.sqlite import insert

from ampacity.core.decision import Decision
from ampacity.core.observations import Observed
from ampacity.storage.codec import packed
from ampacity.storage.schema import batches, rollups, seconds, snapshots

SPANS_S = (60, 900)
SLICE = 500
"""Rows deleted at a time, so that nobody waits for the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days each level is kept."""

    seconds_days: float
    minutes_days: float
    quarters_days: float
    journal_days: float


def figures(decision: Decision, observed: Observed) -> dict[str, float]:
    """What is kept of a pass, by series: `main.l1.measured_a`, `left.setpoint_a`, ..."""
    out: dict[str, float] = {}
    for view in decision.circuits:
        for line in range(len(view.limit_a)):
            if view.measured_a is not None:
                out[f"{view.circuit}.l{line + 1}.measured_a"] = view.measured_a[line]
            out[f"{view.circuit}.l{line + 1}.cars_a"] = view.cars_a[line]
    for setpoint in decision.setpoints:
        out[f"{setpoint.charger}.setpoint_a"] = setpoint.limit_a
        seen = observed.chargers.get(setpoint.charger)
        if seen is not None and seen.currents is not None:
            out[f"{setpoint.charger}.current_a"] = max(seen.currents)
    return out


class Roller:
    """Collects figures by the second and writes them, minute by minute. Used by the writer's thread alone."""

    def __init__(self) -> None:
        self._minute: int | None = None
        self._second: dict[str, list[float]] = {}

    def add(self, connection: Connection, wall_s: float, values: Mapping[str, float]) -> None:
        minute, second = divmod(int(wall_s), 60)
        if minute != self._minute:
            self.flush(connection)
            self._minute, self._second = minute, _minute_row(connection, minute)
        for name, value in values.items():
            row = self._second.get(name)
            if row is None:
                row = self._second[name] = [math.nan] * 60
            row[second] = value

    def flush(self, connection: Connection) -> None:
        """Writes the minute under way, as far as it has come."""
        if self._minute is None or not self._second:
            return
        body = packed({name: struct.pack("<60f", *row) for name, row in self._second.items()})
        connection.execute(
            insert(seconds)
            .values(minute=self._minute, body=body)
            .on_conflict_do_update(index_elements=["minute"], set_={"body": body})
        )
        spread = {name: _spread(row) for name, row in self._second.items()}
        _write_rollup(connection, 60, self._minute * 60, spread)
        self._widen(connection, self._minute * 60)

    def _widen(self, connection: Connection, start_s: int) -> None:
        """The quarter of an hour anew, from its minutes: right also after a restart in the middle of it."""
        quarter = start_s - start_s % 900
        merged: dict[str, list[list[float]]] = {}
        for _, series in _rollup_rows(connection, 60, quarter, quarter + 900):
            for name, figures_ in series.items():
                merged.setdefault(name, []).append(figures_)
        wide = {
            name: [min(r[0] for r in rows), sum(r[1] for r in rows) / len(rows), max(r[2] for r in rows)]
            for name, rows in merged.items()
        }
        _write_rollup(connection, 900, quarter, wide)


def _minute_row(connection: Connection, minute: int) -> dict[str, list[float]]:
    """What is already written of a minute: by the run before this one, or before the clock was set back."""
    body = connection.execute(select(seconds.c.body).where(seconds.c.minute == minute)).scalar()
    if body is None:
        return {}
    rows = msgspec.msgpack.decode(zlib.decompress(body), type=dict[str, bytes])
    return {name: list(struct.unpack("<60f", row)) for name, row in rows.items()}


def _spread(row: list[float]) -> list[float]:
    known = [value for value in row if not math.isnan(value)]
    return [min(known), sum(known) / len(known), max(known)]


def _write_rollup(connection: Connection, span_s: int, start_s: int, series: Mapping[str, list[float]]) -> None:
    body = packed({name: [round(v, 3) for v in figures_] for name, figures_ in series.items()})
    connection.execute(
        insert(rollups)
        .values(span_s=span_s, start_s=start_s, body=body)
        .on_conflict_do_update(index_elements=["span_s", "start_s"], set_={"body": body})
    )


def _rollup_rows(
    connection: Connection, span_s: int, from_s: float, to_s: float
) -> Iterator[tuple[int, dict[str, list[float]]]]:
    rows = connection.execute(
        select(rollups.c.start_s, rollups.c.body)
        .where(rollups.c.span_s == span_s, rollups.c.start_s >= from_s, rollups.c.start_s < to_s)
        .order_by(rollups.c.start_s)
    )
    for start_s, body in rows:
        yield start_s, msgspec.msgpack.decode(zlib.decompress(body), type=dict[str, list[float]])


def history(
    engine: Engine, series: str, from_s: float, to_s: float, span_s: int
) -> Iterator[tuple[int, float, float, float]]:
    """Start, least, mean and most of each span (1, 60 or 900 s) that has something of the series, in order."""
    with engine.connect() as connection:
        if span_s != 1:
            for start_s, figures_ in _rollup_rows(connection, span_s, from_s, to_s):
                if series in figures_:
                    least, mean, most = figures_[series]
                    yield start_s, least, mean, most
            return
        rows = connection.execute(
            select(seconds.c.minute, seconds.c.body)
            .where(seconds.c.minute >= from_s // 60, seconds.c.minute <= to_s // 60)
            .order_by(seconds.c.minute)
        )
        for minute, body in rows:
            packed_row = msgspec.msgpack.decode(zlib.decompress(body), type=dict[str, bytes]).get(series)
            for second, value in enumerate(struct.unpack("<60f", packed_row) if packed_row else ()):
                if not math.isnan(value) and from_s <= minute * 60 + second < to_s:
                    yield minute * 60 + second, value, value, value


def forget(engine: Engine, retention: Retention, wall_s: float) -> int:
    """Deletes one slice of what is older than it is kept. Returns how many rows; 0: all is done."""
    day = 86_400.0
    with engine.begin() as connection:
        gone = 0
        for table, column, oldest in (
            (seconds, seconds.c.minute, (wall_s - retention.seconds_days * day) / 60),
            (batches, batches.c.wall_s, wall_s - retention.journal_days * day),
            (snapshots, snapshots.c.wall_s, wall_s - retention.journal_days * day),
        ):
            key = next(iter(table.primary_key))
            gone += connection.execute(
                delete(table).where(key.in_(select(key).where(column < oldest).limit(SLICE)))
            ).rowcount
        for span_s, days in ((60, retention.minutes_days), (900, retention.quarters_days)):
            old = select(rollups.c.start_s).where(rollups.c.span_s == span_s, rollups.c.start_s < wall_s - days * day)
            gone += connection.execute(
                delete(rollups).where(rollups.c.span_s == span_s, rollups.c.start_s.in_(old.limit(SLICE)))
            ).rowcount
        connection.exec_driver_sql("PRAGMA incremental_vacuum(200)")
    return gone
