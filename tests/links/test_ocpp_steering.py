"""What a charger is told, and when, over a real websocket: a charger by script on the other end."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
import websockets
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from ampacity.core.decision import Command
from ampacity.core.observations import ChargerReport, ChargerState, Observation, SessionEnded, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp.calls import Calls, NoAnswer
from ampacity.links.ocpp.framing import Result
from ampacity.links.ocpp.messages16 import GetConfiguration
from ampacity.links.ocpp.profiles import OPERATING_PROFILE
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.server import OcppServer
from ampacity.links.ocpp.station import Endpoint, Station
from ampacity.links.tally import Tally

FAMILIES = charger_families()
LEFT = ChargerId("left")
OCPP16 = [websockets.Subprotocol("ocpp1.6")]
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
Answer = Callable[[dict[str, Any]], Any]


def endpoint(**changes: Any) -> Endpoint:
    values: dict[str, Any] = {"charger": LEFT, "ocpp_id": "CP", "phases": 3, "volts": 230.0, "safe_a": 6.0}
    return Endpoint(**{**values, "password": None, "family": None, **changes})


def command(limit_a: float = 13.37, **changes: Any) -> Command:
    values: dict[str, Any] = {"charger": LEFT, "limit_a": limit_a, "safe_a": 6.0, "lease_s": 120.0, "renewal": False}
    return Command(**{**values, **changes})


class Bench:
    """The server, and everything it put."""

    def __init__(self, server: OcppServer) -> None:
        self.server = server
        self.seen: list[Observation] = []
        self._came = asyncio.Event()

    def put(self, one: Observation) -> None:
        self.seen.append(one)
        self._came.set()

    def apply(self, one: Command) -> None:
        self.server.apply(one, self.put)

    async def until(self, test: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not test():
                self._came.clear()
                await self._came.wait()

    def answers(self) -> list[SetpointAnswer]:
        return [one for one in self.seen if isinstance(one, SetpointAnswer)]

    async def answer(self, number: int = 1) -> SetpointAnswer:
        """The outcome of the so manieth command."""
        await self.until(lambda: len(self.answers()) >= number)
        return self.answers()[number - 1]

    def states(self) -> list[ChargerState]:
        return [one.state for one in self.seen if isinstance(one, ChargerReport) and one.state is not None]


@asynccontextmanager
async def serving(*endpoints: Endpoint, **options: Any) -> AsyncIterator[Bench]:
    server = OcppServer(
        endpoints or (endpoint(),),
        FAMILIES,
        **{"listen": "127.0.0.1", "port": 0, "tls": None, "adopt": None, **options},
        now_s=time.monotonic,
        wall=lambda: datetime.now(UTC),
        first_transaction=100,
    )
    bench = Bench(server)
    task = asyncio.create_task(server.run(bench.put))
    async with asyncio.timeout(10):
        await server.listening.wait()
    try:
        yield bench
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _accepted(_: dict[str, Any]) -> Any:
    return {"status": "Accepted"}


class Scripted:
    """A charger that answers each action as its script says: with a payload, a code for a CALLERROR, or not (None)."""

    def __init__(self, socket: websockets.ClientConnection, script: dict[str, Answer]) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.most_at_once = 0
        self._socket = socket
        self._script = script
        self._numbers = count(1)
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._came = asyncio.Event()
        self._open = 0

    async def say(self, action: str, payload: dict[str, Any]) -> Any:
        number = f"n{next(self._numbers)}"
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps([2, number, action, payload]))
        async with asyncio.timeout(10):
            return await self._answers[number]

    async def raw(self, text: bytes) -> None:
        await self._socket.send(text, text=True)

    async def until(self, test: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not test():
                self._came.clear()
                await self._came.wait()

    async def until_asked(self, action: str, times: int = 1) -> None:
        await self.until(lambda: self.actions().count(action) >= times)

    async def until_set_up(self, times: int = 1) -> None:
        await self.until(lambda: [c["key"] for c in self.changes()].count("WebSocketPingInterval") >= times)

    def actions(self) -> list[str]:
        return [action for action, _ in self.got]

    def changes(self) -> list[dict[str, Any]]:
        return [payload for action, payload in self.got if action == "ChangeConfiguration"]

    def profiles(self) -> list[dict[str, Any]]:
        return [
            {"connector": payload["connectorId"], **payload["csChargingProfiles"]}
            for action, payload in self.got
            if action == "SetChargingProfile"
        ]

    def operating(self) -> list[dict[str, Any]]:
        return [one for one in self.profiles() if one["chargingProfileId"] == OPERATING_PROFILE]

    async def listen(self) -> None:
        async for text in self._socket:
            frame = json.loads(text)
            if frame[0] != 2:
                self._answers.pop(frame[1]).set_result(frame[2])
                continue
            self.got.append((frame[2], frame[3]))
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            self._came.set()
            answer = self._script.get(frame[2], _accepted)(frame[3])
            if asyncio.isfuture(answer):
                answer.add_done_callback(partial(self._reply_later, frame[1]))
            else:
                await self._reply(frame[1], answer)

    def _reply_later(self, message_id: str, future: asyncio.Future[Any]) -> None:
        self._task = asyncio.create_task(self._reply(message_id, future.result()))

    async def _reply(self, message_id: str, answer: Any) -> None:
        self._open -= 1
        if isinstance(answer, str):
            await self._socket.send(json.dumps([4, message_id, answer, "", {}]))
        elif answer is not None:
            await self._socket.send(json.dumps([3, message_id, answer]))


@asynccontextmanager
async def charger(bench: Bench, **script: Answer) -> AsyncIterator[Scripted]:
    async with websockets.connect(f"ws://127.0.0.1:{bench.server.port}/CP", subprotocols=OCPP16) as socket:
        one = Scripted(socket, script)
        task = asyncio.create_task(one.listen())
        try:
            yield one
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await task


def configured(**settings_: str) -> Answer:
    entries = [{"key": key, "readonly": False, "value": value} for key, value in settings_.items()]
    return lambda _: {"configurationKey": entries}


def accepts(test: Callable[[dict[str, Any]], bool]) -> Answer:
    return lambda payload: {"status": "Accepted" if test(payload) else "Rejected"}


# --- the order of things ---------------------------------------------------------------------------------------------


async def test_a_setpoint_goes_before_what_is_left_of_the_introduction() -> None:
    async with serving() as bench:
        held: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        async with charger(bench, GetConfiguration=lambda _: held) as one:
            await one.say("BootNotification", BOOT)
            await one.until_asked("GetConfiguration")
            bench.apply(command())
            held.set_result({"configurationKey": []})
            assert (await bench.answer()).accepted
            await one.until_set_up()
            after = one.actions().index("GetConfiguration") + 1
            assert one.profiles()[0]["chargingProfileId"] == OPERATING_PROFILE
            assert one.actions()[after] == "SetChargingProfile"
            assert one.most_at_once == 1


async def test_a_setpoint_goes_between_two_questions_of_a_series() -> None:
    async with serving() as bench:
        held: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        script = iter([{"status": "Rejected"}, held])
        async with charger(bench, ChangeConfiguration=lambda _: next(script, {"status": "Accepted"})) as one:
            await one.say("BootNotification", BOOT)
            await one.until_asked("ChangeConfiguration", 2)
            bench.apply(command())
            held.set_result({"status": "Accepted"})
            await one.until_asked("ChangeConfiguration", 3)
            assert one.actions()[-2:] == ["SetChargingProfile", "ChangeConfiguration"]


async def test_of_commands_that_wait_the_newest_is_sent() -> None:
    async with serving() as bench:
        held: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        async with charger(bench, GetConfiguration=lambda _: held) as one:
            await one.say("BootNotification", BOOT)
            await one.until_asked("GetConfiguration")
            for limit_a in (8.0, 10.0, 12.0):
                bench.apply(command(limit_a))
            held.set_result({})
            assert (await bench.answer()).limit_a == 12.0
            await one.until_set_up()
            limits = [p["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] for p in one.operating()]
            assert limits == [12.0]


async def test_a_charger_that_speaks_without_an_introduction_gets_its_setpoint_before_it_is_asked_for_one() -> None:
    async with serving() as bench, charger(bench) as one:
        bench.apply(command())
        await one.say("Heartbeat", {})
        assert (await bench.answer()).accepted
        await one.until_asked("TriggerMessage", 2)
        assert one.actions()[0] == "SetChargingProfile"
        assert [p["requestedMessage"] for a, p in one.got if a == "TriggerMessage"][:2] == [
            "BootNotification",
            "MeterValues",
        ]


async def test_a_charger_that_answers_nothing_to_a_question_is_set_up_all_the_same() -> None:
    async with serving() as bench, charger(bench, GetConfiguration=lambda _: "NotImplemented") as one:
        await one.say("BootNotification", BOOT)
        await one.until_set_up()
        assert one.profiles()[0]["stackLevel"] == 0


async def test_answers_that_come_twice_or_unasked_are_passed_over() -> None:
    async with serving() as bench, charger(bench) as one:
        await one.raw(b'[3,"nobody asked",{}]')
        await one.raw(b'[4,"nobody asked"]')
        await one.say("BootNotification", BOOT)
        bench.apply(command())
        assert (await bench.answer()).accepted


async def test_a_request_without_an_answer_is_given_up_in_words() -> None:
    async def nowhere(_: str) -> None:
        return None

    async with asyncio.timeout(5):
        with pytest.raises(NoAnswer, match="no answer within"):
            await Calls(nowhere, Tally()).call(GetConfiguration(), patience_s=0.01)


async def test_an_answer_to_something_else_is_not_taken_for_the_one_that_is_waited_for() -> None:
    async def send(text: str) -> None:
        message_id = json.loads(text)[1]
        for one, value in (("other", b"1"), (message_id, b"2"), (message_id, b"3")):
            calls.answered(Result(one, Raw(value)))

    calls = Calls(send, Tally())
    async with asyncio.timeout(5):
        assert await calls.call(GetConfiguration(), patience_s=5.0) == 2


async def test_what_waits_for_an_answer_gives_way_to_what_is_urgent() -> None:
    async def nowhere(_: str) -> None:
        return None

    calls = Calls(nowhere, Tally())
    async with asyncio.timeout(5):
        task = asyncio.create_task(calls.call(GetConfiguration(), patience_s=1000.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        calls.hurry(0.01)
        calls.hurry(500.0)
        with pytest.raises(NoAnswer):
            await task


# --- forms of a setpoint ---------------------------------------------------------------------------------------------


async def test_a_refusal_is_answered_in_words() -> None:
    async with serving() as bench, charger(bench, SetChargingProfile=lambda _: {"status": "NotSupported"}) as one:
        await one.say("BootNotification", BOOT)
        bench.apply(command())
        answer = await bench.answer()
        assert (answer.accepted, answer.lease_end_s, answer.reason) == (False, None, 'it answered "NotSupported"')


async def test_a_charger_that_knows_only_watts_gets_watts() -> None:
    async with serving() as bench:
        only_watts = configured(ChargingScheduleAllowedChargingRateUnit="Power")
        async with charger(bench, GetConfiguration=only_watts) as one:
            await one.say("BootNotification", BOOT)
            await one.until_set_up()
            bench.apply(command(13.37))
            assert (await bench.answer()).accepted
            schedule = one.operating()[0]["chargingSchedule"]
            assert schedule["chargingRateUnit"] == "W"
            assert [p["limit"] for p in schedule["chargingSchedulePeriod"]] == [13.3 * 690, 6 * 690]


async def test_a_charger_that_holds_one_period_gets_a_profile_that_ends_over_the_lasting_one() -> None:
    async with serving() as bench:
        async with charger(bench, GetConfiguration=configured(ChargingScheduleMaxPeriods="1")) as one:
            await one.say("BootNotification", BOOT)
            await one.until_set_up()
            bench.apply(command())
            assert (await bench.answer()).lease_end_s is not None
            profile = one.operating()[0]
            assert profile["chargingSchedule"]["duration"] == 180
            assert len(profile["chargingSchedule"]["chargingSchedulePeriod"]) == 1
            assert "validTo" in profile


async def test_a_profile_ends_only_where_the_safe_current_lies_below() -> None:
    def no_base(payload: dict[str, Any]) -> bool:
        return bool(payload["csChargingProfiles"]["chargingProfileId"] == OPERATING_PROFILE)

    async with serving() as bench:
        one_period = configured(ChargingScheduleMaxPeriods="1")
        async with charger(bench, GetConfiguration=one_period, SetChargingProfile=accepts(no_base)) as one:
            await one.say("BootNotification", BOOT)
            await one.until_set_up()
            bench.apply(command())
            assert (await bench.answer()).lease_end_s is None
            assert "duration" not in one.operating()[0]["chargingSchedule"]


async def test_a_charger_that_takes_only_stack_level_0_is_found_out() -> None:
    def lowest(payload: dict[str, Any]) -> bool:
        return bool(payload["csChargingProfiles"]["stackLevel"] == 0 and payload["connectorId"] == 1)

    async with serving() as bench, charger(bench, SetChargingProfile=accepts(lowest)) as one:
        await one.say("BootNotification", BOOT)
        await one.until_set_up()
        bench.apply(command())
        assert (await bench.answer()).lease_end_s is not None
        tried = len(one.operating())
        bench.apply(command(10.0))
        assert (await bench.answer(2)).accepted
        assert len(one.operating()) == tried + 1


async def test_a_charger_that_refuses_all_is_not_asked_in_all_forms_each_time() -> None:
    async with serving() as bench, charger(bench, SetChargingProfile=accepts(lambda _: False)) as one:
        await one.say("BootNotification", BOOT)
        bench.apply(command())
        assert not (await bench.answer()).accepted
        tried = len(one.operating())
        assert tried > 4
        bench.apply(command(10.0))
        assert not (await bench.answer(2)).accepted
        assert len(one.operating()) == tried + 1


async def test_a_relative_profile_has_no_end() -> None:
    async with serving(endpoint(family=FAMILIES["wallbox"])) as bench, charger(bench) as one:
        await one.say("BootNotification", BOOT)
        bench.apply(command())
        assert (await bench.answer()).lease_end_s is None
        profile = one.operating()[0]
        assert profile["chargingProfileKind"] == "Relative"
        assert "startSchedule" not in profile["chargingSchedule"]


async def test_times_are_in_the_chargers_clock() -> None:
    async with serving() as bench, charger(bench) as one:
        await one.say("BootNotification", BOOT)
        ahead = datetime.now(UTC) + timedelta(hours=2)
        await one.say("StatusNotification", {"connectorId": 1, "status": "Charging", "timestamp": ahead.isoformat()})
        bench.apply(command())
        await bench.answer()
        begin = datetime.fromisoformat(one.operating()[0]["chargingSchedule"]["startSchedule"])
        assert abs(begin - ahead + timedelta(seconds=60)) < timedelta(seconds=15)


# --- what it is told once --------------------------------------------------------------------------------------------

AS_WISHED = configured(
    MeterValuesSampledData="SoC,Voltage,Current.Import,Power.Active.Import,Energy.Active.Import.Register,Temperature",
    MeterValueSampleInterval="10",
    WebSocketPingInterval="30",
)


async def test_measurands_that_a_family_does_not_bear_are_taken_out() -> None:
    async with serving(endpoint(family=FAMILIES["evbox-elvi"])) as bench:
        async with charger(bench, GetConfiguration=AS_WISHED) as one:
            await one.say("BootNotification", BOOT)
            await one.until_asked("ChangeConfiguration")
            (change,) = one.changes()
            measurands = str(change["value"]).split(",")
            assert (change["key"], "SoC" in measurands) == ("MeterValuesSampledData", False)


async def test_settings_that_are_as_wished_are_not_written_again() -> None:
    async with serving(endpoint(family=FAMILIES["autel"])) as bench:
        async with charger(bench, GetConfiguration=AS_WISHED) as one:
            await one.say("BootNotification", BOOT)
            await one.say("StatusNotification", {"connectorId": 1, "status": "Preparing"})
            await one.until_asked("RemoteStartTransaction")  # which waits until all is set up
            assert one.actions()[-2:] == ["SetChargingProfile", "RemoteStartTransaction"]


async def test_measurands_are_kept_one_by_one_where_the_list_is_refused() -> None:
    def no_soc(payload: dict[str, Any]) -> bool:
        return "SoC" not in payload["value"]

    async with serving() as bench, charger(bench, ChangeConfiguration=accepts(no_soc)) as one:
        await one.say("BootNotification", BOOT)
        await one.until_set_up()
        wanted = "Current.Import,Power.Active.Import,Voltage,Energy.Active.Import.Register"
        assert [c["value"] for c in one.changes() if no_soc(c)][-3] == wanted


async def test_the_lasting_safe_current_is_written_again_only_after_a_restart() -> None:
    async with serving() as bench:
        async with charger(bench) as first:
            await first.say("BootNotification", BOOT)
            await first.until_set_up()
            assert len(first.profiles()) == 1
        async with charger(bench) as second:
            bench.apply(command())
            await second.say("Heartbeat", {})
            await second.until_asked("TriggerMessage")
            await second.say("BootNotification", BOOT)
            await second.until_set_up()
            assert [p["chargingProfileId"] for p in second.profiles()] == [OPERATING_PROFILE]
            await second.say("BootNotification", BOOT)
            await second.until_set_up(2)
            assert len(second.profiles()) == 2


async def test_a_family_that_needs_it_is_started_once_a_car_is_there() -> None:
    async with serving(endpoint(family=FAMILIES["easee"])) as bench, charger(bench) as one:
        await one.say("BootNotification", BOOT)
        for _ in range(2):
            await one.say("StatusNotification", {"connectorId": 1, "status": "Preparing"})
        await one.until_asked("RemoteStartTransaction")
        await one.say("StatusNotification", {"connectorId": 1, "status": "Available"})
        await one.say("StatusNotification", {"connectorId": 1, "status": "Preparing"})
        await one.until_asked("RemoteStartTransaction", 2)


# --- what it says ----------------------------------------------------------------------------------------------------


async def test_a_station_that_is_up_again_has_the_state_of_its_socket() -> None:
    async with serving() as bench, charger(bench) as one:
        for connector, word in ((1, "Charging"), (0, "Available"), (0, "Faulted"), (1, "Charging"), (0, "Available")):
            await one.say("StatusNotification", {"connectorId": connector, "status": word})
        charging, faulted = ChargerState.CHARGING, ChargerState.FAULTED
        assert bench.states() == [charging, faulted, faulted, charging]


async def test_a_second_socket_is_left_alone() -> None:
    async with serving() as bench, charger(bench) as one:
        value = {"sampledValue": [{"value": "9", "measurand": "Current.Import"}]}
        await one.say("StatusNotification", {"connectorId": 2, "status": "Charging"})
        await one.say("MeterValues", {"connectorId": 2, "transactionId": 5, "meterValue": [value]})
        begun = await one.say("StartTransaction", {"connectorId": 2, "idTag": "x", "meterStart": 0})
        await one.say("StopTransaction", {"transactionId": begun["transactionId"], "meterStop": 1})
        assert begun["transactionId"] > 100
        assert [type(one).__name__ for one in bench.seen] == ["ChargerLink"]


async def test_values_of_the_whole_station_count_while_its_socket_says_nothing() -> None:
    async with serving() as bench, charger(bench) as one:
        for connector, amps in ((0, "5"), (1, "9"), (0, "6")):
            value = {"sampledValue": [{"value": amps, "measurand": "Current.Import"}]}
            await one.say("MeterValues", {"connectorId": connector, "meterValue": [value]})
        assert [r.current_a for r in bench.seen if isinstance(r, ChargerReport)] == [5.0, 9.0]


async def test_of_several_entries_the_newest_that_has_a_measurand_counts() -> None:
    async with serving() as bench, charger(bench) as one:
        entries = [
            {"timestamp": "2026-01-01T00:00:20Z", "sampledValue": [{"value": "9", "measurand": "Current.Import"}]},
            {
                "timestamp": "2026-01-01T00:00:10Z",
                "sampledValue": [
                    {"value": "4", "measurand": "Current.Import", "phase": "L1"},
                    {"value": "77", "measurand": "SoC", "location": "EV", "unit": "Percent"},
                    {"value": "8", "measurand": "Power.Active.Import", "location": "Inlet", "unit": "kW"},
                    {"value": "0A0B", "format": "SignedData"},
                ],
            },
        ]
        await one.say("MeterValues", {"connectorId": 1, "meterValue": entries})
        (report,) = [r for r in bench.seen if isinstance(r, ChargerReport)]
        assert (report.current_a, report.currents, report.soc_pct, report.power_w) == (9.0, None, 77.0, None)


async def test_a_text_that_is_no_utf8_does_not_end_the_connection() -> None:
    async with serving() as bench, charger(bench) as one:
        await one.raw(b'[2,"x","StatusNotification",{"connectorId":1,"status":"Charging","info":"40 \xb0C"}]')
        await one.raw(b"\xff\xfe")
        await bench.until(lambda: bench.states() == [ChargerState.CHARGING])


async def test_a_session_goes_on_over_a_new_connection() -> None:
    async with serving() as bench:
        start = {"connectorId": 1, "idTag": "x", "meterStart": 1000, "timestamp": "2026-01-01T00:00:00Z"}
        async with charger(bench) as one:
            begun = await one.say("StartTransaction", start)
        async with charger(bench) as one:
            again = await one.say("StartTransaction", start)
            assert again["transactionId"] == begun["transactionId"]
            value = {"sampledValue": [{"value": "1500"}]}
            number = begun["transactionId"]
            await one.say("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [value]})
            await one.say("StopTransaction", {"transactionId": number, "meterStop": 3500})
        names = [type(seen).__name__ for seen in bench.seen]
        assert names.count("SessionStarted") == 1
        assert [seen.energy_wh for seen in bench.seen if isinstance(seen, SessionEnded)] == [2500]


def _station(put: Callable[[Observation], None], clock: list[float]) -> Station:
    async def send(_: str) -> None:
        return None

    return Station(
        endpoint(),
        FAMILIES,
        Remembered(LEFT, lambda: 7),
        send=send,
        put=put,
        now_s=lambda: clock[0],
        wall=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=clock[0]),
    )


def _values(at_s: float) -> str:
    stamp = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)).isoformat()
    value = {"timestamp": stamp, "sampledValue": [{"value": "9", "measurand": "Current.Import"}]}
    return json.dumps([2, "m", "MeterValues", {"connectorId": 1, "meterValue": [value]}])


def test_values_that_were_held_back_while_offline_are_no_news() -> None:
    seen: list[Observation] = []
    clock = [0.0]
    station = _station(seen.append, clock)
    for now_s, at_s in ((0.0, 0.0), (10.0, 10.0), (20.0, -400.0), (20.1, -300.0), (30.0, 30.0)):
        clock[0] = now_s
        station.receive(_values(at_s))
    assert [one.at_s for one in seen] == [0.0, 10.0, 30.0]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["Accepted", "Rejected"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["status", "configurationKey", "key", "value"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.lists(ANY_JSON, min_size=1, max_size=8))
def test_whatever_a_charger_answers_a_setpoint_has_an_outcome(answers: list[Any]) -> None:
    async def main() -> list[Observation]:
        seen: list[Observation] = []
        done = asyncio.Event()
        turn = count()

        async def send(text: str) -> None:
            frame = json.loads(text)
            answer = answers[next(turn) % len(answers)]
            asyncio.get_running_loop().call_soon(station.receive, json.dumps([3, frame[1], answer]))

        def put(one: Observation) -> None:
            seen.append(one)
            done.set()

        station = Station(
            endpoint(),
            FAMILIES,
            Remembered(LEFT, lambda: 7),
            send=send,
            put=lambda _: None,
            now_s=time.monotonic,
            wall=lambda: datetime.now(UTC),
        )
        station.receive(json.dumps([2, "b", "BootNotification", BOOT]))
        work = asyncio.create_task(station.work())
        station.apply(command(), put)
        async with asyncio.timeout(10):
            await done.wait()
        assert not work.done()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        return seen

    (answer,) = asyncio.run(main())
    assert isinstance(answer, SetpointAnswer)
    assert answer.accepted == (answer.reason == "")


# --- who may connect -------------------------------------------------------------------------------------------------


async def test_a_browser_is_not_taken_for_a_charger() -> None:
    asked: list[str] = []
    async with serving(adopt=lambda name: asked.append(name)) as bench:
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.server.port)
        writer.write(b"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(10):
            assert b" 400 " in await reader.readline()
        writer.close()
        assert asked == []


@pytest.mark.parametrize("path", ["", "%0a", "x" * 49])
async def test_an_identity_that_can_be_none_is_not_taken_in(path: str) -> None:
    async with serving(adopt=lambda name: endpoint(ocpp_id=name)) as bench:
        with pytest.raises(websockets.InvalidStatus):
            async with websockets.connect(f"ws://127.0.0.1:{bench.server.port}/{path}", subprotocols=OCPP16):
                pass


@pytest.mark.parametrize("given_", [b"6f70656e", b"open"])
async def test_a_password_of_hexadecimal_digits_may_come_as_what_it_stands_for(given_: bytes) -> None:
    async with serving(endpoint(password="6f70656e")) as bench:
        token = base64.b64encode(b"CP:" + given_).decode()
        async with websockets.connect(
            f"ws://127.0.0.1:{bench.server.port}/any/prefix/CP?x=1",
            subprotocols=[websockets.Subprotocol("ocpp1.5"), *OCPP16],
            additional_headers={"Authorization": f"Basic {token}"},
        ) as socket:
            assert socket.subprotocol == "ocpp1.6"


async def test_a_message_that_is_too_large_ends_the_connection_and_nothing_else() -> None:
    async with serving() as bench, charger(bench) as one:
        await one.raw(b'[2,"x","DataTransfer",{"data":"' + b"x" * 300_000 + b'"}]')
        await bench.until(lambda: [seen.online for seen in bench.seen if hasattr(seen, "online")] == [True, False])
    async with serving() as bench, charger(bench) as one:
        assert await one.say("Heartbeat", {})
