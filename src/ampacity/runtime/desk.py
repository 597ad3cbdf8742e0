"""The loop as seen from other threads: its newest decision, and a door for what people wish."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import Site
from ampacity.runtime.ports import Put


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest decision and what it was made on. A value: nothing in it changes."""

    at_s: float
    """UTC seconds since 1970."""
    site: Site
    observed: Observed
    decision: Decision


class Desk:
    """A watcher of the loop. All but `__call__` and `open` may be called from any thread."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._running: asyncio.AbstractEventLoop | None = None
        self._told: tuple[Callable[[Latest], None], ...] = ()
        self._lock = threading.Lock()
        self.latest: Latest | None = None

    def open(self) -> None:
        """From now on, on the loop that runs here."""
        self._running = asyncio.get_running_loop()

    def __call__(self, site: Site, observed: Observed, _: Sequence[Observation], decision: Decision) -> None:
        self.latest = latest = Latest(at_s=time.time(), site=site, observed=observed, decision=decision)
        for told in self._told:
            told(latest)

    def put(self, one: Observation) -> None:
        """Into the loop's inbox."""
        self._call(lambda: self._put(one))

    def watch(self, told: Callable[[Latest], None]) -> Callable[[], None]:
        """`told` is called after every decision, on the loop's thread: it must return at once and not raise. Returns
        how to stop it."""
        with self._lock:
            self._told = (*self._told, told)

        def stop() -> None:
            with self._lock:
                self._told = tuple(one for one in self._told if one is not told)

        return stop

    def do(self, act: Callable[[], None], within_s: float = 10.0) -> None:
        """Runs it on the loop's thread, and waits until it has: raises what it raises.

        Raises:
            TimeoutError: the loop has not come to it.
        """
        done = threading.Event()
        failed: list[BaseException] = []

        def run() -> None:
            try:
                act()
            except BaseException as error:
                failed.append(error)
            finally:
                done.set()

        self._call(run)
        if not done.wait(within_s):
            raise TimeoutError
        if failed:
            raise failed[0]

    def _call(self, act: Callable[[], None]) -> None:
        if self._running is None or self._running.is_closed():
            return
        self._running.call_soon_threadsafe(act)
