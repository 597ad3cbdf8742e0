"""The control loop: five calls a pass. One writer, no locks; what was observed is a value swapped in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from ampacity.core.decide import decide
from ampacity.core.decision import Command, Decision
from ampacity.core.observations import MeterReading, Observation, Observed
from ampacity.core.site import Site
from ampacity.runtime.ports import Actuator, Clock, Journal

TICK_S = 1.0
"""A fresh meter sample triggers a pass; this timer only covers silence."""

_log = structlog.get_logger("ampacity.loop")

Watcher = Callable[[Site, Observed, Sequence[Observation], Decision], None]


class Loop:
    """Decides again and again, from what was put into its inbox."""

    def __init__(
        self, site: Site, clock: Clock, actuator: Actuator, journal: Journal, watchers: Sequence[Watcher] = ()
    ) -> None:
        self.site = site
        self._clock = clock
        self._actuator = actuator
        self._journal = journal
        self._watchers = watchers
        self._failed: list[Watcher] = []
        """Watchers of which it was said."""
        self._observed = Observed()
        self._inbox: list[Observation] = []
        self._wake = asyncio.Event()

    def put(self, one: Observation) -> None:
        """Takes an observation in. A meter's sample is answered at once, everything else at the next pass."""
        self._inbox.append(one)
        if isinstance(one, MeterReading):
            self._wake.set()

    def use(self, site: Site) -> None:
        """From the next pass on, this is the site. On another kind of supply nothing that is remembered fits: the worst
        is assumed, as after a start."""
        if site.supply is not self.site.supply or site.nominal_v != self.site.nominal_v:
            self._observed = Observed(chargers=self._observed.chargers)
        self.site = site

    async def run(self) -> None:
        """Passes until cancelled. If deciding fails, every charger is sent its safe current; then the error goes on."""
        while True:
            try:
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            self._pass()

    def _pass(self) -> None:
        site, seen, self._inbox = self.site, self._inbox, []
        observed = self._observed.with_(site, seen)
        try:
            decision = decide(site, observed, self._clock.now_s())
        except Exception:  # of whatever kind: chargers are made safe first; then it goes on, and ends the program
            _log.critical(
                "decide-failed",
                remedy="Every charger is sent its safe current, and the program ends to be started anew. Report this.",
            )
            self._make_safe()
            raise
        self._observed = observed.remembering(decision.memory)
        for command in decision.commands:
            self._actuator.apply(command, self.put)
        self._journal.append(seen, decision)
        for watch in self._watchers:
            try:
                watch(site, self._observed, seen, decision)
            except Exception:  # of whatever kind: control goes on, and the watcher is asked again in the next pass
                self._say_failed(watch)

    def _say_failed(self, watch: Watcher) -> None:
        if watch not in self._failed:
            self._failed.append(watch)
            _log.critical("watcher-failed", remedy="Control goes on. Report this.", exc_info=True)

    def _make_safe(self) -> None:
        for charger in self.site.chargers:
            safe = Command(
                charger=charger.id, limit_a=charger.safe_a, safe_a=charger.safe_a, lease_s=None, renewal=False
            )
            self._actuator.apply(safe, self.put)
