"""An event loop whose clock jumps: real sockets, and no waiting. Its time stands still while anything is to be done,
and moves on to the next thing that is due as soon as nothing is."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
QUIET_S = 0.0005
"""So long (real) nothing came from a socket: what was sent over loopback has arrived."""


class _Selector(selectors.DefaultSelector):
    """Waits for nothing but what is on its way already."""

    jumped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if found or timeout == 0:
            return found
        found = super().select(QUIET_S)
        if not found and timeout is not None:
            self.jumped_s += max(0.0, timeout)
        return found


class JumpingLoop(asyncio.SelectorEventLoop):
    """See above."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return 1000.0 + self._clock.jumped_s


def in_jumping_time(story: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs it to its end."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(story())


def now_s() -> float:
    """Of the loop that runs."""
    return asyncio.get_running_loop().time()
