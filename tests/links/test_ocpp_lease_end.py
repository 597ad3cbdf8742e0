"""The end of a lease that is promised is never before the one that the charger's own clock makes of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.decision import Command
from ampacity.core.observations import Observation, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp.clock import ALIKE_S, ChargerClock
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.station import Station

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _note(clock: ChargerClock, at_s: float, charger_s: float) -> None:
    """A message that comes at `at_s`, stamped with `charger_s`, both since the same moment."""
    stamp = (BEGIN + timedelta(seconds=charger_s)).isoformat()
    clock.note(stamp, at_s, BEGIN + timedelta(seconds=at_s))


def test_a_clock_of_which_nothing_is_known_may_be_behind_as_far_as_a_schedule_begins_earlier() -> None:
    assert ChargerClock().behind_s(60.0) == 60.0


def test_one_stamp_bounds_how_far_a_clock_is_behind() -> None:
    clock = ChargerClock()
    _note(clock, 0.0, -40.0)
    assert clock.behind_s(60.0) == pytest.approx(40.0)


def test_a_clock_that_is_known_is_behind_by_nothing() -> None:
    clock = ChargerClock()
    _note(clock, 0.0, -40.0)
    _note(clock, 10.0, -30.0)
    assert clock.behind_s(60.0) == 0.0


@given(st.floats(-7200, 7200), st.lists(st.floats(0, 86400), min_size=1, max_size=8))
def test_a_clock_is_never_further_behind_than_the_bound(offset_s: float, ages_s: list[float]) -> None:
    clock = ChargerClock()
    for n, age_s in enumerate(ages_s):
        _note(clock, 1.0 * n, 1.0 * n + offset_s - age_s)
    assert clock.offset_s - offset_s <= clock.behind_s(60.0) + ALIKE_S


async def _promised_s(stamp_s: float | None) -> float | None:
    """How long after a setpoint of 120 s its end is promised, by a charger that has sent one stamp, or none."""
    answers: asyncio.Queue[Observation] = asyncio.Queue()

    async def send(text: str) -> None:
        station.receive(json.dumps([3, json.loads(text)[1], {"status": "Accepted"}]))

    station = Station(
        Endpoint(charger=ChargerId("a"), ocpp_id="a", phases=3, volts=230.0, safe_a=6.0, password=None, family=None),
        charger_families(),
        Remembered(ChargerId("a"), lambda: 1),
        send=send,
        put=lambda _: None,
        now_s=lambda: 0.0,
        wall=lambda: BEGIN,
    )
    status = {"connectorId": 1, "status": "Charging", "errorCode": "NoError"}
    if stamp_s is not None:
        status["timestamp"] = (BEGIN + timedelta(seconds=stamp_s)).isoformat()
    station.receive(json.dumps([2, "s", "StatusNotification", status]))
    command = Command(charger=ChargerId("a"), limit_a=10.0, safe_a=6.0, lease_s=120.0, renewal=False)
    station.apply(command, answers.put_nowait)
    work = asyncio.create_task(station.work())
    try:
        async with asyncio.timeout(10):
            answer = await answers.get()
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
    assert isinstance(answer, SetpointAnswer)
    assert answer.accepted
    return answer.lease_end_s


@pytest.mark.parametrize(("stamp_s", "promised_s"), [(None, 180.0), (0.0, 120.0), (-40.0, 160.0), (-3600.0, None)])
async def test_an_end_is_promised_as_late_as_a_slow_clock_makes_it(
    stamp_s: float | None, promised_s: float | None
) -> None:
    assert await _promised_s(stamp_s) == promised_s
