"""History as a table for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

from sqlalchemy import Engine

from ampacity.storage.history import series_names, spans


def write_csv(
    engine: Engine, out: TextIO, from_s: float, to_s: float, span_s: int, series: Sequence[str] | None = None
) -> int:
    """Writes a line for each span that has something, and returns how many; never holds more than a page in memory.

    Times are UTC seconds since 1970, `to_s` excluded; `span_s` is 1, 60 or 900. The first column is the span's start
    in ISO 8601, UTC. At 1 s there is a column for each series, else three: its least, mean and most. Amperes; empty
    where nothing is known. `series` None: all there are.

    Raises:
        ValueError: another span.
        StorageDamaged: a row can't be read.
    """
    names = series_names(engine, from_s, to_s, span_s) if series is None else list(series)
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["time", *(names if span_s == 1 else [f"{n} {kind}" for n in names for kind in _KINDS])])
    count = 0
    for start_s, spreads in spans(engine, from_s, to_s, span_s):
        row: list[float | None] = []
        for name in names:
            one = spreads.get(name)
            figures = (None, None, None) if one is None else (one.least, one.mean, one.most)
            row.extend(figures[1:2] if span_s == 1 else figures)
        if any(figure is not None for figure in row):
            lines.writerow([f"{datetime.fromtimestamp(start_s, UTC):%Y-%m-%dT%H:%M:%SZ}", *row])
            count += 1
    return count


_KINDS = ("min", "mean", "max")
