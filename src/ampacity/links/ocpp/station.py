"""One connected charger: what it says becomes observations and answers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
import structlog

from ampacity.core.decision import Command
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    SessionEnded,
    SessionStarted,
    Wish,
)
from ampacity.devices.charger_family import ChargerFamily, recognised
from ampacity.devices.charger_reports import report_of, state_of
from ampacity.links.ocpp import framing, messages
from ampacity.links.ocpp.calls import Calls
from ampacity.links.ocpp.endpoint import Endpoint as Endpoint
from ampacity.links.ocpp.endpoint import StationFacts
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.steering import Put, Steering
from ampacity.links.ocpp.tags import LONGEST_TAG, OWN_TAG, Authorise, TagVerdict, everybody, normal_tag
from ampacity.links.ocpp.told_time import ToldTime

HEARTBEAT_S = 60
LATE_S = 60.0
"""Values older than this by the charger's clock were held back while it was offline, and say nothing of now."""
BACKLOG_S = 120.0
"""How long after connecting such values come."""
SOCKET_S = 60.0
"""How long the socket's own values count before those of the whole station (connector 0)."""
MOST_COMPLAINTS = 50
BY_TAGS = "tags"
"""Who wishes that a car whose tag is refused gets nothing."""

_DOWN = (ChargerState.FAULTED, ChargerState.UNAVAILABLE)

_log = structlog.get_logger("ampacity.charger")


class Station:
    """A connection of one charger. `receive` and `apply` are called on the event loop and never block."""

    def __init__(
        self,
        endpoint: Endpoint,
        families: dict[str, ChargerFamily],
        remembered: Remembered,
        *,
        send: Callable[[str], Awaitable[None]],
        put: Put,
        now_s: Callable[[], float],
        wall: Callable[[], datetime],
        authorise: Authorise = everybody,
    ) -> None:
        self.endpoint = endpoint
        self.family = endpoint.family or remembered.family or recognised(families.values(), "", "", "")
        self.facts = StationFacts(family=self.family.id)
        self.ended: SessionEnded | None = None
        """The session whose end is about to be acknowledged."""
        self._families = families
        self._remembered = remembered
        self._put = put
        self._now_s = now_s
        self._wall = wall
        self._authorise = authorise
        self._told = remembered.told = remembered.told or ToldTime(wall(), now_s())
        self._calls = Calls(send, remembered.tally)
        self._steering = Steering(endpoint, remembered, self.family, self._calls, now_s=now_s, told=self._told)
        self._connected_s = now_s()
        self._booted = False
        self._remote_started = False
        self._socket_state: ChargerState | None = None
        self._station_state: ChargerState | None = None
        self._socket_values_s: float | None = None
        self._complaints: set[str] = set()

    # --- what it is to do ---

    def apply(self, command: Command, put: Put) -> None:
        """Takes a command; one that still waits to be sent is replaced, and gets no answer."""
        self._steering.apply(command, put)

    def use(self, endpoint: Endpoint) -> None:
        """The same charger, with other limits: they count from the next command on."""
        self.endpoint = endpoint
        self._steering.use(endpoint)

    async def park(self, safe_a: float) -> bool:
        """Leaves the charger at its safe current for good. Returns whether it agreed."""
        return await self._steering.park(safe_a)

    async def work(self) -> None:
        """Sends what is to be sent. Runs until cancelled."""
        await self._steering.work()

    # --- what it says ---

    def receive(self, message: str | bytes) -> str | None:
        """Works in one message; returns the answer to send, if it wants one. Never raises."""
        tally, now_s = self._remembered.tally, time.monotonic()
        tally.took_in(len(message), now_s)
        match framing.frame_of(message):
            case framing.Call(message_id, action, payload):
                tally.last_good_s = now_s
                return self._called(message_id, action, payload)
            case framing.Result() as result:
                self._calls.answered(result)
            case framing.Refusal() as refusal:
                self._calls.refused(refusal)
            case framing.Malformed(message_id, what):
                tally.garbled += 1
                self._complain("ocpp-malformed", what)
                if message_id is not None:
                    return framing.error_text(message_id, "FormationViolation", what)
        return None

    def _called(self, message_id: str, action: str, payload: msgspec.Raw) -> str:
        self._steering.heard()
        if action not in messages.ACTIONS:
            self._complain("ocpp-unknown-action", action[:60])
            return framing.error_text(message_id, "NotImplemented", f"{action[:60]} is not known here")
        try:
            message = messages.decoded(action, payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self._complain("ocpp-malformed", f"{action}: {error}")
            return framing.error_text(message_id, "FormationViolation", str(error))
        return framing.result_text(message_id, self._answer(message))

    def _answer(self, message: messages.Incoming) -> dict[str, object]:
        match message:
            case messages.MeterValues():
                self._on_meter_values(message)
                return {}
            case messages.StatusNotification():
                self._on_status(message)
                return {}
            case messages.BootNotification():
                self._on_boot(message)
                return {"status": "Accepted", "currentTime": self._time(), "interval": HEARTBEAT_S}
            case messages.StartTransaction():
                return self._on_start(message)
            case messages.StopTransaction():
                self._on_stop(message)
                return {"idTagInfo": {"status": "Accepted"}}
            case messages.Authorize():
                return {"idTagInfo": {"status": self._verdict(message.idTag).value}}
            case messages.Heartbeat():
                self._follow_wall(in_use=self._is_in_use())
                return {"currentTime": self._time()}
            case messages.DataTransfer():
                return {"status": "UnknownVendorId"}
            case messages.Noted():
                return {}

    def _time(self) -> str:
        return self._told.at(self._now_s()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _stamped(self, stamp: messages.Scalar) -> float | None:
        """Works in a stamp of its clock; returns how old it is by that clock, None where it is no stamp."""
        age_s = self._remembered.clock.note(stamp, self._now_s(), self._told.at(self._now_s()))
        if self._steering.is_clock_moved():
            # The lease of what it was told ends too soon or too late: it has to be told again.
            self._put(ChargerLink(charger=self.endpoint.charger, at_s=self._now_s(), online=True))
        return age_s

    def _follow_wall(self, *, in_use: bool) -> None:
        moved_s = self._told.follow(self._wall(), self._now_s(), in_use=in_use)
        self._remembered.clock.told_time_moved(moved_s)

    def _is_in_use(self) -> bool:
        return self._remembered.transactions.current is not None or self._socket_state is not ChargerState.AVAILABLE

    def _on_meter_values(self, message: messages.MeterValues) -> None:
        now_s = self._now_s()
        if not self._is_steered(message.connectorId):
            return
        stamp = message.meterValue[-1].timestamp if message.meterValue else None
        age_s = self._stamped(stamp)
        transaction = messages.whole(message.transactionId)
        if self._remembered.transactions.mention(transaction):
            # It began before this controller did: recognised, not stopped.
            self._put(SessionStarted(charger=self.endpoint.charger, at_s=now_s, session=str(transaction)))
        if self._is_late(age_s, now_s) or self._is_of_the_station(message.connectorId, now_s):
            return
        self._steering.reported_s = now_s
        report, unused = report_of(
            self.endpoint.charger,
            now_s,
            self.endpoint.phases,
            self.endpoint.volts,
            messages.sampled(message.meterValue),
        )
        if unused:
            self._complain("ocpp-unused-value", unused)
        if report is not None:
            self._put(report)
        if transaction is not None and transaction == self._remembered.transactions.current:
            self._steering.in_session()

    def _is_late(self, age_s: float | None, now_s: float) -> bool:
        return (
            age_s is not None
            and age_s > LATE_S
            and self._remembered.clock.known
            and now_s - self._connected_s < BACKLOG_S
        )

    def _is_of_the_station(self, connector: messages.Scalar, now_s: float) -> bool:
        """Whether a value is of the whole station, whose socket speaks for itself. (An ABB Terra AC that is asked
        answers for connector 0 alone.)"""
        if messages.whole(connector) != 0:
            self._socket_values_s = now_s
            return False
        return self._socket_values_s is not None and now_s - self._socket_values_s < SOCKET_S

    def _is_steered(self, connector: messages.Scalar) -> bool:
        number = messages.whole(connector)
        if number is None or number in (0, 1):
            return True
        self._complain("ocpp-connector", f"connector {number} is left alone: only the first is steered")
        return False

    def _on_status(self, message: messages.StatusNotification) -> None:
        self._stamped(message.timestamp)
        status = messages.text(message.status)
        state = state_of(status)
        if state is None:
            self._complain("ocpp-unknown-status", status[:60])
            return
        if not self._is_steered(message.connectorId):
            return
        if state is ChargerState.FAULTED:
            self._complain("charger-faulted", f"{message.errorCode} {messages.text(message.info)}".strip()[:120])
        if messages.whole(message.connectorId) == 0:
            # Of the station itself only that it is down matters; and, when it was, that it is up again.
            was_down = self._station_state is not None
            self._station_state = state if state in _DOWN else None
            if self._station_state is None and not was_down:
                return
        else:
            self._socket_state = state
        told = self._station_state or self._socket_state
        if told is not None:
            self._put(ChargerReport(charger=self.endpoint.charger, at_s=self._now_s(), state=told))
        self._start_if_needed()

    def _start_if_needed(self) -> None:
        """Where known tags are asked for, a car is started by one only."""
        if self._socket_state is ChargerState.PREPARING and self.family.remote_start and not self._remote_started:
            if self._authorise(self.endpoint.charger, OWN_TAG) is TagVerdict.ACCEPTED:
                self._remote_started = True
                self._steering.start_remotely()
        elif self._socket_state is ChargerState.AVAILABLE:
            self._remote_started = False

    def _on_boot(self, message: messages.BootNotification) -> None:
        vendor, model = messages.text(message.chargePointVendor), messages.text(message.chargePointModel)
        firmware = messages.text(message.firmwareVersion)
        if self.endpoint.family is None:
            self.family = recognised(self._families.values(), vendor, model, firmware)
        self._remembered.family = self.family
        self.facts = StationFacts(vendor=vendor[:60], model=model[:60], firmware=firmware[:60], family=self.family.id)
        started = self._steering.is_start()
        _log.info(
            "charger-booted" if started else "charger-introduced",
            charger=self.endpoint.charger,
            vendor=vendor[:60],
            model=model[:60],
            firmware=firmware[:60],
            family=self.family.id,
        )
        if started and self._booted:
            # It started anew over the same connection: what it was told may be gone.
            self._put(ChargerLink(charger=self.endpoint.charger, at_s=self._now_s(), online=True))
            self._follow_wall(in_use=self._remembered.transactions.current is not None)
        self._booted = True
        self._steering.introduced(self.family, started=started)

    def _verdict(self, tag: messages.Scalar) -> TagVerdict:
        text = messages.text(tag)
        if self._remote_started and normal_tag(text) == normal_tag(OWN_TAG):
            return TagVerdict.ACCEPTED  # it was asked to start with this one
        return self._authorise(self.endpoint.charger, text)

    def _on_start(self, message: messages.StartTransaction) -> dict[str, object]:
        age_s = self._stamped(message.timestamp)
        if not self._is_steered(message.connectorId):
            told = {"status": self._verdict(message.idTag).value}
            return {"transactionId": self._remembered.transactions.foreign(), "idTagInfo": told}
        begin = (message.connectorId, message.idTag, message.meterStart, message.timestamp)
        begin_wh = messages.whole(message.meterStart)
        if begin_wh is not None and begin_wh < 0:
            begin_wh = None  # no register counts below nothing
        number, is_new = self._remembered.transactions.start(begin, begin_wh)
        if not is_new:
            refused, verdict = self._remembered.refused or (None, TagVerdict.ACCEPTED)
            status = verdict if refused == number else TagVerdict.ACCEPTED
            return {"transactionId": number, "idTagInfo": {"status": status.value}}
        verdict = self._verdict(message.idTag)
        self._put(
            SessionStarted(
                charger=self.endpoint.charger,
                at_s=self._now_s(),
                session=str(number),
                meter_wh=begin_wh,
                tag=_shown_tag(message.idTag),
            )
        )
        if self._is_late(age_s, self._now_s()):
            _log.info(
                "charger-started-offline",
                charger=self.endpoint.charger,
                session=str(number),
                verdict=verdict.value,
                what=f"It began a session {age_s or 0.0:.0f} s ago, on its own, and reports it now.",
            )
        self._judged(number, verdict)
        return {"transactionId": number, "idTagInfo": {"status": verdict.value}}

    def _judged(self, number: int, verdict: TagVerdict) -> None:
        """A car whose tag is refused gets no current, for as long as the charger goes on with it."""
        charger, now_s = self.endpoint.charger, self._now_s()
        if verdict is not TagVerdict.ACCEPTED:
            self._remembered.refused = (number, verdict)
            self._put(Wish(charger=charger, at_s=now_s, paused=True, by=BY_TAGS))
            self._steering.end_refused()
            _log.info("charger-tag-refused", charger=charger, session=str(number), verdict=verdict.value)
        elif self._remembered.refused is not None:
            self._remembered.refused = None  # its end was never told
            self._put(Wish(charger=charger, at_s=now_s, paused=False, by=BY_TAGS))

    def _on_stop(self, message: messages.StopTransaction) -> None:
        self.ended, is_news = self._remembered.transactions.stop(
            messages.whole(message.transactionId),
            messages.whole(message.meterStop),
            messages.text(message.reason)[:60],
            self._now_s(),
        )
        if is_news:
            self._put(self.ended)
        refused, _ = self._remembered.refused or (None, None)
        if self.ended.session == str(refused):
            self._remembered.refused = None

    def _complain(self, code: str, what: str) -> None:
        """Once for each thing, not once for each message."""
        told = f"{code} {what}"
        if told not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(told)
            _log.warning(code, charger=self.endpoint.charger, what=what, remedy=_REMEDIES.get(code, _PASSED_OVER))


def _shown_tag(tag: messages.Scalar) -> str | None:
    """As it is kept with the session; None: nobody held one."""
    text = normal_tag(messages.text(tag))[:LONGEST_TAG]
    return text if text and text != normal_tag(OWN_TAG) else None


_PASSED_OVER = "It is passed over; the rest counts."
_REMEDIES = {
    "charger-faulted": "Look at the charger; it gets current again when it reports that the fault is gone.",
    "ocpp-connector": "Give each socket an identity of its own at the charger, where it can do that.",
}
