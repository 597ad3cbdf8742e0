"""What a socket is doing, in OCPP 2: the connector says whether a car is there, its transaction what it does."""

from __future__ import annotations

from ampacity.core.observations import ChargerState

_OCCUPIED = "occupied"
_CONNECTOR = {
    "available": ChargerState.AVAILABLE,
    "reserved": ChargerState.AVAILABLE,
    "unavailable": ChargerState.UNAVAILABLE,
    "faulted": ChargerState.FAULTED,
}
_CHARGING = {
    "charging": ChargerState.CHARGING,
    "evconnected": ChargerState.PREPARING,
    "suspendedev": ChargerState.SUSPENDED_EV,
    "suspendedevse": ChargerState.SUSPENDED_EVSE,
}
_IDLE = "idle"
_DOWN = (ChargerState.FAULTED, ChargerState.UNAVAILABLE)


class SocketState:
    """Of one socket. Each of both may be told first, and what is told last counts, but for these: a connector that is
    down is up again when it says so or charges; one that is occupied does what its transaction says."""

    def __init__(self) -> None:
        self._connector = ""
        self._charging: ChargerState | None = None
        self._is_over = False
        """The transaction has ended, and the car has not left."""

    def connector(self, word: str) -> ChargerState | None:
        """The state once the connector has said so; None: the word is not known."""
        said = _plain(word)
        if said != _OCCUPIED and said not in _CONNECTOR:
            return None
        self._connector = said
        if said == _OCCUPIED:
            return self._occupied()
        if said == "available":
            self._charging, self._is_over = None, False
        return _CONNECTOR[said]

    def transaction(self, word: str) -> ChargerState | None:
        """The state once an open transaction has said so; None: the word is not known."""
        said = _plain(word)
        self._is_over = False
        if said == _IDLE:
            # No car is connected to it, or no more.
            self._charging = None
            here = self._occupied() if self._connector == _OCCUPIED else ChargerState.AVAILABLE
        elif (state := _CHARGING.get(said)) is not None:
            self._charging = here = state
        else:
            return None
        down = _CONNECTOR.get(self._connector)
        return down if down in _DOWN and here is not ChargerState.CHARGING else here

    def ended(self) -> ChargerState:
        """The state once the transaction has ended."""
        self._charging = None
        self._is_over = self._connector not in ("available", "reserved")
        down = _CONNECTOR.get(self._connector)
        return ChargerState.FINISHING if down is None else down

    def _occupied(self) -> ChargerState:
        if self._charging is not None:
            return self._charging
        return ChargerState.FINISHING if self._is_over else ChargerState.PREPARING


def _plain(word: str) -> str:
    return word.replace(" ", "").replace("_", "").lower()
