"""An electric car at a plug: what it draws of what it is offered. IEC 61851-1 and the facts of the plant."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

LOWEST_A = 6.0
"""Below, a car may not charge."""

DOWN_AFTER_S, DOWN_A_PER_S = 0.6, 12.0
UP_AFTER_S, UP_A_PER_S = 2.5, 2.0
TAPER_FROM = 0.85
"""From this share of the energy wanted on, the current falls."""


@dataclass(slots=True)
class Car:
    """Draws the same current on each of its phases; follows a lower offer within a second, a higher one in its time."""

    name: str
    max_a: float
    phases: int
    """It uses the first so many of its charger's."""
    wanted_wh: float
    drawn_wh: float = 0.0
    current_a: float = 0.0
    _offers: deque[tuple[float, float]] = field(default_factory=lambda: deque([(0.0, 0.0)]))
    """(seconds of age when it came, amperes); the first is in force."""
    _age_s: float = 0.0

    @property
    def full(self) -> bool:
        return self.drawn_wh >= self.wanted_wh

    def step(self, dt_s: float, offer_a: float, volts: float) -> None:
        """Goes on by `dt_s` seconds; 0 A offered means no charging."""
        self._age_s += dt_s
        if offer_a != self._offers[-1][1]:
            self._offers.append((self._age_s, offer_a))
        while len(self._offers) > 1 and any(self._heard(offer) for offer in list(self._offers)[1:]):
            self._offers.popleft()
        target_a = self._wish_a(self._offers[0][1])
        # A pause opens the contactor; everything else is a ramp.
        if target_a == 0.0:
            self.current_a = 0.0
        elif target_a < self.current_a:
            self.current_a = max(target_a, self.current_a - DOWN_A_PER_S * dt_s)
        else:
            self.current_a = min(target_a, max(LOWEST_A, self.current_a + UP_A_PER_S * dt_s))
        self.drawn_wh += self.current_a * self.phases * volts * dt_s / 3600

    def _heard(self, offer: tuple[float, float]) -> bool:
        came_s, amps = offer
        return self._age_s - came_s >= (DOWN_AFTER_S if amps < self.current_a else UP_AFTER_S)

    def _wish_a(self, offer_a: float) -> float:
        if offer_a < LOWEST_A or self.full:
            return 0.0
        left = max(0.0, 1.0 - self.drawn_wh / self.wanted_wh) / (1.0 - TAPER_FROM)
        return min(offer_a, max(LOWEST_A, self.max_a * min(1.0, left)))
