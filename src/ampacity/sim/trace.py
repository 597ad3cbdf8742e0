"""trace.csv: a row a second, written as the run goes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from ampacity.core.decision import Cause, Decision, Setpoint
from ampacity.core.site import Site
from ampacity.sim.plant import Plant

BUFFER_BYTES = 1 << 20
MOST_REMEMBERED = 100_000


class Trace:
    """Keeps each charger's columns as text, and writes anew only what has changed."""

    def __init__(self, path: Path, site: Site, start_s: int) -> None:
        """`start_s`: on the clock of the building's trace, of the run's first second."""
        self._file = path.open("w", encoding="utf-8", newline="", buffering=BUFFER_BYTES)
        self._start_s = start_s
        self._main = next(n for n, circuit in enumerate(site.circuits) if circuit.parent is None)
        self._limits = _joined(site.circuits[self._main].limit_a)
        self._none = _joined([0.0] * len(site.supply.lines))
        self._shown: list[Setpoint | None] = [None] * len(site.chargers)
        self._amps = [self._none] * len(site.chargers)
        self._cells = [""] * len(site.chargers)
        self._tail = ""
        self._texts: dict[float, str] = {}
        self._file.write(",".join(_heading(site)) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def second(self, second: int, plant: Plant, decision: Decision) -> None:
        shown, cells = self._shown, self._cells
        changed = second == 0 or bool(plant.changed)
        for number in plant.changed:
            socket = plant.sockets[number]
            self._amps[number] = (
                _joined([abs(socket.amps * z) for z in socket.phasors]) if socket.amps > 0 else self._none
            )
            shown[number] = None
        for number, setpoint in enumerate(decision.setpoints):
            before = shown[number]
            if setpoint is before:
                continue
            if before is None or setpoint.limit_a != before.limit_a or not _same(setpoint.held_by, before.held_by):
                cells[number] = f"{_number(setpoint.limit_a)},{self._amps[number]},{in_short(setpoint.held_by)}"
                changed = True
            shown[number] = setpoint
        if changed:
            cars = _joined([abs(amps) for amps in plant.cars[self._main]])
            self._tail = ",".join((cars, self._limits, *cells)) + "\n"
        texts = self._texts
        building = []
        for amps in plant.own[self._main]:
            if (text := texts.get(amps)) is None:
                if len(texts) > MOST_REMEMBERED:
                    texts.clear()
                text = texts[amps] = _number(amps)
            building.append(text)
        self._file.write(f"{second + self._start_s},{','.join(building)},{self._tail}")


def _heading(site: Site) -> list[str]:
    lines = [line.name.lower() for line in site.supply.lines]
    names = ["time_s"]
    names += [f"{what}_{line}_a" for what in ("building", "cars", "limit") for line in lines]
    for charger in site.chargers:
        names += [f"{charger.id}.setpoint_a", *(f"{charger.id}.{line}_a" for line in lines), f"{charger.id}.cause"]
    return names


def in_short(cause: Cause | None) -> str:
    """As `circuit-full main L1`; empty when nothing holds the charger."""
    if cause is None:
        return ""
    words = [cause.rule.value]
    if cause.circuit is not None:
        words.append(cause.circuit)
    if cause.line is not None:
        words.append(cause.line.name)
    return " ".join(words)


def _same(one: Cause | None, other: Cause | None) -> bool:
    if one is other:
        return True
    if one is None or other is None:
        return False
    return one.rule is other.rule and one.circuit == other.circuit and one.line is other.line


def _joined(amps: Iterable[float]) -> str:
    return ",".join([_number(a) for a in amps])


def _number(amps: float) -> str:
    text = f"{amps:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
