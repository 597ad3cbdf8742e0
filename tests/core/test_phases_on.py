"""A charger that changes between one and three phases is counted on all of them until its car shows which it uses."""

from __future__ import annotations

from ampacity.core.cars import updated
from ampacity.core.memory import ChargerMemory
from ampacity.core.observations import ChargerReport, ChargerState, Observed
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site

A = ChargerId("a")
CHARGER = Charger(id=A, circuit=CircuitId("main"), wiring=(Line.L1, Line.L2, Line.L3))
SITE = Site(
    name="x",
    supply=Supply.THREE_PHASE,
    nominal_v=230.0,
    circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((40.0,) * 3), meter=MeterId("m")),),
    meters=(Meter(id=MeterId("m")),),
    chargers=(CHARGER,),
)


class Told:
    """A charger's memory, report by report."""

    def __init__(self) -> None:
        self.observed = Observed()
        self.memory = ChargerMemory()
        self.now_s = 0.0

    def report(self, amps: tuple[float, float, float], phases_on: int | None) -> int:
        """The phases that are counted then, as bits; 0: all."""
        self.now_s += 5.0
        one = ChargerReport(
            charger=A,
            at_s=self.now_s,
            state=ChargerState.CHARGING,
            currents=PhaseAmps(amps),
            phases_on=phases_on,
        )
        self.observed = self.observed.with_(SITE, [one])
        seen = self.observed.chargers[A]
        self.memory = updated(CHARGER, SITE.supply, SITE.nominal_v, seen, self.memory, self.now_s, 0.0)
        return self.memory.mask


def test_phases_that_a_car_shows_are_counted() -> None:
    told = Told()
    assert told.report((10.0, 0.0, 0.0), 1) == 0b001


def test_all_are_counted_while_it_changes_them_whatever_it_draws() -> None:
    told = Told()
    told.report((10.0, 0.0, 0.0), 1)
    assert told.report((10.0, 0.0, 0.0), 0) == 0


def test_all_are_counted_after_a_change_until_its_car_draws() -> None:
    told = Told()
    told.report((10.0, 0.0, 0.0), 1)
    told.report((0.0, 0.0, 0.0), 0)
    assert told.report((0.0, 0.0, 0.0), 3) == 0
    assert told.report((10.0, 10.0, 0.0), 3) == 0b011


def test_a_charger_that_tells_nothing_of_them_is_counted_as_before() -> None:
    told = Told()
    told.report((10.0, 0.0, 0.0), None)
    assert told.report((0.0, 0.0, 0.0), None) == 0b001
