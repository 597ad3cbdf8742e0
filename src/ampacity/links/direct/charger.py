"""One charger that is asked and told over Modbus or HTTP: a source of reports, and where its commands go."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from ampacity.core.decision import Command
from ampacity.core.errors import DeviceError
from ampacity.core.observations import ChargerLink, ChargerReport, Observation, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.direct_charger import DRAWING_A, ChargerAbsurd, Reading, number_of, reading_of, report_of
from ampacity.devices.direct_family import VALIDITY, WRITE_LIMIT, DirectFamily, Watchdog, Write
from ampacity.devices.verified import unconfirmed
from ampacity.links.direct.guard import Guard, judged, remaining_s, set_up
from ampacity.links.direct.visits import Visits
from ampacity.links.direct.wires import ChargerRefuses, ChargerSilent, Wire
from ampacity.links.ocpp.endpoint import StationFacts
from ampacity.links.tally import Tally

Put = Callable[[Observation], None]

SILENT_AFTER = 3
"""So many requests in a row without an answer, and the link is given up and built anew."""
OFTEN_S = 1.0
SLOW_EVERY_S = 10.0
LOOK_EVERY_S = 60.0
"""How often it is looked whether what it falls back to is still so: it may have started anew."""
FIRST_COMMAND_S = 30.0
"""So long after it was connected to, the controller has told it something; else it is left at its safe current."""
CONFIRM_S = 5.0
"""So long it may take to show what it was told."""
FOLLOW_S = 8.0
"""So long its car may take to follow, where only its draw confirms a lower limit."""
CONFIRM_EVERY_S = 0.3
NEAR_A = 0.05
STRAY_A = 1.0
"""A draw so much above the limit is no error of measurement; or 10 % of it."""
CLEAR_S = 30.0
"""So long a car may take to draw nothing, before the phases are switched."""

_log = structlog.get_logger("ampacity.charger")


class ChargerMismatch(DeviceError):
    """Another device answers than the one that was set."""

    code = "charger-mismatch"
    remedy = "Set the device that is installed, or check the address."


class PhasesFixed(DeviceError):
    """It can't change between one and three phases, or not now."""

    code = "charger-phases-fixed"
    remedy = "docs/reference/chargers.md says which chargers can; it must be connected, and no other change under way."


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectEndpoint:
    """A charger as installed."""

    charger: ChargerId
    address: str
    """For people."""
    phases: int
    safe_a: float
    lease_s: float


class DirectCharger:
    """Asks on a steady schedule; a command goes out between two requests. `apply` never blocks."""

    def __init__(
        self,
        endpoint: DirectEndpoint,
        family: DirectFamily,
        wire: Wire,
        *,
        now_s: Callable[[], float],
        wall_s: Callable[[], float],
    ) -> None:
        self.endpoint = endpoint
        self.family = family
        self.often = False
        """It is asked every second."""
        self._wire = wire
        self._now_s = now_s
        self._visits = Visits(endpoint.charger, now_s(), wall_s())
        self._let = asyncio.Event()
        self._let.set()
        self._wake = asyncio.Event()
        self._put: Put = _nowhere
        self._online = False
        self._guard = Guard(family=family, why="It was not asked yet.")
        self._guard_told: str | None = None
        self._command: tuple[Command, Put, float] | None = None
        self._switch: int | None = None
        self._switching = False
        self._can_switch = False
        self._held_a: float | None = None
        """What it was last told, and confirmed; None: nothing since it was connected to."""
        self._lease_end_s = math.inf
        """What it was told holds so long; inf: it is its safe current."""
        self._offered_s: float | None = None
        """Since when a car would be offered current."""
        self._car_s: float | None = None
        """Since when there is one."""
        self._reading = Reading()
        self._failures = 0
        self._fed_s = self._polled_s = self._slow_s = self._looked_s = -math.inf
        self._quiet_until_s = -math.inf
        self._told: set[str] = set()

    # --- for the fleet ---

    @property
    def name(self) -> str:
        return f"charger {self.endpoint.charger} ({self.family.id} at {self.endpoint.address})"

    @property
    def tally(self) -> Tally:
        return self._wire.tally

    @property
    def facts(self) -> StationFacts:
        """What is known of it without asking."""
        return StationFacts(vendor=self.family.maker, model=self.family.models[0], family=self.family.id)

    @property
    def online(self) -> bool:
        return self._online

    def use(self, endpoint: DirectEndpoint) -> None:
        """The same charger, with other limits: they count from the next command on."""
        if (endpoint.safe_a, endpoint.lease_s) != (self.endpoint.safe_a, self.endpoint.lease_s):
            self._looked_s = -math.inf
        self.endpoint = endpoint
        self._wake.set()

    def resume(self, session: str | None, begin_wh: int | None) -> None:
        """The record tells of a session whose end was not seen; None: it knows of none."""
        self._visits.resume(session, begin_wh)

    def apply(self, command: Command, put: Put) -> None:
        """Takes a command; one that still waits to be sent is replaced, and gets no answer."""
        if not self._online:
            put(self._answer(command, refusal="not connected"))
            return
        self._command = (command, put, self._now_s())
        self._wake.set()

    def hold_off(self, off: bool) -> None:
        """Nothing is asked and nothing told, as if the line were cut; or as usual."""
        if off:
            self._let.clear()
        else:
            self._let.set()
        self._wake.set()

    def switch_phases(self, phases: int) -> None:
        """Begins to. It is paused meanwhile, and charges again by the next command.

        Raises:
            PhasesFixed
        """
        if self.family.phases is None or not self._can_switch or phases not in (1, 3):
            raise PhasesFixed(f"{self.name} can't change to {phases} phases.")
        if not self._online or self._switching:
            raise PhasesFixed(f"{self.name} can't change its phases now.")
        if phases == 3 and self.endpoint.phases < 3:
            raise PhasesFixed(f"{self.name} is wired on {self.endpoint.phases} phase(s).")
        self._switch, self._switching = phases, True
        self._wake.set()

    async def park(self) -> bool:
        """Leaves it at its safe current for good. Returns whether it confirmed that."""
        if not self._online:
            return False
        safe_a, done = self.endpoint.safe_a, asyncio.Event()
        taken: list[bool] = []

        def told(one: Observation) -> None:
            if isinstance(one, SetpointAnswer):
                taken.append(one.accepted)
                done.set()

        safe = Command(charger=self.endpoint.charger, limit_a=safe_a, safe_a=safe_a, lease_s=None, renewal=False)
        self.apply(safe, told)
        try:
            async with asyncio.timeout(CONFIRM_S):
                await done.wait()
        except TimeoutError:
            return False
        return taken[-1]

    # --- the link ---

    async def run(self, put: Put) -> None:
        """Connects, asks and tells, until the link fails or the task is cancelled.

        Raises:
            ChargerSilent, ChargerRefuses, ChargerMismatch: the link failed, by name.
        """
        await self._let.wait()
        await asyncio.sleep(max(0.0, self._quiet_until_s - self._now_s()))
        self._put = put
        try:
            await self._connect()
            while self._let.is_set():
                await self._turn()
        except DeviceError as error:
            named = type(error)(f"{self.name}: {error.what}", remedy=error.remedy)
            raise named from error
        finally:
            await self._end()

    async def _end(self) -> None:
        self._command, self._held_a, self._switch, self._switching = None, None, None, False
        if self._online:
            self._online = False
            _log.info("charger-gone", charger=self.endpoint.charger)
            self._put(ChargerLink(charger=self.endpoint.charger, at_s=self._now_s(), online=False))
        await self._wire.drop()

    async def _connect(self) -> None:
        await self._identify()
        await self._prepare()
        await self._look_at_guard()
        await self._poll(lambda: False)
        now_s = self._now_s()
        self._online, self._failures = True, 0
        self._lease_end_s = now_s + FIRST_COMMAND_S
        _log.info("charger-connected", charger=self.endpoint.charger, family=self.family.id)
        if not self.family.hardware:
            self._say_once(
                "charger-unconfirmed",
                unconfirmed(self.family.id, self.family.verified),
                "Watch it with a car at first; make the step test and the expiry test, and tell the project.",
            )
        self._put(ChargerLink(charger=self.endpoint.charger, at_s=now_s, online=True))
        self._report()

    async def _turn(self) -> None:
        """One thing that is due; or waits for the next."""
        try:
            await self._do_next()
            self._failures = 0
        except (ChargerSilent, ChargerAbsurd) as error:
            self._failures += 1
            self._say_once(error.code, error.what, error.remedy)
            if self._failures >= SILENT_AFTER:
                raise
            if self._command is None:
                await self._rest(min(1.0, self.family.period_s))

    async def _rest(self, seconds: float) -> None:
        """Waits so long, or until a command comes: what takes current away waits for nothing."""
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _do_next(self) -> None:
        now_s = self._now_s()
        if self._command is not None:
            command, put, applied_s = self._command
            self._command = None
            await self._send(command, put, applied_s)
            return
        if self._switch is not None:
            phases, self._switch = self._switch, None
            await self._switch_now(phases)
            return
        feed_s = self._feed_due_s(now_s)
        poll_s = self._polled_s + (min(OFTEN_S, self.family.period_s) if self.often else self.family.period_s)
        look_s = self._looked_s + LOOK_EVERY_S
        if now_s >= self._lease_end_s:
            await self._end_lease()
        elif now_s >= feed_s:
            await self._feed()
        elif now_s >= poll_s:
            await self._poll(lambda: self._command is not None)
            if self._command is None:
                self._report()
        elif now_s >= look_s:
            await self._look_at_guard()
        else:
            await self._rest(min(feed_s, poll_s, look_s, self._lease_end_s) - now_s)

    # --- what it is told ---

    async def _send(self, command: Command, put: Put, applied_s: float) -> None:
        amps = self.family.limit.grid_a(command.limit_a)
        lease_end_s = math.inf if command.lease_s is None else applied_s + command.lease_s
        self._lease_end_s = min(self._lease_end_s, lease_end_s)  # it may arrive, whatever comes back
        try:
            if command.renewal and await self._stands(amps):
                await self._write_feed()
                refusal: str | None = ""
            else:
                refusal = await self._tell(amps, lambda: self._command is not None)
        except (ChargerSilent, ChargerAbsurd) as error:
            put(self._answer(command, refusal=error.what))
            raise
        except ChargerRefuses as error:
            refusal = error.what
        if refusal is None:
            return  # something newer waits, and is answered
        if refusal:
            self._say_once("charger-refused", refusal, "It is asked again. Check whether another system steers it.")
        else:
            self._lease_end_s = lease_end_s
            self._told.discard("charger-refused")
        put(self._answer(command, refusal=refusal))

    async def _stands(self, amps: float) -> bool:
        """Whether it shows exactly what it is to be told again: then nothing is written, which may wear a memory."""
        watchdog, limit = self.family.watchdog, self.family.limit
        if self._held_a != amps or limit.shown is None or amps == 0.0:
            return False
        if watchdog is not None and _is_written_again(watchdog):
            return False
        shown_a = number_of((await self._wire.read([limit.shown])).get(limit.shown))
        return shown_a is not None and abs(shown_a - amps) <= NEAR_A

    async def _tell(self, amps: float, newer: Callable[[], bool]) -> str | None:
        """Tells it, and sees that it has taken it. The refusal, "" if none; None: something newer came meanwhile."""
        before_a, self._held_a = self._held_a, None
        self._reading = replace(self._reading, limit_a=None)  # what it showed before says nothing of what it is told
        begun_s = self._now_s()
        await self._write_limit(amps, goes=(before_a or 0.0) > 0.0)
        await self._write_feed()
        refusal = await self._unconfirmed(amps, before_a, newer)
        if refusal and self._now_s() < begun_s + 2 * CONFIRM_S and not newer():
            await self._write_limit(amps)  # some take nothing while they are fallen back: now they are fed
            refusal = await self._unconfirmed(amps, before_a, newer)
        if refusal is None or refusal:
            return refusal
        if amps > 0.0 and not (before_a or 0.0) > 0.0:
            self._offered_s = self._now_s()
        self._held_a = amps
        watchdog = self.family.watchdog
        if watchdog is not None and watchdog.kind == VALIDITY and (amps > 0.0 or self.family.limit.pause_a is not None):
            await self._learn_validity(await remaining_s(self._wire, watchdog))
        if self._polled_s >= begun_s:
            self._report()  # its draw confirmed it: the controller need not wait for the next period to know
        return ""

    async def _write_limit(self, amps: float, *, goes: bool = False) -> None:
        """Down: what pauses it first. Up: its current first, then what lets it go, unless it `goes` already."""
        limit = self.family.limit
        if amps == 0.0:
            for write in limit.pause:
                await self._wire.write(write)
            if limit.pause_a is not None:
                await self._wire.write(Write(limit.point, limit.pause_a))
            return
        await self._wire.write(Write(limit.point, amps))
        for write in () if goes else limit.go:
            await self._wire.write(write)

    async def _write_feed(self) -> None:
        watchdog = self.family.watchdog
        self._fed_s = self._now_s()
        try:
            for write in watchdog.feed if watchdog is not None else ():
                await self._wire.write(write)
        except ChargerRefuses as error:  # an older firmware
            self._guard = replace(self._guard, timeout_s=None, why=error.what)
            self._tell_guard(self._guard)

    async def _unconfirmed(self, amps: float, before_a: float | None, newer: Callable[[], bool]) -> str | None:
        """Why it is not seen to have taken it; "": it is. None: something newer came meanwhile."""
        limit = self.family.limit
        gates = [one for one in (limit.go if amps > 0.0 else limit.pause) if one.point.read]
        by_limit = limit.shown is not None and (amps > 0.0 or (limit.pause_a is not None and not gates))
        within_s = CONFIRM_S if gates or by_limit else FOLLOW_S
        begun_s = self._now_s()
        while True:
            wrong = ""
            if gates:
                found = await self._wire.read([one.point for one in gates])
                other = [one for one in gates if number_of(found.get(one.point)) != one.value]
                wrong = f"It shows {found.get(other[0].point)} at {other[0].point.at}." if other else ""
            if by_limit and not wrong:
                wrong = await self._shown_wrong(amps)
            if not gates and not by_limit and (before_a is None or amps < before_a):
                wrong = await self._draw_wrong(amps)
            if not wrong:
                return ""
            if newer():
                return None
            if self._now_s() > begun_s + within_s:
                return wrong
            await self._rest(CONFIRM_EVERY_S)

    async def _shown_wrong(self, amps: float) -> str:
        limit = self.family.limit
        points = [one for one in (limit.shown, limit.in_force.point if limit.in_force else None) if one is not None]
        reading = reading_of(self.family, await self._wire.read(points))
        most_a = amps if amps > 0.0 else (limit.pause_a or 0.0)
        if reading.limit_a is None:
            return "It does not show its limit."
        if reading.limit_a > most_a + NEAR_A:
            return f"It shows a limit of {reading.limit_a:g} A, not {most_a:g} A."
        if reading.in_force is False:
            return f"It does not go by what it was told. {self.family.needs}".rstrip()
        return ""

    async def _draw_wrong(self, amps: float) -> str:
        """Where it shows no limit, only its car's draw tells that a lower one is in force."""
        await self._poll(lambda: False)
        draw_a = self._reading.draw_a
        if draw_a is None or draw_a <= amps + max(STRAY_A, 0.1 * amps):
            return ""
        return f"Its car still draws {draw_a:g} A."

    def _answer(self, command: Command, *, refusal: str) -> SetpointAnswer:
        now_s = self._now_s()
        lease_end_s = None
        if not refusal and command.lease_s is not None:
            lease_end_s = self._guard.falls_s(now_s, self._lease_end_s)
        return SetpointAnswer(
            charger=command.charger,
            at_s=now_s,
            limit_a=command.limit_a,
            accepted=not refusal,
            lease_end_s=lease_end_s,
            reason=refusal,
        )

    # --- what keeps it from falling back ---

    def _feed_due_s(self, now_s: float) -> float:
        """inf: it is not fed, since what it was told would outlive its lease."""
        every_s = self._guard.feed_every_s
        if every_s is None or self._held_a is None:
            return math.inf
        due_s = self._fed_s + every_s
        if math.isinf(self._lease_end_s):
            # Left alone, it falls to its safe current as well; one that would rise is kept where it is.
            return math.inf if self._guard.holds else due_s
        return due_s if self._guard.may_feed(max(now_s, due_s), self._lease_end_s) else math.inf

    async def _feed(self) -> None:
        watchdog, held_a = self.family.watchdog, self._held_a
        if watchdog is not None and held_a is not None and _is_written_again(watchdog):
            await self._write_limit(held_a, goes=held_a > 0.0)
            if held_a == 0.0 and self.family.limit.pause_a is None:
                await self._wire.write(Write(self.family.limit.point, self.family.limit.least_a))  # it stays paused
        await self._write_feed()

    async def _end_lease(self) -> None:
        """The controller has not renewed it. It is fed no more; and told its safe current, while it can be."""
        safe_a = self.family.limit.grid_a(self.endpoint.safe_a)
        held_a = self._held_a
        self._say_once("charger-lease-ended", "Its lease has ended without a renewal.", "Look for what held it up.")
        if held_a is not None and held_a <= safe_a:
            self._lease_end_s = math.inf
            return
        try:
            refusal = await self._tell(safe_a, lambda: self._command is not None)
        except DeviceError:
            refusal = "no answer"
        if refusal == "":
            self._lease_end_s = math.inf
        elif refusal is not None:
            # Each request would feed it: it is left alone until it has fallen by itself.
            self._quiet_until_s = self._now_s() + (self._guard.timeout_s or 0.0)
            self._failures = SILENT_AFTER
            raise ChargerSilent("It does not take its safe current.")

    async def _look_at_guard(self) -> None:
        """Sets what it falls back to, and says whether that holds."""
        first, before = math.isinf(self._looked_s), self._guard
        self._looked_s = self._now_s()
        guard = await set_up(self._wire, self.family, safe_a=self.endpoint.safe_a, lease_s=self.endpoint.lease_s)
        watchdog = self.family.watchdog
        if watchdog is not None and watchdog.kind == VALIDITY and before.timeout_s is not None:
            guard = judged(self.family, before.timeout_s, guard.fallback_a, guard.safe_a)
        self._guard = guard
        self._tell_guard(guard)
        if not first and guard.holds is not before.holds:
            self._ask_again()

    async def _learn_validity(self, seconds: float | None) -> None:
        """A current that was set just now ends after so long by itself."""
        guard = self._guard
        if seconds is None or seconds <= 0:
            self._guard = replace(guard, timeout_s=None, why=guard.why or "It does not tell how long a current holds.")
        elif guard.timeout_s is None or abs(seconds - guard.timeout_s) > 2.0:
            self._guard = judged(self.family, seconds, guard.fallback_a, guard.safe_a)
        self._tell_guard(self._guard)

    def _tell_guard(self, guard: Guard) -> None:
        if guard.why == self._guard_told:
            return
        self._guard_told = guard.why
        if guard.holds:
            _log.info(
                "charger-guarded",
                charger=self.endpoint.charger,
                falls_to_a=guard.fallback_a,
                after_s=guard.timeout_s,
            )
            return
        _log.warning(
            "charger-unguarded",
            charger=self.endpoint.charger,
            what=guard.why,
            remedy="It counts at its maximum when it can't be reached: set a low maximum on the charger and here, and "
            "let the safe-current proof say whether that fits.",
        )

    def _ask_again(self) -> None:
        """What it holds may not be what it was told: the controller tells it again."""
        self._put(ChargerLink(charger=self.endpoint.charger, at_s=self._now_s(), online=True))

    # --- what it says ---

    async def _identify(self) -> None:
        identity = self.family.identity
        if identity is None:
            return
        found = number_of((await self._wire.read([identity.point])).get(identity.point))
        if found is None or not identity.least <= found <= identity.most:
            raise ChargerMismatch(
                f"It identifies itself as {'nothing' if found is None else f'{found:g}'}, which is not {identity.what}."
            )

    async def _prepare(self) -> None:
        """Settings that it needs."""
        for one in self.family.setup:
            point = one.write.point
            try:
                if not point.read or number_of((await self._wire.read([point])).get(point)) != one.write.value:
                    await self._wire.write(one.write)
            except ChargerRefuses as error:
                self._say_once(f"charger-setup {one.what}", f"{one.what}: {error.what}", error.remedy)
        phases = self.family.phases
        if phases is None:
            return
        try:
            able = phases.able
            found = await self._wire.read([phases.shown, *([able.point] if able is not None else [])])
            self._can_switch = able is None or number_of(found.get(able.point)) == able.value
        except ChargerRefuses:
            self._can_switch = False  # a model, or a firmware, without these registers

    async def _poll(self, stop: Callable[[], bool]) -> None:
        """What is read every period; what is missing, since a command came meanwhile, is read next time."""
        family = self.family
        points = list(family.fast_points)
        if family.phases is not None and not self._can_switch:
            points.remove(family.phases.shown)
        slow = family.energy is not None and self._now_s() - self._slow_s >= SLOW_EVERY_S
        if slow and family.energy is not None:
            points.append(family.energy)
        values = await self._wire.read(points, stop)
        if stop():
            return
        now_s = self._now_s()
        reading = reading_of(family, values)
        if reading.unknown and not self._online:
            raise ChargerAbsurd(f"It says its state is {reading.unknown!r}, which {family.id} does not know.")
        self._reading = reading if slow else replace(reading, energy_wh=self._reading.energy_wh)
        self._polled_s = now_s
        if slow:
            self._slow_s = now_s

    def _report(self) -> None:
        now_s, reading = self._now_s(), self._reading
        if self._switching:
            reading = replace(reading, phases_on=0)
        if reading.state in ("B", "C"):
            self._car_s = now_s if self._car_s is None else self._car_s
        elif reading.state == "A":
            self._car_s = None
        since_s = [one for one in (self._offered_s, self._car_s) if one is not None]
        report = report_of(
            reading,
            self.endpoint.charger,
            now_s,
            phases=self.endpoint.phases,
            limit_a=self._held_a,
            offered_s=now_s - max(since_s, default=now_s),
        )
        self._put(report)
        for one in self._visits.see(report.state, report.energy_wh, now_s):
            self._put(one)
        self._look_at_contradictions(reading, report)

    def _look_at_contradictions(self, reading: Reading, report: ChargerReport) -> None:
        if reading.unknown:
            self._say_once(
                "charger-state-unknown",
                f"It says its state is {reading.unknown!r}, which {self.family.id} does not know.",
                "What it draws counts. Tell the project, with what the charger was doing.",
            )
        if reading.state == "A" and report.state is None:
            self._say_once(
                "charger-contradicts",
                f"It says that no car is connected, and that {reading.draw_a:g} A flow.",
                "What flows counts. Check the device that is set, and its firmware.",
            )
        held_a, shown_a = self._held_a, reading.limit_a
        most_a = held_a if held_a else self.family.limit.pause_a
        if held_a is None or shown_a is None or most_a is None or (held_a == 0.0 and self.family.limit.pause):
            return
        if shown_a > most_a + NEAR_A:
            self._say_once(
                "charger-limit-changed",
                f"It shows a limit of {shown_a:g} A, and was told {most_a:g} A: it started anew, or another steers it.",
                "It is told again. Switch off whatever else steers it.",
            )
            self._held_a = None
            self._looked_s = -math.inf
            self._ask_again()

    # --- phases ---

    async def _switch_now(self, wanted: int) -> None:
        """Pauses it, sees that nothing flows, switches, and leaves it paused until the controller, which counts all of
        its phases from now on, tells it how much."""
        phases, charger = self.family.phases, self.endpoint.charger
        assert phases is not None
        self._command = None  # decided before the controller knew; it tells it again
        self._report()  # that it changes them: from the next decision on all are counted
        why = ""
        try:
            refusal = await self._tell(0.0, lambda: False)
            if refusal or not await self._is_clear():
                why = refusal or "Its car does not stop."
            else:
                for write in (*phases.before, Write(phases.point, phases.one if wanted == 1 else phases.three)):
                    await self._wire.write(write)
                why = await self._unswitched(wanted, phases.wait_s)
        except ChargerRefuses as error:
            why = error.what
        finally:
            self._switching = False
        if why:
            _log.warning(
                "charger-phases",
                charger=charger,
                what=f"It is not on {wanted} phases: {why}",
                remedy="Check that the charger can switch, and try again.",
            )
        else:
            _log.info("charger-phases", charger=charger, phases=wanted)
        await self._poll(lambda: False)
        self._report()
        self._ask_again()

    async def _is_clear(self) -> bool:
        begun_s = self._now_s()
        while True:
            await self._poll(lambda: False)
            if (self._reading.draw_a or 0.0) < DRAWING_A and (self._reading.power_w or 0.0) < 100.0:
                return True
            if self._now_s() > begun_s + CLEAR_S:
                return False
            await self._keep_fed()

    async def _unswitched(self, wanted: int, wait_s: float) -> str:
        begun_s = self._now_s()
        while True:
            await self._poll(lambda: False)
            if self._reading.phases_on == wanted:
                return ""
            if self._now_s() > begun_s + wait_s:
                return f"it shows {self._reading.phases_on}."
            await self._keep_fed()

    async def _keep_fed(self) -> None:
        if self._now_s() >= self._feed_due_s(self._now_s()):
            await self._feed()
        await asyncio.sleep(CONFIRM_EVERY_S)

    def _say_once(self, code: str, what: str, remedy: str) -> None:
        told = f"{code} {what}"
        if told not in self._told and len(self._told) < 50:
            self._told.add(told)
            _log.warning(code.partition(" ")[0], charger=self.endpoint.charger, what=what, remedy=remedy)


def _is_written_again(watchdog: Watchdog) -> bool:
    """Whether setting the current again is what keeps it."""
    return watchdog.kind in (VALIDITY, WRITE_LIMIT) or watchdog.rewrite


def _nowhere(_: Observation) -> None:
    """Before it runs."""
