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
    account: int | None = None
    """Whose it is, beside what the tag tells; None: nobody's in particular."""


class Sessions:
    """A watcher of the loop. A session whose begin neither this run of the controller nor the record has seen is not
    known. For any thread."""

    def __init__(self) -> None:
        self._running: dict[ChargerId, Running] = {}
        self._resumed: dict[tuple[ChargerId, str], Running] = {}

    def __call__(self, site: Site, observed: Observed, seen: Sequence[Observation], decision: Decision) -> None:
        for one in seen:
            match one:
                case SessionStarted():
                    self._running[one.charger] = Running(one.session, one.tag, one.meter_wh)
                case SessionEnded():
                    known = self._running.get(one.charger)
                    if known is not None and known.session == one.session:
                        del self._running[one.charger]
                    self._resumed.pop((one.charger, one.session), None)

    def resume(self, charger: ChargerId, running: Running) -> None:
        """The record tells of one whose end was not seen."""
        self._resumed[charger, running.session] = running

    def resumed(self) -> dict[tuple[ChargerId, str], Running]:
        """Those of which the record told, by charger and session; the newest of a charger last."""
        return dict(self._resumed)

    def give(self, charger: ChargerId, session: str, account: int | None) -> None:
        """From now on it is this account's."""
        if (known := self.of(charger, session)) is not None:
            self._resumed[charger, session] = known._replace(account=account, tag=None)
            self._running[charger] = self._resumed[charger, session]

    def of(self, charger: ChargerId, session: str | None) -> Running | None:
        """That session, if it goes on there."""
        if session is None:
            return None
        known = self._running.get(charger)
        if known is not None and known.session == session:
            return known
        return self._resumed.get((charger, session))
