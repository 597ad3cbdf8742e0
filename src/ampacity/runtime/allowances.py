"""What goes by the clock or the sun, and what a test asks for, as observations for the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ampacity.core.decision import Decision
from ampacity.core.features import Feature, Features
from ampacity.core.observations import Allowance, Hold, Observation, Observed
from ampacity.core.schedule import Schedule, most_a
from ampacity.core.site import ChargerId, Site
from ampacity.core.solar import Solar, shared
from ampacity.runtime.ports import Put

_HOLDING = frozenset({Feature.SCHEDULES, Feature.SOLAR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is switched on, and the site's clock."""

    features: Features
    schedules: Sequence[Schedule]
    zone: ZoneInfo


class Allowances:
    """A watcher of the loop: after each decision it puts in what has changed for the next."""

    def __init__(self, plan: Plan, put: Put, wall: Callable[[], datetime]) -> None:
        """`wall`: the time now, with its zone."""
        self._plan = plan
        self._put = put
        self._wall = wall
        self._solar = Solar()
        self._held: dict[ChargerId, tuple[float, Hold]] = {}
        """Of those that are held: the most, and by what, as the loop was told."""
        self._tested: Mapping[ChargerId, float] | None = None
        """What a test asks for; None: there is none."""
        self._latest: tuple[Site, float] | None = None

    def use(self, plan: Plan) -> None:
        """From the next decision on."""
        if Feature.SOLAR not in plan.features.on or plan.features.solar is not self._plan.features.solar:
            self._solar = Solar()
        self._plan = plan

    def test(self, most_a: Mapping[ChargerId, float] | None) -> None:
        """What each charger may have at most while a test is under way; None: it is over. In use at once."""
        self._tested = most_a
        if self._latest is not None:
            self._tell(*self._latest)

    def begin(self, site: Site, now_s: float) -> None:
        """Before the first decision: what holds from the start."""
        self._tell(site, now_s)

    def __call__(self, site: Site, _: Observed, __: Sequence[Observation], decision: Decision) -> None:
        if Feature.SOLAR in self._plan.features.on:
            self._solar = shared(site, decision, self._solar, self._plan.features.solar)
        self._tell(site, decision.at_s)

    def _tell(self, site: Site, now_s: float) -> None:
        self._latest = site, now_s
        if not self._held and self._tested is None and not self._plan.features.on & _HOLDING:
            return  # as on most sites, in every pass
        wall = self._wall().astimezone(self._plan.zone)
        day, minute = wall.weekday(), wall.hour * 60 + wall.minute
        for charger in site.chargers:
            held = self._hold(charger.id, day, minute)
            if held == self._held.get(charger.id):
                continue
            if held is None:
                _, hold = self._held.pop(charger.id)
                self._put(Allowance(charger=charger.id, at_s=now_s, most_a=None, hold=hold))
            else:
                self._held[charger.id] = held
                self._put(Allowance(charger=charger.id, at_s=now_s, most_a=held[0], hold=held[1]))

    def _hold(self, charger: ChargerId, day: int, minute: int) -> tuple[float, Hold] | None:
        """The lowest; None: nothing sets a limit."""
        if self._tested is not None and charger in self._tested:
            # What is sure was reckoned without schedules and sun: they take part again when it is over.
            return self._tested[charger], Hold.TEST
        on = self._plan.features.on
        by_clock = most_a(self._plan.schedules, charger, day, minute) if Feature.SCHEDULES in on else None
        by_sun = self._solar.given_a.get(charger, 0.0) if Feature.SOLAR in on else None
        if by_sun is not None and (by_clock is None or by_sun < by_clock):
            return by_sun, Hold.SURPLUS
        return None if by_clock is None else (by_clock, Hold.SCHEDULE)
