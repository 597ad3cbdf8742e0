"""The controller in ACN-Sim, beside that simulator's own algorithms: python bench/acn_sim.py [--events FILE].

Needs acnportal: `make bench-acn` sets it up and runs this. The Caltech network with the sockets of its published
benchmark, at several capacities of the transformer; the figure is energy delivered of energy asked for. Without a
file of events a seeded stand-in of the month is used, and the figures compare with nothing published.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from acnportal import acnsim, algorithms
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from acn_events import Stay, stand_in, stays_from
from acn_network import ANGLES_DEG, Express, Network, NetworkNotExpressible, Row, Socket, site_of
from acn_steering import Car, Steering
from ampacity.core.errors import AmpacityError

EVENTS_PERIOD_MIN = 5
"""Of the events' times."""
VOLTS = 208
CAPS_KW = (10.0, 20.0, 30.0, 40.0, 50.0)
START = datetime(2019, 3, 1, tzinfo=UTC)
PEERS = ("FCFS", "LLF", "EDF", "RR")
PERIODS_MIN = (1, EVENTS_PERIOD_MIN)
OURS = ("ampacity", "ampacity-lines", "ampacity-exact", "ampacity-turn-10", "ampacity-turn-60")
_NOTHING_KWH = 0.05
_MISSING_KWH = 0.1


class Scheduler(Protocol):
    """What Simulator asks of an algorithm."""

    max_recompute: int | None

    def register_interface(self, interface: Any) -> None: ...

    def run(self) -> dict[str, list[float]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One algorithm at one capacity."""

    algorithm: str
    cap_kw: float
    delivered_pct: float
    """Energy delivered, of energy asked for."""
    full: int
    """Cars that left with what they asked for, but for 0.1 kWh."""
    nothing: int
    """Cars that left without 0.05 kWh."""
    periods_above: int
    """In which the pilots were more than the network bears, by ACN-Sim's own test."""
    worst_above_a: float | None
    """The most that a row was above its limit in any second. Negative: never. None: an algorithm without seconds."""
    stops: int | None
    commands: int | None
    passes: int | None
    cpu_s: float


class Ours:
    """`decide` in the shape of one of ACN-Sim's algorithms."""

    def __init__(self, network: Any, steering: Steering, period_s: int) -> None:
        self.max_recompute: int | None = 1
        self.period_s = period_s
        self.steering = steering
        self._network = network
        self._interface: Any = None

    def register_interface(self, interface: Any) -> None:
        self._interface = interface

    def run(self) -> dict[str, list[float]]:
        pilots = self.steering.period(self._interface.current_time * self.period_s, self.period_s, self._cars())
        return {name: [amps] for name, amps in pilots.items()}

    def _cars(self) -> dict[str, Car]:
        """What the chargers see: that a car is connected, and what it takes when it may."""
        cars = {}
        for name in self._network.station_ids:
            ev = self._network.get_ev(name)
            if ev is not None:
                cars[name] = Car(0.0 if ev.fully_charged else float(ev.maximum_charging_power) * 1000 / VOLTS)
        return cars


class Watched:
    """An algorithm that tells how far the run is, and counts periods above the network's limits."""

    def __init__(self, inner: Scheduler, network: Any, advance: Callable[[int], None]) -> None:
        self.max_recompute = inner.max_recompute
        self.periods_above = 0
        self._inner, self._network, self._advance = inner, network, advance
        self._interface: Any = None

    def register_interface(self, interface: Any) -> None:
        self._interface = interface
        self._inner.register_interface(interface)

    def run(self) -> dict[str, list[float]]:
        schedule = self._inner.run()
        self.periods_above += not self._interface.is_feasible(schedule)
        self._advance(self._interface.current_time)
        return schedule


def network_of(network: Any) -> Network:
    """ACN-Sim's network in our words."""
    sockets = []
    angles = network.phase_angles
    for name, continuous, rates in zip(
        network.station_ids, network.is_continuous, network.allowable_rates, strict=True
    ):
        angle = angles[name]
        if angle not in ANGLES_DEG:
            raise NetworkNotExpressible(
                f"Socket {name} is at {angle:g} degrees.", remedy="Only sockets between two lines can be expressed."
            )
        sockets.append(
            Socket(
                id=name,
                pair=ANGLES_DEG.index(angle),
                pilots_a=None if continuous else tuple(float(a) for a in rates if a > 0),
                max_a=float(max(rates)),
            )
        )
    frame = network.constraints_as_df()
    rows = tuple(
        Row(
            name=str(name),
            weights={socket: float(weight) for socket, weight in frame.loc[name].items() if weight},
            limit_a=float(limit),
        )
        for name, limit in zip(network.constraint_index, network.magnitudes, strict=True)
    )
    return Network(sockets=tuple(sockets), rows=rows, volts=VOLTS)


def events_of(stays: Sequence[Stay], periods: int) -> Any:
    """A fresh event queue; so many of the simulator's periods are one of the events'."""
    return acnsim.EventQueue(
        [
            acnsim.PluginEvent(
                stay.arrival * periods,
                acnsim.EV(
                    stay.arrival * periods,
                    stay.departure * periods,
                    stay.kwh,
                    stay.socket,
                    stay.id,
                    acnsim.Battery(stay.kwh, 0, stay.most_kw),
                ),
            )
            for stay in stays
        ]
    )


def run(
    algorithm: str,
    cap_kw: float,
    stays: Sequence[Stay],
    *,
    real_pilots: bool,
    period_min: int,
    advance: Callable[[int], None],
) -> Outcome:
    """One run of ACN-Sim over all cars. `period_min` is 5, or a divisor of it."""
    network = acnsim.sites.caltech_acn(basic_evse=not real_pilots, voltage=VOLTS, transformer_cap=cap_kw)
    steering = _steering(algorithm, network_of(network))
    inner: Scheduler = _peer(algorithm) if steering is None else Ours(network, steering, period_min * 60)
    watched = Watched(inner, network, advance)
    begin = time.process_time()
    queue = events_of(stays, EVENTS_PERIOD_MIN // period_min)
    simulator = acnsim.Simulator(network, watched, queue, START, period=period_min, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of each schedule above the limits; those are counted
        simulator.run()
    cars = list(simulator.ev_history.values())
    return Outcome(
        algorithm=algorithm,
        cap_kw=cap_kw,
        delivered_pct=100 * float(acnsim.proportion_of_energy_delivered(simulator)),
        full=sum(1 for car in cars if car.remaining_demand < _MISSING_KWH),
        nothing=sum(1 for car in cars if car.energy_delivered < _NOTHING_KWH),
        periods_above=watched.periods_above,
        worst_above_a=None if steering is None else steering.worst_a,
        stops=None if steering is None else steering.stops,
        commands=None if steering is None else steering.commands,
        passes=None if steering is None else steering.seconds,
        cpu_s=time.process_time() - begin,
    )


def _peer(algorithm: str) -> Scheduler:
    made: Mapping[str, Callable[[], Any]] = {
        "FCFS": lambda: algorithms.SortedSchedulingAlgo(algorithms.first_come_first_served),
        "LLF": lambda: algorithms.SortedSchedulingAlgo(algorithms.least_laxity_first),
        "EDF": lambda: algorithms.SortedSchedulingAlgo(algorithms.earliest_deadline_first),
        "RR": lambda: algorithms.RoundRobin(algorithms.first_come_first_served),
    }
    scheduler: Scheduler = made[algorithm]()
    return scheduler


def _steering(algorithm: str, network: Network) -> Steering | None:
    if algorithm not in OURS:
        return None
    express = {"ampacity-lines": Express.LINES, "ampacity-exact": Express.EXACT}.get(algorithm, Express.PAIRS)
    turn_s = float(algorithm.rpartition("-")[2]) * 60 if "-turn-" in algorithm else None
    return Steering(network, site_of(network, express, turn_s=turn_s))


def table(outcomes: Sequence[Outcome]) -> str:
    """Energy delivered by algorithm and capacity, and what else is known of ours."""
    caps = sorted({one.cap_kw for one in outcomes})
    names = list(dict.fromkeys(one.algorithm for one in outcomes))
    at = {(one.algorithm, one.cap_kw): one for one in outcomes}
    lines = ["energy delivered, % of energy asked for", _row("", [f"{cap:g} kW" for cap in caps])]
    lines += [
        _row(name, [f"{at[name, cap].delivered_pct:.2f}" if (name, cap) in at else "-" for cap in caps])
        for name in names
    ]
    lines += ["", _row("", ["cap kW", "full", "nothing", "above", "worst A", "stops", "commands", "cpu s"])]
    for one in outcomes:
        figures = [f"{one.cap_kw:g}", one.full, one.nothing, one.periods_above]
        figures += ["-" if x is None else f"{x:.3f}" for x in (one.worst_above_a,)]
        figures += ["-" if x is None else x for x in (one.stops, one.commands)]
        lines.append(_row(one.algorithm, [*figures, f"{one.cpu_s:.0f}"]))
    return "\n".join(lines)


def _row(name: str, cells: Sequence[object]) -> str:
    return f"{name:18}" + "".join(f"{cell!s:>10}" for cell in cells)


def main() -> int:
    options = _options()
    try:
        network = network_of(acnsim.sites.caltech_acn(basic_evse=True, voltage=VOLTS))
        sockets = [socket.id for socket in network.sockets]
        stays = stand_in(sockets, options.days, options.seed) if options.events is None else stays_from(options.events)
        outcomes = _all(options, stays)
    except AmpacityError as error:
        print(error, file=sys.stderr)
        return 1
    origin = f"stand-in, seed {options.seed}" if options.events is None else options.events.name
    asked = math.fsum(stay.kwh for stay in stays)
    print(f"{len(stays)} cars, {asked:,.0f} kWh asked for ({origin}); periods of {options.period} min")
    print(table(outcomes))
    if options.json is not None:
        document = {
            "events": origin,
            "cars": len(stays),
            "asked_kwh": asked,
            "period_min": options.period,
            "runs": [asdict(one) for one in outcomes],
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


def _all(options: argparse.Namespace, stays: Sequence[Stay]) -> list[Outcome]:
    end = max(stay.departure for stay in stays) * EVENTS_PERIOD_MIN // options.period
    outcomes = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        for algorithm in options.algorithms:
            for cap_kw in options.caps:
                task = bar.add_task(f"{algorithm} {cap_kw:g} kW", total=end)

                def advance(period: int, task: Any = task) -> None:
                    bar.update(task, completed=period)

                outcomes.append(
                    run(
                        algorithm,
                        cap_kw,
                        stays,
                        real_pilots=options.real_pilots,
                        period_min=options.period,
                        advance=advance,
                    )
                )
                bar.remove_task(task)
    return outcomes


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=Path, help="an EventQueue of ACN-Sim as JSON, in gzip")
    parser.add_argument("--caps", type=float, nargs="+", default=list(CAPS_KW), metavar="KW")
    parser.add_argument(
        "--algorithms",
        nargs="+",
        default=[*PEERS, *OURS],
        choices=[*PEERS, *OURS],
        metavar="NAME",
        help=f"out of {', '.join([*PEERS, *OURS])}",
    )
    parser.add_argument(
        "--real-pilots", action="store_true", help="the sockets' own pilots (steps of 1 A and 8 A) instead of any"
    )
    parser.add_argument(
        "--period",
        type=int,
        default=EVENTS_PERIOD_MIN,
        choices=PERIODS_MIN,
        help="minutes in which pilots are constant",
    )
    parser.add_argument("--days", type=int, default=31, help="of the stand-in")
    parser.add_argument("--seed", type=int, default=1, help="of the stand-in")
    parser.add_argument("--json", type=Path, help="write all figures there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
