"""Sessions as files for others: CSV for spreadsheets, Parquet for analysis."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, TypeAdapter

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
WITHIN_S = 120.0
COLUMNS = (
    *("charger", "name", "session", "begun", "ended", "energy_wh", "energy_kwh", "average_w", "reason"),
    *("driver", "tag"),
)
"""Of the CSV. New ones come at the end."""


class SessionLine(BaseModel):
    """A car's charging."""

    charger: str
    charger_name: str
    session: str
    begun_s: float | None
    ended_s: float | None
    energy_wh: int | None
    average_w: float | None
    reason: str | None
    account: int | None = None
    """Whose it is; None: nobody's in particular."""
    driver: str | None = None
    """The name of that account."""
    tag: str | None = None
    """What was held to the charger, or what the owner calls it."""


def csv_of(lines: Sequence[SessionLine], zone: ZoneInfo) -> bytes:
    """Times with the offset of the site's clock; energy in Wh and kWh."""

    def moment(at_s: float | None) -> str:
        return "" if at_s is None else datetime.fromtimestamp(at_s, zone).isoformat(timespec="seconds")

    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(
        [
            "charger",
            "name",
            "session",
            "begun",
            "ended",
            "energy_wh",
            "energy_kwh",
            "average_w",
            "reason",
            "driver",
            "tag",
        ]
    )
    for one in lines:
        kwh = "" if one.energy_wh is None else f"{one.energy_wh / 1000:.3f}"
        texts = [_cell(text) for text in (one.charger, one.charger_name, one.session)]
        rows.writerow(
            [
                *texts,
                moment(one.begun_s),
                moment(one.ended_s),
                one.energy_wh,
                kwh,
                one.average_w,
                _cell(one.reason or ""),
                _cell(one.driver or ""),
                _cell(one.tag or ""),
            ]
        )
    return text.getvalue().encode()


def parquet_of(lines: Sequence[SessionLine]) -> bytes:
    """Times in UTC. Made by a process of its own: the library's 42 MB and its work stay out of the controller's."""
    given = TypeAdapter(Sequence[SessionLine]).dump_json(lines)
    done = subprocess.run(
        [sys.executable, "-m", "ampacity.api.session_parquet"],
        input=given,
        stdout=subprocess.PIPE,
        check=True,
        timeout=WITHIN_S,
    )
    return done.stdout


def _cell(text: str) -> str:
    """A spreadsheet shall not take a text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
