"""What is installed: the supply, its circuits, meters and chargers, and how they may be used. A constant of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import NewType

from ampacity.core.errors import SiteError
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.topology import Topology, topology_of

CircuitId = NewType("CircuitId", str)
MeterId = NewType("MeterId", str)
ChargerId = NewType("ChargerId", str)

LOWEST_CHARGING_A = 6.0
"""IEC 61851-1: below 6 A a car may not charge."""

LOWEST_LIMIT_A = 6.0
"""The guide accepts only breaker limits greater than this."""


class PauseMode(Enum):
    """When an excess that no lowering can remove pauses a car."""

    BUDGET = "budget"
    """After the site's `grace_s`, and sooner where the excess is large or uses the breaker's trip budget."""

    STRICT = "strict"
    """At once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """An energy meter on a circuit."""

    id: MeterId

    period_s: float = 1.0
    """How often a sample is expected, until the meter's own rate has been learned. Greater than 0."""

    deadline_s: float | None = None
    """A sample older than this leaves the circuit blind. None: three of the meter's own periods, at least 5 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A breaker and what hangs on it."""

    id: CircuitId

    parent: CircuitId | None = None
    """None for the building's main breaker, of which there is exactly one."""

    rating_a: PhaseAmps
    """The breaker's rating per line of the supply. Greater than 6 A each."""

    continuous_factor: float = 1.0
    """Share of the rating that may be used for hours: 0.8 where charging counts as a continuous load. In (0, 1]."""

    meter: MeterId | None = None
    """The meter that sees all of this circuit; None where it has none of its own."""

    other_load_a: float = 0.0
    """What else than chargers and metered circuits may draw on each line of a circuit without a meter. At least 0."""

    worst_load_a: PhaseAmps | None = None
    """The building's worst load on this circuit, without chargers, for the safe-current proof. None: not stated."""

    spans: bool = False
    """It has no wire of its own and limits all chargers of the site together, wherever they hang: static load
    management. No parent, no meter, and no circuit below it."""

    @property
    def limit_a(self) -> PhaseAmps:
        """What may flow on each line for ever."""
        return PhaseAmps(tuple(a * self.continuous_factor for a in self.rating_a))


@dataclass(frozen=True, slots=True, kw_only=True)
class Charger:
    """A charging point."""

    id: ChargerId
    circuit: CircuitId

    wiring: tuple[Line, ...] | None
    """Which line of the supply each of the charger's own phases is on, in the charger's order; two lines on a
    line-to-line or split-phase supply mean that it sits between them. None: not known, all lines are reserved."""

    phases: int = 3
    """How many phases the charger has, 1 to 3; with `wiring` given, its length."""

    min_a: float = LOWEST_CHARGING_A
    """Less than this is a pause. At least 6."""

    max_a: float = 32.0
    """The charger's own maximum. At least `min_a`."""

    step_a: float = 0.1
    """Setpoints are whole multiples of this. Greater than 0."""

    safe_a: float = 0.0
    """What it falls back to by itself when the controller is gone. 0, or at least `min_a`."""

    rank: int = 1
    """1 comes before 2. At least 1."""

    weight: float = 1.0
    """Share among chargers of the same rank. Greater than 0."""

    lease_s: float = 120.0
    """How long a setpoint above the safe current holds without being renewed. At least 10."""

    min_interval_s: float = 5.0
    """Smallest time between two messages that do not take current away. At least 0."""

    guarded: bool = True
    """False: the charger can't fall back by itself; unseen, it counts at its maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that is installed, and the owner's choices. Consistent by construction.

    Raises:
        SiteError: two things contradict each other; it names the place and the remedy.
    """

    name: str
    supply: Supply
    nominal_v: float
    """Line to neutral (per leg on split-phase); line to line on a supply whose chargers sit between lines."""

    circuits: tuple[Circuit, ...]
    meters: tuple[Meter, ...]
    chargers: tuple[Charger, ...]
    pause_mode: PauseMode = PauseMode.BUDGET

    grace_s: float = 2.0
    """How long, in budget mode, a small excess may last that only a pause can remove: long enough for the start of a
    motor. 0 to 24: with the 6 s that a pause takes to work, never longer than 30 s."""

    turn_s: float = 900.0
    """How long a car charges before it gives way to one that waits. At least 600."""

    active: bool = True
    """False: load management is off, and nobody gets more than the safe current."""

    index_of_circuit: dict[CircuitId, int] = field(init=False, repr=False, compare=False)
    index_of_charger: dict[ChargerId, int] = field(init=False, repr=False, compare=False)
    index_of_meter: dict[MeterId, int] = field(init=False, repr=False, compare=False)
    topology: Topology = field(init=False, repr=False, compare=False)
    top_a: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """The largest setpoint of each charger: its maximum, on its step."""
    limits_a: tuple[tuple[float, ...], ...] = field(init=False, repr=False, compare=False)
    """Each circuit's limit by line."""
    longest_lease_s: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for kind, ids in (
            ("circuit", [c.id for c in self.circuits]),
            ("charger", [c.id for c in self.chargers]),
            ("meter", [m.id for m in self.meters]),
        ):
            index = {name: place for place, name in enumerate(ids)}
            if len(index) < len(ids):
                twice = next(a for a, b in pairwise(sorted(ids)) if a == b)
                raise SiteError(f"{kind}s.{twice}", "the name is used twice.", remedy="Give each its own name.")
            object.__setattr__(self, f"index_of_{kind}", index)
        if not 50 <= self.nominal_v <= 500:
            raise SiteError(
                "site.voltage_v", f"{self.nominal_v:g} V is no supply voltage.", remedy="Set 100 V to 480 V, as wired."
            )
        if not 0 <= self.grace_s <= 24:
            raise SiteError("site.grace_s", f"{self.grace_s:g} s is out of range.", remedy="Set 0 s to 24 s.")
        if self.turn_s < 600:
            raise SiteError("site.turn_s", f"{self.turn_s:g} s is too short.", remedy="Set at least 600 s.")
        _check_circuits(self)
        _check_chargers(self)
        object.__setattr__(self, "top_a", tuple(on_step_a(c.max_a, c.step_a) for c in self.chargers))
        object.__setattr__(self, "longest_lease_s", max((c.lease_s for c in self.chargers), default=0.0))
        object.__setattr__(self, "limits_a", tuple(c.limit_a.values for c in self.circuits))
        parents = [-1 if c.parent is None else self.index_of_circuit[c.parent] for c in self.circuits]
        chargers = [(self.index_of_circuit[c.circuit], c.wiring, c.phases) for c in self.chargers]
        spanning = [number for number, circuit in enumerate(self.circuits) if circuit.spans]
        object.__setattr__(self, "topology", topology_of(self.supply, parents, chargers, spanning))

    def path(self, circuit: CircuitId) -> tuple[CircuitId, ...]:
        """The circuit and all above it, up to the main breaker."""
        path = [circuit]
        while (parent := self.circuits[self.index_of_circuit[path[-1]]].parent) is not None:
            path.append(parent)
        return tuple(path)

    def socket_of(self, charger: ChargerId) -> tuple[int, float]:
        """Its phases as it counts them itself, and the nominal voltage of each: between two lines it has one."""
        phases = self.chargers[self.index_of_charger[charger]].phases
        between = phases == 2 and self.supply is not Supply.THREE_PHASE
        volts = self.nominal_v
        if self.supply is Supply.SPLIT_PHASE and between:
            volts *= 2
        elif self.supply is Supply.LINE_TO_LINE and not between:
            volts /= 3**0.5
        return (1 if between else phases), volts


def on_step_a(amps: float, step_a: float) -> float:
    """The largest multiple of the step that is not more; never less than 0."""
    return max(0.0, round(math.floor(amps / step_a + 1e-6) * step_a, 6))


def _check_circuits(site: Site) -> None:
    mains = [c.id for c in site.circuits if c.parent is None and not c.spans]
    if len(mains) != 1:
        raise SiteError(
            "circuits",
            f"{len(mains)} circuits have no parent{': ' + ', '.join(mains) if mains else ''}.",
            remedy="Exactly one circuit is the main breaker; give every other one its `parent`.",
        )
    metered_by: dict[MeterId, CircuitId] = {}
    for circuit in site.circuits:
        place = f"circuits.{circuit.id}"
        if circuit.parent is not None and circuit.parent not in site.index_of_circuit:
            raise SiteError(
                f"{place}.parent",
                f"there is no circuit `{circuit.parent}`.",
                remedy=f"Use one of: {', '.join(c.id for c in site.circuits if c.id != circuit.id)}.",
            )
        if circuit.parent is not None and site.circuits[site.index_of_circuit[circuit.parent]].spans:
            raise SiteError(
                f"{place}.parent", f"{circuit.parent} has no wire of its own.", remedy="Name the circuit it hangs on."
            )
        if circuit.spans and (circuit.parent is not None or circuit.meter is not None):
            raise SiteError(place, "it spans all chargers and has a parent or a meter.", remedy="Remove them.")
        _check_no_ring(site, circuit)
        _check_circuit_numbers(site, circuit)
        if circuit.meter is not None:
            if circuit.meter not in site.index_of_meter:
                raise SiteError(
                    f"{place}.meter",
                    f"there is no meter `{circuit.meter}`.",
                    remedy=f"Add [meters.{circuit.meter}], or use one of: {', '.join(m.id for m in site.meters)}.",
                )
            if circuit.meter in metered_by:
                raise SiteError(
                    f"{place}.meter",
                    f"meter `{circuit.meter}` already measures circuit `{metered_by[circuit.meter]}`.",
                    remedy="A meter measures one circuit.",
                )
            metered_by[circuit.meter] = circuit.id
        elif circuit.parent is None and not any(one.spans for one in site.circuits):
            raise SiteError(
                f"{place}.meter",
                "the main breaker has no meter.",
                remedy="Dynamic load management needs one that sees the whole building: add it and name it here, or "
                "give the chargers a fixed current in features.static_a.",
            )
    for meter in site.meters:
        if meter.id not in metered_by:
            raise SiteError(
                f"meters.{meter.id}",
                "no circuit uses this meter.",
                remedy=f'Set `meter = "{meter.id}"` on the circuit it measures, or remove it.',
            )
        if meter.period_s <= 0 or (meter.deadline_s is not None and meter.deadline_s <= 0):
            raise SiteError(f"meters.{meter.id}", "times must be greater than 0 s.", remedy="Correct the time.")


def _check_no_ring(site: Site, circuit: Circuit) -> None:
    seen = [circuit.id]
    parent = circuit.parent
    while parent is not None and parent in site.index_of_circuit:
        if parent in seen:
            raise SiteError(
                f"circuits.{circuit.id}.parent",
                f"the parents form a ring: {' -> '.join([*seen, parent])}.",
                remedy="A circuit hangs on one that is nearer to the main breaker.",
            )
        seen.append(parent)
        parent = site.circuits[site.index_of_circuit[parent]].parent


def _check_circuit_numbers(site: Site, circuit: Circuit) -> None:
    place = f"circuits.{circuit.id}"
    lines = len(site.supply.lines)
    for key, amps in (("limit_a", circuit.rating_a), ("worst_load_a", circuit.worst_load_a)):
        if amps is not None and len(amps) != lines:
            raise SiteError(
                f"{place}.{key}",
                f"{len(amps)} values for a supply of {lines} lines.",
                remedy="Give one number for all lines, or one for each line.",
            )
    if any(not LOWEST_LIMIT_A < a <= 10_000 for a in circuit.rating_a):
        raise SiteError(
            f"{place}.limit_a",
            f"{min(circuit.rating_a):g} A is not accepted.",
            remedy="Only values greater than 6 A (and up to 10000 A) are: below, no car can charge.",
        )
    if not 0 < circuit.continuous_factor <= 1:
        raise SiteError(
            f"{place}.continuous_factor",
            f"{circuit.continuous_factor:g} is out of range.",
            remedy="Set 1.0, or 0.8 where charging counts as a continuous load.",
        )
    if circuit.other_load_a < 0:
        raise SiteError(f"{place}.other_load_a", "it is negative.", remedy="Set 0 or more.")
    if circuit.parent is not None:
        above = site.circuits[site.index_of_circuit[circuit.parent]]
        for line, (a, b) in enumerate(zip(circuit.rating_a, above.rating_a, strict=False)):
            if a > b:
                raise SiteError(
                    f"{place}.limit_a",
                    f"{a:g} A on L{line + 1} is more than its parent {above.id} allows ({b:g} A).",
                    remedy=f"Set at most {b:g} A, or correct {above.id} to the rating on the board.",
                )


def _check_chargers(site: Site) -> None:
    lines = site.supply.lines
    for charger in site.chargers:
        place = f"chargers.{charger.id}"
        if charger.circuit not in site.index_of_circuit:
            raise SiteError(
                f"{place}.circuit",
                f"there is no circuit `{charger.circuit}`.",
                remedy=f"Use one of: {', '.join(c.id for c in site.circuits)}.",
            )
        if site.circuits[site.index_of_circuit[charger.circuit]].spans:
            raise SiteError(
                f"{place}.circuit", f"{charger.circuit} has no wire of its own.", remedy="Name the circuit it hangs on."
            )
        wiring = charger.wiring
        if wiring is not None and (
            not wiring or len(set(wiring)) < len(wiring) or any(line not in lines for line in wiring)
        ):
            raise SiteError(
                f"{place}.lines",
                f"{', '.join(line.name for line in wiring) or 'none'} can't be wired on a {site.supply.value} supply.",
                remedy=f"Give each line at most once, out of {', '.join(line.name for line in lines)}.",
            )
        phases = len(wiring) if wiring is not None else charger.phases
        if not 1 <= phases <= len(lines) or (wiring is not None and charger.phases != phases):
            raise SiteError(
                f"{place}.phases",
                f"{charger.phases} phases do not fit the wiring or the supply.",
                remedy=f"Set {phases if 1 <= phases <= len(lines) else len(lines)}.",
            )
        _check_charger_numbers(charger, place)


def _check_charger_numbers(charger: Charger, place: str) -> None:
    if charger.min_a < LOWEST_CHARGING_A:
        raise SiteError(
            f"{place}.min_a",
            f"{charger.min_a:g} A is below the 6 A at which a car may charge (IEC 61851-1).",
            remedy="Set 6 A or more.",
        )
    if not charger.min_a <= charger.max_a <= 1000:
        raise SiteError(
            f"{place}.max_a",
            f"{charger.max_a:g} A is less than min_a ({charger.min_a:g} A), or more than 1000 A.",
            remedy="Set the charger's own maximum, from its nameplate.",
        )
    if charger.safe_a != 0 and not charger.min_a <= charger.safe_a <= charger.max_a:
        raise SiteError(
            f"{place}.safe_a",
            f"{charger.safe_a:g} A is neither 0 nor between min_a and max_a.",
            remedy=f"Set 0, or {charger.min_a:g} A to {charger.max_a:g} A.",
        )
    for key, value, least, why in (
        ("step_a", charger.step_a, 0.01, "the charger's resolution"),
        ("rank", charger.rank, 1, "1 comes first"),
        ("weight", charger.weight, 0.01, "1 is usual"),
        ("lease_s", charger.lease_s, 10, "120 is usual"),
        ("min_interval_s", charger.min_interval_s, 0, "5 is usual"),
    ):
        if value < least:
            raise SiteError(f"{place}.{key}", f"{value:g} is too small.", remedy=f"Set {least:g} or more; {why}.")
    if charger.step_a > charger.min_a:
        raise SiteError(f"{place}.step_a", f"{charger.step_a:g} A is coarser than min_a.", remedy="Set min_a or less.")
