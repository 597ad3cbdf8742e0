"""The versions of OCPP that are spoken, and which one it is with whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ampacity.devices.charger_family import OCPP_VERSIONS


def subprotocol_of(version: str) -> str:
    """As a websocket's handshake names it."""
    return f"ocpp{version}"


def chosen(offered: Iterable[str], allowed: Sequence[str] = OCPP_VERSIONS) -> str | None:
    """The version to speak with a charger that offers these subprotocols; None: there is none.

    `allowed`: the versions that may be spoken with it, in any order.
    """
    names = set(offered)
    return next((one for one in OCPP_VERSIONS if one in allowed and subprotocol_of(one) in names), None)
