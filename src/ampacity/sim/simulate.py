"""A run in virtual time: the plant, the controller's own `decide`, and the record of both."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ampacity import __version__
from ampacity.core.decision import Command
from ampacity.core.observations import Observation, Observed, SetpointAnswer
from ampacity.core.site import CircuitId, Site
from ampacity.sim.figures import Figures
from ampacity.sim.optimum import energy_optimum_wh
from ampacity.sim.plant import CarModel, Plant
from ampacity.sim.policies import Policy, controlled
from ampacity.sim.tables import Building, Session
from ampacity.sim.trace import Trace

Progress = Callable[[int, int], None]
"""Takes the seconds done, and all seconds."""

ANSWER_S = 0.5
"""A charger accepts a command so long after it was decided; the controller sees it in the next second."""

PROGRESS_EVERY_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happens in a run. Building and sessions share one clock; the run lasts as long as the building's trace."""

    site: Site

    building: Building
    """Of the main circuit, without what is below it on `below`."""

    sessions: Sequence[Session]

    below: Mapping[CircuitId, Building] = field(default_factory=dict)
    """Own loads of circuits below, over the same time; a circuit that isn't named has none."""

    lag_s: int = 1
    """From a charger's setpoint to its car's current. At least 0."""

    report_every_s: int = 10
    """Between a charger's measurements. At least 1."""

    seed: int = 1
    """Decides when in its interval each charger reports."""

    cars: CarModel = field(default_factory=CarModel)


def simulate(
    story: Story,
    trace: Path | None = None,
    policy: Policy = controlled,
    progress: Progress | None = None,
    optimum_wh: Mapping[CircuitId, float] | None = None,
    delivered_wh: dict[str, float] | None = None,
    until_done: bool = False,
) -> dict[str, Any]:
    """Runs the story; returns the summary, and writes a row a second to `trace`. The same story gives the same bytes.

    The controller sees what it would see live: each meter's samples and each charger's reports, states and answers.
    `optimum_wh`: what `optimum` says of the story, if it is known already. `delivered_wh`: gets what each session got.
    `until_done`: ends when all cars have what they wanted or are gone, and no more will come.
    """
    site, seconds, start_s = story.site, story.building.seconds, story.building.start_s
    building, sessions = _loads(story), _sessions(story)
    rng = random.Random(story.seed)
    plant = Plant(
        site,
        building,
        sessions,
        lag_s=story.lag_s,
        report_every_s=story.report_every_s,
        offsets_s=[rng.randrange(story.report_every_s) for _ in site.chargers],
        cars=story.cars,
    )
    figures = Figures(site, plant)
    controller = policy(plant)
    observed = Observed()
    answers: list[Observation] = []
    with nullcontext() if trace is None else Trace(trace, site, start_s) as out:
        for second in range(seconds):
            seen = plant.step(second)
            figures.second(second)
            observed = observed.with_(site, [*answers, *seen])
            decision = controller(site, observed, float(second))
            observed = observed.remembering(decision.memory)
            answers = [_answer(command, second) for command in decision.commands]
            for command in decision.commands:
                number = site.index_of_charger[command.charger]
                figures.sent(number, command)
                plant.order(second, number, command.limit_a, command.lease_s)
            figures.decided(second)
            if out is not None:
                out.second(second, plant, decision)
            if second % PROGRESS_EVERY_S == 0:
                if progress is not None:
                    progress(second, seconds)
                if until_done and plant.is_done:
                    break
    if delivered_wh is not None:
        delivered_wh.update(plant.delivered_wh(seconds))
    if optimum_wh is None:
        optimum_wh = optimum(story)
    if progress is not None:
        progress(seconds, seconds)
    return {
        "version": __version__,
        "site": site.name,
        "seed": story.seed,
        "lag_s": story.lag_s,
        "report_every_s": story.report_every_s,
        "seconds": seconds,
        "chargers": len(site.chargers),
        "sessions": len(sessions),
        **figures.document(optimum_wh, seconds),
    }


def optimum(story: Story) -> dict[CircuitId, float]:
    """What a clairvoyant could deliver at the chargers below each circuit, in Wh."""
    site, building, sessions = story.site, _loads(story), _sessions(story)
    return {
        circuit.id: energy_optimum_wh(site, building, _below(site, number, sessions), story.building.seconds)
        for number, circuit in enumerate(site.circuits)
    }


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _loads(story: Story) -> dict[CircuitId, list[tuple[float, ...]]]:
    """By circuit, its own load per second."""
    main = next(circuit.id for circuit in story.site.circuits if circuit.parent is None)
    return {name: one.by_second() for name, one in {**story.below, main: story.building}.items()}


def _sessions(story: Story) -> list[Session]:
    return [_since(session, story.building.start_s) for session in story.sessions]


def _since(session: Session, start_s: int) -> Session:
    """With times from the run's first second on."""
    if start_s == 0:
        return session
    return replace(session, arrival_s=session.arrival_s - start_s, departure_s=session.departure_s - start_s)


def _answer(command: Command, second: int) -> SetpointAnswer:
    return SetpointAnswer(
        charger=command.charger,
        at_s=second + ANSWER_S,
        limit_a=command.limit_a,
        accepted=True,
        lease_end_s=None if command.lease_s is None else second + command.lease_s,
    )


def _below(site: Site, circuit: int, sessions: Sequence[Session]) -> list[Session]:
    names = {site.chargers[number].id for number in site.topology.below[circuit]}
    return [session for session in sessions if session.charger in names]
