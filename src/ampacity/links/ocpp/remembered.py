"""What outlives a charger's connection."""

from __future__ import annotations

from collections.abc import Callable

from ampacity.core.observations import SessionStarted
from ampacity.core.site import ChargerId
from ampacity.devices.charger_family import ChargerFamily
from ampacity.devices.phase_rotation import OwnPhases
from ampacity.links.ocpp.clock import ChargerClock
from ampacity.links.ocpp.profiles import Form
from ampacity.links.ocpp.tags import TagVerdict
from ampacity.links.ocpp.told_time import ToldTime
from ampacity.links.ocpp.transactions import TransactionId, Transactions
from ampacity.links.tally import Tally


class Remembered:
    """Of one charger, as long as this program runs."""

    def __init__(self, charger: ChargerId, next_transaction: Callable[[], int]) -> None:
        self.tally = Tally()
        """What has passed to and from it."""
        self.clock = ChargerClock()
        self.told: ToldTime | None = None
        """The time that it is told; None before it has connected."""
        self.transactions = Transactions(charger, next_transaction)
        self.family: ChargerFamily | None = None
        """As it introduced itself."""
        self.version = ""
        """Of OCPP, over the last connection; "": it has not connected."""
        self.begun: SessionStarted | None = None
        """The begin of the transaction that is open, as far as it was seen."""
        self.form: Form | None = None
        """In which it takes profiles, as far as tried."""
        self.base_a: float | None = None
        """The lasting safe current that it confirmed since it last started; it may lie in flash, and is not sent
        again without a reason."""
        self.expires: bool | None = None
        """Whether a schedule that it showed since it last started falls to the safe current; None: it showed none."""
        self.own_max_a: float | None = None
        """The maximum it is set to, as its configuration tells."""
        self.rotation: OwnPhases | None = None
        """Its own phase for each phase of the grid by which it reports, where its family does so; None: not known."""
        self.paused = False
        """The limit that it took last was a pause."""
        self.often = False
        """It is asked for what it draws every few seconds."""
        self.refused: tuple[TransactionId, TagVerdict] | None = None
        """The transaction that was begun with a tag that may not charge, and the verdict on it."""

    def speak(self, version: str) -> None:
        """It connects in this version of OCPP: what was tried in another one says nothing."""
        if version != self.version:
            self.form = self.base_a = self.expires = None
        self.version = version
