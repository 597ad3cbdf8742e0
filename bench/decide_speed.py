"""Median time of one `decide` pass, in a closed loop in which everything moves: python bench/decide_speed.py [PASSES].

Every pass has a fresh meter sample with noise and steps in the building, a tenth of the chargers report, and the limits
are such that the cars compete. 500 chargers sit on 11 circuits with a meter each.
"""

from __future__ import annotations

import random
import statistics
import sys
import time

from ampacity.core.decide import decide
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    SetpointAnswer,
)
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site

_WIRINGS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0,), (1,), (2,))


def site_of(count: int, circuits: int = 1) -> Site:
    """`count` chargers, spread over `circuits` circuits with meters; more than one circuit hang on a main one."""
    subs = circuits - 1
    limit = 10.0 + 7.0 * count
    ids = [CircuitId("main")] + [CircuitId(f"sub{i}") for i in range(subs)]
    return Site(
        name="bench",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=tuple(
            Circuit(
                id=name,
                parent=None if name == "main" else ids[0],
                rating_a=PhaseAmps((limit if name == "main" else limit / max(1, subs) * 1.1,) * 3),
                meter=MeterId(name),
            )
            for name in ids
        ),
        meters=tuple(Meter(id=MeterId(name)) for name in ids),
        chargers=tuple(
            Charger(
                id=ChargerId(f"c{i}"),
                circuit=ids[1 + i % subs] if subs else ids[0],
                wiring=tuple(Line(x) for x in _WIRINGS[i % 6]),
                phases=len(_WIRINGS[i % 6]),
                max_a=16.0,
            )
            for i in range(count)
        ),
    )


def passes_us(site: Site, passes: int) -> list[float]:
    rng = random.Random(1)
    count, lines = len(site.chargers), 3
    limits = [0.0] * count
    observed = Observed()
    pending: list[Observation] = []
    for charger in site.chargers:
        pending.append(ChargerLink(charger=charger.id, at_s=0.0, online=True))
        pending.append(ChargerReport(charger=charger.id, at_s=0.0, state=ChargerState.CHARGING))
    taken = []
    for second in range(passes):
        now_s = float(second)
        on_circuit = {circuit.id: [0.0] * lines for circuit in site.circuits}
        for number, charger in enumerate(site.chargers):
            for above in site.path(charger.circuit):
                for line in charger.wiring or ():
                    on_circuit[above][line] += limits[number]
            if (second + number) % 10 == 0:
                pending.append(
                    ChargerReport(
                        charger=charger.id, at_s=now_s, currents=PhaseAmps((limits[number],) * charger.phases)
                    )
                )
        base = 3.0 * count * (1.0 if second % 60 < 40 else 0.6)
        for circuit in site.circuits:
            own = base if circuit.parent is None else 1.0
            amps = tuple(a + own + rng.gauss(0, 0.3) for a in on_circuit[circuit.id])
            pending.append(MeterReading(meter=MeterId(circuit.id), at_s=now_s, currents=PhaseAmps(amps)))
        observed = observed.with_(site, pending)
        begin = time.perf_counter()
        decision = decide(site, observed, now_s)
        taken.append((time.perf_counter() - begin) * 1e6)
        observed = observed.remembering(decision.memory)
        pending = []
        for command in decision.commands:
            limits[site.index_of_charger[command.charger]] = command.limit_a
            pending.append(
                SetpointAnswer(
                    charger=command.charger,
                    at_s=now_s + 0.1,
                    limit_a=command.limit_a,
                    accepted=True,
                    lease_end_s=now_s + 120.0,
                )
            )
    return taken[min(30, passes // 2) :]


def main() -> None:
    passes = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print("chargers  circuits  median ms  p99 ms")
    for count, circuits in ((4, 1), (25, 1), (50, 1), (100, 1), (500, 11)):
        taken = passes_us(site_of(count, circuits), passes)
        p99 = statistics.quantiles(taken, n=100)[98]
        print(f"{count:8}  {circuits:8}  {statistics.median(taken) / 1000:9.3f}  {p99 / 1000:6.3f}")


if __name__ == "__main__":
    main()
