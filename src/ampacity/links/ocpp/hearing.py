"""What a charger says, in one version of OCPP."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import msgspec


class NotSupported(Exception):
    """An action that is known, and that nothing here can do."""


class Hearing(Protocol):
    """Reads a charger's requests and answers them."""

    @property
    def actions(self) -> Collection[str]:
        """Those that are read or answered."""

    @property
    def format_error(self) -> str:
        """The code for what is not of its action's shape."""

    def answer(self, action: str, payload: msgspec.Raw) -> dict[str, object]:
        """Works in a request of a known action; returns its answer.

        Raises:
            msgspec.DecodeError, UnicodeError, RecursionError: it is not of the action's shape.
            NotSupported: nothing here can do this.
        """
