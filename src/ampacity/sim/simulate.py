"""A run in virtual time: the plant, the controller's own `decide`, and the record of both."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ampacity import __version__
from ampacity.core.decide import decide
from ampacity.core.decision import Cause, Decision
from ampacity.core.observations import Observation, Observed, SetpointAnswer
from ampacity.core.site import Site
from ampacity.sim.figures import Figures
from ampacity.sim.optimum import optimum_wh
from ampacity.sim.plant import Plant
from ampacity.sim.tables import Building, Session

Controller = Callable[[Site, Observed, float], Decision]
Progress = Callable[[int, int], None]
ANSWER_S = 0.5
PROGRESS_EVERY_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happens in a run."""

    site: Site
    building: Building
    """Of the main circuit. Circuits below have no load of their own."""
    sessions: Sequence[Session]
    lag_s: int = 1
    """From a charger's setpoint to its car's current. At least 0."""
    report_every_s: int = 10
    seed: int = 1


class Trace:
    """trace.csv: a row a second, written as it comes."""

    def __init__(self, path: Path, story: Story) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        site = story.site
        lines = [f"l{n + 1}" for n in range(len(site.supply.lines))]
        self._main = next(n for n, circuit in enumerate(site.circuits) if circuit.parent is None)
        self._limits = ",".join(_number(a) for a in site.circuits[self._main].limit_a)
        names = ["time_s"]
        names += [f"{what}_{line}_a" for what in ("building", "cars", "limit") for line in lines]
        for charger in site.chargers:
            names += [f"{charger.id}.setpoint_a", *(f"{charger.id}.{line}_a" for line in lines), f"{charger.id}.cause"]
        self._file.write(",".join(names) + "\n")
        self._none = ",".join("0" for _ in lines)
        self._setpoints = [""] * len(site.chargers)
        self._limits_a = [-1.0] * len(site.chargers)
        self._amps = [self._none] * len(site.chargers)
        self._causes: dict[Cause | None, str] = {None: ""}
        self._numbers: dict[float, str] = {}
        self._cars = self._none

    def second(self, second: int, plant: Plant, decision: Decision) -> None:
        for number in plant.changed:
            socket = plant.sockets[number]
            self._amps[number] = (
                ",".join(_number(abs(socket.amps * z)) for z in socket.phasors) if socket.amps > 0 else self._none
            )
        if plant.changed:
            self._cars = ",".join(_number(abs(z)) for z in plant.cars[self._main])
        numbers = self._numbers
        building = []
        for amps in plant.own[self._main]:
            if (text := numbers.get(amps)) is None:
                text = numbers[amps] = _number(amps)
            building.append(text)
        row = [str(second), *building, self._cars, self._limits]
        causes, limits = self._causes, self._limits_a
        for number, setpoint in enumerate(decision.setpoints):
            if setpoint.limit_a != limits[number]:
                limits[number] = setpoint.limit_a
                self._setpoints[number] = _number(setpoint.limit_a)
            cause = setpoint.held_by
            if (words := causes.get(cause)) is None:
                words = causes[cause] = _cause(cause)
            row += (self._setpoints[number], self._amps[number], words)
        self._file.write(",".join(row) + "\n")

    def close(self) -> None:
        self._file.close()


def simulate(
    story: Story, trace: Path | None = None, controller: Controller = decide, progress: Progress | None = None
) -> dict[str, Any]:
    """Runs the story; returns the summary. The same story gives the same bytes."""
    site = story.site
    seconds = story.building.by_second()
    main = next(circuit for circuit in site.circuits if circuit.parent is None)
    rng = random.Random(story.seed)
    plant = Plant(
        site,
        {main.id: seconds},
        story.sessions,
        lag_s=story.lag_s,
        report_every_s=story.report_every_s,
        offsets_s=[rng.randrange(story.report_every_s) for _ in site.chargers],
    )
    figures = Figures(site, plant)
    out = None if trace is None else Trace(trace, story)
    observed = Observed()
    answers: list[Observation] = []
    try:
        for second in range(len(seconds)):
            seen = plant.step(second)
            figures.second(second)
            observed = observed.with_(site, [*answers, *seen])
            decision = controller(site, observed, float(second))
            observed = observed.remembering(decision.memory)
            answers = []
            for command in decision.commands:
                number = site.index_of_charger[command.charger]
                figures.sent(number, command)
                plant.order(second, number, command.limit_a)
                answers.append(
                    SetpointAnswer(
                        charger=command.charger,
                        at_s=second + ANSWER_S,
                        limit_a=command.limit_a,
                        accepted=True,
                        lease_end_s=None if command.lease_s is None else second + command.lease_s,
                    )
                )
            figures.waited()
            if out is not None:
                out.second(second, plant, decision)
            if progress is not None and second % PROGRESS_EVERY_S == 0:
                progress(second, len(seconds))
    finally:
        if out is not None:
            out.close()
    if progress is not None:
        progress(len(seconds), len(seconds))
    return _summary(story, figures, main.id, seconds)


def _summary(story: Story, figures: Figures, main: str, seconds: list[tuple[float, ...]]) -> dict[str, Any]:
    site = story.site
    max_a = {s.id: min(s.max_a, site.chargers[_number_of(site, s.charger)].max_a) for s in story.sessions}
    circuits: dict[str, Any] = {}
    for number, circuit in enumerate(site.circuits):
        below = list(site.topology.below[number])
        names = {site.chargers[n].id for n in below}
        optimum = optimum_wh(site, {main: seconds}, [s for s in story.sessions if s.charger in names], len(seconds))
        circuits[circuit.id] = {**figures.circuits[number].document(), **_energy(figures, below, optimum)}
    whole = circuits[main]
    ratio = figures.least_to_best(max_a)
    return {
        "version": __version__,
        "site": site.name,
        "seed": story.seed,
        "lag_s": story.lag_s,
        "report_every_s": story.report_every_s,
        "seconds": len(seconds),
        "sessions": len(story.sessions),
        **whole,
        "trips": sum(c["trips"] for c in circuits.values()),
        "budget_worst": max(c["budget_worst"] for c in circuits.values()),
        "least_to_best": None if ratio is None else round(ratio, 4),
        "circuits": circuits,
    }


def _energy(figures: Figures, below: Sequence[int], optimum: float) -> dict[str, Any]:
    document = figures.document(below)
    return {
        **document,
        "energy_optimum_wh": round(optimum, 1),
        "headroom_used": round(document["energy_wh"] / optimum, 4) if optimum > 0 else None,
    }


def _number_of(site: Site, charger: str) -> int:
    return next(n for n, one in enumerate(site.chargers) if one.id == charger)


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def _number(amps: float) -> str:
    text = f"{amps:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _cause(cause: Cause | None) -> str:
    if cause is None:
        return ""
    words = [cause.rule.value]
    if cause.circuit is not None:
        words.append(cause.circuit)
    if cause.line is not None:
        words.append(cause.line.name)
    return " ".join(words)
