"""Schedules: when chargers may charge, or how much. Pure: it is given the day and minute of the site's own clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ampacity.core.site import ChargerId

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A time of the day on some days of the week."""

    name: str

    chargers: frozenset[ChargerId] | None
    """None: all of them, those to come included."""

    days: frozenset[int]
    """On which it begins; Monday is 0. Not empty."""

    from_min: int
    """Minutes after midnight by the site's clock, 0 to 1439."""

    to_min: int
    """The first minute that is not in it, 0 to 1440. Not after `from_min`: on the next day; equal: a whole day."""

    limit_a: float | None
    """The most a charger may have meanwhile, 0 or more: 0 is a pause. None: it may charge, and outside the times of
    all such schedules it may not."""


def is_on(schedule: Schedule, day: int, minute: int) -> bool:
    """Whether it holds. `day`: Monday is 0; `minute` after midnight, both by the site's clock on the wall.

    When clocks go forward the hour that is left out is left out here; when they go back the hour that comes twice
    counts twice: a schedule begins and ends when the clock on the wall says so.
    """
    if schedule.to_min > schedule.from_min:
        return day in schedule.days and schedule.from_min <= minute < schedule.to_min
    if minute >= schedule.from_min:
        return day in schedule.days
    return minute < schedule.to_min and (day - 1) % 7 in schedule.days


def most_a(schedules: Sequence[Schedule], charger: ChargerId, day: int, minute: int) -> float | None:
    """What schedules allow a charger now; None: they set no limit."""
    own = [one for one in schedules if one.chargers is None or charger in one.chargers]
    allowing = [one for one in own if one.limit_a is None]
    if allowing and not any(is_on(one, day, minute) for one in allowing):
        return 0.0
    return min((one.limit_a for one in own if one.limit_a is not None and is_on(one, day, minute)), default=None)
