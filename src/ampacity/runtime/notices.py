"""Writes into the log what goes wrong, and what is right again: once for each change, with what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from ampacity.core.decision import Blindness, Decision, Flag, Rule
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import Site

BUDGET = 0.5
"""A share of a trip budget that is worth a line."""

_log = structlog.get_logger("ampacity.control")

_BLIND: Mapping[Blindness, tuple[str, str]] = {
    Blindness.SILENT: (
        "Its meter is silent.",
        "Check the meter's power, cable and address, or the charger that tells of it.",
    ),
    Blindness.NEVER_SEEN: (
        "Its meter has sent nothing yet.",
        "Check the meter's power, cable and address, or the charger that tells of it.",
    ),
    Blindness.FROZEN: (
        "Its meter shows the same figures although the cars below it have moved.",
        "Start the meter or its gateway anew; check that it measures the lines of these chargers.",
    ),
    Blindness.ABSURD: (
        "Its meter shows what can't be.",
        "Check its transformers' ratio, its wiring and its measuring system.",
    ),
    Blindness.TURNED: (
        "Its meter moves against the cars: its sign is wrong.",
        "Check the direction of its transformers, or its phase order. Then take its power for half a minute.",
    ),
    Blindness.EXCHANGED: (
        "It has another meter than before.",
        "Check the new one's transformers: ratio, direction, lines.",
    ),
    Blindness.RECOVERING: ("Its meter speaks again; a few good samples are waited for.", ""),
}
_FLAGS: Mapping[Flag, tuple[str, str]] = {
    Flag.DISOBEYS: (
        "It draws more than it may.",
        "Check whether another system steers it, and its firmware. After three times it is stopped for an hour.",
    ),
    Flag.REFUSES: ("It did not take the last limit.", "It is asked again; look at the lines on it above."),
    Flag.UNGUARDED: (
        "Its limits do not end by themselves.",
        "Unseen it counts at its maximum: set guarded = false, and see what `ampacity check` says.",
    ),
}


class Notices:
    """A watcher of the loop."""

    def __init__(self) -> None:
        self._blind: dict[str, Blindness | None] = {}
        self._flags: dict[str, Flag | None] = {}
        self._stopped: dict[str, bool] = {}
        self._budget: set[str] = set()

    def __call__(self, site: Site, observed: Observed, seen: Sequence[Observation], decision: Decision) -> None:
        for view in decision.circuits:
            if view.blind is not self._blind.get(view.circuit):
                self._tell_blind(view.circuit, view.blind)
                self._blind[view.circuit] = view.blind
            self._tell_budget(view.circuit, view.budget)
        for setpoint in decision.setpoints:
            if setpoint.flag is not self._flags.get(setpoint.charger):
                self._tell_flag(setpoint.charger, setpoint.flag)
                self._flags[setpoint.charger] = setpoint.flag
            stopped = setpoint.held_by is not None and setpoint.held_by.rule is Rule.DISOBEYS
            if stopped and not self._stopped.get(setpoint.charger):
                _log.error("charger-stopped", charger=setpoint.charger, what="It disobeyed again and again.")
            self._stopped[setpoint.charger] = stopped

    def _tell_blind(self, circuit: str, blind: Blindness | None) -> None:
        if blind is None:
            _log.info("circuit-seen", circuit=circuit, what="Its meter is believed.")
            return
        what, remedy = _BLIND[blind]
        if blind is Blindness.RECOVERING:
            _log.info("circuit-recovering", circuit=circuit, what=what)
            return
        held = "Its chargers are held at their safe currents."
        _log.warning("circuit-blind", circuit=circuit, why=blind.value, what=f"{what} {held}", remedy=remedy)

    def _tell_flag(self, charger: str, flag: Flag | None) -> None:
        if flag is None:
            _log.info("charger-well", charger=charger)
        else:
            what, remedy = _FLAGS[flag]
            _log.warning("charger-flagged", charger=charger, flag=flag.value, what=what, remedy=remedy)

    def _tell_budget(self, circuit: str, budget: float) -> None:
        if budget >= BUDGET and circuit not in self._budget:
            self._budget.add(circuit)
            _log.warning(
                "trip-budget",
                circuit=circuit,
                share=round(budget, 2),
                remedy="The breaker is near to tripping. Look at what the building draws beside the cars.",
            )
        elif budget < BUDGET / 2:
            self._budget.discard(circuit)
