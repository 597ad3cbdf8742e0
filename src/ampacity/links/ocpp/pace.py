"""How often something may happen: token buckets, a bounded number of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable


class Pace:
    """So many at once, then so many a second. Time is `now_s`, monotonic."""

    def __init__(self, burst: float, rate_hz: float, now_s: float) -> None:
        self._burst = burst
        self._rate_hz = rate_hz
        self._left = burst
        self._at_s = now_s

    def wait_s(self, now_s: float) -> float:
        """How long until the next is due; 0: now."""
        self._fill(now_s)
        return max(0.0, (1.0 - self._left) / self._rate_hz)

    def take(self, now_s: float, cost: float = 1.0) -> float:
        """Takes in any case, on credit if need be; returns how long to wait until the credit is paid back."""
        self._fill(now_s)
        self._left -= cost
        return max(0.0, -self._left / self._rate_hz)

    def give_back(self) -> None:
        """The one that was taken last did not count."""
        self._left = min(self._burst, self._left + 1.0)

    def _fill(self, now_s: float) -> None:
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate_hz)
        self._at_s = now_s


class Paces:
    """One for each key. Strangers make up keys: of more than `most`, the longest unused is forgotten."""

    def __init__(self, burst: float, rate_hz: float, most: int, now_s: Callable[[], float]) -> None:
        self._burst = burst
        self._rate_hz = rate_hz
        self._most = most
        self._now_s = now_s
        self._of: OrderedDict[Hashable, Pace] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def of(self, key: Hashable) -> Pace:
        pace = self._of.get(key)
        if pace is None:
            pace = self._of[key] = Pace(self._burst, self._rate_hz, self._now_s())
            if len(self._of) > self._most:
                self._of.popitem(last=False)
        self._of.move_to_end(key)
        return pace
