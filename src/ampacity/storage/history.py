"""History for people: every series at 1 s, 1 min and 15 min, each kept as long as is set."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, and_, delete, exists, select

from ampacity.storage.database import free_pages, writing
from ampacity.storage.rollup import DIGITS, MINUTE_S, QUARTER_S, Spread, minute_of, second_rows, span_of, spread_rows
from ampacity.storage.schema import batches, event_evidence, events, gaps, rollups, runs, seconds, sites, snapshots

RESOLUTIONS_S = (1, MINUTE_S, QUARTER_S)
PAGE_ROWS = 64
"""Read at once, so that a slow reader never holds the database."""

SLICE = 500
"""Rows deleted at a time, so that nobody waits for the database."""

FREED_PAGES = 200
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days each level is kept."""

    seconds_days: float
    minutes_days: float
    quarters_days: float
    journal_days: float


def history(
    engine: Engine, series: str, from_s: float, to_s: float, span_s: int
) -> Iterator[tuple[int, float, float, float]]:
    """Start, least, mean and most of each span that has something of the series, in order.

    Times are UTC seconds since 1970, `to_s` excluded; `span_s` is 1, 60 or 900. Amperes. At 1 s all three are the same.
    A minute is there once it is over.

    Raises:
        ValueError: another span.
        StorageDamaged: a row can't be read.
    """
    for start_s, spreads in spans(engine, from_s, to_s, span_s):
        one = spreads.get(series)
        if one is not None:
            yield start_s, one.least, one.mean, one.most


def spans(engine: Engine, from_s: float, to_s: float, span_s: int) -> Iterator[tuple[int, dict[str, Spread]]]:
    """All series, span by span, as `history` has one of them."""
    if span_s not in RESOLUTIONS_S:
        raise ValueError(f"{span_s} s is none of {RESOLUTIONS_S}")
    for start_s, body in _rows(engine, from_s, to_s, span_s):
        if span_s == 1:
            yield from _by_second(start_s, minute_of(body), from_s, to_s)
        else:
            yield start_s, span_of(body)


def series_names(engine: Engine, from_s: float, to_s: float, span_s: int) -> list[str]:
    """Series that have something in these spans, by name."""
    names: set[str] = set()
    for _, spreads in spans(engine, from_s, to_s, span_s):
        names |= spreads.keys()
    return sorted(names)


def forget(engine: Engine, retention: Retention, wall_s: float) -> int:
    """Deletes one slice of what is older than it is kept. Returns how many rows; 0: all is done.

    Sessions, settings and the audit stay.
    """
    journal_s = wall_s - retention.journal_days * DAY_S
    with writing(engine) as connection:
        gone = 0
        for key, old in (
            (seconds.c.minute, seconds.c.minute < (wall_s - retention.seconds_days * DAY_S) / MINUTE_S),
            (batches.c.id, batches.c.wall_s < journal_s),
            (snapshots.c.id, snapshots.c.wall_s < journal_s),
            (runs.c.id, and_(runs.c.started_s < journal_s, ~exists().where(batches.c.run == runs.c.id))),
            (sites.c.id, ~exists().where(runs.c.id == sites.c.run)),
            (gaps.c.id, ~exists().where(runs.c.id == gaps.c.run)),
            (events.c.id, events.c.at_s < wall_s - retention.minutes_days * DAY_S),
            (event_evidence.c.event, ~exists().where(events.c.id == event_evidence.c.event)),
        ):
            gone += connection.execute(delete(key.table).where(key.in_(select(key).where(old).limit(SLICE)))).rowcount
        start = rollups.c.start_s
        for span_s, days in ((MINUTE_S, retention.minutes_days), (QUARTER_S, retention.quarters_days)):
            level = rollups.c.span_s == span_s
            old_spans = select(start).where(level, start < wall_s - days * DAY_S).limit(SLICE)
            gone += connection.execute(delete(rollups).where(level, start.in_(old_spans))).rowcount
    free_pages(engine, FREED_PAGES)
    return gone


def _rows(engine: Engine, from_s: float, to_s: float, span_s: int) -> Iterator[tuple[int, bytes]]:
    """UTC seconds of each row's start, and its body; a page at a time."""
    while True:
        with engine.connect() as connection:
            if span_s == 1:
                page = [
                    (minute * MINUTE_S, body)
                    for minute, body in second_rows(
                        connection, math.floor(from_s / MINUTE_S), math.ceil(to_s / MINUTE_S), PAGE_ROWS
                    )
                ]
            else:
                page = list(spread_rows(connection, span_s, from_s, to_s, PAGE_ROWS))
        yield from page
        if len(page) < PAGE_ROWS:
            return
        from_s = page[-1][0] + (MINUTE_S if span_s == 1 else span_s)


def _by_second(
    start_s: int, rows: dict[str, array[float]], from_s: float, to_s: float
) -> Iterator[tuple[int, dict[str, Spread]]]:
    for second in range(MINUTE_S):
        if from_s <= start_s + second < to_s:
            spreads = {name: _exact(row[second]) for name, row in rows.items() if not math.isnan(row[second])}
            if spreads:
                yield start_s + second, spreads


def _exact(value: float) -> Spread:
    # Stored with 24 bits: more digits than these are no measurement.
    value = round(value, DIGITS)
    return Spread(value, value, value, 1)
