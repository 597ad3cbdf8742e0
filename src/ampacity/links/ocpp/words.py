"""How a charger is told what to do, in the words of one version of OCPP; and what its answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.ocpp.fields import Out
from ampacity.links.ocpp.profiles import Form, Plan
from ampacity.links.ocpp.settings import Setting, Settings
from ampacity.links.ocpp.transactions import TransactionId

PING_S = 30


class Words(Protocol):
    """Requests are values: nothing is sent here. Answers come as JSON gave them, and are read leniently."""

    @property
    def version(self) -> str:
        """ "1.6", "2.0.1" or "2.1"."""

    @property
    def asks_by_name(self) -> bool:
        """A setting that was asked for and not told is none that the charger has."""

    @property
    def measurands(self) -> Sequence[Setting]:
        """The settings that say what it measures."""

    def form(self, form: Form) -> Form:
        """With what this version adds to it."""

    def set_profile(self, plan: Plan) -> Out: ...

    def ask_settings(self, at_once: int) -> list[Out]:
        """Requests for all that is of interest, so many in each where the version asks for them by name."""

    def settings(self, answer: Any, family: ChargerFamily) -> Settings: ...

    def change(self, setting: Setting, value: str) -> Out: ...

    def wishes(self, family: ChargerFamily) -> Sequence[tuple[Setting, str]]:
        """How else it should be set, the last ones last."""

    def status(self, answer: Any) -> str:
        """What became of a request: "Accepted", "Rejected", ...; "" where the answer does not say."""

    def ask_to_introduce(self) -> Sequence[Out]: ...

    def ask_for_status(self) -> Sequence[Out]:
        """And for what it draws."""

    def ask_for_values(self, transaction: TransactionId | None) -> Out: ...

    def ask_schedule(self, covered_s: int, unit: str) -> Out: ...

    def ask_limits(self, number: int) -> Out | None:
        """How many profiles it holds, to be told later under this number; None: `settings` tell it."""

    def ask_profiles(self, number: int) -> Out | None:
        """Its profiles, to be told later under this number; None: it can't be asked."""

    def clear_profile(self, profile_id: int) -> Out: ...

    def start(self, tag: str, number: int) -> Out: ...

    def stop(self, transaction: TransactionId) -> Out | None:
        """None: this can't be one of its transactions."""
