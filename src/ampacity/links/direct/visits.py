"""Cars' visits as sessions, from what a charger without transactions says of its socket."""

from __future__ import annotations

from ampacity.core.observations import ChargerState, Observation, SessionEnded, SessionStarted
from ampacity.core.site import ChargerId

RESUME_S = 20.0
"""So long the record may take to tell of a session that an earlier run of the controller began."""
_CAR = (ChargerState.PREPARING, ChargerState.CHARGING, ChargerState.SUSPENDED_EV, ChargerState.SUSPENDED_EVSE)


class Visits:
    """Of one charger, as long as this program runs."""

    def __init__(self, charger: ChargerId, first_s: float, wall_s: float) -> None:
        """`first_s`: now, on the controller's clock; `wall_s`: UTC, of which numbers are made that were never used."""
        self._charger = charger
        self._first_s = first_s
        self._number = int(wall_s)
        self._known: tuple[str, int | None] | None = None
        """From the record: a session whose end was not seen, and the register at its begin."""
        self._is_told = False
        """The record has told what it knows."""
        self._is_first = True
        self.current: str | None = None
        self._begin_wh: int | None = None

    def resume(self, session: str | None, begin_wh: int | None) -> None:
        """The record tells of one whose end was not seen; None: it knows of none."""
        self._is_told = True
        if self._is_first and session is not None:
            self._known = session, begin_wh

    def see(self, state: ChargerState | None, energy_wh: int | None, at_s: float) -> list[Observation]:
        """What this means for sessions. A car that was there when the controller began is the one of the record."""
        if state is None:
            return []
        has_car = state in _CAR
        if self._is_first:
            if has_car and not self._is_told and at_s < self._first_s + RESUME_S:
                return []  # the record may tell yet
            if state is ChargerState.AVAILABLE or has_car:
                self._is_first = False
                if self._known is not None:
                    self.current, self._begin_wh = self._known
                    if has_car:
                        return [self._started(at_s, self._begin_wh)]
        if has_car and self.current is None:
            self._number += 1
            self.current, self._begin_wh = str(self._number), energy_wh
            return [self._started(at_s, energy_wh)]
        if state is ChargerState.AVAILABLE and self.current is not None:
            session, self.current = self.current, None
            used_wh = None
            if energy_wh is not None and self._begin_wh is not None and energy_wh >= self._begin_wh:
                used_wh = energy_wh - self._begin_wh
            return [
                SessionEnded(
                    charger=self._charger,
                    at_s=at_s,
                    session=session,
                    energy_wh=used_wh,
                    reason="EVDisconnected",
                    meter_wh=energy_wh,
                )
            ]
        return []

    def _started(self, at_s: float, begin_wh: int | None) -> SessionStarted:
        return SessionStarted(charger=self._charger, at_s=at_s, session=self.current or "", meter_wh=begin_wh)
