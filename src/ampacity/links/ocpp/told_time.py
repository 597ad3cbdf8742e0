"""The time that a charger is told. It sets its clock by it, and its leases end by its clock."""

from __future__ import annotations

from datetime import datetime, timedelta

SMALL_S = 2.0
"""A difference that moves no lease by more than a message's way does."""


class ToldTime:
    """Runs with the monotonic clock: a jump of this machine's wall clock does not move it.

    A charger in use would take such a jump over, and its lease would end too soon or too late. It is told the new time
    when it starts, or while no car is there.
    """

    def __init__(self, wall: datetime, now_s: float) -> None:
        """`wall` is the time at `now_s` of the monotonic clock."""
        self._wall, self._since_s = wall, now_s

    def at(self, now_s: float) -> datetime:
        return self._wall + timedelta(seconds=now_s - self._since_s)

    def follow(self, wall: datetime, now_s: float, *, in_use: bool) -> float:
        """Goes on from the wall clock, if that moves no lease; returns by how many seconds it moved."""
        moved_s = (wall - self.at(now_s)).total_seconds()
        if in_use and abs(moved_s) > SMALL_S:
            return 0.0
        self._wall, self._since_s = wall, now_s
        return moved_s
