"""What has passed on a link, counted for people who look for what is wrong with it. No clock of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

LIGHT_S = 5
"""A light is lit as long as something passed within so many seconds."""
_SLOTS = 8
_STEP = 1.25
"""Each class of latency is so many times the one before: a percentile is known to 12 %."""
_LEAST_S = 0.001
CLASSES = 48
"""The last one holds all above 36 s."""


class Light:
    """Bytes of the last seconds: the Rx and Tx lights of a meter, for a page."""

    __slots__ = ("_bytes", "_seconds")

    def __init__(self) -> None:
        self._seconds = [-1] * _SLOTS
        self._bytes = [0] * _SLOTS

    def add(self, count: int, now_s: float) -> None:
        second = int(now_s)
        slot = second % _SLOTS
        if self._seconds[slot] != second:
            self._seconds[slot], self._bytes[slot] = second, 0
        self._bytes[slot] += count

    def bytes(self, now_s: float) -> int:
        """Of the last LIGHT_S seconds."""
        now = int(now_s)
        pairs = zip(self._seconds, self._bytes, strict=True)
        return sum(count for second, count in pairs if now - LIGHT_S < second <= now)


@dataclass(slots=True)
class Tally:
    """Of one device. Written on the control loop's thread; may be read on any."""

    requests: int = 0
    answers: int = 0
    """Good ones."""
    timeouts: int = 0
    """Nothing came."""
    garbled: int = 0
    """Something came that is no answer: a wrong check sum, noise, another's."""
    exceptions: int = 0
    """It answered that it will not."""
    connections: int = 0
    """Times that the link came about: each but the first is a reconnection."""
    bytes_in: int = 0
    bytes_out: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * CLASSES)
    """How many answers took how long, by class."""
    last_good_s: float | None = None
    """The controller's clock; None: never in this run."""
    received: Light = field(default_factory=Light)
    sent: Light = field(default_factory=Light)

    def took_in(self, count: int, now_s: float) -> None:
        self.bytes_in += count
        self.received.add(count, now_s)

    def gave_out(self, count: int, now_s: float) -> None:
        self.bytes_out += count
        self.sent.add(count, now_s)

    def answered(self, latency_s: float, now_s: float) -> None:
        """A good answer, after so long."""
        self.answers += 1
        self.last_good_s = now_s
        self.latencies[_class_of(latency_s)] += 1

    def latency_s(self, share: float) -> float | None:
        """That share of the answers came at least as fast, to 12 %. None: there was no answer yet."""
        counted = sum(self.latencies)
        if not counted:
            return None
        wanted, seen = math.ceil(share * counted), 0
        for number, count in enumerate(self.latencies):
            seen += count
            if seen >= wanted:
                return _LEAST_S * math.pow(_STEP, number + 0.5)
        return None

    @property
    def failures(self) -> int:
        return self.timeouts + self.garbled + self.exceptions

    def kept(self) -> dict[str, object]:
        """What outlives a restart."""
        return {name: getattr(self, name) for name in KEPT}

    def resume(self, kept: dict[str, object]) -> None:
        """Adds what an earlier run has counted; what is not what `kept` gives is passed over."""
        for name in COUNTS:
            value = kept.get(name)
            if isinstance(value, int) and value >= 0:
                setattr(self, name, getattr(self, name) + value)
        latencies = kept.get("latencies")
        if isinstance(latencies, list) and len(latencies) == CLASSES and all(isinstance(n, int) for n in latencies):
            self.latencies = [mine + theirs for mine, theirs in zip(self.latencies, latencies, strict=True)]


COUNTS = ("requests", "answers", "timeouts", "garbled", "exceptions", "connections", "bytes_in", "bytes_out")
KEPT = (*COUNTS, "latencies")


def _class_of(latency_s: float) -> int:
    if latency_s <= _LEAST_S:
        return 0
    return min(CLASSES - 1, int(math.log(latency_s / _LEAST_S, _STEP)))
