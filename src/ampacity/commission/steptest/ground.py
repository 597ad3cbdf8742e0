"""On what ground a step test may give a car current, while nobody knows yet whether the meter tells the truth.

Either on what the building draws at worst, as the installer states it: then no meter is needed. Or on the meter, once
somebody has held it against a clamp in his hand: then the sizes of its currents are right, whichever line each is of,
and every line may carry what the highest shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ampacity.core.errors import AmpacityError
from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Site, on_step_a
from ampacity.core.topology import UNKNOWN_PAIR

LEAST_STEP_A = 4.0
"""From low to high: less is lost in what buildings do."""
MOST_STEP_A = 26.0
"""From the least to the most that usual cars draw."""
TEST_CIRCUIT = CircuitId("step-test")


class NoGround(AmpacityError):
    """A step test can't be made safely."""

    code = "step-test-no-ground"
    remedy = (
        "Lower what the building draws at worst, if it is less; or hold a clamp meter against each line, type in what "
        "it shows, and let the test go by the meter."
    )


class Ground(Enum):
    """What the current for a test comes from."""

    WORST_LOAD = "worst-load"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class Room:
    """What the car under test may have."""

    ground: Ground
    low_a: float
    high_a: float
    """At least 4 A above low."""
    site: Site
    """For the controller, while the test lasts."""


def room_for(site: Site, charger: ChargerId, *, checked: bool) -> Room:
    """`checked`: the meter's currents were held against a clamp, and agreed.

    Raises:
        NoGround: neither the worst loads nor the meter leave enough.
    """
    tested = site.chargers[site.index_of_charger[charger]]
    low_a = tested.min_a
    top_a = on_step_a(tested.max_a, tested.step_a)
    sure_a = _sure_a(site, tested)
    if sure_a is not None and min(sure_a, top_a) >= low_a + LEAST_STEP_A:
        high_a = on_step_a(min(sure_a, top_a, low_a + MOST_STEP_A), tested.step_a)
        return Room(Ground.WORST_LOAD, low_a, high_a, _without_meters(site, tested, high_a))
    if top_a < low_a + LEAST_STEP_A:
        raise NoGround(
            f"Charger {charger} goes from {low_a:g} A to {top_a:g} A: a step of {LEAST_STEP_A:g} A is needed.",
            remedy="Lower its minimum, if the car allows it.",
        )
    if checked and _is_metered(site, tested):
        high_a = on_step_a(min(top_a, low_a + MOST_STEP_A), tested.step_a)
        return Room(Ground.METER, low_a, high_a, _unsure(site, tested))
    if sure_a is None:
        raise NoGround(
            f"What the building draws at worst is not stated for every circuit above charger {charger}.",
            remedy="State worst_load_a, or hold a clamp meter against each line and type in what it shows.",
        )
    raise NoGround(
        f"By its worst load the building leaves {max(0.0, sure_a):.1f} A, and the test of charger {charger} needs "
        f"{low_a + LEAST_STEP_A:g} A."
    )


def worst_lines(reading: MeterReading) -> MeterReading:
    """Every line carries what the highest channel shows: true however clamps of the right ratio are mounted."""
    highest = max((abs(amps) for amps in reading.currents), default=0.0)
    return replace(
        reading, currents=PhaseAmps((highest,) * len(reading.currents)), powers=None, reactive=None, serial=None
    )


def _above(site: Site, charger: Charger) -> list[Circuit]:
    above = [site.circuits[site.index_of_circuit[one]] for one in site.path(charger.circuit)]
    return above + [one for one in site.circuits if one.spans]


def _sure_a(site: Site, charger: Charger) -> float | None:
    """What is left for one charger on any line, whatever the building does; None: that is not stated."""
    left = []
    for circuit in _above(site, charger):
        others: tuple[float, ...] | None = (circuit.other_load_a,) * len(circuit.rating_a)
        if circuit.meter is not None:
            others = None if circuit.worst_load_a is None else circuit.worst_load_a.values
        elif circuit.spans:
            others = (0.0,) * len(circuit.rating_a)
        elif circuit.worst_load_a is not None:
            others = circuit.worst_load_a.values
        if others is None:
            return None
        left.append(min(limit - other for limit, other in zip(circuit.limit_a, others, strict=True)))
    return min(left)


def _is_metered(site: Site, charger: Charger) -> bool:
    return any(circuit.meter is not None for circuit in _above(site, charger))


def _without_meters(site: Site, charger: Charger, most_a: float) -> Site:
    """All chargers together have what is sure, by no meter."""
    lines = len(site.supply.lines)
    if site.supply is Supply.LINE_TO_LINE and charger.phases > 1:
        most_a *= UNKNOWN_PAIR  # so much the controller reckons where it does not know between which lines
    together = Circuit(id=TEST_CIRCUIT, rating_a=PhaseAmps((most_a + 0.01,) * lines), spans=True)
    circuits = tuple(replace(one, meter=None, worst_load_a=None, other_load_a=0.0) for one in site.circuits)
    return replace(site, circuits=(*circuits, together), meters=(), chargers=_one_free(site, charger), active=True)


def _unsure(site: Site, charger: Charger) -> Site:
    """Nothing is known of the lines: the charger counts on all."""
    return replace(site, chargers=_one_free(site, charger), active=True)


def _one_free(site: Site, charger: Charger) -> tuple[Charger, ...]:
    return tuple(replace(one, wiring=None) if one.id == charger.id else one for one in site.chargers)
