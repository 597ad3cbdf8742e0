"""The safe-current proof: when the controller is gone and every charger is at its safe current, does it fit?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ampacity.core.phases import Line
from ampacity.core.site import Charger, ChargerId, CircuitId, Site


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

    @property
    def spare_a(self) -> float | None:
        """What is left; negative: by how much it fails; None: it can't be told."""
        return None if self.load_a is None else self.limit_a - self.load_a - self.safe_a


def fallback_a(charger: Charger) -> float:
    """What a charger may draw when nobody controls it."""
    return charger.safe_a if charger.guarded else charger.max_a


def proof(site: Site) -> tuple[ProofLine, ...]:
    """One line for each line of each circuit, in the site's order."""
    topology = site.topology
    re, im = [0.0] * topology.places, [0.0] * topology.places
    who: list[list[ChargerId]] = [[] for _ in range(topology.places)]
    for number, charger in enumerate(site.chargers):
        amps = fallback_a(charger)
        if amps > 0:
            for place, pull_re, pull_im in topology.pulls[topology.way[number][0]]:
                re[place] += amps * pull_re
                im[place] += amps * pull_im
                who[place].append(charger.id)
    out = []
    for number, circuit in enumerate(site.circuits):
        for line in range(topology.lines):
            place = number * topology.lines + line
            if circuit.worst_load_a is not None:
                load: float | None = circuit.worst_load_a[line]
            else:
                load = circuit.other_load_a if circuit.meter is None else None
            out.append(
                ProofLine(
                    circuit=circuit.id,
                    line=Line(line),
                    limit_a=circuit.limit_a[line],
                    safe_a=math.hypot(re[place], im[place]),
                    load_a=load,
                    chargers=tuple(who[place]),
                )
            )
    return tuple(out)
