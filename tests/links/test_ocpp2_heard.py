"""What OCPP 2 chargers say, and how they are answered: without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.links.peer2 import schema

from ampacity.core.observations import (
    ChargerReport,
    ChargerState,
    Observation,
    SessionEnded,
    SessionStarted,
    Wish,
)
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp import messages2
from ampacity.links.ocpp.endpoint import CarNeeds, Endpoint, OwnLimit
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.socket_state import SocketState
from ampacity.links.ocpp.station import Station
from ampacity.links.ocpp.tags import TagVerdict, everybody

FAMILIES = charger_families()
NOW = "2026-01-01T00:00:00Z"
LEFT = ChargerId("left")
OURS = {"id": 1, "connectorId": 1}


class Chat:
    """A station that is talked to, and what came of it."""

    def __init__(self, version: str = "2.0.1", authorise: Callable[[ChargerId, str], TagVerdict] = everybody) -> None:
        async def send(_: str) -> None:
            return None

        self.seen: list[Observation] = []
        self.version = version
        self.now_s = 1.0
        self.station = Station(
            Endpoint(charger=LEFT, ocpp_id="CP", phases=3, volts=230.0, safe_a=6.0, password=None, family=None),
            FAMILIES,
            Remembered(LEFT, lambda: 7),
            send=send,
            put=self.seen.append,
            now_s=lambda: self.now_s,
            wall=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            authorise=authorise,
            version=version,
        )

    def say(self, action: str, payload: Any) -> Any:
        """Its answer, or the code of an error; each answer fits its schema."""
        kind, _, answer, *_ = json.loads(self.station.receive(json.dumps([2, "m", action, payload])) or "")
        if kind == 3:
            schema(self.version, f"{action}Response").validate(answer)
        return answer

    def event(self, kind: str, number: int = 0, **fields: Any) -> Any:
        info = {"transactionId": "T1", **fields.pop("info", {})}
        payload = {"eventType": kind, "timestamp": NOW, "triggerReason": "Trigger", "seqNo": number, "evse": OURS}
        return self.say("TransactionEvent", {**payload, "transactionInfo": info, **fields})

    def status(self, word: str, evse: int = 1) -> None:
        fields = {"timestamp": NOW, "connectorStatus": word, "evseId": evse, "connectorId": 1}
        assert self.say("StatusNotification", fields) == {}

    @property
    def last(self) -> str:
        """The state that it told last."""
        return self.states[-1].value

    @property
    def states(self) -> list[ChargerState]:
        return [one.state for one in self.seen if isinstance(one, ChargerReport) and one.state is not None]

    @property
    def reports(self) -> list[ChargerReport]:
        return [one for one in self.seen if isinstance(one, ChargerReport) and one.state is None]

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.seen if isinstance(one, kind)]


def sample(value: float, measurand: str = "Current.Import", phase: str | None = None, **more: Any) -> dict[str, Any]:
    one = {"value": value, "measurand": measurand, **more}
    return one if phase is None else {**one, "phase": phase}


def entry(*samples: dict[str, Any], at: str = NOW) -> dict[str, Any]:
    return {"timestamp": at, "sampledValue": list(samples)}


def currents(*amps: float) -> dict[str, Any]:
    return entry(*(sample(one, phase=f"L{number}") for number, one in enumerate(amps, 1)))


WH = "Energy.Active.Import.Register"


# --- the socket ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "states"),
    [
        (["Available"], ["available"]),
        (["Occupied"], ["preparing"]),
        (["Reserved"], ["available"]),
        (["Unavailable", "Occupied"], ["unavailable", "preparing"]),
        (["Occupied", "Faulted", "Occupied"], ["preparing", "faulted", "preparing"]),
    ],
)
def test_a_connector_tells_whether_a_car_is_there(said: list[str], states: list[str]) -> None:
    chat = Chat()
    for word in said:
        chat.status(word)
    assert [one.value for one in chat.states] == states


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Charging", ChargerState.CHARGING),
        ("EVConnected", ChargerState.PREPARING),
        ("SuspendedEV", ChargerState.SUSPENDED_EV),
        ("SuspendedEVSE", ChargerState.SUSPENDED_EVSE),
        ("Idle", ChargerState.AVAILABLE),
    ],
)
def test_a_transaction_tells_what_the_car_does(word: str, state: ChargerState) -> None:
    chat = Chat()
    chat.event("Started", info={"chargingState": word})
    assert chat.states == [state]


def test_a_car_whose_transaction_is_over_has_finished_until_it_leaves() -> None:
    chat = Chat()
    chat.status("Occupied")
    chat.event("Started", info={"chargingState": "Charging"})
    chat.event("Ended", 1)
    chat.status("Occupied")
    chat.status("Available")
    assert chat.states[-3:] == [ChargerState.FINISHING, ChargerState.FINISHING, ChargerState.AVAILABLE]


def test_an_occupied_connector_does_not_hide_that_its_car_charges() -> None:
    chat = Chat()
    chat.event("Started", info={"chargingState": "Charging"})
    chat.status("Occupied")
    assert chat.last == "charging"


def test_a_faulted_connector_is_not_well_again_because_its_transaction_speaks() -> None:
    chat = Chat()
    chat.event("Started", info={"chargingState": "Charging"})
    chat.status("Faulted")
    chat.event("Updated", 1, info={"chargingState": "SuspendedEVSE"})
    assert chat.last == "faulted"
    chat.event("Updated", 2, info={"chargingState": "Charging"})
    assert chat.last == "charging"


def test_a_connector_may_tell_its_state_as_an_event() -> None:
    chat = Chat()
    place = {"component": {"name": "Connector", "evse": OURS}, "variable": {"name": "AvailabilityState"}}
    data = {"eventId": 1, "timestamp": NOW, "trigger": "Delta", "actualValue": "Occupied", **place}
    assert chat.say("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [data]}) == {}
    assert chat.states == [ChargerState.PREPARING]


def test_a_station_that_is_down_takes_its_socket_along() -> None:
    chat = Chat()
    chat.status("Occupied")
    chat.status("Unavailable", evse=0)
    assert chat.last == "unavailable"
    chat.status("Available", evse=0)
    assert chat.last == "preparing"


def test_another_socket_is_left_alone() -> None:
    chat = Chat()
    chat.status("Occupied", evse=2)
    chat.event("Started", info={"transactionId": "T2", "chargingState": "Charging"}, evse={"id": 2})
    chat.event("Updated", 1, info={"transactionId": "T2"}, evse={"id": 2}, meterValue=[currents(9, 9, 9)])
    chat.say("MeterValues", {"evseId": 2, "meterValue": [currents(9, 9, 9)]})
    assert chat.seen == []


def test_a_transaction_of_another_socket_is_known_where_later_messages_do_not_name_it() -> None:
    chat = Chat()
    chat.event("Started", info={"transactionId": "T2"}, evse={"id": 2})
    payload = {"eventType": "Updated", "timestamp": NOW, "triggerReason": "Trigger", "seqNo": 1}
    info = {"transactionId": "T2", "chargingState": "Charging"}
    assert chat.say("TransactionEvent", {**payload, "transactionInfo": info}) == {}
    assert chat.seen == []


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["Available", "Occupied", "Faulted", "Charging", "Idle", "x"])))
)
def test_a_socket_is_always_in_a_state_or_the_word_is_not_known(said: list[tuple[bool, str]]) -> None:
    socket = SocketState()
    for is_connector, word in said:
        state = socket.connector(word) if is_connector else socket.transaction(word)
        known = ("Available", "Occupied", "Faulted") if is_connector else ("Charging", "Idle")
        assert (state is not None) == (word in known)


# --- values ----------------------------------------------------------------------------------------------------------


def test_currents_are_read_from_a_transaction_and_from_meter_values() -> None:
    chat = Chat()
    chat.event("Started", meterValue=[currents(9.5, 9.4, 9.3)])
    chat.say("MeterValues", {"evseId": 1, "meterValue": [currents(8, 7, 6)]})
    assert [one.currents.values for one in chat.reports if one.currents] == [(9.5, 9.4, 9.3), (8.0, 7.0, 6.0)]


def test_a_value_comes_with_its_unit_and_multiplier() -> None:
    chat = Chat()
    samples = [
        sample(11.04, "Power.Active.Import", unitOfMeasure={"unit": "kW"}),
        sample(1234, WH, unitOfMeasure={"unit": "Wh", "multiplier": 1}),
    ]
    chat.say("MeterValues", {"evseId": 1, "meterValue": [entry(*samples)]})
    assert (chat.reports[0].power_w, chat.reports[0].energy_wh) == (11040.0, 12340)


def test_a_value_whose_multiplier_is_absurd_is_not_used() -> None:
    chat = Chat()
    samples = [sample(1, "Power.Active.Import", unitOfMeasure={"unit": "W", "multiplier": 300}), sample(7, phase="L1")]
    chat.say("MeterValues", {"evseId": 1, "meterValue": [entry(*samples)]})
    assert chat.reports[0].power_w is None


def test_signatures_beside_a_value_do_not_hide_it() -> None:
    chat = Chat()
    signature = {"signedMeterData": "AA", "signingMethod": "", "encodingMethod": "", "publicKey": ""}
    chat.say("MeterValues", {"evseId": 1, "meterValue": [entry(sample(1000, WH, signedMeterValue=signature))]})
    assert chat.reports[0].energy_wh == 1000


def test_values_of_the_wrong_type_do_not_spoil_the_right_ones() -> None:
    chat = Chat()
    samples: list[Any] = [{"value": {"odd": 1}}, 5, *(sample(8, phase=one) for one in ("L1", "L2", "L3"))]
    payload = {"eventType": "Updated", "timestamp": 5, "seqNo": "x", "transactionInfo": {"transactionId": "T1"}}
    chat.say("TransactionEvent", {**payload, "meterValue": [{"timestamp": [], "sampledValue": samples}, 3]})
    assert [one.currents.values for one in chat.reports if one.currents] == [(8.0, 8.0, 8.0)]


def test_of_the_whole_station_is_not_of_the_socket_that_speaks_for_itself() -> None:
    chat = Chat()
    chat.say("MeterValues", {"evseId": 1, "meterValue": [currents(8, 8, 8)]})
    chat.say("MeterValues", {"evseId": 0, "meterValue": [currents(30, 30, 30)]})
    assert len(chat.reports) == 1


def test_values_that_were_held_back_offline_say_nothing_of_now() -> None:
    chat = Chat()
    for at_s in (1.0, 10.0):  # its clock is known once two stamps agree
        chat.now_s = at_s
        chat.say("Heartbeat", {})
        moment = datetime.fromtimestamp(datetime(2026, 1, 1, tzinfo=UTC).timestamp() + at_s - 1, UTC)
        chat.say(
            "StatusNotification",
            {"timestamp": moment.isoformat(), "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1},
        )
    old = "2025-12-31T23:00:00Z"
    chat.event(
        "Started", timestamp=old, offline=True, meterValue=[currents(16, 16, 16)], info={"chargingState": "Charging"}
    )
    assert chat.reports == []
    assert chat.of(SessionStarted)
    assert chat.last == "preparing"


# --- sessions --------------------------------------------------------------------------------------------------------


def test_a_session_has_the_energy_between_its_begin_and_its_end() -> None:
    chat = Chat()
    chat.event("Started", meterValue=[entry(sample(1000, WH, context="Transaction.Begin"))])
    end = [
        entry(sample(1000, WH, context="Transaction.Begin"), at="2026-01-01T00:00:00Z"),
        entry(sample(5000, WH, context="Sample.Periodic"), at="2026-01-01T01:00:00Z"),
        entry(sample(9000, WH, context="Transaction.End"), at="2026-01-01T02:00:00Z"),
    ]
    chat.event("Ended", 1, info={"stoppedReason": "EVDisconnected"}, meterValue=end)
    ended = chat.station.ended
    assert ended is not None
    assert (ended.session, ended.energy_wh, ended.reason) == ("T1", 8000, "EVDisconnected")


def test_what_is_reported_at_the_end_is_no_current_of_now() -> None:
    chat = Chat()
    chat.event("Started")
    chat.event("Ended", 1, meterValue=[currents(16, 16, 16)])
    assert chat.reports == []


def test_an_end_that_is_sent_again_is_answered_and_is_no_news() -> None:
    chat = Chat()
    chat.event("Started", meterValue=[entry(sample(0, WH))])
    for _ in range(2):
        assert chat.event("Ended", 1, meterValue=[entry(sample(500, WH))]) == {}
    assert [one.energy_wh for one in chat.of(SessionEnded)] == [500]


def test_a_begin_that_comes_again_after_its_end_begins_nothing() -> None:
    chat = Chat()
    chat.event("Started")
    chat.event("Ended", 1)
    chat.event("Started")
    assert len(chat.of(SessionStarted)) == 1


def test_a_transaction_from_before_our_start_is_recognised() -> None:
    chat = Chat()
    chat.event("Updated", 12, info={"chargingState": "Charging"})
    assert [one.session for one in chat.of(SessionStarted)] == ["T1"]


def test_a_transaction_that_is_over_says_nothing_of_the_socket_any_more() -> None:
    chat = Chat()
    chat.event("Started", info={"chargingState": "Charging"})
    chat.event("Ended", 1)
    chat.event("Started", info={"transactionId": "T2", "chargingState": "SuspendedEV"})
    before = len(chat.seen)
    chat.event("Updated", 1, info={"chargingState": "Charging"}, meterValue=[currents(16, 16, 16)])
    chat.event("Ended", 2, info={"chargingState": "Idle"})
    assert chat.seen[before:] == []
    assert chat.last == "suspended-ev"


def test_a_number_that_is_missing_is_told_once() -> None:
    chat = Chat()
    with capture_logs() as logs:
        for number in (0, 1, 5, 9, 3):
            chat.event("Started" if number == 0 else "Updated", number)
    assert [one["event"] for one in logs].count("charger-events-missing") == 1


def known(_: ChargerId, tag: str) -> TagVerdict:
    return TagVerdict.ACCEPTED if tag.strip().upper() == "A1" else TagVerdict.INVALID


def token(tag: str) -> dict[str, str]:
    return {"idToken": tag, "type": "ISO14443"}


def test_a_tag_is_judged_when_it_is_shown() -> None:
    chat = Chat(authorise=known)
    assert chat.say("Authorize", {"idToken": token("a1")}) == {"idTokenInfo": {"status": "Accepted"}}
    assert chat.say("Authorize", {"idToken": token("b2")}) == {"idTokenInfo": {"status": "Invalid"}}


def test_a_car_whose_tag_is_refused_gets_nothing() -> None:
    chat = Chat(authorise=known)
    answer = chat.event("Started", idToken=token("b2"))
    assert answer == {"idTokenInfo": {"status": "Invalid"}}
    assert [one.paused for one in chat.of(Wish)] == [True]


def test_a_tag_that_comes_after_the_begin_is_the_sessions() -> None:
    chat = Chat(authorise=known)
    chat.event("Started", triggerReason="CablePluggedIn", meterValue=[entry(sample(700, WH))])
    chat.now_s = 30.0
    answer = chat.event("Updated", 1, triggerReason="Authorized", idToken=token("a1"))
    assert answer == {"idTokenInfo": {"status": "Accepted"}}
    first, second = chat.of(SessionStarted)
    assert (first.tag, second.tag) == (None, "A1")
    assert (second.at_s, second.meter_wh, second.session) == (first.at_s, 700, "T1")


def test_a_refused_tag_that_comes_after_the_begin_stops_the_car() -> None:
    chat = Chat(authorise=known)
    chat.event("Started", triggerReason="CablePluggedIn")
    assert chat.event("Updated", 1, idToken=token("b2")) == {"idTokenInfo": {"status": "Invalid"}}
    assert [one.paused for one in chat.of(Wish)] == [True]


def test_a_tag_by_which_somebody_tries_to_end_a_session_does_not_spoil_it() -> None:
    chat = Chat(authorise=known)
    chat.event("Started", idToken=token("a1"))
    answer = chat.event("Updated", 1, triggerReason="StopAuthorized", idToken=token("b2"))
    assert answer == {"idTokenInfo": {"status": "Invalid"}}
    assert chat.of(Wish) == []


# --- smart charging --------------------------------------------------------------------------------------------------


def limit(source: str, **more: Any) -> dict[str, Any]:
    return {"evseId": 1, "chargingLimit": {"chargingLimitSource": source}, **more}


def test_a_limit_from_elsewhere_is_told_and_shown_until_it_is_gone() -> None:
    chat = Chat()
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6900}]}
    with capture_logs() as logs:
        assert chat.say("NotifyChargingLimit", limit("EMS", chargingSchedule=[schedule])) == {}
    assert chat.station.facts.own_limit == OwnLimit(source="EMS", limit_a=10.0)
    assert "charger-own-limit" in [one["event"] for one in logs]
    assert chat.say("ClearedChargingLimit", {"chargingLimitSource": "EMS", "evseId": 1}) == {}
    assert chat.station.facts.own_limit is None


def test_a_limit_from_elsewhere_may_not_say_how_much() -> None:
    chat = Chat()
    chat.say("NotifyChargingLimit", limit("SO"))
    assert chat.station.facts.own_limit == OwnLimit(source="SO", limit_a=None)


def test_a_limit_of_ours_is_none_from_elsewhere() -> None:
    chat = Chat()
    chat.say("NotifyChargingLimit", limit("CSO"))
    assert chat.station.facts.own_limit is None


AC = {"energyAmount": 20000, "evMinCurrent": 6, "evMaxCurrent": 16, "evMaxVoltage": 400}
NEEDS = {"requestedEnergyTransfer": "AC_three_phase", "departureTime": "2026-01-01T08:00:00+01:00"}


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("2.0.1", {"status": "Rejected", "statusInfo": {"reasonCode": "NoChargingProfile"}}),
        ("2.1", {"status": "NoChargingProfile"}),
    ],
)
def test_what_a_car_asks_for_is_shown_and_it_is_told_that_no_profile_of_its_own_comes(
    version: str, answer: dict[str, Any]
) -> None:
    chat = Chat(version)
    chat.event("Started")
    assert (
        chat.say("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": {**NEEDS, "acChargingParameters": AC}})
        == answer
    )
    assert chat.station.facts.car == CarNeeds(
        min_a=6.0, max_a=16.0, energy_wh=20000.0, departure="2026-01-01T07:00:00Z", mode="AC_three_phase"
    )
    chat.event("Ended", 1)
    assert chat.station.facts.car is None


def test_what_a_car_asks_for_over_iso_15118_20_is_shown_too() -> None:
    chat = Chat("2.1")
    wants = {"maxChargeCurrent": 32.0, "minChargeCurrent": 5.0, "evTargetEnergyRequest": 30000}
    needs = {"requestedEnergyTransfer": "AC_BPT", "v2xChargingParameters": wants}
    chat.say("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs})
    car = chat.station.facts.car
    assert car is not None
    assert (car.min_a, car.max_a, car.energy_wh) == (5.0, 32.0, 30000.0)


# --- the rest --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "action"),
    [
        *(("2.0.1", action) for action in sorted(messages2.ACTIONS_201)),
        *(("2.1", action) for action in sorted(messages2.ACTIONS_21)),
    ],
)
def test_every_answer_we_give_fits_its_schema(version: str, action: str) -> None:
    assert isinstance(Chat(version).say(action, {}), dict)


@pytest.mark.parametrize(
    ("version", "action", "code"),
    [
        ("2.0.1", "Dance", "NotImplemented"),
        ("2.0.1", "BatterySwap", "NotImplemented"),
        ("2.1", "StartTransaction", "NotImplemented"),
        ("2.1", "VatNumberValidation", "NotSupported"),
        ("2.1", "GetCertificateChainStatus", "NotSupported"),
    ],
)
def test_what_can_not_be_answered_is_an_error_with_the_right_code(version: str, action: str, code: str) -> None:
    assert Chat(version).say(action, {}) == code


def test_a_payload_of_the_wrong_form_is_an_error_with_the_code_of_this_version() -> None:
    assert Chat().say("StatusNotification", []) == "FormatViolation"


def test_charging_states_of_a_message_without_a_transaction_count_all_the_same() -> None:
    chat = Chat()
    assert chat.event("Updated", info={"transactionId": "", "chargingState": "Charging"}) == {}
    assert chat.states == [ChargerState.CHARGING]


def test_an_answer_that_a_charger_can_not_use_is_told() -> None:
    chat = Chat("2.1")
    with capture_logs() as logs:
        assert chat.station.receive('[5,"m","FormatViolation","no such status",{}]') is None
    assert [one["event"] for one in logs] == ["ocpp-answer-refused"]


def test_a_message_that_wants_no_answer_gets_none() -> None:
    data = {"id": 1, "pending": 0, "basetime": NOW, "data": [{"t": 0, "v": "1"}]}
    assert Chat("2.1").station.receive(json.dumps([6, "s", "NotifyPeriodicEventStream", data])) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("evse", "evseId", "id", "meterValue", "sampledValue", "value", "timestamp", "eventType", "seqNo"),
                    *("transactionInfo", "transactionId", "chargingState", "idToken", "unitOfMeasure", "multiplier"),
                    *("chargingProfile", "chargingSchedule", "chargingSchedulePeriod", "limit", "chargingNeeds"),
                    *("eventData", "component", "variable", "actualValue", "reportData", "requestId", "tbc", "x"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(messages2.ACTIONS_21)), JSON)
def test_any_payload_is_answered(action: str, payload: Any) -> None:
    answer = Chat("2.1").station.receive(json.dumps([2, "m", action, payload]))
    assert answer is not None
    assert json.loads(answer)[0] in (3, 4)
