"""How far a charger's clock is from ours, from the stamps on its messages."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta

ALIKE_S = 3.0
"""Clocks in whole seconds, and a message's way."""
APART_S = 4.0
"""Two stamps that come so far apart and agree are of a clock that runs; old stamps, sent late, do not agree."""

OFTEN_S = 1.0
"""More stamps than one in so long tell nothing more."""


class ChargerClock:
    """A charger's clock by its stamps: of messages sent late they are old, and never are they from its future.

    Until two stamps agree the offset is what it was before, 0 at first: a charger sets its clock by our answers to
    BootNotification and Heartbeat. A stamp that is later than this clock allows is believed at once.
    """

    def __init__(self) -> None:
        self._stamps: deque[tuple[float, float]] = deque(maxlen=8)
        self.offset_s = 0.0
        """Its time is ours plus this."""
        self.known = False
        """Whether two stamps have agreed."""

    def note(self, stamp: object, now_s: float, wall: datetime) -> float | None:
        """Works in a stamp that came now; returns how old it is by the charger's clock, in seconds.

        None: it is no stamp. `now_s` is monotonic.
        """
        moment = moment_of(stamp)
        if moment is None:
            return None
        offset_s = (moment - wall).total_seconds()
        if offset_s > self.offset_s + ALIKE_S:
            self.offset_s, self.known = offset_s, False
        if not self._stamps or now_s - self._stamps[-1][0] >= OFTEN_S:
            for then_s, other_s in self._stamps:
                if now_s - then_s >= APART_S and abs(offset_s - other_s) <= ALIKE_S:
                    self.offset_s, self.known = offset_s, True
                    break
            self._stamps.append((now_s, offset_s))
        return self.offset_s - offset_s

    def age_s(self, stamp: object, wall: datetime) -> float | None:
        """How old what bears this stamp is, in seconds, at least 0; rather too old than too young. None: it is none.

        By the latest time that its clock may show: as its stamps tell, and not behind ours. A clock that seems to be
        behind may be right, and what it stamps always come late.
        """
        moment = moment_of(stamp)
        if moment is None:
            return None
        latest_s = max(0.0, self.offset_s, *(offset_s for _, offset_s in self._stamps))
        return max(0.0, latest_s - (moment - wall).total_seconds())

    def told_time_moved(self, by_s: float) -> None:
        """What is taken for our time has jumped; the charger's clock has not."""
        self.offset_s -= by_s
        moved = [(then_s, offset_s - by_s) for then_s, offset_s in self._stamps]
        self._stamps.clear()
        self._stamps.extend(moved)

    def behind_s(self, unseen_s: float) -> float:
        """How far it may be behind what `at` says, at most; `unseen_s` while no stamp has come.

        A stamp is never later than the clock that made it: the latest one bounds it from below.
        """
        if self.known:
            return 0.0
        newest_s = max((offset_s for _, offset_s in self._stamps), default=None)
        return unseen_s if newest_s is None else max(0.0, self.offset_s - newest_s)

    def at(self, wall: datetime) -> datetime:
        """What it shows when ours shows `wall`."""
        return wall + timedelta(seconds=self.offset_s)


def moment_of(stamp: object) -> datetime | None:
    """A stamp as chargers write it, without a zone taken as UTC; None if it is none of this age."""
    if not isinstance(stamp, str):
        return None
    try:
        moment = datetime.fromisoformat(stamp.strip())
    except ValueError:
        return None
    if not 1970 <= moment.year < 2200:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
