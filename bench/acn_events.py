"""The cars of a run: read from an event queue that ACN-Sim wrote, or a seeded stand-in where there is no such file."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ampacity.core.errors import AmpacityError

PERIODS_A_DAY = 288
CAR_KW = 6.6
"""Largest power of every car in the published events."""


class EventsUnreadable(AmpacityError):
    """The events file is missing or is not what ACN-Sim writes."""

    code = "acn-events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A car at a socket. Times in periods of five minutes; it is there from `arrival` until before `departure`."""

    id: str
    socket: str
    arrival: int
    departure: int
    kwh: float
    """Asked for."""
    most_kw: float
    """What the car takes at most."""


def stays_from(path: Path) -> list[Stay]:
    """The cars of an EventQueue as JSON (gzip), in the order of arrival.

    Raises:
        EventsUnreadable: no such file, or of another kind.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            text = json.load(file)
        objects: dict[str, Any] = (json.loads(text) if isinstance(text, str) else text)["context_dict"]
        cars = [one["attributes"] for one in objects.values() if one["class"].endswith(".EV")]
        stays = [
            Stay(
                id=car["_session_id"],
                socket=car["_station_id"],
                arrival=int(car["_arrival"]),
                departure=int(car["_departure"]),
                kwh=float(car["_requested_energy"]),
                most_kw=float(objects[car["_battery"]]["attributes"]["_max_power"]),
            )
            for car in cars
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EventsUnreadable(
            f"{path}: {error!r}.", remedy="Give a file that EventQueue.to_json wrote, in gzip; or leave --events out."
        ) from error
    return sorted(stays, key=lambda stay: (stay.arrival, stay.id))


def stand_in(sockets: Sequence[str], days: int, seed: int) -> list[Stay]:
    """Weekdays of a workplace: some thirty cars a day that come in the morning, stay for some hours and leave some
    time after they could have been full. Like the published month in its means, not in its details."""
    rng = random.Random(seed)
    out: list[Stay] = []
    for day in range(days):
        cars = 40 if day % 7 < 5 else 8
        free_from = dict.fromkeys(sockets, 0)
        comes = sorted(min(PERIODS_A_DAY - 40, max(60, round(rng.gauss(112, 26)))) for _ in range(cars))
        for number, at in enumerate(comes):
            free = [socket for socket in sockets if free_from[socket] <= at]
            if not free:
                continue
            socket = rng.choice(free)
            stay = max(6, min(PERIODS_A_DAY - 1 - at, round(rng.gauss(66, 34))))
            free_from[socket] = at + stay + 1
            kwh = min(round(rng.lognormvariate(1.9, 0.8), 3), 0.95 * CAR_KW * stay / 12)
            begin = day * PERIODS_A_DAY + at
            out.append(
                Stay(
                    id=f"day{day + 1}-{number + 1}",
                    socket=socket,
                    arrival=begin,
                    departure=begin + stay,
                    kwh=kwh,
                    most_kw=CAR_KW,
                )
            )
    return out
