"""What a charger does when it hears nothing more: set once, read back, and looked at again and again."""

from __future__ import annotations

from dataclasses import dataclass

from ampacity.devices.direct_charger import LARGEST_TIMEOUT_S, number_of, timeout_within
from ampacity.devices.direct_family import READ, VALIDITY, DirectFamily, Point, Watchdog, Write
from ampacity.links.direct.wires import ChargerRefuses, Wire

FED_SHARE = 0.25
"""It is fed after this share of its time: three may be lost."""
LEAST_FEED_S = 0.5
NEAR = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """As it was read back from the charger."""

    family: DirectFamily
    timeout_s: float | None = None
    """It falls back after so long; None: never, or nobody knows."""
    fallback_a: float | None = None
    """To so much; None: nobody knows."""
    safe_a: float = 0.0
    why: str = ""
    """Why it does not guard, in words; "" where it does."""

    @property
    def holds(self) -> bool:
        """Whether the charger falls to its safe current, or below, by itself."""
        return not self.why

    @property
    def feed_every_s(self) -> float | None:
        """None: nothing has to be written for it."""
        watchdog = self.family.watchdog
        if watchdog is None or (watchdog.kind == READ and not watchdog.rewrite):
            return None
        by_timeout = self.timeout_s * FED_SHARE if self.timeout_s else watchdog.feed_every_s
        return max(LEAST_FEED_S, min(by_timeout, watchdog.feed_every_s))

    def may_feed(self, now_s: float, lease_end_s: float) -> bool:
        """Whether what is fed now does not outlive the lease."""
        return now_s + (self.timeout_s or 0.0) <= lease_end_s

    def falls_s(self, now_s: float, lease_end_s: float) -> float | None:
        """When the charger has left a limit that it was told now, whatever happens to us; None: nobody knows."""
        if not self.holds or self.timeout_s is None or self.family.watchdog is None:
            return None
        if self.family.watchdog.kind == READ:
            return lease_end_s + self.timeout_s  # it is asked until then
        return max(lease_end_s, now_s + self.timeout_s)


async def set_up(wire: Wire, family: DirectFamily, *, safe_a: float, lease_s: float) -> Guard:
    """Sets the safe current, then the time, where that has to be; and reads them back.

    Raises:
        ChargerSilent
    """
    watchdog = family.watchdog
    if watchdog is None:
        return Guard(family=family, safe_a=safe_a, why="It can't fall back by itself.")
    try:
        for write in watchdog.enable:
            await _ensured(wire, write)
        wanted_a = max(safe_a, watchdog.safe_least_a) or watchdog.safe_pause_a
        fallback_a = await _settled(wire, watchdog.safe, watchdog.safe_shown, wanted_a)
        timeout_s = None
        if watchdog.kind != VALIDITY:  # that one is known once a current is set
            wanted_s = timeout_within(family, lease_s)
            timeout_s = await _settled(wire, watchdog.timeout, watchdog.timeout_shown, wanted_s)
    except ChargerRefuses as error:
        return Guard(family=family, safe_a=safe_a, why=error.what)
    return judged(family, timeout_s, fallback_a, safe_a)


def judged(family: DirectFamily, timeout_s: float | None, fallback_a: float | None, safe_a: float) -> Guard:
    """What these two mean."""
    watchdog = family.watchdog
    assert watchdog is not None
    if fallback_a is not None and 0.0 <= fallback_a < family.limit.least_a:
        fallback_a = 0.0  # no car charges with so little
    return Guard(
        family=family,
        timeout_s=timeout_s,
        fallback_a=fallback_a,
        safe_a=safe_a,
        why=_why(watchdog, timeout_s, fallback_a, safe_a),
    )


async def remaining_s(wire: Wire, watchdog: Watchdog) -> float | None:
    """Of a current that ends by itself, after it was set.

    Raises:
        ChargerSilent, ChargerRefuses
    """
    if watchdog.timeout is None:
        return None
    return number_of((await wire.read([watchdog.timeout])).get(watchdog.timeout))


def _why(watchdog: Watchdog, timeout_s: float | None, fallback_a: float | None, safe_a: float) -> str:
    if watchdog.timeout is None or watchdog.safe is None:
        return f"What it falls back to can't be read. {watchdog.what}".rstrip()
    if fallback_a is None:
        return "It does not tell what it falls back to."
    if fallback_a > safe_a + NEAR:
        return f"It falls back to {fallback_a:g} A, which is more than its safe current of {safe_a:g} A."
    if watchdog.kind == VALIDITY and timeout_s is None:
        return ""
    if timeout_s is None or not 0 < timeout_s <= LARGEST_TIMEOUT_S:
        return "It never falls back."
    return ""


async def _settled(wire: Wire, point: Point | None, shown: Point | None, wanted: float) -> float | None:
    """What stands there in the end; None: it can't be read."""
    where = shown or point
    if point is None or where is None or not where.read:
        return None
    found = number_of((await wire.read([where])).get(where))
    if point.write and (found is None or abs(found - wanted) > NEAR):
        await wire.write(Write(point, wanted))
        found = number_of((await wire.read([where])).get(where))
    return found


async def _ensured(wire: Wire, write: Write) -> None:
    if write.point.read and number_of((await wire.read([write.point])).get(write.point)) == write.value:
        return
    await wire.write(write)
