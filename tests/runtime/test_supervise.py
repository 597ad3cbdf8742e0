"""A link that fails, in whichever way, is started again; nothing else ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from structlog.testing import capture_logs

from ampacity.core.errors import DeviceError
from ampacity.core.observations import Observation
from ampacity.runtime.supervise import supervised


class Silent(DeviceError):
    """As a meter may be."""

    code = "meter-silent"
    remedy = "Look."


class Link:
    """Fails as often as it is told to, then stays."""

    name = "meter main"

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.steady = asyncio.Event()

    async def run(self, put: Callable[[Observation], None]) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.steady.set()
        await asyncio.get_running_loop().create_future()


class Clock:
    def now_s(self) -> float:
        return 0.0


async def events_of(*failures: Exception) -> list[str]:
    link = Link(*failures)
    with capture_logs() as logs:
        task = asyncio.create_task(supervised(link, lambda _: None, Clock(), first_pause_s=0.001))
        async with asyncio.timeout(10):
            await link.steady.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return [log["event"] for log in logs]


async def test_a_link_that_is_lost_is_started_again_and_told_of_once() -> None:
    assert await events_of(Silent("no answer"), Silent("no answer")) == ["meter-silent"]


async def test_a_fault_of_ours_in_a_link_is_told_in_full_and_ends_nothing() -> None:
    closed = RuntimeError("unable to perform operation on a closed handle")
    assert await events_of(closed, KeyError("x"), Silent("no answer")) == ["link-failed", "link-failed", "meter-silent"]
