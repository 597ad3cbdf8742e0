"""What a clairvoyant could have delivered: it knows the building's future and every departure, and reacts at once.

A linear programme over spans of time, cut at each arrival and departure and every quarter of an hour. Variables: the
current of each session in each span. Bounds: the car's own maximum; what it can take in all; and for each line of each
circuit what the limit leaves on average over the span. Averages and continuous currents (no 6 A floor, no steps) make
it an upper bound. Where chargers sit between lines, the limit on a sum of phasors is taken by its tangents, which is an
upper bound as well.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import highspy
import numpy as np

from ampacity.core.site import Site
from ampacity.sim.loads import line_phasors, watts_per_amp
from ampacity.sim.tables import Session

SPAN_S = 900
_TANGENTS = [cmath.exp(1j * math.radians(angle)) for angle in (-30, -15, 0, 15, 30)]


def optimum_wh(
    site: Site, building: Mapping[str, Sequence[Sequence[float]]], sessions: Sequence[Session], seconds: int
) -> float:
    """Energy in Wh. `building`: by circuit with a meter, per second, amperes per line."""
    if not sessions:
        return 0.0
    cuts = {0, seconds, *range(0, seconds, SPAN_S)}
    for session in sessions:
        cuts.update((min(session.arrival_s, seconds), min(session.departure_s, seconds)))
    edges = sorted(cuts)
    model = highspy.Highs()  # type: ignore[no-untyped-call]
    model.setOptionValue("output_flag", False)
    rows: list[tuple[float, list[int], list[float]]] = []
    costs: list[float] = []
    uppers: list[float] = []
    by_session: dict[str, list[int]] = {session.id: [] for session in sessions}
    limits = {c.id: np.asarray(c.limit_a.values) for c in site.circuits}
    own = {name: np.asarray(trace, dtype=float) for name, trace in building.items()}
    loads = {
        s.id: line_phasors(site.supply, site.chargers[site.index_of_charger[s.charger]], s.lines)  # type: ignore[index]
        for s in sessions
    }
    for begin, end in pairwise(edges):
        present = [s for s in sessions if s.arrival_s <= begin and s.departure_s >= end and s.energy_wh > 0]
        if not present:
            continue
        first = len(costs)
        hours = (end - begin) / 3600
        for place, session in enumerate(present):
            charger = site.chargers[site.index_of_charger[session.charger]]  # type: ignore[index]
            watts = watts_per_amp(site.supply, charger, session.lines, site.nominal_v)
            costs.append(watts * hours)
            uppers.append(min(session.max_a, charger.max_a))
            by_session[session.id].append(first + place)
        for circuit in site.circuits:
            here = [
                (first + place, loads[s.id])
                for place, s in enumerate(present)
                if circuit.id in site.path(site.chargers[site.index_of_charger[s.charger]].circuit)  # type: ignore[index]
            ]
            if here:
                rows.extend(_rows(limits[circuit.id], own.get(circuit.id), circuit.other_load_a, begin, end, here))
    count = len(costs)
    for session in sessions:
        columns = by_session[session.id]
        if columns and session.energy_wh < sum(costs[c] * uppers[c] for c in columns):
            rows.append((session.energy_wh, columns, [costs[c] for c in columns]))
    model.addVars(count, np.zeros(count), np.asarray(uppers))
    model.changeColsCost(count, np.arange(count, dtype=np.int32), -np.asarray(costs))
    for upper, columns, values in rows:
        model.addRow(-highspy.kHighsInf, upper, len(columns), np.asarray(columns, dtype=np.int32), np.asarray(values))
    model.run()
    return float(-model.getInfo().objective_function_value)


def _rows(
    limit: np.ndarray,
    own: np.ndarray | None,
    other_a: float,
    begin: int,
    end: int,
    cars: Sequence[tuple[int, Sequence[complex]]],
) -> list[tuple[float, list[int], list[float]]]:
    out = []
    for line in range(len(limit)):
        loads = [(column, phasors[line]) for column, phasors in cars if phasors[line] != 0]
        if not loads:
            continue
        taken = other_a if own is None else own[begin:end, line]
        room = float(np.mean(np.maximum(0.0, limit[line] - taken)))
        directions = _TANGENTS if any(z.imag for _, z in loads) else [1 + 0j]
        for direction in directions:
            # The building is real: along a tangent it counts with its projection, at least what bounds the sum.
            share = direction.real
            bound = room if share == 1 else float(np.mean(np.maximum(0.0, limit[line] - share * np.asarray(taken))))
            out.append((bound, [column for column, _ in loads], [(z * direction.conjugate()).real for _, z in loads]))
    return out
