"""One connected charger: what it says becomes observations, and what it is to do becomes requests, one at a time."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from ampacity.core.decision import Command
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    Observation,
    SessionEnded,
    SessionStarted,
    SetpointAnswer,
)
from ampacity.core.site import ChargerId
from ampacity.devices.charger_family import ChargerFamily, recognised
from ampacity.devices.charger_reports import report_of, state_of
from ampacity.links.ocpp import framing, messages, profiles

Put = Callable[[Observation], None]

ANSWER_S = 30.0
"""How long a charger may take for an answer, when nothing more urgent waits."""

URGENT_S = 3.0
"""A setpoint waits no longer than this for the answer to another request."""

HEARTBEAT_S = 60
PING_S = 30
MEASURANDS = (
    "Current.Import",
    "Power.Active.Import",
    "Voltage",
    "Energy.Active.Import.Register",
    "SoC",
)
UNFORCED_BOOT_S = 3.0
"""A charger that has not introduced itself so long after connecting was connected before: it is asked to."""

_log = structlog.get_logger("ampacity.charger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A charger that may connect."""

    charger: ChargerId
    ocpp_id: str
    phases: int
    volts: float
    """What one of its phases sees, nominal."""
    safe_a: float
    password: str | None
    family: ChargerFamily | None
    """None: recognised by its BootNotification."""


class NoAnswer(Exception):
    """A request was not answered in time, or answered with an error; the text says which."""


class Refused(NoAnswer):
    """A request was answered with an error."""


class Station:
    """A connection of one charger. `receive` and `apply` are called on the event loop and never block."""

    def __init__(
        self,
        endpoint: Endpoint,
        families: dict[str, ChargerFamily],
        *,
        send: Callable[[str], Awaitable[None]],
        put: Put,
        now_s: Callable[[], float],
        wall: Callable[[], datetime],
        next_transaction: Callable[[], int],
    ) -> None:
        self.endpoint = endpoint
        self._families = families
        self._send = send
        self._put = put
        self._now_s = now_s
        self._wall = wall
        self._next_transaction = next_transaction
        self.family = endpoint.family or recognised(families.values(), "", "", "")
        self._form = profiles.form_of(self.family, phases=endpoint.phases, volts=endpoint.volts)
        self._booted = asyncio.Event()
        self._wake = asyncio.Event()
        self._command: tuple[Command, Put] | None = None
        self._jobs: deque[Callable[[], Awaitable[None]]] = deque()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._clock_offsets_s: deque[float] = deque(maxlen=5)
        self._transaction: int | None = None
        self._meter_start_wh: int | None = None
        self._reported_s = now_s()
        self._told = ""
        self._remote_started = False
        self.firmware = ""
        self.ended: SessionEnded | None = None
        """The session whose end is about to be acknowledged."""

    # --- what it says ---

    def receive(self, message: str | bytes) -> str | None:
        """Works in one message; returns the answer to send, if it wants one. Never raises."""
        match framing.frame_of(message):
            case framing.Call(message_id, action, payload):
                return self._called(message_id, action, payload)
            case framing.Result(message_id, payload):
                if (future := self._waiting.pop(message_id, None)) is not None and not future.done():
                    future.set_result(payload)
            case framing.Refusal(message_id, code, description):
                if (future := self._waiting.pop(message_id, None)) is not None and not future.done():
                    future.set_exception(Refused(f"{code} {description}".strip()))
            case framing.Malformed(message_id, what):
                self._complain("ocpp-malformed", what)
                if message_id is not None:
                    return framing.error_text(message_id, "FormationViolation", what)
        return None

    def _called(self, message_id: str, action: str, payload: msgspec.Raw) -> str:
        if action not in messages.ACTIONS:
            self._complain("ocpp-unknown-action", action[:60])
            return framing.error_text(message_id, "NotImplemented", f"{action[:60]} is not known here")
        try:
            message = messages.decoded(action, payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
                return {"idTagInfo": {"status": "Accepted"}}
            case messages.Heartbeat():
                return {"currentTime": self._time()}
            case messages.DataTransfer():
                return {"status": "UnknownVendorId"}
            case messages.Noted():
                return {}

    def _time(self) -> str:
        return self._wall().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _on_meter_values(self, message: messages.MeterValues) -> None:
        if message.connectorId in (0, "0") and len(message.meterValue) == 0:
            return
        now_s = self._now_s()
        self._reported_s = now_s
        if message.meterValue:
            self._note_clock(message.meterValue[-1].timestamp)
        transaction = messages.whole(message.transactionId)
        if transaction is not None and transaction > 0 and transaction != self._transaction:
            # It began before this connection, or before this controller: recognised, not stopped.
            self._transaction = transaction
            self._put(SessionStarted(charger=self.endpoint.charger, at_s=now_s, session=str(transaction)))
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

    def _on_status(self, message: messages.StatusNotification) -> None:
        self._note_clock(message.timestamp)
        connector, status = messages.whole(message.connectorId), messages.text(message.status)
        state = state_of(status)
        if state is None:
            self._complain("ocpp-unknown-status", status[:60])
            return
        if connector == 0 and status not in ("Faulted", "Unavailable"):
            return
        if connector is not None and connector > 1:
            self._complain("ocpp-connector", f"connector {connector} is left alone: only the first is steered")
            return
        if status == "Faulted":
            _log.warning("charger-faulted", charger=self.endpoint.charger, error=message.errorCode, info=message.info)
        self._put(ChargerReport(charger=self.endpoint.charger, at_s=self._now_s(), state=state))
        if status == "Preparing" and self.family.remote_start and not self._remote_started:
            self._remote_started = True
            self._later(self._start_remotely)
        if status == "Available":
            self._remote_started = False

    def _on_boot(self, message: messages.BootNotification) -> None:
        vendor, model = messages.text(message.chargePointVendor), messages.text(message.chargePointModel)
        self.firmware = messages.text(message.firmwareVersion)
        if self.endpoint.family is None:
            self.family = recognised(self._families.values(), vendor, model, self.firmware)
            self._form = profiles.form_of(self.family, phases=self.endpoint.phases, volts=self.endpoint.volts)
        _log.info(
            "charger-booted",
            charger=self.endpoint.charger,
            vendor=vendor,
            model=model,
            firmware=self.firmware,
            family=self.family.id,
        )
        again = self._booted.is_set()
        self._booted.set()
        if again:
            # It started anew over the same connection: what it was told may be gone.
            self._put(ChargerLink(charger=self.endpoint.charger, at_s=self._now_s(), online=True))
        self._jobs.clear()
        self._later(self._introduce)

    def _on_start(self, message: messages.StartTransaction) -> dict[str, object]:
        self._note_clock(message.timestamp)
        self._transaction = self._next_transaction()
        self._meter_start_wh = messages.whole(message.meterStart)
        self._put(SessionStarted(charger=self.endpoint.charger, at_s=self._now_s(), session=str(self._transaction)))
        return {"transactionId": self._transaction, "idTagInfo": {"status": "Accepted"}}

    def _on_stop(self, message: messages.StopTransaction) -> None:
        transaction = messages.whole(message.transactionId)
        stop_wh = messages.whole(message.meterStop)
        start_wh = self._meter_start_wh if transaction == self._transaction else None
        self.ended = SessionEnded(
            charger=self.endpoint.charger,
            at_s=self._now_s(),
            session=str(transaction if transaction is not None else self._transaction),
            energy_wh=stop_wh - start_wh if stop_wh is not None and start_wh is not None else None,
            reason=messages.text(message.reason)[:60],
        )
        self._put(self.ended)
        self._transaction = self._meter_start_wh = None

    def _note_clock(self, stamp: messages.Scalar) -> None:
        """Old stamps can only be too early: of the last few, the latest tells the charger's clock."""
        if not isinstance(stamp, str):
            return
        try:
            moment = datetime.fromisoformat(stamp.strip().replace("Z", "+00:00"))
        except ValueError:
            return
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        self._clock_offsets_s.append((moment - self._wall()).total_seconds())

    def _charger_now(self) -> datetime:
        return self._wall() + timedelta(seconds=max(self._clock_offsets_s, default=0.0))

    def _complain(self, code: str, what: str) -> None:
        """Once for each thing, not once for each message."""
        if (told := f"{code} {what}") != self._told:
            self._told = told
            _log.warning(code, charger=self.endpoint.charger, what=what, remedy="It is passed over; the rest counts.")

    # --- what it is to do ---

    def apply(self, command: Command, put: Put) -> None:
        """Takes a command; one that still waits to be sent is replaced, and gets no answer."""
        self._command = (command, put)
        self._wake.set()

    def _later(self, job: Callable[[], Awaitable[None]]) -> None:
        self._jobs.append(job)
        self._wake.set()

    async def work(self) -> None:
        """Sends what is to be sent: setpoints first. Runs until cancelled."""
        try:
            async with asyncio.timeout(UNFORCED_BOOT_S):
                await self._booted.wait()
        except TimeoutError:
            self._later(self._ask_to_introduce)
        while True:
            if self._command is not None:
                command, put = self._command
                self._command = None
                await self._send_setpoint(command, put)
            elif self._jobs:
                await self._jobs.popleft()()
            else:
                self._wake.clear()
                try:
                    async with asyncio.timeout(2.0):
                        await self._wake.wait()
                except TimeoutError:
                    await self._ask_for_values()

    async def _call(self, payload: messages.Outgoing, *, patience_s: float = ANSWER_S) -> Any:
        """Sends a request and waits for its answer; not for long while a setpoint waits.

        Raises:
            NoAnswer: none came, or an error.
        """
        message_id = uuid.uuid4().hex
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = future
        await self._send(framing.call_text(message_id, payload))
        begin = self._now_s()
        try:
            while not future.done():
                waited_s = self._now_s() - begin
                urgent = self._command is not None
                left_s = min(patience_s, URGENT_S if urgent else patience_s) - waited_s
                if left_s <= 0:
                    raise NoAnswer(f"no answer within {waited_s:.0f} s")
                self._wake.clear()
                woken = asyncio.create_task(self._wake.wait())
                await asyncio.wait([future, woken], timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
            return msgspec.json.decode(future.result())
        except msgspec.DecodeError as error:
            raise NoAnswer(f"an answer that is no JSON ({error})") from error
        finally:
            self._waiting.pop(message_id, None)
            self._wake.set()

    async def _status_of(self, payload: messages.Outgoing, *, patience_s: float = ANSWER_S) -> str:
        answer = await self._call(payload, patience_s=patience_s)
        return str(answer.get("status", "")) if isinstance(answer, dict) else ""

    async def _send_setpoint(self, command: Command, put: Put) -> None:
        sent_s = self._now_s()
        try:
            status = await self._set_profile(command)
        except NoAnswer as error:
            status = str(error)
        accepted = status == "Accepted"
        expires = self._form.lease_form != "none" and command.lease_s is not None
        put(
            SetpointAnswer(
                charger=self.endpoint.charger,
                at_s=self._now_s(),
                limit_a=command.limit_a,
                accepted=accepted,
                lease_end_s=sent_s + command.lease_s if accepted and expires and command.lease_s else None,
                reason="" if accepted else status,
            )
        )
        if not accepted:
            self._complain("charger-refused", f"{command.limit_a:g} A: {status}")

    async def _set_profile(self, command: Command) -> str:
        """In the form that the charger takes; forms that it refuses are left for the next one, for good."""
        status = await self._try_profile(command, self._form)
        if status in ("Accepted", ""):
            return status
        for form in _other_forms(self._form):
            if self._command is not None:
                return status  # something newer waits
            status = await self._try_profile(command, form)
            if status == "Accepted":
                self._form = form
                _log.info(
                    "charger-profile-form",
                    charger=self.endpoint.charger,
                    connector=form.connector,
                    stack_level=form.stack_level,
                    lease=form.lease_form,
                )
                return status
        return status

    async def _try_profile(self, command: Command, form: profiles.Form) -> str:
        """What the charger says to one form; an error is as much a refusal as `Rejected` is."""
        try:
            return await self._status_of(profiles.operating(command, form, self.family, self._charger_now()))
        except Refused as error:
            return str(error)

    async def park(self, safe_a: float) -> bool:
        """Leaves the charger at its safe current for good. Returns whether it agreed."""
        command = Command(charger=self.endpoint.charger, limit_a=safe_a, safe_a=safe_a, lease_s=None, renewal=False)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def answered(observation: Observation) -> None:
            if isinstance(observation, SetpointAnswer) and not done.done():
                done.set_result(observation.accepted)

        self.apply(command, answered)
        return await done

    async def _ask_to_introduce(self) -> None:
        for wanted in ("BootNotification", "StatusNotification", "MeterValues"):
            await self._try(messages.TriggerMessage(requestedMessage=wanted))
        if not self._booted.is_set():
            self._later(self._introduce)

    async def _introduce(self) -> None:
        """What a charger is told once after it started: its safe current below all, and what to report how often."""
        await self._try(messages.TriggerMessage(requestedMessage="StatusNotification"))
        await self._read_configuration()
        if self._form.stack_level > 0 and not self._form.relative:
            await self._try(profiles.base(self.endpoint.safe_a, self._form, self.family, self._charger_now()))
        await self._ask_for_measurands()
        for key, value in (
            ("MeterValueSampleInterval", self.family.report_every_s),
            ("WebSocketPingInterval", PING_S),
        ):
            await self._try(messages.ChangeConfiguration(key=key, value=str(value)))

    async def _read_configuration(self) -> None:
        try:
            answer = await self._call(messages.GetConfiguration(), patience_s=10)
        except NoAnswer as error:
            self._complain("charger-configuration", str(error))
            return
        entries = answer.get("configurationKey") if isinstance(answer, dict) else None
        keys: dict[str, str] = {}
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("key"), str):
                keys[entry["key"]] = str(entry.get("value", ""))
        units = keys.get("ChargingScheduleAllowedChargingRateUnit", "").lower()
        if units and "current" not in units and "a" not in [unit.strip() for unit in units.split(",")]:
            self._form = replace(self._form, watts=True)
        highest = messages.whole(keys.get("ChargeProfileMaxStackLevel"))
        most = messages.whole(keys.get("MaxChargingProfilesInstalled"))
        if (highest is not None and highest < 1) or (most is not None and most < 2):
            self._form = replace(self._form, stack_level=0)
        periods = messages.whole(keys.get("ChargingScheduleMaxPeriods"))
        if periods == 1 and self._form.lease_form == "two-period":
            self._form = replace(self._form, lease_form="duration" if self._form.stack_level > 0 else "none")

    async def _ask_for_measurands(self) -> None:
        """All in one list where the charger takes that; else those that it takes one by one."""
        wanted = self.family.measurands or tuple(m for m in MEASURANDS if m not in self.family.without_measurands)
        if await self._set_measurands(wanted) or self.family.measurands:
            return
        kept: list[str] = []
        for one in wanted:
            if await self._set_measurands([*kept, one]):
                kept.append(one)

    async def _set_measurands(self, names: Any) -> bool:
        change = messages.ChangeConfiguration(key="MeterValuesSampledData", value=",".join(names))
        return await self._try(change) in ("Accepted", "RebootRequired")

    async def _ask_for_values(self) -> None:
        """When the last report is older than it should be."""
        if self._now_s() - self._reported_s > 1.5 * self.family.report_every_s:
            self._reported_s = self._now_s()
            await self._try(messages.TriggerMessage(requestedMessage="MeterValues"))

    async def _start_remotely(self) -> None:
        await self._try(messages.RemoteStartTransaction(idTag="ampacity", connectorId=1))

    async def _try(self, payload: messages.Outgoing) -> str:
        """The status of an answer that nothing depends on; "" where there is none."""
        try:
            return await self._status_of(payload, patience_s=10)
        except NoAnswer as error:
            _log.debug("charger-no-answer", charger=self.endpoint.charger, to=type(payload).__name__, what=str(error))
            return ""


def _other_forms(form: profiles.Form) -> list[profiles.Form]:
    """What else to try, the safer first, when a charger refuses a profile in this form."""
    if form.relative:
        return []
    connectors = [form.connector, 1 - form.connector] if form.connector in (0, 1) else [form.connector]
    forms = [
        replace(form, connector=connector, lease_form=lease)
        for lease in ("two-period", "duration", "none")
        for connector in connectors
        if lease != "duration" or form.stack_level > 0
    ]
    return [other for other in forms if other != form]
