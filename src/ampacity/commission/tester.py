"""Runs a test of the installation beside the control loop, one at a time.

While it lasts, the controller works on the test's own site, which leaves no more than is sure; every charger is held to
what the test asks for. Meters are read on, and the test sees what they say; the controller sees it only where the test
goes by the meter, and then the worst of it on every line. Whatever happens, the end is the same: the site as it was.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from ampacity.commission.expiry import Expiry, ExpiryTest
from ampacity.commission.guide import READING_SHARE
from ampacity.commission.steptest.ground import Ground, room_for, worst_lines
from ampacity.commission.steptest.judgement import Verdict, judged
from ampacity.commission.steptest.procedure import Ending, StepTest
from ampacity.core.decision import Command, Decision
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import (
    ChargerReport,
    ChargerSeen,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
)
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId, MeterId, Site
from ampacity.runtime.ports import Put

JUDGING = "judging"
"""The stage after the last: what was seen is being reckoned."""
SILENT_S = 15.0
"""A step test in which no meter has spoken for so long has nothing to look at."""
_GONE = (ChargerState.AVAILABLE, ChargerState.FINISHING, ChargerState.FAULTED, ChargerState.UNAVAILABLE)
_UNSEEN = ChargerSeen()

_log = structlog.get_logger("ampacity.test")


class TestUnderWay(AmpacityError):
    """Only one test at a time."""

    code = "test-under-way"
    remedy = "Wait until it has ended, or stop it."
    __test__ = False


class ChargerNotThere(AmpacityError):
    """It can't be tested."""

    code = "test-charger-not-there"
    remedy = "See that it has power and is connected, and plug in a car that wants to charge."


@dataclass(frozen=True, slots=True)
class Failed:
    """A test that a fault of ours has ended."""

    kind: str
    """step or expiry."""
    charger: ChargerId


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step test, judged."""

    verdict: Verdict
    most_a: float | None
    """The most that the charger reported of its car."""


Test = StepTest | ExpiryTest
TestResult = Stepped | Expiry | Failed


class Chargers(Protocol):
    """What the tests need of the door where chargers connect."""

    def apply(self, command: Command, put: Put) -> None: ...

    def report_often(self, charger: ChargerId, often: bool) -> None: ...

    def hold_off(self, charger: ChargerId, off: bool) -> None:
        """Its link is cut, and it may not come back until it is held off no more."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How a test stands."""

    kind: str
    """step or expiry."""
    charger: ChargerId
    stage: str
    share: float
    """0 to 1."""
    ground: Ground


@dataclass(frozen=True, slots=True)
class _Running:
    """The test that is under way."""

    test: Test
    charger: ChargerId
    kind: str
    site: Site
    """As it was before, and will be after."""
    ground: Ground
    by: str

    def progress(self, stage: str, share: float) -> Progress:
        return Progress(self.kind, self.charger, stage, share, self.ground)


class Tester:
    """An actuator between the loop and the chargers, a watcher of the loop, and a tap on what comes in. All but
    `progress`, `readings`, `is_judging` and `wait` is for the loop's thread."""

    __test__ = False

    def __init__(
        self,
        chargers: Chargers,
        *,
        now_s: Callable[[], float],
        use: Callable[[Site], None],
        hold: Callable[[Mapping[ChargerId, float] | None], None],
        put: Put,
        keep: Callable[[TestResult, Site, str], None],
        draw: random.Random | None = None,
    ) -> None:
        """`use`: the site to control by from now on; `hold`: what each charger may have at most, None: what it likes;
        `put`: into the loop's inbox. `keep` is given what came of a test, of which site, and who made it, in a thread
        of its own."""
        self._chargers = chargers
        self._now_s = now_s
        self._use = use
        self._hold = hold
        self._put = put
        self._keep = keep
        self._draw = random.Random() if draw is None else draw
        self._observed = Observed()
        self._running: _Running | None = None
        self._raw: list[Observation] = []
        self._heard_s = 0.0
        """When a meter spoke last, or the test began."""
        self._held: Mapping[ChargerId, float] = {}
        self._cut = False
        self._judging: threading.Thread | None = None
        self.progress: Progress | None = None
        """None: no test is under way. A value: for any thread."""
        self.readings: Mapping[MeterId, MeterReading] = {}
        """What meters have said since the test began, as they said it. A value: for any thread."""

    @property
    def is_judging(self) -> bool:
        """What came of the last test is being reckoned."""
        return self._judging is not None and self._judging.is_alive()

    def wait(self, within_s: float) -> None:
        """Until what came of the last test is kept; not for the loop's thread."""
        if self._judging is not None:
            self._judging.join(within_s)

    def step(self, site: Site, charger: ChargerId, *, checked: bool, by: str) -> None:
        """Begins a step test. `checked`: the meter was held against a clamp.

        Raises:
            AmpacityError: it can't be made; nothing was changed.
        """
        self._look(site, charger)
        room = room_for(site, charger, checked=checked)
        test = StepTest(site, charger, room, self._now_s(), self._draw)
        self._begin(_Running(test, charger, "step", site, room.ground, by), room.site)

    def expiry(self, site: Site, charger: ChargerId, *, lease_s: float, by: str) -> None:
        """Begins an expiry test. `lease_s`: of the test.

        Raises:
            AmpacityError: it can't be made; nothing was changed.
        """
        self._look(site, charger)
        test = ExpiryTest(site, charger, self._now_s(), lease_s=lease_s)
        self._begin(_Running(test, charger, "expiry", site, Ground.WORST_LOAD, by), test.site)

    def stop(self, why: Ending = Ending.STOPPED) -> None:
        """Whatever is under way ends."""
        if self._running is not None:
            self._running.test.stop(why)
            self._end(self._running)

    def installed(self, site: Site) -> Site:
        """The site as it is without the test."""
        return site if self._running is None else self._running.site

    def apply(self, command: Command, put: Put) -> None:
        """To the charger, unless the test is to see what it does without."""
        test = None if self._running is None or command.charger != self._running.charger else self._running.test
        if isinstance(test, ExpiryTest) and test.holds_back(command, self._raw):
            return

        def told(one: Observation) -> None:
            if (passed := self.taken(one)) is not None:
                put(passed)

        self._chargers.apply(command, told)

    def taken(self, one: Observation) -> Observation | None:
        """What the controller is to see of it."""
        running = self._running
        if running is None:
            return one
        self._raw.append(one)
        if not isinstance(one, MeterReading):
            return one
        self._heard_s = self._now_s()
        self.readings = {**self.readings, one.meter: one}
        return _with_margin(worst_lines(one)) if running.ground is Ground.METER else None

    def __call__(self, _: Site, observed: Observed, __: Sequence[Observation], decision: Decision) -> None:
        self._observed = observed
        running, raw, self._raw = self._running, self._raw, []
        if running is None:
            return
        try:
            self._go_on(running, raw, decision)
        except Exception:  # of whatever kind: the site has to be as it was
            _log.critical("test-failed", kind=running.kind, remedy="The test has ended. Report this.", exc_info=True)
            self._end(running, failed=True)

    def _go_on(self, running: _Running, raw: Sequence[Observation], decision: Decision) -> None:
        test, now_s = running.test, self._now_s()
        test.see(raw, decision, now_s)
        silent = bool(running.site.meters) and now_s - self._heard_s > SILENT_S
        if silent and isinstance(test, StepTest) and test.ending is None:
            test.stop(Ending.METER_SILENT)
        if test.ending is not None:
            self._end(running)
            return
        if isinstance(test, ExpiryTest) and test.cut is not self._cut:
            self._cut = test.cut
            self._chargers.hold_off(running.charger, self._cut)
        held = test.most_a()
        if held != self._held:
            self._held = held
            self._hold(held)
        self.progress = running.progress(test.stage.value, test.share)

    def _look(self, site: Site, charger: ChargerId) -> None:
        """Whether a test of it can begin."""
        if self._running is not None or self.is_judging:
            raise TestUnderWay("A test is under way.")
        seen = self._observed.chargers.get(charger, _UNSEEN)
        if charger not in site.index_of_charger or not seen.online:
            raise ChargerNotThere(f"Charger {charger} is not connected.")
        if seen.state in _GONE:
            raise ChargerNotThere(f"Charger {charger} has no car that wants to charge ({seen.state.value}).")
        if seen.is_paused(self._now_s()):
            raise ChargerNotThere(f"Somebody has paused charger {charger}.", remedy="Let it charge, and begin again.")

    def _begin(self, running: _Running, test_site: Site) -> None:
        test, charger, now_s = running.test, running.charger, self._now_s()
        state = self._observed.chargers.get(charger, _UNSEEN).state
        self._raw = [] if state is None else [ChargerReport(charger=charger, at_s=now_s, state=state)]
        self._heard_s, self._cut, self.readings = now_s, False, {}
        self._running, self._held = running, test.most_a()
        self.progress = running.progress(test.stage.value, test.share)
        try:
            self._hold(self._held)
            self._use(test_site)
            self._chargers.report_often(charger, True)
        except Exception:  # of whatever kind: the site has to be as it was; then it goes on to who asked
            self.progress = None
            self._restore(running)
            raise
        _log.info("test-begun", kind=running.kind, charger=charger, ground=running.ground.value)

    def _restore(self, running: _Running) -> None:
        """The site as it was, whatever fails of it."""
        self._running = None
        cut, self._cut = self._cut, False
        with ExitStack() as undone:  # from the last to the first, each whatever becomes of the others
            for one in self.readings.values():
                undone.callback(self._put, one)  # so that no meter seems to have been silent
            undone.callback(self._use, running.site)
            undone.callback(self._hold, None)
            if cut:
                undone.callback(self._chargers.hold_off, running.charger, False)
            undone.callback(self._chargers.report_often, running.charger, False)

    def _end(self, running: _Running, *, failed: bool = False) -> None:
        ending = running.test.ending
        self.progress = running.progress(JUDGING, 1.0)
        try:
            self._restore(running)
        except Exception:  # of whatever kind: what was found is kept all the same
            _log.critical("test-not-undone", remedy="Start the controller anew, and report this.", exc_info=True)
        _log.info(
            "test-ended", kind=running.kind, charger=running.charger, ending="" if ending is None else ending.value
        )
        # It takes a second of reckoning, and control does not wait.
        self._judging = threading.Thread(target=self._judge, args=(running, failed), name="judging", daemon=True)
        self._judging.start()

    def _judge(self, running: _Running, failed: bool) -> None:
        try:
            self._keep(
                Failed(running.kind, running.charger) if failed else self._result(running), running.site, running.by
            )
        except Exception:  # of whatever kind: the last place of this thread
            _log.exception("test-not-kept", remedy="Make the test again. If it goes on, report this.")
        finally:
            self.progress = None

    def _result(self, running: _Running) -> TestResult:
        test = running.test
        if isinstance(test, ExpiryTest):
            return test.result
        try:
            verdict = judged(running.site, test.record, test.ending or Ending.STOPPED, self._draw)
        except Exception:  # of whatever kind: that a test was made is kept, and that it told nothing
            _log.exception("test-not-judged", remedy="Make the test again. If it goes on, report this.")
            return Failed(running.kind, running.charger)
        reported = [one.most_a for one in test.record.reports if one.most_a is not None]
        return Stepped(verdict, max(reported, default=None))


def _with_margin(reading: MeterReading) -> MeterReading:
    """A clamp in somebody's hand agrees with it no better than so."""
    return replace(reading, currents=PhaseAmps(tuple(amps * (1 + READING_SHARE) for amps in reading.currents)))
