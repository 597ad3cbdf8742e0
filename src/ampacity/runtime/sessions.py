"""Cars' sessions that go on: whose they are, and what they got so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed, SessionEnded, SessionStarted
from ampacity.core.site import ChargerId, Site


class Running(NamedTuple):
    """A session that goes on, as its begin told."""

    session: str
    tag: str | None
    """What was held to the charger; None: nothing, or it was not told."""
    begin_wh: int | None
    """The charger's energy register then."""


class Sessions:
    """A watcher of the loop. Sessions whose begin this run of the controller has not seen are not known."""

    def __init__(self) -> None:
        self._running: dict[ChargerId, Running] = {}

    def __call__(self, site: Site, observed: Observed, seen: Sequence[Observation], decision: Decision) -> None:
        for one in seen:
            match one:
                case SessionStarted():
                    self._running[one.charger] = Running(one.session, one.tag, one.meter_wh)
                case SessionEnded():
                    known = self._running.get(one.charger)
                    if known is not None and known.session == one.session:
                        del self._running[one.charger]

    def of(self, charger: ChargerId, session: str | None) -> Running | None:
        """That session, if it goes on there. For any thread."""
        known = self._running.get(charger)
        return known if known is not None and known.session == session else None
