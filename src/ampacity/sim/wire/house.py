"""What a house draws besides its cars: a base, and appliances that come on and go off. Repeatable by a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

BASE_A = (4.6, 3.2, 3.9)
SWAY_A = 0.7
"""Up and down of the base within minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """On for `on_s`, first after `first_s`, then about every `every_s`; while on it may cycle by a thermostat."""

    name: str
    line: int
    amps: float
    first_s: float
    on_s: float
    every_s: float
    """At least 1.3 times `on_s`."""
    heats_s: float | None = None
    """Half of a thermostat's cycle; None: it draws all the time it is on."""
    noticed: bool = True
    """Worth a line in a log."""

    def is_on(self, at_s: float, seed: int) -> bool:
        since_s = self._since_s(at_s, seed)
        return since_s is not None and since_s < self.on_s

    def draws_a(self, at_s: float, seed: int) -> float:
        since_s = self._since_s(at_s, seed)
        if since_s is None or since_s >= self.on_s:
            return 0.0
        if self.heats_s is not None and int(since_s / self.heats_s) % 2 == 1:
            return 0.0
        return self.amps

    def _since_s(self, at_s: float, seed: int) -> float | None:
        turn = math.floor((at_s - self.first_s) / self.every_s)
        if turn < 0:
            return None
        late_s = 0.0 if turn == 0 else random.Random(f"{seed} {self.name} {turn}").uniform(0.0, 0.2 * self.every_s)
        since_s = at_s - self.first_s - turn * self.every_s - late_s
        return since_s if since_s >= 0 else None


HOUSE = (
    Appliance(name="kettle", line=0, amps=9.0, first_s=45.0, on_s=180.0, every_s=390.0),
    Appliance(name="oven", line=1, amps=10.5, first_s=110.0, on_s=240.0, every_s=480.0, heats_s=40.0),
    Appliance(name="fridge", line=2, amps=0.7, first_s=20.0, on_s=90.0, every_s=240.0, noticed=False),
)
"""A kettle that runs for 3 min (a catering urn, or a cook who is at home), an oven on a thermostat, a fridge."""


def building_a(at_s: float, seed: int, appliances: Sequence[Appliance] = HOUSE) -> tuple[float, float, float]:
    """Amperes on each line at that time since the start."""
    amps = [
        base + SWAY_A * math.sin(at_s / (47.0 + 13.0 * line) + seed % 97 + 2.1 * line)
        for line, base in enumerate(BASE_A)
    ]
    for one in appliances:
        amps[one.line] += one.draws_a(at_s, seed)
    return amps[0], amps[1], amps[2]
