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
from ampacity.core.observations import ChargerLink, Observation, SetpointAnswer
from ampacity.devices.charger_family import TX, ChargerFamily
from ampacity.links.ocpp import profiles, readback
from ampacity.links.ocpp.calls import Calls, NoAnswer, Refused
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.fields import Out
from ampacity.links.ocpp.installed import Held, finding_of
from ampacity.links.ocpp.profiles import BASE_EARLIER_S, OPERATING_PROFILE
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.settings import Setting, form_within
from ampacity.links.ocpp.setup import QUESTION_S, Setup
from ampacity.links.ocpp.tags import OWN_TAG
from ampacity.links.ocpp.told_time import ToldTime
from ampacity.links.ocpp.transactions import TransactionId
from ampacity.links.ocpp.words import Words

Put = Callable[[Observation], None]

SETPOINT_S = 30.0
"""How long a charger may take to answer a setpoint, when nothing newer waits: some write it to flash first."""

URGENT_S = 3.0
"""A setpoint waits no longer than this for the answer to another request."""

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

RESUME_S = 5.0
"""After so long a limit after a pause is told again to a charger that ignores the first one."""

READ_BEYOND_S = 120
"""So far beyond the end of a lease it is asked what it will do."""

DOUBT_S = 60.0
"""A charger that left it open whether it took a setpoint is asked what it holds, at the most so often."""

MOST_HELD = 1000
"""Profiles of a charger that are looked at."""

_log = structlog.get_logger("ampacity.charger")


class Steering:
    """Requests to one charger over one connection. `apply`, `heard` and `introduced` never block."""

    def __init__(
        self,
        endpoint: Endpoint,
        remembered: Remembered,
        family: ChargerFamily,
        calls: Calls,
        words: Words,
        *,
        put: Put,
        now_s: Callable[[], float],
        told: ToldTime,
    ) -> None:
        self.reported_s = now_s()
        """When it last said what it draws."""
        self.supply_told_s = now_s()
        """When it last told of the building's supply."""
        self._asked_s: float | None = None
        self._endpoint = endpoint
        self._remembered = remembered
        self._family = family
        self._calls = calls
        self._words = words
        self._put = put
        self._now_s = now_s
        self._told = told
        self._form = remembered.form or self._fresh_form()
        self._leased: tuple[Command, profiles.Form, float] | None = None
        """The last limit it took that is to end by itself, its form, and when it was sent."""
        self._plan: profiles.Plan | None = None
        """The same, as it was sent."""
        self._command: tuple[Command, Put] | None = None
        self._latest: tuple[Command, Put, float] | None = None
        """What it was told last, and when."""
        self._taken_a: float | None = None
        """The limit that it took last, since it started."""
        self._resume_s: float | None = None
        """When the limit after a pause is told once more."""
        self._jobs: deque[Callable[[], Awaitable[None]]] = deque()
        self._wake = asyncio.Event()
        self._heard = False
        self._introduced = False
        self._setup = Setup(endpoint.charger, remembered, calls, words, ask=self._try, setpoints=self._setpoints)
        self._number = 0
        """Of the last question that is answered by a message of its own."""
        self._held: list[Held] = []
        """The profiles that it has told of, in answer to question `_held_number`."""
        self._held_number = 0
        self._doubted_s: float | None = None
        self._loss_told = False
        """The controller was told once that a lease is not what it was, since it started."""
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
            self._read_back = self._loss_told = False
            self._taken_a = None
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

    def session_changed(self) -> None:
        """A transaction began or ended: a pause that it refused before it may take now; and a TxProfile is of one of
        them."""
        refused = self._latest if self._refusal_told else None
        if self._form.purpose == TX or (refused is not None and self._is_pause(refused[0])):
            self._forms_tried_s = None
            self._tell_again()

    def charges_again(self) -> None:
        """It charges after a pause."""
        if self._family.resume == "again":
            self._tell_again()

    def in_session(self) -> None:
        """A transaction is under way: what it shows of its schedule counts."""
        if not self._read_back and self._family.shows_schedule:
            self._read_back = True
            self._jobs.append(self._read_schedule)
            self._wake.set()

    def limits_told(self, most_profiles: int) -> None:
        """It holds so many profiles."""
        self._setup.settings[Setting.MOST_PROFILES] = (str(most_profiles), True)
        self._use(form_within(self._form, self._setup.settings))

    def profiles_told(self, number: int | None, held: Sequence[Held], *, more: bool) -> None:
        """Profiles that it holds, in answer to this question of ours; `more` come."""
        if number != self._held_number:
            return
        self._held = [*self._held, *held][:MOST_HELD]
        if not more:
            self._held_number = 0
            self._jobs.append(self._judge_profiles)
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
            if self._resume_s is not None and self._now_s() >= self._resume_s:
                self._tell_again()
                continue
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

    def _tell_again(self) -> None:
        """The newest command once more, to end when it was to end; nothing where a newer one waits, or it has ended."""
        self._resume_s = None
        if self._latest is None or self._command is not None:
            return
        command, put, sent_s = self._latest
        left_s = None if command.lease_s is None else command.lease_s - (self._now_s() - sent_s)
        if left_s is None or left_s > 0:
            self._command = (replace(command, lease_s=left_s, renewal=True, stop=False), put)
            self._wake.set()

    async def _send_setpoint(self, command: Command, put: Put) -> None:
        sent_s = self._now_s()
        lease_end_s = None
        self._latest = (command, put, sent_s)
        if not self._family.renews and command.limit_a == self._taken_a:
            put(self._answer(command, "", None))
            self._stop_if_asked(command)
            return
        await self._prepare_to_resume(command, sent_s)
        try:
            form, refusal = await self._set_profile(command)
        except NoAnswer as error:
            refusal = str(error)
            self._taken_a = None
            self._doubt()
        else:
            if not refusal:
                self._leased = None
                self._taken_a = command.limit_a
                self._remembered.paused = self._is_pause(command)
                if form.stack_level == 0 and (self._plan is None or self._plan.transaction is None):
                    self._remembered.base_a = None  # it stands in its place
            ends = form.lease_form != "none" and self._family.keeps_limits
            if not refusal and ends and command.lease_s is not None:
                lease_end_s = self._lease_end_s(sent_s, command.lease_s)
                self._leased = (command, form, sent_s)
        put(self._answer(command, refusal, lease_end_s))
        self._tell_refusal(command, refusal)
        self._stop_if_asked(command)

    def _stop_if_asked(self, command: Command) -> None:
        if command.stop:
            self._jobs.appendleft(self._stop_remotely)
            self._doubt()

    def _answer(self, command: Command, refusal: str, lease_end_s: float | None) -> SetpointAnswer:
        return SetpointAnswer(
            charger=self._endpoint.charger,
            at_s=self._now_s(),
            limit_a=command.limit_a,
            accepted=not refusal,
            lease_end_s=lease_end_s,
            reason=refusal,
        )

    def _is_pause(self, command: Command) -> bool:
        return self._family.grid_a(command.limit_a) <= 0.0

    async def _prepare_to_resume(self, command: Command, sent_s: float) -> None:
        """What its family needs when a pause ends."""
        if not self._remembered.paused or self._is_pause(command):
            self._resume_s = None
            return
        if self._family.resume == "again":
            self._resume_s = sent_s + RESUME_S
        elif self._family.resume == "clear" and self._remembered.base_a is not None and self._form.stack_level > 0:
            # Until it is set anew, the lasting safe current rules.
            try:
                await self._status_of(self._words.clear_profile(OPERATING_PROFILE), QUESTION_S)
            except NoAnswer as error:
                _log.info("charger-not-cleared", charger=self._endpoint.charger, what=str(error))

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
            if self._guarding(other) != other:
                continue
            if other.purpose == TX and self._remembered.transactions.current is None:
                continue
            if not self._family.renews and other.lease_form != "none":
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
        plan = profiles.operating(command, form, self._family, now, self._remembered.transactions.current)
        try:
            status = await self._status_of(self._words.set_profile(plan), SETPOINT_S)
        except Refused as error:
            return str(error), error.code not in ("NotImplemented", "NotSupported", "SecurityError", "InternalError")
        if status == "Accepted":
            self._plan = plan
            return "", False
        return f'it answered "{status[:40]}"' if status else "its answer has no status", status == "Rejected"

    def _guarding(self, form: profiles.Form) -> profiles.Form:
        """A schedule may end only where the safe current is known to lie below it."""
        if self._remembered.base_a is not None:
            return form
        return replace(form, lease_form="none" if form.lease_form == "duration" else form.lease_form, offline_end=False)

    def _tell_form(self, form: profiles.Form) -> None:
        tell = _log.warning if form.lease_form == "none" else _log.info
        tell(
            "charger-profile-form",
            charger=self._endpoint.charger,
            connector=form.connector,
            stack_level=form.stack_level,
            purpose=form.purpose,
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
        form = profiles.form_of(self._family, phases=self._endpoint.phases, volts=self._endpoint.volts)
        return self._words.form(form)

    def _use(self, form: profiles.Form) -> None:
        self._form = self._remembered.form = form

    # --- what it is told once ---

    def _introduction(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self._ask_for_status,
            self._read_configuration,
            self._install_base,
            self._set_measurands,
            self._set_wishes,
            self._read_profiles,
        ]

    async def _ask_to_introduce(self) -> None:
        self._asked_s = self._now_s()
        for question in self._words.ask_to_introduce():
            await self._try(question)

    async def _ask_for_status(self) -> None:
        """And for what it draws: until that is known nothing is told to one that charges."""
        for question in self._words.ask_for_status():
            await self._try(question)

    async def _read_configuration(self) -> None:
        await self._setup.read(self._family)
        self._use(form_within(self._form, self._setup.settings))
        if (question := self._words.ask_limits(self._next_number())) is not None:
            await self._try(question)

    async def _set_measurands(self) -> None:
        await self._setup.set_measurands(self._family, supply=self._endpoint.tells_supply)

    async def _set_wishes(self) -> None:
        await self._setup.set_wishes(self._family)

    async def _install_base(self) -> None:
        """The safe current for ever, below all: it rules when a setpoint has ended and none follows."""
        form, safe_a = self._form, self._endpoint.safe_a
        if form.stack_level == 0 or form.relative or self._remembered.base_a == safe_a:
            return
        status = ""
        for connector in (form.connector, 1 - form.connector) if form.connector in (0, 1) else (form.connector,):
            now = self._charger_now()
            plan = profiles.base(safe_a, replace(form, connector=connector), self._family, now)
            status = await self._try(self._words.set_profile(plan), SETPOINT_S)
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

    # --- what it holds ---

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _doubt(self) -> None:
        """It may hold something else than it is thought to."""
        now_s = self._now_s()
        if self._doubted_s is None or now_s - self._doubted_s >= DOUBT_S:
            self._doubted_s = now_s
            self._jobs.append(self._read_profiles)

    async def _read_profiles(self) -> None:
        """Asks for all that it holds. It tells in messages of its own."""
        await self._setpoints()
        question = self._words.ask_profiles(self._next_number())
        if question is None:
            return
        self._held, self._held_number = [], self._number
        status = await self._try(question)
        if status == "NoProfiles":
            self.profiles_told(self._number, [], more=False)
        elif status != "Accepted":
            _log.info("charger-profiles-unread", charger=self._endpoint.charger, what=status or "no answer")

    async def _judge_profiles(self) -> None:
        base_a, charger = self._remembered.base_a, self._endpoint.charger
        base = None if base_a is None else profiles.base(base_a, self._form, self._family, self._charger_now())
        finding = finding_of(self._held, base=base, leased=None if self._leased is None else self._plan)
        for profile_id in finding.overruled_by:
            _log.warning(
                "charger-foreign-profile",
                charger=charger,
                what=f"It holds a charging profile ({profile_id}) of another system that comes before ours.",
                remedy="It is cleared. If it comes back, find the other system and take it off the charger.",
            )
            await self._try(self._words.clear_profile(profile_id))
        if finding.base_lost:
            _log.warning(
                "charger-safe-default-lost",
                charger=charger,
                what="It does not hold the lasting safe current that it confirmed.",
                remedy="It is set again. If this comes again and again, look at the charger's firmware.",
            )
            self._remembered.base_a = None
            await self._install_base()
        if finding.lease_endless:
            self._remembered.expires = False
        if finding.lease_lost or finding.lease_endless:
            self._tell_loss("does not end" if finding.lease_endless else "is not there")
        _log.info("charger-profiles-read", charger=charger, held=[one.id for one in self._held])

    def _tell_loss(self, how: str) -> None:
        """The controller is to tell it again."""
        if self._loss_told:
            return
        self._loss_told = True
        self._taken_a = None
        _log.warning(
            "charger-limit-lost",
            charger=self._endpoint.charger,
            what=f"The limit that it confirmed {how}, by the profiles that it holds.",
            remedy="It is told again. Until then it may draw more: look at its firmware if this comes again.",
        )
        self._put(ChargerLink(charger=self._endpoint.charger, at_s=self._now_s(), online=True))

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
            answer = await self._calls.call(self._words.ask_schedule(covered_s, unit), patience_s=QUESTION_S)
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
        await self._stop(transaction)

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
        await self._stop(number)

    async def _stop(self, transaction: TransactionId) -> None:
        if (request := self._words.stop(transaction)) is not None:
            await self._try(request)

    async def _start_remotely(self) -> None:
        await self._try(self._words.start(OWN_TAG, self._next_number()))

    async def _ask_for_values(self) -> None:
        """When the last report is older than it should be; or, of one that does so, what it told of the supply."""
        due_s = OFTEN_S if self._remembered.often else 1.5 * self._family.report_every_s
        now_s, transaction = self._now_s(), self._remembered.transactions.current
        if now_s - self.reported_s > due_s:
            self.reported_s = now_s
        elif self._endpoint.tells_supply and now_s - self.supply_told_s > due_s:
            self.supply_told_s, transaction = now_s, None  # what is measured at any time, not in a transaction alone
        else:
            return
        if self._triggers:
            answer = await self._try(self._words.ask_for_values(transaction))
            self._triggers = answer not in ("NotImplemented", "NotSupported")

    # --- how ---

    async def _try(self, payload: Out, patience_s: float = QUESTION_S) -> str:
        """The status or error code of an answer that nothing depends on; "" where there is none. Setpoints first."""
        await self._setpoints()
        try:
            return await self._status_of(payload, patience_s)
        except NoAnswer as error:
            _log.debug("charger-no-answer", charger=self._endpoint.charger, to=type(payload).__name__, what=str(error))
            return error.code if isinstance(error, Refused) else ""

    async def _status_of(self, payload: Out, patience_s: float) -> str:
        return self._words.status(await self._calls.call(payload, patience_s=patience_s))
