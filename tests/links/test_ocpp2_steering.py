"""What an OCPP 2 charger is told, and when, over a real websocket: a charger by script on the other end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.links.peer2 import BOOT, NOW, Answer, Peer, peer, tells
from tests.links.test_ocpp_steering import FAMILIES, Bench, command, endpoint, serving

from ampacity.core.observations import ChargerLink
from ampacity.links.ocpp.profiles import BASE_PROFILE, OPERATING_PROFILE
from ampacity.links.ocpp.tags import OWN_TAG

VERSIONS = ("2.0.1", "2.1")


async def booted(one: Peer) -> None:
    await one.say("BootNotification", BOOT)
    await one.until_asked("GetChargingProfiles")
    await one.say("Heartbeat", {})


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_charger_that_boots_is_read_and_set_up(version: str) -> None:
    has = {
        "Enabled": "true",
        "RateUnit": "A,W",
        "ProfileStackLevel": "5",
        "TxUpdatedMeasurands": "Energy.Active.Import.Register",
        "Measurands": "",
        "TxUpdatedInterval": "60",
        "TxEndedMeasurands": "Energy.Active.Import.Register,SoC",
        "WebSocketPingInterval": "60",
    }
    async with serving() as bench, peer(bench, version, GetVariables=tells(**has)) as one:
        await booted(one)
        assert one.triggered() == ["StatusNotification", "TransactionEvent", "MeterValues"]
        assert one.set_to("TxUpdatedInterval") == ["10"]
        assert one.set_to("WebSocketPingInterval") == ["30"]
        assert "Current.Import" in one.set_to("TxUpdatedMeasurands")[0]
        assert "Current.Import" in one.set_to("Measurands")[0]
        assert one.set_to("TxEndedMeasurands") == one.set_to("Enabled") == one.set_to("TxStartedMeasurands") == []
        base = one.profiles(BASE_PROFILE)[0]
        assert (base["stackLevel"], base["chargingSchedule"][0]["chargingSchedulePeriod"]) == (
            0,
            [{"startPeriod": 0, "limit": 6.0}],
        )


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_setpoint_is_a_lease(version: str) -> None:
    async with serving() as bench, peer(bench, version) as one:
        await booted(one)
        bench.apply(command())
        answer = await bench.answer()
        assert answer.accepted
        assert answer.lease_end_s is not None
        profile = one.profiles(OPERATING_PROFILE)[0]
        periods = profile["chargingSchedule"][0]["chargingSchedulePeriod"]
        assert [(period["startPeriod"], period["limit"]) for period in periods] == [(0, 13.3), (180, 6.0)]
        assert ("maxOfflineDuration" in profile) == (version == "2.1")


def _without_offline_end(payload: dict[str, Any]) -> Any:
    return "FormatViolation" if "maxOfflineDuration" in payload["chargingProfile"] else {"status": "Accepted"}


async def test_a_charger_that_does_not_know_an_end_offline_gets_its_limit_without() -> None:
    async with serving() as bench, peer(bench, "2.1", SetChargingProfile=_without_offline_end) as one:
        await booted(one)
        bench.apply(command())
        assert (await bench.answer()).lease_end_s is not None
        bench.apply(command(12.0))
        assert (await bench.answer(2)).accepted
        assert ["maxOfflineDuration" in given for given in one.profiles(OPERATING_PROFILE)] == [True, False, False]


async def test_a_charger_without_a_safe_current_below_is_not_told_of_an_end_offline() -> None:
    def refuses_base(payload: dict[str, Any]) -> Any:
        return {"status": "Rejected" if payload["chargingProfile"]["id"] == BASE_PROFILE else "Accepted"}

    async with serving() as bench, peer(bench, "2.1", SetChargingProfile=refuses_base) as one:
        await booted(one)
        bench.apply(command())
        assert (await bench.answer()).accepted
        assert "maxOfflineDuration" not in one.profiles(OPERATING_PROFILE)[0]


async def test_a_charger_that_holds_one_profile_gets_both_in_one() -> None:
    entries = {
        "component": {"name": "SmartChargingCtrlr"},
        "variable": {"name": "Entries", "instance": "ChargingProfiles"},
    }
    limits = {"dataType": "integer", "maxLimit": 1, "supportsMonitoring": False}
    data = {**entries, "variableAttribute": [{"value": "0"}], "variableCharacteristics": limits}
    async with serving() as bench, peer(bench) as one:
        await one.say("BootNotification", BOOT)
        await one.until_asked("GetReport")
        report = {"requestId": 1, "generatedAt": NOW, "seqNo": 0, "reportData": [data]}
        assert await one.say("NotifyReport", report) == {}
        bench.apply(command())
        assert (await bench.answer()).lease_end_s is not None
        profile = [p["chargingProfile"] for p in one.asked("SetChargingProfile")][-1]
        assert (profile["id"], profile["stackLevel"]) == (BASE_PROFILE, 0)
        assert len(profile["chargingSchedule"][0]["chargingSchedulePeriod"]) == 2


async def test_a_charger_that_takes_only_one_variable_at_a_time_is_asked_so() -> None:
    answer = tells(RateUnit="W")

    def one_at_a_time(payload: dict[str, Any]) -> Any:
        return answer(payload) if len(payload["getVariableData"]) == 1 else "OccurrenceConstraintViolation"

    async with serving() as bench, peer(bench, GetVariables=one_at_a_time) as one:
        await booted(one)
        bench.apply(command())
        await bench.answer()
        schedule = one.profiles(OPERATING_PROFILE)[0]["chargingSchedule"][0]
        assert (schedule["chargingRateUnit"], schedule["chargingSchedulePeriod"][0]["limit"]) == ("W", 9177.0)


async def test_smart_charging_that_is_off_is_switched_on() -> None:
    async with serving() as bench, peer(bench, GetVariables=tells(Enabled="false")) as one:
        await booted(one)
        assert one.set_to("Enabled") == ["true"]


async def test_a_charger_that_keeps_smart_charging_off_is_told_of() -> None:
    def refuses(payload: dict[str, Any]) -> Any:
        return {"setVariableResult": [{**payload["setVariableData"][0], "attributeStatus": "Rejected"}]}

    with capture_logs() as logs:
        async with serving() as bench, peer(bench, GetVariables=tells(Enabled="false"), SetVariables=refuses) as one:
            await booted(one)
    assert "charger-ignores-limits" in [one["event"] for one in logs]


async def test_a_charger_that_was_connected_before_is_asked_who_it_is() -> None:
    async with serving() as bench, peer(bench) as one:
        await one.until_asked("GetChargingProfiles")
        assert one.triggered()[0] == "BootNotification"
        assert await one.say("BootNotification", {**BOOT, "reason": "Triggered"})


# --- its profiles, read back -----------------------------------------------------------------------------------------


def shown(profile_id: int, *limits: tuple[int, float], **changes: Any) -> dict[str, Any]:
    periods = [{"startPeriod": start, "limit": limit} for start, limit in limits]
    schedule = {"id": 1, "chargingRateUnit": "A", "startSchedule": NOW, "chargingSchedulePeriod": periods}
    values = {"stackLevel": profile_id - 1, "chargingProfilePurpose": "TxDefaultProfile"}
    return {"id": profile_id, **values, "chargingProfileKind": "Absolute", "chargingSchedule": [schedule], **changes}


async def report(one: Peer, *profiles: dict[str, Any]) -> None:
    """Answers the last question for them, in two messages."""
    number = one.asked("GetChargingProfiles")[-1]["requestId"]
    for place, profile in enumerate(profiles, 1):
        fields = {"requestId": number, "chargingLimitSource": "CSO", "evseId": 0, "tbc": place < len(profiles)}
        assert await one.say("ReportChargingProfiles", {**fields, "chargingProfile": [profile]}) == {}


async def test_the_safe_current_is_set_again_where_the_charger_lost_it() -> None:
    async with serving() as bench, peer(bench) as one:
        await booted(one)
        await report(one, shown(1, (0, 16.0)))
        await one.until(lambda: len(one.profiles(BASE_PROFILE)) == 2)


async def test_a_charger_that_says_it_holds_nothing_gets_its_safe_current_again() -> None:
    async with serving() as bench, peer(bench, GetChargingProfiles=lambda _: {"status": "NoProfiles"}) as one:
        await booted(one)
        await one.until(lambda: len(one.profiles(BASE_PROFILE)) == 2)


async def test_a_profile_of_another_system_that_comes_before_ours_is_cleared() -> None:
    with capture_logs() as logs:
        async with serving() as bench, peer(bench) as one:
            await booted(one)
            await report(one, shown(1, (0, 6.0)), shown(9, (0, 32.0), stackLevel=4))
            await one.until_asked("ClearChargingProfile")
            assert one.asked("ClearChargingProfile") == [{"chargingProfileId": 9}]
    assert "charger-foreign-profile" in [one["event"] for one in logs]


async def in_doubt(bench: Bench, one: Peer) -> None:
    """It took a limit, draws more again and again, and has to be stopped: it is asked what it holds."""
    await booted(one)
    bench.apply(command())
    await bench.answer()
    asked = len(one.asked("GetChargingProfiles"))
    bench.apply(command(12.0, stop=True))
    await one.until_asked("GetChargingProfiles", asked + 1)


async def test_a_limit_that_is_not_there_any_more_is_asked_for_again() -> None:
    async with serving() as bench, peer(bench) as one:
        await in_doubt(bench, one)
        assert len([seen for seen in bench.seen if isinstance(seen, ChargerLink)]) == 1
        await report(one, shown(1, (0, 6.0)))
        await bench.until(lambda: len([seen for seen in bench.seen if isinstance(seen, ChargerLink)]) == 2)


async def test_a_charger_that_dropped_the_end_of_a_limit_has_no_lease() -> None:
    async with serving() as bench, peer(bench) as one:
        await in_doubt(bench, one)
        await report(one, shown(1, (0, 6.0)), shown(2, (0, 13.3)))
        await bench.until(lambda: len([seen for seen in bench.seen if isinstance(seen, ChargerLink)]) == 2)
        bench.apply(command(11.0))
        assert (await bench.answer(3)).lease_end_s is None


async def test_a_charger_that_can_not_tell_its_profiles_is_believed() -> None:
    async with serving() as bench, peer(bench, GetChargingProfiles=lambda _: "NotImplemented") as one:
        await booted(one)
        bench.apply(command())
        assert (await bench.answer()).lease_end_s is not None


async def test_profiles_that_nobody_asked_for_say_nothing() -> None:
    async with serving() as bench, peer(bench) as one:
        await booted(one)
        fields = {"requestId": 4711, "chargingLimitSource": "CSO", "evseId": 0}
        await one.say("ReportChargingProfiles", {**fields, "chargingProfile": [shown(9, (0, 32.0), stackLevel=4)]})
        await one.say("Heartbeat", {})
        assert one.asked("ClearChargingProfile") == []


def composite(*periods: tuple[int, float]) -> Answer:
    listed = [{"startPeriod": start, "limit": limit} for start, limit in periods]
    schedule = {"evseId": 1, "duration": 240, "chargingRateUnit": "A", "chargingSchedulePeriod": listed}
    return lambda _: {"status": "Accepted", "schedule": schedule}


@pytest.mark.parametrize(
    ("periods", "event"),
    [(((0, 13.3), (110, 6.0)), "charger-lease-shown"), (((0, 13.3),), "charger-lease-not-shown")],
)
async def test_what_it_will_do_is_read_once_a_car_charges(periods: tuple[tuple[int, float], ...], event: str) -> None:
    with capture_logs() as logs:
        async with serving() as bench, peer(bench, GetCompositeSchedule=composite(*periods)) as one:
            await booted(one)
            bench.apply(command())
            await bench.answer()
            values = {"timestamp": NOW, "sampledValue": [{"value": 13.0, "measurand": "Current.Import", "phase": "L1"}]}
            await one.event("Started", meterValue=[values])
            await one.until_asked("GetCompositeSchedule")
            for _ in range(2):
                await one.say("Heartbeat", {})
    assert event in [one["event"] for one in logs]


# --- its transactions ------------------------------------------------------------------------------------------------


async def test_a_transaction_of_a_charger_that_must_stop_is_ended_by_its_name() -> None:
    async with serving() as bench, peer(bench) as one:
        await booted(one)
        await one.event("Started", info={"chargingState": "Charging"})
        bench.apply(command(0.0, lease_s=None, stop=True))
        assert (await bench.answer()).accepted
        await one.until_asked("RequestStopTransaction")
        assert one.asked("RequestStopTransaction") == [{"transactionId": "T1"}]


async def test_a_charger_that_follows_limits_only_after_a_start_is_started() -> None:
    async with serving(endpoint(family=FAMILIES["autel"])) as bench, peer(bench) as one:
        await booted(one)
        await one.say(
            "StatusNotification", {"timestamp": NOW, "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1}
        )
        await one.until_asked("RequestStartTransaction")
        request = one.asked("RequestStartTransaction")[0]
        assert (request["idToken"]["idToken"], request["evseId"]) == (OWN_TAG, 1)
        answer = await one.event("Started", idToken={"idToken": OWN_TAG, "type": "Central"})
        assert answer == {"idTokenInfo": {"status": "Accepted"}}


async def test_at_the_end_it_is_left_at_its_safe_current() -> None:
    async with serving() as bench, peer(bench, "2.1") as one:
        await booted(one)
        bench.apply(command())
        await bench.answer()
        async with asyncio.timeout(10):
            assert await bench.server.park() == []
        last = one.profiles(OPERATING_PROFILE)[-1]
        assert last["chargingSchedule"][0]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 6.0}]
        assert "maxOfflineDuration" not in last
