"""What a clairvoyant could have delivered: it knows the building's future and every departure, and reacts at once.

A linear programme over spans of time, cut at each arrival and departure and every quarter of an hour. Variables: the
mean current of each session in each span. Bounds: the car's own maximum; what it can take in all; and, for each set of
lines in use, what all cars that load these lines together can get: the mean over the span's seconds of the least of
their maxima in sum and the room on each of these lines, here and on every circuit above. Averages over a span and
continuous currents (no 6 A floor, no steps) make it an upper bound; it is exact where all cars load the same lines and
none gets full. Where chargers sit between lines, the limit on a sum of phasors is taken by its tangents, which is an
upper bound as well.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import highspy
import numpy as np

from ampacity.core.errors import AmpacityError
from ampacity.core.phases import Supply
from ampacity.core.site import Circuit, CircuitId, Site
from ampacity.sim.loads import line_phasors, watts_per_amp
from ampacity.sim.tables import Session

SPAN_S = 900
_TANGENTS = [cmath.exp(1j * math.radians(angle)) for angle in (-30, -15, 0, 15, 30)]
"""Currents of cars between lines lie within 30 degrees of the line's own voltage."""

Amps = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class OptimumError(AmpacityError):
    """The solver found no answer."""

    code = "optimum-failed"
    remedy = "Report this with the site and the tables: there always is an optimum."


@dataclass(frozen=True, slots=True)
class _Stay:
    """A session as the programme sees it."""

    session: Session
    begin_s: int
    end_s: int
    most_a: float
    watts_per_amp: float
    phasors: tuple[complex, ...]
    lines: frozenset[int]
    circuits: frozenset[CircuitId]


@dataclass(frozen=True, slots=True)
class _Row:
    """sum(factors * currents) <= upper."""

    upper: float
    columns: list[int]
    factors: list[float]


def energy_optimum_wh(
    site: Site, building: Mapping[CircuitId, Sequence[Sequence[float]]], sessions: Sequence[Session], seconds: int
) -> float:
    """Energy of these sessions in Wh, as if there were no others.

    `building`: a circuit's own load per second, in amperes per line. Seconds are counted from 0. A circuit that has
    none given and no meter counts the site's `other_load_a`, as the controller has to.

    Raises:
        OptimumError: the solver failed.
    """
    stays = [stay for session in sessions if (stay := _stay(site, session, seconds)) is not None]
    if not stays:
        return 0.0
    rooms = _rooms(site, building, seconds)
    cuts = {0, seconds, *range(0, seconds, SPAN_S)}
    for stay in stays:
        cuts.update((stay.begin_s, stay.end_s))
    most_a: list[float] = []
    wh_per_a: list[float] = []
    columns_of: dict[str, list[int]] = {}
    rows: list[_Row] = []
    for begin, end in pairwise(sorted(cuts)):
        present = [stay for stay in stays if stay.begin_s <= begin and stay.end_s >= end]
        first = len(most_a)
        for place, stay in enumerate(present):
            most_a.append(stay.most_a)
            wh_per_a.append(stay.watts_per_amp * (end - begin) / 3600)
            columns_of.setdefault(stay.session.id, []).append(first + place)
        for circuit in site.circuits:
            here = [(first + n, stay) for n, stay in enumerate(present) if circuit.id in stay.circuits]
            if here and site.supply is Supply.LINE_TO_LINE:
                rows.extend(_tangent_rows(circuit, rooms.taken[circuit.id][begin:end], here))
            elif here:
                rows.extend(_rows(rooms.least[circuit.id][begin:end], here))
    for stay in stays:
        columns = columns_of[stay.session.id]
        if stay.session.energy_wh < sum(wh_per_a[c] * most_a[c] for c in columns):
            rows.append(_Row(stay.session.energy_wh, columns, [wh_per_a[c] for c in columns]))
    return _solved(most_a, wh_per_a, rows)


def _stay(site: Site, session: Session, seconds: int) -> _Stay | None:
    """None: it draws nothing within the run."""
    begin, end = max(0, session.arrival_s), min(seconds, session.departure_s)
    if begin >= end or session.energy_wh <= 0:
        return None
    charger = site.chargers[site.index_of_charger[session.charger]]
    phasors = line_phasors(site.supply, charger, session.lines)
    return _Stay(
        session=session,
        begin_s=begin,
        end_s=end,
        most_a=min(session.max_a, charger.max_a),
        watts_per_amp=watts_per_amp(site.supply, charger, session.lines, site.nominal_v),
        phasors=phasors,
        lines=frozenset(line for line, z in enumerate(phasors) if z),
        circuits=frozenset(site.path(charger.circuit)),
    )


@dataclass(frozen=True, slots=True)
class _Rooms:
    """By circuit, arrays [second, line] in amperes."""

    taken: dict[CircuitId, Amps]
    """By the building, with all below."""
    least: dict[CircuitId, Amps]
    """What the building leaves, here and on every circuit above. At least 0."""


def _rooms(site: Site, building: Mapping[CircuitId, Sequence[Sequence[float]]], seconds: int) -> _Rooms:
    lines = len(site.supply.lines)
    taken: dict[CircuitId, Amps] = {}
    for circuit in site.circuits:
        if circuit.id in building:
            taken[circuit.id] = np.array(building[circuit.id], dtype=float)
        else:
            taken[circuit.id] = np.full((seconds, lines), circuit.other_load_a if circuit.meter is None else 0.0)
    for number in site.topology.upwards:
        circuit = site.circuits[number]
        if circuit.parent is not None:
            taken[circuit.parent] = taken[circuit.parent] + taken[circuit.id]
    room = {c.id: np.maximum(0.0, np.asarray(c.limit_a.values) - taken[c.id]) for c in site.circuits}
    least: dict[CircuitId, Amps] = {}
    for circuit in site.circuits:
        least[circuit.id] = np.minimum.reduce([room[one] for one in site.path(circuit.id)])
    return _Rooms(taken, least)


def _rows(room: Amps, cars: Sequence[tuple[int, _Stay]]) -> Iterator[_Row]:
    """One row for each set of lines that a car uses, and for each line alone."""
    sets = {stay.lines for _, stay in cars}
    sets |= {frozenset((line,)) for lines in sets for line in lines}
    for lines in sorted(sets, key=sorted):
        loading = [(column, stay.most_a) for column, stay in cars if stay.lines >= lines]
        together = sum(most for _, most in loading)
        upper = float(np.mean(np.minimum(together, room[:, sorted(lines)].min(axis=1))))
        yield _Row(upper, [column for column, _ in loading], [1.0] * len(loading))


def _tangent_rows(circuit: Circuit, taken: Amps, cars: Sequence[tuple[int, _Stay]]) -> Iterator[_Row]:
    """|building + cars| <= limit, seen along some directions."""
    for line, limit in enumerate(circuit.limit_a):
        loading = [(column, stay.phasors[line]) for column, stay in cars if stay.phasors[line]]
        for direction in _TANGENTS if loading else ():
            upper = float(np.mean(np.maximum(0.0, limit - direction.real * taken[:, line])))
            factors = [(z * direction.conjugate()).real for _, z in loading]
            yield _Row(upper, [column for column, _ in loading], factors)


def _solved(most_a: Sequence[float], wh_per_a: Sequence[float], rows: Sequence[_Row]) -> float:
    """The largest sum of currents times `wh_per_a`."""
    count = len(most_a)
    # Highs() itself prints a banner on standard output, whatever its options.
    model = highspy._Highs()  # type: ignore[attr-defined]  # its types tell only of Highs
    model.setOptionValue("output_flag", False)
    model.addVars(count, np.zeros(count), np.asarray(most_a))
    model.changeColsCost(count, np.arange(count, dtype=np.int32), -np.asarray(wh_per_a))
    starts = np.cumsum([0, *(len(row.columns) for row in rows)])
    model.addRows(
        len(rows),
        np.full(len(rows), -highspy.kHighsInf),
        np.asarray([row.upper for row in rows]),
        int(starts[-1]),
        starts[:-1].astype(np.int32),
        np.asarray([column for row in rows for column in row.columns], dtype=np.int32),
        np.asarray([factor for row in rows for factor in row.factors]),
    )
    model.run()
    if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise OptimumError(f"The solver ended with {model.modelStatusToString(model.getModelStatus())}.")
    return float(-model.getInfo().objective_function_value)
