"""What a connected charger is to do: setpoints before all, and once what it has to be told after it started."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from ampacity.core.decision import Command
from ampacity.core.observations import Observation, SetpointAnswer
from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.ocpp import messages, profiles, readback
from ampacity.links.ocpp.calls import Calls, NoAnswer, Refused
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.own_maximum import own_maximum_a
from ampacity.links.ocpp.profiles import BASE_EARLIER_S
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.tags import OWN_TAG
from ampacity.links.ocpp.told_time import ToldTime

Put = Callable[[Observation], None]

SETPOINT_S = 30.0
"""How long a charger may take to answer a setpoint, when nothing newer waits: some write it to flash first."""

QUESTION_S = 10.0
URGENT_S = 3.0
"""A setpoint waits no longer than this for the answer to another request."""

PING_S = 30
TICK_S = 2.0
OFTEN_S = 2.0
"""During a test it is asked for what it draws every few seconds."""
OTHER_FORMS_S = 600.0
"""A charger that refuses a profile in all forms is asked for only one of them so long."""

BOOT_S = 3.0
"""A charger that has not introduced itself so long after connecting was connected before: it is asked to."""

ASKED_S = 60.0
"""A BootNotification that comes so soon after we asked for one is the answer."""

CLOCK_MOVED_S = 5.0
"""A lease that ends so much too early or too late is told again."""

REFUSED_ENDS_S = 3.0
"""So long a charger has to end by itself a transaction whose tag was refused (StopTransactionOnInvalidId)."""

REFUSED_AGAIN_S = 60.0
"""After so long it is told again to end it."""

READ_BEYOND_S = 120
"""So far beyond the end of a lease it is asked what it will do."""

MEASURANDS = (
    "Current.Import",
    "Power.Active.Import",
    "Voltage",
    "Energy.Active.Import.Register",
    "SoC",
)

_log = structlog.get_logger("ampacity.charger")


class Steering:
    """Requests to one charger over one connection. `apply`, `heard` and `introduced` never block."""

    def __init__(
        self,
        endpoint: Endpoint,
        remembered: Remembered,
        family: ChargerFamily,
        calls: Calls,
        *,
        now_s: Callable[[], float],
        told: ToldTime,
    ) -> None:
        self.reported_s = now_s()
        """When it last said what it draws."""
        self._asked_s: float | None = None
        self._endpoint = endpoint
        self._remembered = remembered
        self._family = family
        self._calls = calls
        self._now_s = now_s
        self._told = told
        self._form = remembered.form or self._fresh_form()
        self._leased: tuple[Command, profiles.Form, float] | None = None
        """The last limit it took that is to end by itself, its form, and when it was sent."""
        self._command: tuple[Command, Put] | None = None
        self._jobs: deque[Callable[[], Awaitable[None]]] = deque()
        self._wake = asyncio.Event()
        self._heard = False
        self._introduced = False
        self._settings: dict[str, tuple[str, bool]] = {}
        """Its configuration: value, and whether it is read-only."""
        self._triggers = True
        self._forms_tried_s: float | None = None
        self._refusal_told = ""
        self._timed_by: datetime | None = None
        """What its clock was held to show at 0 s of ours, when it was last told a time; None: not since that moved."""
        self._read_back = False
        """Whether it was asked what it will do, since it started."""
        self._end_refused_s = now_s() + REFUSED_ENDS_S
        """When a transaction whose tag was refused is ended, if it still goes on."""

    # --- what is to be done ---

    def apply(self, command: Command, put: Put) -> None:
        """Takes a command; one that still waits to be sent is replaced, and gets no answer."""
        self._command = (command, put)
        self._calls.hurry(URGENT_S)
        self._wake.set()

    def heard(self) -> None:
        """It sent a request: it is awake, with or without an introduction."""
        if not self._heard:
            self._heard = True
            self._wake.set()

    def introduced(self, family: ChargerFamily, *, started: bool) -> None:
        """It sent a BootNotification; `started`: not only because we asked."""
        if started or family is not self._family or self._remembered.form is None:
            self._family = family
            self._use(self._fresh_form())
            self._forms_tried_s = None
        if started:
            self._remembered.base_a = self._remembered.expires = None
            self._read_back = False
        self._introduced = True
        self._jobs.clear()
        self._jobs.extend(self._introduction())
        self._wake.set()

    def is_start(self) -> bool:
        """Whether the BootNotification that came now tells of a start, and does not only answer our request."""
        asked_s, self._asked_s = self._asked_s, None
        return asked_s is None or self._now_s() - asked_s > ASKED_S

    def is_clock_moved(self) -> bool:
        """Whether its clock shows another time than it was told a lease by. True once for each move."""
        if self._timed_by is None:
            return False
        moved_s = abs((self._charger_begin() - self._timed_by).total_seconds())
        if moved_s <= CLOCK_MOVED_S:
            return False
        self._timed_by = None
        if moved_s > BASE_EARLIER_S / 2:
            self._remembered.base_a = None  # the lasting one may not have begun by this clock
            self._jobs.append(self._install_base)
        return True

    def in_session(self) -> None:
        """A transaction is under way: what it shows of its schedule counts."""
        if not self._read_back:
            self._read_back = True
            self._jobs.append(self._read_schedule)
            self._wake.set()

    def start_remotely(self) -> None:
        """Its family follows limits only after that."""
        self._jobs.append(self._start_remotely)
        self._wake.set()

    def end_refused(self) -> None:
        """A transaction began whose tag was refused. The charger may end it by itself; else it is told to."""
        self._end_refused_s = self._now_s() + REFUSED_ENDS_S

    def use(self, endpoint: Endpoint) -> None:
        """The same charger, with other limits: they count from the next command on."""
        self._endpoint = endpoint
        self._use(replace(self._form, phases=endpoint.phases, volts=endpoint.volts))
        if endpoint.safe_a != self._remembered.base_a:
            self._jobs.append(self._install_base)
            self._wake.set()

    async def park(self, safe_a: float) -> bool:
        """Leaves the charger at its safe current for good. Returns whether it agreed."""
        command = Command(charger=self._endpoint.charger, limit_a=safe_a, safe_a=safe_a, lease_s=None, renewal=False)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def answered(observation: Observation) -> None:
            if isinstance(observation, SetpointAnswer) and not done.done():
                done.set_result(observation.accepted)

        self.apply(command, answered)
        return await done

    async def work(self) -> None:
        """Sends what is to be sent: setpoints first. Runs until cancelled."""
        await self._until_awake()
        if not self._introduced:
            self._jobs.append(self._ask_to_introduce)
            self._jobs.extend(self._introduction())
        while True:
            await self._setpoints()
            await self._end_refused()
            if self._jobs:
                await self._jobs.popleft()()
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                await self._ask_for_values()

    async def _until_awake(self) -> None:
        """Its introduction tells how to speak to it. One that was connected before may send none, and speaks on."""
        try:
            async with asyncio.timeout(BOOT_S):
                while not (self._introduced or (self._heard and self._command is not None)):
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            return

    # --- setpoints ---

    async def _setpoints(self) -> None:
        while self._command is not None:
            command, put = self._command
            self._command = None
            await self._send_setpoint(command, put)

    async def _send_setpoint(self, command: Command, put: Put) -> None:
        sent_s = self._now_s()
        lease_end_s = None
        try:
            form, refusal = await self._set_profile(command)
        except NoAnswer as error:
            refusal = str(error)
        else:
            if not refusal:
                self._leased = None
            if not refusal and form.lease_form != "none" and command.lease_s is not None:
                lease_end_s = self._lease_end_s(sent_s, command.lease_s)
                self._leased = (command, form, sent_s)
        put(
            SetpointAnswer(
                charger=self._endpoint.charger,
                at_s=self._now_s(),
                limit_a=command.limit_a,
                accepted=not refusal,
                lease_end_s=lease_end_s,
                reason=refusal,
            )
        )
        self._tell_refusal(command, refusal)
        if command.stop:
            self._jobs.appendleft(self._stop_remotely)

    def _lease_end_s(self, sent_s: float, lease_s: float) -> float | None:
        """When the limit has surely ended: later by as much as the charger's clock may be behind, while that is not
        known. None where it may be so far behind that the schedule has not even begun."""
        if self._remembered.expires is False:
            return None
        behind_s = self._remembered.clock.behind_s(profiles.EARLIER_S)
        return None if behind_s > profiles.EARLIER_S else sent_s + lease_s + behind_s

    def _tell_refusal(self, command: Command, refusal: str) -> None:
        """Once for each reason in a row."""
        if refusal and refusal != self._refusal_told:
            _log.warning(
                "charger-refused",
                charger=self._endpoint.charger,
                limit_a=command.limit_a,
                what=refusal,
                remedy="It is asked again. If it goes on: look whether smart charging is enabled at the charger, and "
                "whether another system steers it.",
            )
        self._refusal_told = refusal

    async def _set_profile(self, command: Command) -> tuple[profiles.Form, str]:
        """Sends it in the form that the charger takes, and finds that form where the first one is refused.

        Returns the form used and the refusal, "" if none.

        Raises:
            NoAnswer: nothing came back.
        """
        form = self._guarding(self._form)
        refusal, worth = await self._try_profile(command, form)
        now_s = self._now_s()
        if not worth or (self._forms_tried_s is not None and now_s - self._forms_tried_s < OTHER_FORMS_S):
            return form, refusal
        self._forms_tried_s = now_s
        for other in profiles.other_forms(form):
            if self._command is not None:
                self._forms_tried_s = None
                break  # something newer waits
            if other.lease_form == "duration" and self._remembered.base_a is None:
                continue
            again, _ = await self._try_profile(command, other)
            if not again:
                self._use(other)
                self._tell_form(other)
                return other, ""
        return form, refusal

    async def _try_profile(self, command: Command, form: profiles.Form) -> tuple[str, bool]:
        """The refusal, "" if none; and whether another form may be taken instead."""
        now = self._charger_now()
        self._timed_by = self._charger_begin()
        try:
            status = await self._status_of(profiles.operating(command, form, self._family, now), SETPOINT_S)
        except Refused as error:
            return str(error), error.code not in ("NotImplemented", "NotSupported", "SecurityError", "InternalError")
        if status == "Accepted":
            return "", False
        return f'it answered "{status[:40]}"' if status else "its answer has no status", status == "Rejected"

    def _guarding(self, form: profiles.Form) -> profiles.Form:
        """A schedule may end only where the safe current is known to lie below it."""
        if form.lease_form == "duration" and self._remembered.base_a is None:
            return replace(form, lease_form="none")
        return form

    def _tell_form(self, form: profiles.Form) -> None:
        tell = _log.warning if form.lease_form == "none" else _log.info
        tell(
            "charger-profile-form",
            charger=self._endpoint.charger,
            connector=form.connector,
            stack_level=form.stack_level,
            unit="W" if form.watts else "A",
            lease=form.lease_form,
            remedy="Its limits do not end by themselves: set guarded = false." if form.lease_form == "none" else "",
        )

    def _charger_now(self) -> datetime:
        """What its clock shows now."""
        return self._remembered.clock.at(self._told.at(self._now_s()))

    def _charger_begin(self) -> datetime:
        """What its clock showed at 0 s of ours, if it has run ever since."""
        return self._charger_now() - timedelta(seconds=self._now_s())

    def _fresh_form(self) -> profiles.Form:
        return profiles.form_of(self._family, phases=self._endpoint.phases, volts=self._endpoint.volts)

    def _use(self, form: profiles.Form) -> None:
        self._form = self._remembered.form = form

    # --- what it is told once ---

    def _introduction(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self._ask_for_status,
            self._read_configuration,
            self._install_base,
            self._set_measurands,
            self._set_intervals,
        ]

    async def _ask_to_introduce(self) -> None:
        self._asked_s = self._now_s()
        for wanted in ("BootNotification", "MeterValues"):
            await self._try(messages.TriggerMessage(requestedMessage=wanted))

    async def _ask_for_status(self) -> None:
        """And for what it draws: until that is known nothing is told to one that charges."""
        for wanted in ("StatusNotification", "MeterValues"):
            await self._try(messages.TriggerMessage(requestedMessage=wanted))

    async def _read_configuration(self) -> None:
        await self._setpoints()
        try:
            answer = await self._calls.call(messages.GetConfiguration(), patience_s=QUESTION_S)
        except NoAnswer as error:
            _log.info("charger-configuration", charger=self._endpoint.charger, what=str(error))
            return
        self._settings = settings_of(answer)
        self._remembered.own_max_a = own_maximum_a({key: value for key, (value, _) in self._settings.items()})
        self._use(form_within(self._form, {key: value for key, (value, _) in self._settings.items()}))

    async def _install_base(self) -> None:
        """The safe current for ever, below all: it rules when a setpoint has ended and none follows."""
        form, safe_a = self._form, self._endpoint.safe_a
        if form.stack_level == 0 or form.relative or self._remembered.base_a == safe_a:
            return
        status = ""
        for connector in (form.connector, 1 - form.connector) if form.connector in (0, 1) else (form.connector,):
            now = self._charger_now()
            status = await self._try(
                profiles.base(safe_a, replace(form, connector=connector), self._family, now), SETPOINT_S
            )
            if status == "Accepted":
                self._remembered.base_a = safe_a
                return
        _log.warning(
            "charger-no-safe-default",
            charger=self._endpoint.charger,
            what=status or "no answer",
            remedy="Each setpoint ends at the safe current all the same. Set the charger's own limit to the safe "
            "current where the site can bear it.",
        )

    async def _set_measurands(self) -> None:
        """All in one list where the charger takes that; else those that it takes one by one."""
        value, fixed = self._settings.get("MeterValuesSampledData", ("", False))
        exactly = self._family.measurands
        wanted = exactly or tuple(m for m in MEASURANDS if m not in self._family.without_measurands)
        have = {one.strip() for one in value.split(",")}
        if fixed or (have == set(exactly) if exactly else have >= set(wanted)):
            return
        if await self._ask_measurands(wanted) or exactly:
            return
        kept: list[str] = []
        for one in wanted:
            if await self._ask_measurands([*kept, one]):
                kept.append(one)

    async def _ask_measurands(self, names: Sequence[str]) -> bool:
        change = messages.ChangeConfiguration(key="MeterValuesSampledData", value=",".join(names))
        return await self._try(change) in ("Accepted", "RebootRequired")

    async def _set_intervals(self) -> None:
        for key, value in (
            ("MeterValueSampleInterval", str(self._family.report_every_s)),
            ("WebSocketPingInterval", str(PING_S)),
        ):
            have, fixed = self._settings.get(key, ("", False))
            if not fixed and have != value:
                await self._try(messages.ChangeConfiguration(key=key, value=value))

    async def _read_schedule(self) -> None:
        """Asks what it will do when the lease ends. What it shows is believed; one that shows nothing is believed to do
        what it was told, until its measured current says otherwise."""
        await self._setpoints()
        if self._leased is None:
            self._read_back = False  # with the next report, then
            return
        command, form, sent_s = self._leased
        lease_s = (command.lease_s or 0.0) - (self._now_s() - sent_s)
        covered_s = math.ceil(lease_s) + READ_BEYOND_S
        unit = "W" if form.watts else "A"
        try:
            answer = await self._calls.call(
                messages.GetCompositeSchedule(connectorId=1, duration=covered_s, chargingRateUnit=unit),
                patience_s=QUESTION_S,
            )
        except NoAnswer as error:
            _log.info("charger-schedule-unread", charger=self._endpoint.charger, what=str(error))
            return
        shown = readback.periods_of(answer, self._charger_now())
        if shown is None:
            _log.info("charger-schedule-unread", charger=self._endpoint.charger, what="it shows no schedule")
            return
        if self._command is not None or (self._leased or (None,))[0] is not command:
            self._read_back = False  # something newer went out meanwhile
            return
        unit, periods = shown
        factor = form.volts * form.phases if unit == "W" else 1.0
        self._remembered.expires = readback.falls(periods, lease_s, command.safe_a * factor, covered_s)
        self._tell_schedule(periods, command, unit)

    def _tell_schedule(self, periods: Sequence[readback.ShownPeriod], command: Command, unit: str) -> None:
        if self._remembered.expires:
            _log.info("charger-lease-shown", charger=self._endpoint.charger, safe_a=command.safe_a)
            return
        shown = ", ".join(f"{one.limit:g} {unit} from {one.from_s:g} s" for one in periods[:6])
        _log.warning(
            "charger-lease-not-shown",
            charger=self._endpoint.charger,
            what=f"Its schedule does not fall to the safe {command.safe_a:g} A when the lease ends: {shown}.",
            remedy="It counts at its maximum when it can't be reached. Set a lower maximum on the charger, or "
            "guarded = false, and let the safe-current proof say whether that fits.",
        )

    async def _stop_remotely(self) -> None:
        transaction = self._remembered.transactions.current
        if transaction is None:
            return
        _log.error(
            "charger-disobeys",
            charger=self._endpoint.charger,
            what="It draws more than it may again and again; its transaction is ended.",
            remedy="Check whether another system steers it, and its firmware. Its car is let charge again in an hour, "
            "or after it was unplugged.",
        )
        await self._try(messages.RemoteStopTransaction(transactionId=transaction))

    async def _end_refused(self) -> None:
        """It goes on although its tag was refused: it is ended from here."""
        number, _ = self._remembered.refused or (None, None)
        if number is None or number != self._remembered.transactions.current or self._now_s() < self._end_refused_s:
            return
        self._end_refused_s = self._now_s() + REFUSED_AGAIN_S
        _log.warning(
            "charger-goes-on",
            charger=self._endpoint.charger,
            what="It charges on although the tag was refused; its transaction is ended.",
            remedy="Set StopTransactionOnInvalidId at the charger, where it has that.",
        )
        await self._try(messages.RemoteStopTransaction(transactionId=number))

    async def _start_remotely(self) -> None:
        await self._try(messages.RemoteStartTransaction(idTag=OWN_TAG, connectorId=1))

    async def _ask_for_values(self) -> None:
        """When the last report is older than it should be."""
        due_s = OFTEN_S if self._remembered.often else 1.5 * self._family.report_every_s
        if self._triggers and self._now_s() - self.reported_s > due_s:
            self.reported_s = self._now_s()
            answer = await self._try(messages.TriggerMessage(requestedMessage="MeterValues"))
            self._triggers = answer not in ("NotImplemented", "NotSupported")

    # --- how ---

    async def _try(self, payload: messages.Outgoing, patience_s: float = QUESTION_S) -> str:
        """The status or error code of an answer that nothing depends on; "" where there is none. Setpoints first."""
        await self._setpoints()
        try:
            return await self._status_of(payload, patience_s)
        except NoAnswer as error:
            _log.debug("charger-no-answer", charger=self._endpoint.charger, to=type(payload).__name__, what=str(error))
            return error.code if isinstance(error, Refused) else ""

    async def _status_of(self, payload: messages.Outgoing, patience_s: float) -> str:
        answer = await self._calls.call(payload, patience_s=patience_s)
        return str(answer.get("status", "")) if isinstance(answer, dict) else ""


def settings_of(answer: object) -> dict[str, tuple[str, bool]]:
    """Value, and whether it is read-only, by key, from the answer to a GetConfiguration; lenient."""
    entries = answer.get("configurationKey") if isinstance(answer, dict) else None
    settings = {}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("key"), str):
            settings[entry["key"]] = (str(entry.get("value", "")), entry.get("readonly") is True)
    return settings


def form_within(form: profiles.Form, settings: dict[str, str]) -> profiles.Form:
    """The form, within what the charger says it takes."""
    units = settings.get("ChargingScheduleAllowedChargingRateUnit", "").lower()
    if units and "current" not in units and "a" not in [unit.strip() for unit in units.split(",")]:
        form = replace(form, watts=True)
    highest = messages.whole(settings.get("ChargeProfileMaxStackLevel"))
    most = messages.whole(settings.get("MaxChargingProfilesInstalled"))
    if (highest is not None and highest < 1) or (most is not None and most < 2):
        form = replace(form, stack_level=0)
    if messages.whole(settings.get("ChargingScheduleMaxPeriods")) == 1 and form.lease_form == "two-period":
        form = replace(form, lease_form="duration" if form.stack_level > 0 else "none")
    return form
