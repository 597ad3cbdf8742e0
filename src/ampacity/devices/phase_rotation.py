"""ConnectorPhaseRotation of OCPP 1.6 (section 9.1.8): on which phase of the grid each of a socket's own phases is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ampacity.devices.charger_reports import Sampled

_PLACES = re.compile(r"(?:(\d+)\.)?([RST]{3})\b")
_GRID = {"R": "L1", "S": "L2", "T": "L3"}

OwnPhases = dict[str, str]
"""The socket's own phase for each phase of the grid: `{"L2": "L1", ...}`."""
STRAIGHT: OwnPhases = {"L1": "L1", "L2": "L2", "L3": "L3"}


def own_phases(rotation: str, connector: int = 1) -> OwnPhases:
    """From what the key holds, as `0.RST,1.STR`; straight where it names no order of three phases."""
    found = {int(number or connector): order for number, order in _PLACES.findall(rotation.upper())}
    order = found.get(connector, found.get(0, "RST"))
    if len(set(order)) < 3:
        return STRAIGHT
    return {_GRID[letter]: f"L{own}" for own, letter in enumerate(order, 1)}


def in_own_phases(sampled: Iterable[Sampled], own: OwnPhases) -> Iterator[Sampled]:
    """Values that were told by the phases of the grid, by the socket's own."""
    for one in sampled:
        name = (one.phase or "")[:2].upper()
        yield one._replace(phase=own[name] + (one.phase or "")[2:]) if name in own else one
