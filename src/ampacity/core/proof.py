"""The safe-current proof: when the controller is gone and every charger is at its safe current, does it fit?

Between lines the sum depends on which lines each car uses: cars of the same angle add most. So on each line a charger
counts with the angle that makes the sum largest, among those its wiring allows. No car, or one that draws less, only
makes the sum smaller: all angles on a line are within 60 degrees of each other. The building's load is added to the
size of that sum, whatever its angle.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from ampacity.core.phases import Line
from ampacity.core.site import Charger, ChargerId, CircuitId, Site

_Angles = tuple[complex, ...]
"""What one ampere of a charger may be on a line, by the lines its car uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofLine:
    """The sum on one line of one circuit, in amperes."""

    circuit: CircuitId
    line: Line
    limit_a: float
    safe_a: float
    """All chargers at their safe current; those that can't fall back, at their maximum."""
    load_a: float | None
    """The building's worst load there; None: not stated."""
    chargers: tuple[ChargerId, ...]
    """Those that count here with more than 0 A."""
    unguarded: tuple[ChargerId, ...]
    """Those of them that can't fall back."""

    @property
    def spare_a(self) -> float | None:
        """What is left, to the microampere; negative: by how much it fails; None: it can't be told."""
        return None if self.load_a is None else round(self.limit_a - self.load_a - self.safe_a, 6)

    @property
    def fails(self) -> bool:
        """Too much even without a stated load counts."""
        return round(self.limit_a - (self.load_a or 0.0) - self.safe_a, 6) < 0

    def shortfall(self) -> tuple[str, str] | None:
        """What is wrong here and what to lower; None where nothing is."""
        if not self.fails:
            return None
        load_a = self.load_a or 0.0
        over_a = load_a + self.safe_a - self.limit_a
        what = f"without the controller {self.safe_a:.1f} A of chargers"
        if load_a:
            what += f" and {load_a:.1f} A of building"
        what += f" are {over_a:.1f} A more than its {self.limit_a:.1f} A."
        if load_a > self.limit_a:
            return what, "The building alone is too much: correct worst_load_a or other_load_a, or the limit."
        guarded = [charger for charger in self.chargers if charger not in self.unguarded]
        remedies = []
        if guarded:
            remedies.append(f"Lower safe_a of {', '.join(guarded)}.")
        if self.unguarded:
            remedies.append(f"Lower max_a of {', '.join(self.unguarded)}, on the charger as well: it can't fall back.")
        return what, " ".join(remedies)


def fallback_a(charger: Charger) -> float:
    """What a charger may draw when nobody controls it."""
    return charger.safe_a if charger.guarded else charger.max_a


def proof(site: Site) -> tuple[ProofLine, ...]:
    """One line for each line of each circuit, in the site's order."""
    topology = site.topology
    loads: list[dict[_Angles, float]] = [{} for _ in range(topology.places)]
    who: list[list[Charger]] = [[] for _ in range(topology.places)]
    for number, charger in enumerate(site.chargers):
        amps = fallback_a(charger)
        if amps > 0:
            for place, angles in _angles(site, number).items():
                loads[place][angles] = loads[place].get(angles, 0.0) + amps
                who[place].append(charger)
    out = []
    for number, circuit in enumerate(site.circuits):
        for line in range(topology.lines):
            place = number * topology.lines + line
            if circuit.worst_load_a is not None:
                load: float | None = circuit.worst_load_a[line]
            else:
                load = _without_meter_a(site, number, line) if circuit.meter is None else None
            out.append(
                ProofLine(
                    circuit=circuit.id,
                    line=Line(line),
                    limit_a=circuit.limit_a[line],
                    safe_a=_largest_sum_a(loads[place]),
                    load_a=load,
                    chargers=tuple(charger.id for charger in who[place]),
                    unguarded=tuple(charger.id for charger in who[place] if not charger.guarded),
                )
            )
    return tuple(out)


def _without_meter_a(site: Site, number: int, line: int) -> float:
    """Worst load of a circuit without a meter: its own, and that of the circuits below it."""
    load_a = site.circuits[number].other_load_a
    for below, parent in enumerate(site.topology.parents):
        if parent == number:
            circuit = site.circuits[below]
            if circuit.worst_load_a is not None:
                load_a += circuit.worst_load_a[line]
            elif circuit.meter is None:
                load_a += _without_meter_a(site, below, line)
    return load_a


def _angles(site: Site, number: int) -> dict[int, _Angles]:
    """By place."""
    found: dict[int, set[complex]] = {}
    for way in set(site.topology.way[number]):
        for place, re, im in site.topology.pulls[way]:
            found.setdefault(place, set()).add(complex(re, im))
    return {place: tuple(sorted(angles, key=lambda one: one.imag)) for place, angles in found.items()}


def _largest_sum_a(loads: dict[_Angles, float]) -> float:
    """Chargers that may choose among the same angles add most when all choose alike, so one choice a kind will do."""
    return max(
        abs(sum((angle * amps for angle, amps in zip(choice, loads.values(), strict=True)), 0j))
        for choice in product(*loads)
    )
