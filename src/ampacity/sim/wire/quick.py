"""An event loop whose time goes as fast as the machine allows, with real sockets: what waits for a timer waits a
fiftieth of it, and what takes the machine long takes no time at all."""

from __future__ import annotations

import asyncio
import selectors
import time
from datetime import UTC, datetime, timedelta

SPEED = 50.0
BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class QuickTime:
    """The controller's clock, and the time of day; only waiting lets it go on, but for the microsecond by which every
    clock has moved when it is looked at again."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def now_s(self) -> float:
        self.at_s += 1e-6
        return self.at_s

    def wall(self) -> datetime:
        return BEGIN + timedelta(seconds=self.at_s)


class _Selector(selectors.DefaultSelector):
    """Waits for sockets, but not for long."""

    def __init__(self, quick: QuickTime) -> None:
        super().__init__()
        self._quick = quick

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        began_s = time.monotonic()
        events = super().select(timeout / SPEED)
        gone_s = (time.monotonic() - began_s) * SPEED
        self._quick.at_s += min(timeout, gone_s) if events else timeout
        return events


class QuickLoop(asyncio.SelectorEventLoop):
    """Give it to `asyncio.Runner`."""

    def __init__(self, quick: QuickTime) -> None:
        self._quick = quick
        super().__init__(_Selector(quick))

    def time(self) -> float:
        return self._quick.at_s
