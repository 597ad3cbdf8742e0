"""A small site, as commissioning meets it."""

from __future__ import annotations

from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site

LEFT, RIGHT = ChargerId("left"), ChargerId("right")
MAIN, METER = CircuitId("main"), MeterId("main")


def site(
    *,
    worst_a: float | None = 12.0,
    safe_a: float = 0.0,
    max_a: float = 32.0,
    limit_a: float = 40.0,
    wiring: tuple[Line, ...] | None = (Line.L1, Line.L2, Line.L3),
    guarded: bool = True,
) -> Site:
    return Site(
        name="Street",
        supply=Supply.THREE_PHASE,
        nominal_v=230.0,
        circuits=(
            Circuit(
                id=MAIN,
                rating_a=PhaseAmps((limit_a,) * 3),
                meter=METER,
                worst_load_a=None if worst_a is None else PhaseAmps((worst_a,) * 3),
            ),
        ),
        meters=(Meter(id=METER),),
        chargers=(
            Charger(id=LEFT, circuit=MAIN, wiring=wiring, safe_a=safe_a, max_a=max_a, guarded=guarded),
            Charger(id=RIGHT, circuit=MAIN, wiring=(Line.L2, Line.L3, Line.L1)),
        ),
    )
