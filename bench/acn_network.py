"""A network of ACN-Sim as a Site of ours.

ACN-Sim states a network as rows: each row is a weighted sum of the sockets' current phasors whose size has a limit.
Here every socket sits between two lines, and a row weighs all sockets of one pair of lines alike, or it is a pod: some
sockets of one pair, added up.

What a Site can say: circuits in a tree, each with a limit on each line. A pod is such a circuit, and so is the
transformer's secondary side: the current of a line is the difference of two pairs' currents. The primary side of a
delta-wye transformer is not: its line current is the difference of two line currents of the secondary.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise, product

from ampacity.core.errors import AmpacityError
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import LOWEST_CHARGING_A, Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.core.topology import Pull, Topology

SECONDARY = CircuitId("secondary")
PRIMARY = CircuitId("primary")
LINES = (Line.L1, Line.L2, Line.L3)
PAIRS: tuple[tuple[Line, Line], ...] = ((Line.L1, Line.L2), (Line.L2, Line.L3), (Line.L3, Line.L1))
ANGLES_DEG = (30.0, -90.0, 150.0)
"""Of the current of each pair: the voltage between two lines leads that of the first line to neutral by 30 degrees."""

_FRAMES_DEG = (0.0, -120.0, 120.0)
"""Of each line's voltage to neutral, on the secondary side."""
_NEAR = 1e-9
_GRID = 50


class NetworkNotExpressible(AmpacityError):
    """A row of the network is of a kind that no circuit can stand for."""

    code = "acn-network"


class Express(Enum):
    """How the rows that no tree of circuits can say are kept."""

    PAIRS = "pairs"
    """A circuit for each pair of lines, so small that all rows hold whatever the others draw."""

    LINES = "lines"
    """Smaller limits on the secondary's lines, so that all rows hold however the currents are spread."""

    EXACT = "exact"
    """The primary side as a circuit of its own, with the phasors that one ampere of a charger adds there. The core's
    arithmetic is general enough; site.toml cannot say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """An EVSE."""

    id: str
    pair: int
    """Which of PAIRS it sits between."""

    pilots_a: tuple[float, ...] | None = None
    """The pilots it can send, without 0; None: any up to `max_a`."""

    max_a: float = 32.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """|sum of weight x current| <= limit."""

    name: str
    weights: Mapping[str, float]
    """By socket; a socket that is not named weighs 0."""

    limit_a: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    sockets: tuple[Socket, ...]
    rows: tuple[Row, ...]
    volts: float
    """Between lines, at the sockets."""

    def sizes_a(self, amps: Mapping[str, float]) -> list[float]:
        """What flows by each row when the sockets draw so much."""
        phasors = {
            socket.id: cmath.rect(amps.get(socket.id, 0.0), math.radians(ANGLES_DEG[socket.pair]))
            for socket in self.sockets
        }
        return [abs(sum((weight * phasors[name] for name, weight in row.weights.items()), 0j)) for row in self.rows]

    def worst_a(self, amps: Mapping[str, float]) -> float:
        """By how much the worst row is above its limit; negative: below."""
        return max(size - row.limit_a for size, row in zip(self.sizes_a(amps), self.rows, strict=True))


@dataclass(frozen=True, slots=True)
class _Kinds:
    pods: tuple[Row, ...]
    lines: tuple[float, float, float]
    """Limit of each secondary line."""
    beyond: tuple[tuple[tuple[float, float, float], float], ...]
    """Weight of each pair, and limit: what a tree of circuits can't say."""


def site_of(network: Network, express: Express, *, turn_s: float | None = None) -> Site:
    """The network as a site, with the product's own settings; `turn_s` None: its default.

    Raises:
        NetworkNotExpressible: a row is neither a pod nor the same for all sockets of a pair.
    """
    kinds = _kinds(network)
    share = _line_share(kinds) if express is Express.LINES else 1.0
    lines_a = tuple(a * share for a in kinds.lines)
    pair_a = _pair_limit_a(kinds) if express is Express.PAIRS else math.inf
    circuits = [Circuit(id=SECONDARY, rating_a=PhaseAmps(lines_a), meter=MeterId(SECONDARY))]
    meters = [Meter(id=MeterId(SECONDARY))]
    if express is Express.EXACT and kinds.beyond:
        circuits[0] = replace(circuits[0], parent=PRIMARY)
        # In amperes of the secondary: each row is scaled so that its limit is that of the secondary's lines.
        circuits.insert(0, Circuit(id=PRIMARY, rating_a=PhaseAmps(lines_a), meter=MeterId(PRIMARY)))
        meters.insert(0, Meter(id=MeterId(PRIMARY)))
    above = [SECONDARY] * 3
    if express is Express.PAIRS and kinds.beyond:
        for number, pair in enumerate(PAIRS):
            above[number] = CircuitId(f"pair-{pair[0].name}-{pair[1].name}".lower())
            rating = PhaseAmps(tuple(min(a, pair_a) for a in lines_a))
            circuits.append(Circuit(id=above[number], parent=SECONDARY, rating_a=rating))
    circuit_of = {socket.id: above[socket.pair] for socket in network.sockets}
    pair_of = {socket.id: socket.pair for socket in network.sockets}
    for pod in kinds.pods:
        parent = above[pair_of[next(iter(pod.weights))]]
        most = next(circuit for circuit in circuits if circuit.id == parent).rating_a
        circuit = CircuitId(pod.name.lower().replace(" ", "-"))
        rating = PhaseAmps(tuple(min(a, pod.limit_a) for a in most))
        circuits.append(Circuit(id=circuit, parent=parent, rating_a=rating))
        circuit_of |= dict.fromkeys(pod.weights, circuit)
    site = Site(
        name="acn",
        supply=Supply.LINE_TO_LINE,
        nominal_v=network.volts,
        circuits=tuple(circuits),
        meters=tuple(meters),
        chargers=tuple(_charger(socket, circuit_of[socket.id]) for socket in network.sockets),
    )
    if turn_s is not None:
        site = replace(site, turn_s=turn_s)
    if express is Express.EXACT and kinds.beyond:
        # The core derives its topology from site.toml's terms, which have no transformer in them.
        object.__setattr__(site, "topology", _with_primary(site, kinds))
    return site


def readings_a(network: Network, site: Site, amps: Mapping[str, float]) -> dict[MeterId, tuple[complex, ...]]:
    """What each meter of the site shows: a phasor a line, in the frame of that line's own voltage to neutral.

    From the network's rows alone, not from the site's topology.
    """
    pairs = [0j, 0j, 0j]
    for socket in network.sockets:
        pairs[socket.pair] += cmath.rect(amps.get(socket.id, 0.0), math.radians(ANGLES_DEG[socket.pair]))
    ab, bc, ca = pairs
    out = {
        MeterId(SECONDARY): tuple(
            amps * cmath.rect(1, -math.radians(frame))
            for amps, frame in zip((ab - ca, bc - ab, ca - bc), _FRAMES_DEG, strict=True)
        )
    }
    if MeterId(PRIMARY) in site.index_of_meter:
        kinds = _kinds(network)
        out[MeterId(PRIMARY)] = tuple(
            sum((weight * pair for weight, pair in zip(weights, pairs, strict=True)), 0j)
            * (line_a / limit)
            * cmath.rect(1, -math.radians(_frame_deg(weights)))
            for (weights, limit), line_a in zip(kinds.beyond, kinds.lines, strict=True)
        )
    return out


def _charger(socket: Socket, circuit: CircuitId) -> Charger:
    least, step = LOWEST_CHARGING_A, 0.1
    if socket.pilots_a is not None:
        least = min(socket.pilots_a)
        step = min((b - a for a, b in pairwise(socket.pilots_a)), default=least)
    return Charger(
        id=ChargerId(socket.id),
        circuit=circuit,
        wiring=PAIRS[socket.pair],
        phases=2,
        min_a=least,
        max_a=socket.max_a,
        step_a=step,
    )


def _kinds(network: Network) -> _Kinds:
    pair_of = {socket.id: socket.pair for socket in network.sockets}
    pods: list[Row] = []
    lines: dict[int, float] = {}
    beyond: list[tuple[tuple[float, float, float], float]] = []
    for row in network.rows:
        weights = _by_pair(network, row)
        if weights is None:
            if len({pair_of[name] for name in row.weights}) > 1 or any(w != 1 for w in row.weights.values()):
                raise NetworkNotExpressible(
                    f"Row {row.name!r} of the network weighs sockets of one pair of lines differently.",
                    remedy="Only pods, and rows that are alike for all sockets of a pair, can be expressed.",
                )
            pods.append(row)
        elif (line := _line(weights)) is not None:
            lines[line] = min(row.limit_a, lines.get(line, math.inf))
        else:
            beyond.append((weights, row.limit_a))
    if len(lines) < 3 or len(beyond) not in (0, 3):
        raise NetworkNotExpressible(
            f"The network has limits for {len(lines)} of three lines, and {len(beyond)} rows beyond them.",
            remedy="Use a network with one three-phase transformer.",
        )
    return _Kinds(tuple(pods), (lines[0], lines[1], lines[2]), tuple(beyond))


def _by_pair(network: Network, row: Row) -> tuple[float, float, float] | None:
    """The weight of each pair, if all sockets of a pair have the same."""
    seen: list[set[float]] = [set(), set(), set()]
    for socket in network.sockets:
        seen[socket.pair].add(round(row.weights.get(socket.id, 0.0), 9))
    if any(len(weights) > 1 for weights in seen):
        return None
    a, b, c = (weights.pop() if weights else 0.0 for weights in seen)
    return a, b, c


def _line(weights: Sequence[float]) -> int | None:
    """The line whose current this is: +1 for the pair that begins there, -1 for the one that ends there."""
    for line in range(3):
        sign = weights[line]
        if abs(sign) == 1 and weights[line - 1] == -sign and weights[line - 2] == 0:
            return line
    return None


def _size(weights: Sequence[float], pairs_a: Sequence[float]) -> float:
    return abs(
        sum(
            weight * cmath.rect(amps, math.radians(angle))
            for weight, amps, angle in zip(weights, pairs_a, ANGLES_DEG, strict=True)
        )
    )


def _line_weights(line: int) -> tuple[float, float, float]:
    weights = [0.0, 0.0, 0.0]
    weights[line], weights[line - 1] = 1.0, -1.0
    return weights[0], weights[1], weights[2]


def _pair_limit_a(kinds: _Kinds) -> float:
    """The largest current of each pair with which all rows hold, whatever of it flows.

    A row's size is convex in the pairs' currents, so that its largest value in the cube is at a corner.
    """
    corners = [corner for corner in product((0.0, 1.0), repeat=3) if any(corner)]
    return min(
        limit / max(_size(weights, corner) for corner in corners)
        for weights, limit in (*kinds.beyond, *((_line_weights(n), a) for n, a in enumerate(kinds.lines)))
    )


def _line_share(kinds: _Kinds) -> float:
    """The largest share of the lines' limits that implies all rows beyond them.

    Of a grid of mixtures of the three pairs; it holds the corners and edges, where the ratio is largest.
    """
    share = 1.0
    for a, b in product(range(_GRID + 1), repeat=2):
        if a + b > _GRID:
            continue
        mixture = (a / _GRID, b / _GRID, (_GRID - a - b) / _GRID)
        line = max(_size(_line_weights(n), mixture) / limit for n, limit in enumerate(kinds.lines))
        for weights, limit in kinds.beyond:
            share = min(share, line / (_size(weights, mixture) / limit))
    return share * (1 - _NEAR)


def _frame_deg(weights: Sequence[float]) -> float:
    """The voltage's angle on a primary line: that of the current which a balanced load draws there."""
    return math.degrees(
        cmath.phase(sum(w * cmath.rect(1, math.radians(a)) for w, a in zip(weights, ANGLES_DEG, strict=True)))
    )


def _with_primary(site: Site, kinds: _Kinds) -> Topology:
    """The site's topology, with what one ampere of each pair adds on the primary side."""
    plain = site.topology
    first = site.index_of_circuit[PRIMARY] * plain.lines
    second = site.index_of_circuit[SECONDARY] * plain.lines
    new: list[tuple[Pull, ...]] = []
    for pulls in plain.pulls:
        lines = {place - second for place, _, _ in pulls if second <= place < second + plain.lines}
        pair = next(number for number, one in enumerate(PAIRS) if {int(line) for line in one} == lines)
        kept = [pull for pull in pulls if not first <= pull[0] < first + plain.lines]
        for line, ((weights, limit), line_a) in enumerate(zip(kinds.beyond, kinds.lines, strict=True)):
            turned = math.radians(ANGLES_DEG[pair] - _frame_deg(weights))
            phasor = cmath.rect(weights[pair] * line_a / limit, turned)
            if abs(phasor) > _NEAR:
                kept.append((first + line, phasor.real, phasor.imag))
        new.append(tuple(kept))
    return replace(plain, pulls=tuple(new))
