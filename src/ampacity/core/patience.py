"""How long room must have lasted before it is given away: learned from what this building's loads have done lately.

A raise that has to be taken back soon costs messages and an excess; each such regret makes the next raise wait longer.
A start that is soon followed by a pause costs a stop; how long starts wait follows from how long the room for one has
lasted lately. Waiting costs what the car could have got meanwhile, a stop as much as a fixed time of waiting: the wait
is the one that would have cost least on the last few occasions (the ski rental problem, with a memory).
"""

from __future__ import annotations

from ampacity.core.memory import CircuitMemory

RAISE_S = 10.0
RAISE_MOST_S = 30.0
"""Room for a raise must have lasted between these."""

SCARCE_S = 15.0
"""And no longer than this while a car waits: then every ampere is missed."""

PERIODS = 3.0
"""So many of the meter's own periods must have passed in any case: by then it has shown whether it lives."""

SMALL_S = 60.0
"""Room for a small raise: a message for little."""

STARTS_S = (20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0)
"""Room for a start must have lasted one of these."""

STOP_S = 75.0
"""A stop is as bad as a wait of so long, where those who charge use the room meanwhile."""

SPARE_STOP_S = 15.0
"""The same, where nobody uses it."""

OCCASIONS = 4
"""So many are remembered. One that lasted longer than the longest wait begins a new count."""

REGRET_S = 30.0
"""A raise that has to be taken back within so long came too soon."""

REGRET_FACTOR = 1.5
FORGIVEN_S = 600.0
"""After so long without one, patience gets shorter again."""

LONGEST_S = STARTS_S[-1]


def waits_s(memory: CircuitMemory, *, scarce: bool) -> tuple[float, float, float, float, float]:
    """How long room on this circuit must have lasted for each purpose, in the order of `rooms.Wait`."""
    raise_s = max(memory.patience_s, RAISE_S)
    if scarce:
        raise_s = min(raise_s, SCARCE_S)
    raise_s = max(raise_s, PERIODS * (memory.period_s or 0.0))
    return (
        0.0,
        raise_s,
        max(raise_s, SMALL_S),
        max(raise_s, memory.start_wait_s),
        max(raise_s, memory.spare_wait_s),
    )


def after_raises(memory: CircuitMemory, *, raised: bool, cut_back: bool, now_s: float) -> CircuitMemory:
    """Longer after each raise that had to be taken back soon, shorter when that has not happened for a while."""
    if raised:
        memory = memory._replace(raised_s=now_s)
    if cut_back and memory.raised_s > 0 and now_s - memory.raised_s < REGRET_S:
        patience_s = min(RAISE_MOST_S, REGRET_FACTOR * max(memory.patience_s, RAISE_S))
        return memory._replace(patience_s=patience_s, regret_s=now_s, raised_s=0.0)
    if memory.patience_s > RAISE_S and now_s - memory.regret_s > FORGIVEN_S:
        return memory._replace(patience_s=max(RAISE_S, memory.patience_s / REGRET_FACTOR), regret_s=now_s)
    return memory


def after_starts(memory: CircuitMemory, *, short: bool | None, paused: bool, now_s: float) -> CircuitMemory:
    """Learns how long room for a start lasts here. `short`: a car that waits finds none; None: nobody waits."""
    if paused or short:
        if memory.room_s is None:
            return memory
        lasted_s = now_s - memory.room_s
        lasted = (*memory.lasted_s, lasted_s)[-OCCASIONS:] if lasted_s <= LONGEST_S else ()
        return memory._replace(
            room_s=None,
            lasted_s=lasted,
            start_wait_s=_cheapest_s(lasted, STOP_S),
            spare_wait_s=_cheapest_s(lasted, SPARE_STOP_S),
        )
    if short is False and memory.room_s is None:
        return memory._replace(room_s=now_s)
    return memory


def _cheapest_s(lasted_s: tuple[float, ...], stop_s: float) -> float:
    """The wait that would have cost least: all of a room that ended before, else itself and a stop."""
    return min(STARTS_S, key=lambda wait_s: sum(one if one <= wait_s else wait_s + stop_s for one in lasted_s))
