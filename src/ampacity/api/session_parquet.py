"""Sessions as JSON on standard input, as Parquet on standard output: `python -m ampacity.api.session_parquet`."""

from __future__ import annotations

import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq

MOMENT = pa.timestamp("ms", tz="UTC")
COLUMNS = {
    "charger": pa.string(),
    "charger_name": pa.string(),
    "session": pa.string(),
    "begun_s": MOMENT,
    "ended_s": MOMENT,
    "energy_wh": pa.int64(),
    "average_w": pa.float64(),
    "reason": pa.string(),
}


def main() -> None:
    rows = json.load(sys.stdin)
    arrays = {}
    for name, kind in COLUMNS.items():
        values = [row[name] for row in rows]
        if kind is MOMENT:
            values = [None if one is None else int(one * 1000) for one in values]
        arrays[name.removesuffix("_s")] = pa.array(values, kind)
    pq.write_table(pa.table(arrays), pa.PythonFile(sys.stdout.buffer, mode="w"))


if __name__ == "__main__":
    main()
