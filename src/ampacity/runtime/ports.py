"""What the loop needs of the world. Links, storage and tests provide it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ampacity.core.decision import Command, Decision
from ampacity.core.observations import Observation

Put = Callable[[Observation], None]
"""Takes an observation into the loop's inbox. Never blocks, never raises; called on the loop's own thread."""


class Clock(Protocol):
    def now_s(self) -> float:
        """Seconds on a monotonic clock."""
        ...


class Source(Protocol):
    """A link that yields observations."""

    @property
    def name(self) -> str:
        """For people: `meter main (10.0.0.7:502)`."""
        ...

    async def run(self, put: Put) -> None:
        """Connects and reports until the link fails or the task is cancelled.

        Raises:
            DeviceError: the link failed; the supervisor starts it again with back-off.
        """
        ...


class Actuator(Protocol):
    """Sends commands to chargers."""

    def apply(self, command: Command, put: Put) -> None:
        """Begins to send and returns at once; the outcome comes back through `put` as a `SetpointAnswer`."""
        ...


class Journal(Protocol):
    """Keeps what was seen and decided. Never blocks and never raises: a gap is its own affair, and recorded by it."""

    def append(self, seen: Sequence[Observation], decision: Decision) -> None: ...
