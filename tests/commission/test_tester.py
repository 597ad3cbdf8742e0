"""Whatever happens to a test, the site is as it was."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from tests.commission.conftest import LEFT, METER, RIGHT, site

from ampacity.commission.guide import READING_SHARE
from ampacity.commission.steptest.ground import NoGround
from ampacity.commission.steptest.procedure import Ending
from ampacity.commission.tester import (
    ChargerNotThere,
    Failed,
    Stepped,
    Tester,
    TestResult,
    TestUnderWay,
)
from ampacity.core.decide import decide
from ampacity.core.decision import Command
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    Wish,
)
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId, Site
from ampacity.runtime.ports import Put


@dataclass
class Door:
    """Where chargers connect, as a tester sees it."""

    often: set[ChargerId] = field(default_factory=set)
    held_off: set[ChargerId] = field(default_factory=set)
    commands: list[Command] = field(default_factory=list)
    breaks: bool = False
    """It fails in whatever it is asked."""

    def apply(self, command: Command, put: Put) -> None:
        self.commands.append(command)

    def report_often(self, charger: ChargerId, often: bool) -> None:
        (self.often.add if often else self.often.discard)(charger)
        if self.breaks:
            raise OSError("broken")

    def hold_off(self, charger: ChargerId, off: bool) -> None:
        (self.held_off.add if off else self.held_off.discard)(charger)


class Bench:
    """A tester between a door and the passes of a loop that the test makes."""

    def __init__(self, installed: Site | None = None, *, online: bool = True) -> None:
        self.installed = site() if installed is None else installed
        self.site = self.installed
        self.now_s = 100.0
        self.door = Door()
        self.held: Mapping[ChargerId, float] | None = None
        self.hold_breaks = False
        self.kept: list[tuple[TestResult, Site, str]] = []
        self.inbox: list[Observation] = []
        self.observed = Observed()
        self.tester = Tester(
            self.door,
            now_s=lambda: self.now_s,
            use=self.use,
            hold=self.hold,
            put=self.inbox.append,
            keep=lambda result, of, by: self.kept.append((result, of, by)),
            draw=random.Random(1),
        )
        if online:
            self.come(
                ChargerLink(charger=LEFT, at_s=self.now_s, online=True),
                ChargerReport(charger=LEFT, at_s=self.now_s, state=ChargerState.CHARGING),
            )

    def use(self, one: Site) -> None:
        self.site = one

    def hold(self, most_a: Mapping[ChargerId, float] | None) -> None:
        if self.hold_breaks and most_a is not None:
            raise ValueError("a fault of ours")
        self.held = most_a

    def come(self, *seen: Observation) -> None:
        """Observations come in, and a pass is made."""
        for one in seen:
            if (passed := self.tester.taken(one)) is not None:
                self.inbox.append(passed)
        taken, self.inbox[:] = list(self.inbox), []
        self.observed = self.observed.with_(self.site, taken)
        decision = decide(self.site, self.observed, self.now_s)
        self.observed = self.observed.remembering(decision.memory)
        self.tester(self.site, self.observed, taken, decision)

    def passes(self, seconds: float, *, metered: bool = True) -> None:
        for _ in range(int(seconds)):
            self.now_s += 1.0
            self.come(*([reading(self.now_s)] if metered else []))

    @property
    def is_as_before(self) -> bool:
        return self.site is self.installed and self.held is None and not self.door.held_off and not self.door.often

    def result(self) -> TestResult:
        self.tester.wait(20.0)
        (result, of, by) = self.kept[-1]
        assert of is self.installed
        assert by == "Ina"
        return result


def reading(at_s: float, amps: Sequence[float] = (9.0, -4.0, 3.0)) -> MeterReading:
    return MeterReading(meter=METER, at_s=at_s, currents=PhaseAmps(tuple(amps)))


def test_while_it_lasts_the_site_is_the_tests_and_everybody_is_held() -> None:
    bench = Bench()
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    assert bench.site.meters == ()
    assert bench.held == {LEFT: 0.0, RIGHT: 0.0}
    assert bench.door.often == {LEFT}
    assert bench.tester.installed(bench.site) is bench.installed
    assert bench.tester.progress is not None
    bench.passes(12.0)
    assert bench.held == {LEFT: 6.0, RIGHT: 0.0}


def test_by_the_worst_load_the_controller_does_not_see_the_meter_and_the_test_does() -> None:
    bench = Bench()
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    assert bench.tester.taken(reading(101.0)) is None
    assert bench.tester.readings[METER].currents.values == (9.0, -4.0, 3.0)


def test_by_the_meter_the_controller_sees_the_worst_of_it_on_every_line_and_a_margin() -> None:
    bench = Bench(site(worst_a=None))
    with pytest.raises(NoGround):
        bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    bench.tester.step(bench.installed, LEFT, checked=True, by="Ina")
    seen = bench.tester.taken(reading(101.0))
    assert isinstance(seen, MeterReading)
    assert seen.currents.values == pytest.approx((9.0 * (1 + READING_SHARE),) * 3)
    assert bench.site.chargers[0].wiring is None


def test_stopped_it_gives_all_back_and_the_newest_reading_of_every_meter_to_the_controller() -> None:
    bench = Bench()
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    bench.passes(30.0)
    bench.tester.stop()
    assert bench.is_as_before
    assert bench.inbox == [reading(bench.now_s)]
    result = bench.result()
    assert isinstance(result, Stepped)
    assert result.verdict.ending is Ending.STOPPED
    assert bench.tester.progress is None


def test_a_fault_inside_it_ends_it_and_gives_all_back() -> None:
    bench = Bench()
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    bench.hold_breaks = True
    bench.passes(12.0)
    assert bench.is_as_before
    assert bench.result() == Failed("step", LEFT)
    bench.hold_breaks = False
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")


def test_a_fault_at_its_begin_changes_nothing() -> None:
    bench = Bench()
    bench.door.breaks = True
    with pytest.raises(OSError, match="broken"):
        bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    assert (bench.site, bench.held) == (bench.installed, None)
    assert bench.tester.progress is None


def test_a_fault_at_its_end_gives_back_all_the_rest() -> None:
    bench = Bench()
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    bench.door.breaks = True
    bench.tester.stop()
    assert (bench.site, bench.held) == (bench.installed, None)
    assert bench.result()


def test_a_step_test_without_a_meter_that_speaks_ends() -> None:
    bench = Bench()
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    bench.passes(16.0, metered=False)
    result = bench.result()
    assert isinstance(result, Stepped)
    assert result.verdict.ending is Ending.METER_SILENT
    assert bench.is_as_before


def test_every_step_test_ends_by_itself_within_three_minutes() -> None:
    bench = Bench()
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    bench.passes(180.0)
    assert bench.is_as_before


def test_there_is_one_test_at_a_time() -> None:
    bench = Bench()
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    with pytest.raises(TestUnderWay):
        bench.tester.expiry(bench.installed, LEFT, lease_s=40.0, by="Ben")
    assert bench.tester.progress is not None
    assert bench.tester.progress.kind == "step"


@pytest.mark.parametrize(
    "seen",
    [
        ChargerLink(charger=LEFT, at_s=100.0, online=False),
        ChargerReport(charger=LEFT, at_s=100.0, state=ChargerState.AVAILABLE),
        ChargerReport(charger=LEFT, at_s=100.0, state=ChargerState.FAULTED),
        Wish(charger=LEFT, at_s=100.0, paused=True),
    ],
)
def test_a_charger_that_can_not_charge_is_not_tested(seen: Observation) -> None:
    bench = Bench()
    bench.come(seen)
    with pytest.raises(ChargerNotThere):
        bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    assert bench.is_as_before


def test_what_is_known_of_the_car_before_counts() -> None:
    bench = Bench()
    bench.come(ChargerReport(charger=LEFT, at_s=100.0, state=ChargerState.PREPARING))
    bench.tester.step(bench.installed, LEFT, checked=False, by="Ina")
    bench.passes(180.0)
    result = bench.result()
    assert isinstance(result, Stepped)
    assert result.verdict.ending is Ending.NO_CAR


def test_commands_to_all_others_pass_while_an_expiry_test_waits() -> None:
    bench = Bench()
    bench.tester.expiry(bench.installed, LEFT, lease_s=40.0, by="Ina")
    other = Command(charger=RIGHT, limit_a=0.0, safe_a=0.0, lease_s=None, renewal=False)
    bench.tester.apply(other, bench.inbox.append)
    assert bench.door.commands == [other]
