"""What a charger shows of its schedule, held against its lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.links.test_ocpp_steering import BOOT, Answer, Scripted, charger, command, serving

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


# --- on the wire -----------------------------------------------------------------------------------------------------


async def _in_session(one: Scripted) -> None:
    begun = await one.say("StartTransaction", {"connectorId": 1, "idTag": "x", "meterStart": 0})
    values = [{"value": "13.0", "measurand": "Current.Import", "phase": "L1"}]
    await one.say(
        "MeterValues",
        {"connectorId": 1, "transactionId": begun["transactionId"], "meterValue": [{"sampledValue": values}]},
    )


async def _leases(answer: Answer) -> tuple[float | None, float | None, list[str]]:
    """When two setpoints end, before and after the charger has shown its schedule, and what was logged."""
    with capture_logs() as logs:
        async with serving() as bench, charger(bench, GetCompositeSchedule=answer) as one:
            await one.say("BootNotification", BOOT)
            bench.apply(command())
            first = await bench.answer()
            await _in_session(one)
            await one.until_asked("GetCompositeSchedule")
            for _ in range(2):
                await one.say("Heartbeat", {})  # its answer is worked in by then
            bench.apply(command(12.0))
            second = await bench.answer(2)
    return first.lease_end_s, second.lease_end_s, [log["event"] for log in logs]


async def test_a_charger_whose_schedule_falls_to_the_safe_current_keeps_its_lease() -> None:
    first, second, told = await _leases(lambda _: shown((0, 13.3), (110, 6.0), chargingRateUnit="A"))
    assert first is not None
    assert second is not None
    assert "charger-lease-shown" in told


async def test_a_charger_whose_schedule_does_not_fall_has_no_lease_any_more() -> None:
    first, second, told = await _leases(lambda _: shown((0, 13.3), chargingRateUnit="A"))
    assert first is not None
    assert second is None
    assert "charger-lease-not-shown" in told


async def test_a_charger_that_can_show_no_schedule_is_believed() -> None:
    _, second, told = await _leases(lambda _: "NotImplemented")
    assert second is not None
    assert "charger-lease-not-shown" not in told


async def test_a_charger_is_asked_again_after_it_has_started_anew() -> None:
    async with serving() as bench:
        async with charger(bench, GetCompositeSchedule=lambda _: shown((0, 13.3), (110, 6.0))) as one:
            await one.say("BootNotification", BOOT)
            bench.apply(command())
            await bench.answer()
            await _in_session(one)
            await one.until_asked("GetCompositeSchedule")
            await one.say("BootNotification", BOOT)
            bench.apply(command(11.0))
            await bench.answer(2)
            await _in_session(one)
            await one.until_asked("GetCompositeSchedule", 2)


async def test_a_transaction_of_a_charger_that_must_stop_is_ended() -> None:
    async with serving() as bench, charger(bench) as one:
        await one.say("BootNotification", BOOT)
        await _in_session(one)
        bench.apply(command(0.0, lease_s=None, stop=True))
        assert (await bench.answer()).accepted
        await one.until_asked("RemoteStopTransaction")
        assert [p for action, p in one.got if action == "RemoteStopTransaction"] == [{"transactionId": 101}]
