"""Runs a test of the installation beside the control loop, one at a time.

While it lasts, the controller works on the test's own site, which leaves no more than is sure; every charger is held to
what the test asks for. Meters are read on, and the test sees what they say; the controller sees it only where the test
goes by the meter, and then the worst of it on every line. Whatever happens, the end is the same: the site as it was.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ampacity.commission.expiry import Expiry, ExpiryTest
from ampacity.commission.steptest.ground import Ground, Room, room_for, worst_lines
from ampacity.commission.steptest.judgement import Verdict, judged
from ampacity.commission.steptest.procedure import Ending, StepTest
from ampacity.core.decision import Command, Decision
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import MeterReading, Observation, Observed
from ampacity.core.site import ChargerId, Site
from ampacity.runtime.ports import Put

_log = structlog.get_logger("ampacity.test")

Test = StepTest | ExpiryTest
TestResult = Verdict | Expiry
JUDGING = "judging"
"""The stage after the last: what was seen is being reckoned."""


class TestUnderWay(AmpacityError):
    """Only one test at a time."""

    code = "test-under-way"
    remedy = "Wait until it has ended, or stop it."
    __test__ = False


class ChargerNotThere(AmpacityError):
    """It can't be tested."""

    code = "test-charger-not-there"
    remedy = "See that it has power and is connected, and plug in a car that wants to charge."


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


class Tester:
    """An actuator between the loop and the chargers, a watcher of the loop, and a tap on what comes in. All but
    `progress` is for the loop's thread."""

    __test__ = False

    def __init__(
        self,
        chargers: Chargers,
        *,
        now_s: Callable[[], float],
        use: Callable[[Site], None],
        hold: Callable[[Mapping[ChargerId, float] | None], None],
        keep: Callable[[Site, Verdict | Expiry, str], None],
    ) -> None:
        """`use`: the site to control by from now on; `hold`: what each charger may have at most, None: what it likes.
        `keep` is given what came of a test, of which site, and who made it, in a thread of its own."""
        self._chargers = chargers
        self._now_s = now_s
        self._use = use
        self._hold = hold
        self._keep = keep
        self._test: Test | None = None
        self._site: Site | None = None
        self._ground = Ground.WORST_LOAD
        self._by = ""
        self._raw: list[Observation] = []
        self._held: Mapping[ChargerId, float] = {}
        self._cut = False
        self._judging: threading.Thread | None = None
        self.progress: Progress | None = None
        """None: no test is under way. A value: for any thread."""

    @property
    def is_judging(self) -> bool:
        """What came of the last test is being reckoned."""
        return self._judging is not None and self._judging.is_alive()

    def step(self, site: Site, charger: ChargerId, *, checked: bool, by: str) -> None:
        """Begins a step test. `checked`: the meter was held against a clamp.

        Raises:
            AmpacityError: it can't be made; nothing was changed.
        """
        room = self._room(site, charger, checked=checked)
        test = StepTest(site, charger, room, self._now_s(), random.Random())
        self._begin(site, test, room.site, room.ground, by)

    def expiry(self, site: Site, charger: ChargerId, *, checked: bool, by: str) -> None:
        """Begins an expiry test. See `step`."""
        room = self._room(site, charger, checked=checked)
        test = ExpiryTest(site.chargers[site.index_of_charger[charger]], room, self._now_s())
        self._begin(site, test, test.site, room.ground, by)

    def stop(self, why: Ending = Ending.STOPPED) -> None:
        """Whatever is under way ends."""
        if self._test is not None:
            self._test.stop(why)
            self._end(self._test)

    def apply(self, command: Command, put: Put) -> None:
        """To the charger, unless the test is to see what it does without."""
        test = self._test
        if isinstance(test, ExpiryTest) and test.muted and command.charger == test.charger:
            return

        def told(one: Observation) -> None:
            if (passed := self.taken(one)) is not None:
                put(passed)

        self._chargers.apply(command, told)

    def taken(self, one: Observation) -> Observation | None:
        """What the controller is to see of it."""
        if self._test is None:
            return one
        self._raw.append(one)
        if not isinstance(one, MeterReading):
            return one
        return worst_lines(one) if self._ground is Ground.METER else None

    def __call__(self, _: Site, __: Observed, ___: Sequence[Observation], decision: Decision) -> None:
        test, raw, self._raw = self._test, self._raw, []
        if test is None:
            return
        test.see(raw, decision, self._now_s())
        if test.ending is not None:
            self._end(test)
            return
        if isinstance(test, ExpiryTest) and test.cut is not self._cut:
            self._cut = test.cut
            self._chargers.hold_off(test.charger, self._cut)
        held = test.most_a()
        if held != self._held:
            self._held = held
            self._hold(held)
        self._tell(test)

    def _room(self, site: Site, charger: ChargerId, *, checked: bool) -> Room:
        if self._test is not None or self.is_judging:
            raise TestUnderWay("A test is under way.")
        if charger not in site.index_of_charger:
            raise ChargerNotThere(f"There is no charger {charger}.")
        return room_for(site, charger, checked=checked)

    def _begin(self, site: Site, test: Test, test_site: Site, ground: Ground, by: str) -> None:
        self._test, self._site, self._ground, self._by = test, site, ground, by
        self._raw, self._cut = [], False
        self._held = test.most_a()
        self._hold(self._held)
        self._use(test_site)
        self._chargers.report_often(_charger(test), True)
        self._tell(test)
        _log.info("test-begun", kind=_kind(test), charger=_charger(test), ground=ground.value)

    def _end(self, test: Test) -> None:
        site, self._test = self._site, None
        self.progress = Progress(_kind(test), _charger(test), JUDGING, 1.0, self._ground)
        charger = _charger(test)
        self._chargers.report_often(charger, False)
        if self._cut:
            self._cut = False
            self._chargers.hold_off(charger, False)
        self._hold(None)
        assert site is not None
        self._use(site)
        _log.info("test-ended", kind=_kind(test), charger=charger, ending=test.ending.value if test.ending else "")
        # It takes a second of reckoning, and control does not wait.
        self._judging = threading.Thread(target=self._judge, args=(site, test, self._by), name="judging", daemon=True)
        self._judging.start()

    def _judge(self, site: Site, test: Test, by: str) -> None:
        try:
            if isinstance(test, ExpiryTest):
                self._keep(site, test.result, by)
            else:
                verdict = judged(site, test.record, test.ending or Ending.STOPPED, random.Random())
                self._keep(site, verdict, by)
        except Exception:
            _log.exception("test-not-judged", remedy="Make the test again. If it goes on, report this.")
        finally:
            self.progress = None

    def _tell(self, test: Test) -> None:
        self.progress = Progress(_kind(test), _charger(test), test.stage.value, test.share, self._ground)


def _charger(test: Test) -> ChargerId:
    return test.charger if isinstance(test, ExpiryTest) else test.record.charger


def _kind(test: Test) -> str:
    return "expiry" if isinstance(test, ExpiryTest) else "step"
