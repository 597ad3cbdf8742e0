"""What a charger shows of its schedule, held against its lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ampacity.links.ocpp.readback import ShownPeriod, falls, periods_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def shown(*periods: tuple[float, float], **schedule: Any) -> dict[str, Any]:
    listed = [{"startPeriod": start, "limit": limit} for start, limit in periods]
    return {"status": "Accepted", "chargingSchedule": {"chargingSchedulePeriod": listed, **schedule}}


def test_a_schedule_is_read_from_now_on_wherever_it_says_it_begins() -> None:
    begin = (NOW - timedelta(seconds=60)).isoformat()
    assert periods_of(shown((0, 16.0), (180, 6.0), startSchedule=begin, chargingRateUnit="A"), NOW) == (
        "A",
        (ShownPeriod(-60.0, 16.0), ShownPeriod(120.0, 6.0)),
    )


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"status": "Rejected"},
        {"status": "Accepted"},
        {"status": "Accepted", "chargingSchedule": None},
        shown(),
        shown((0, 6.0), chargingRateUnit="kW"),
        {"status": "Accepted", "chargingSchedule": {"chargingSchedulePeriod": [{"limit": "x"}, 3, {}]}},
    ],
)
def test_an_answer_that_shows_no_schedule_is_none(answer: object) -> None:
    assert periods_of(answer, NOW) is None


@pytest.mark.parametrize(
    ("periods", "is_safe"),
    [
        (((0, 16), (100, 6)), True),
        (((0, 16), (104, 6)), True),
        (((0, 16), (100, 6.1)), True),
        (((0, 16), (100, 7)), False),
        (((0, 16), (150, 6)), False),
        (((0, 16),), False),
        (((0, 6),), True),
        (((0, 16), (100, 6), (160, 16)), False),
        (((200, 6),), False),
    ],
)
def test_a_schedule_must_be_at_the_safe_current_from_the_end_of_the_lease_on(
    periods: tuple[tuple[float, float], ...], is_safe: bool
) -> None:
    assert falls(tuple(ShownPeriod(*one) for one in periods), 100.0, 6.0, 220.0) is is_safe


def test_a_schedule_that_ends_before_the_lease_shows_nothing() -> None:
    assert not falls((ShownPeriod(0.0, 6.0),), 100.0, 6.0, 100.0)
