"""Solar charging: what the building would feed into the grid, given to chargers. Pure.

It only lowers what chargers may have: limits of circuits hold as ever. An import of some seconds is no danger, so it is
reckoned with the mean of the last samples, and changes slowly: contactors and cars wear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ampacity.core.allocate import Claim, Room, share
from ampacity.core.cars import DRAWING_A
from ampacity.core.decision import CircuitView, Decision, Rule
from ampacity.core.features import SolarMode
from ampacity.core.memory import Want
from ampacity.core.phases import Supply
from ampacity.core.site import Charger, ChargerId, Site

SMOOTH_S = 20.0
"""The surplus is the mean of so long."""

START_S = 60.0
"""Surplus for a start must have lasted so long."""

STOP_S = 120.0
"""A car that charges is borne so long with less surplus than its minimum, the grid filling in."""

STEP_A = 0.5
"""A change by less is not worth a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solar:
    """What is remembered from one decision to the next."""

    samples: tuple[tuple[float, float], ...] = ()
    """Time and surplus in watts of the last samples."""
    enough_s: float | None = None
    """Since when there is surplus for one more start; None: there is not."""
    lacking_s: float | None = None
    """Since when there is less than those who charge need at least; None: there is enough."""
    given_a: Mapping[ChargerId, float] = field(default_factory=dict)
    """What each charger was last allowed."""


def surplus_w(site: Site, view: CircuitView) -> float | None:
    """What the building alone feeds into the grid, all lines together, as they are billed; negative: it draws. None:
    the meter can't be trusted now."""
    if view.building_a is None:
        return None
    volts = site.nominal_v / 3**0.5 if site.supply is Supply.LINE_TO_LINE else site.nominal_v
    return -sum(view.building_a) * volts


def shared(site: Site, decision: Decision, before: Solar, mode: SolarMode) -> Solar:
    """What each charger may have by the sun, after a decision. While the meter is not believed nothing changes: that
    chargers fall to their safe current then is the controller's affair."""
    main = next((view for view in decision.circuits if _is_main(site, view)), None)
    seen_w = None if main is None else surplus_w(site, main)
    if seen_w is None:
        return before
    now_s = decision.at_s
    samples = (*[one for one in before.samples if one[0] > now_s - SMOOTH_S], (now_s, seen_w))
    mean_w = sum(watts for _, watts in samples) / len(samples)
    posts = _posts(site, decision)
    charging = [post for post in posts if post.asks and before.given_a.get(post.charger.id, 0.0) > 0.0]
    waiting = [post for post in posts if post.asks and post not in charging]
    needed_w = sum(post.least_w for post in charging)
    lacking_s = None if mean_w >= needed_w else now_s if before.lacking_s is None else before.lacking_s
    more_w = needed_w + min((post.least_w for post in waiting), default=0.0)
    enough_s = (now_s if before.enough_s is None else before.enough_s) if waiting and mean_w >= more_w else None
    if lacking_s is not None and now_s - lacking_s >= STOP_S:
        charging, lacking_s = _covered(charging, mean_w), None
    elif enough_s is not None and now_s - enough_s >= START_S:
        charging = [*charging, min(waiting, key=lambda post: (post.charger.rank, post.least_w, post.charger.id))]
        enough_s = None
    aims_a = _division(charging, mean_w)
    for post in posts:
        idles = not post.asks and before.given_a.get(post.charger.id, 0.0) > 0.0 and post.connected
        if mode is SolarMode.TOP_UP or idles:  # a car that does not draw now may begin again at any time
            aims_a[post.charger.id] = max(post.charger.min_a, aims_a.get(post.charger.id, 0.0))
    given_a = {one.id: _settled(before.given_a.get(one.id), aims_a.get(one.id, 0.0)) for one in site.chargers}
    return Solar(samples=samples, enough_s=enough_s, lacking_s=lacking_s, given_a=given_a)


def _is_main(site: Site, view: CircuitView) -> bool:
    circuit = site.circuits[site.index_of_circuit[view.circuit]]
    return circuit.parent is None and not circuit.spans


@dataclass(frozen=True, slots=True)
class _Post:
    """A charger with what its car does."""

    charger: Charger
    asks: bool
    """Its car wants current, or would if the sun gave any."""
    connected: bool
    watts_per_amp: float
    """With the phases that its car is known to use; before, with all."""

    @property
    def least_w(self) -> float:
        return self.charger.min_a * self.watts_per_amp


def _posts(site: Site, decision: Decision) -> list[_Post]:
    known = decision.memory.chargers or {}
    posts = []
    for charger, setpoint in zip(site.chargers, decision.setpoints, strict=True):
        memory = known.get(charger.id)
        if memory is None or memory.online_s is None:
            continue
        held = setpoint.held_by is not None and setpoint.held_by.rule is Rule.SURPLUS
        asks = held or memory.want is Want.CURRENT or memory.draw_a >= DRAWING_A
        watts = _watts_per_amp(site, charger, memory.mask.bit_count() or charger.phases)
        posts.append(_Post(charger, asks, asks or memory.want is Want.START, watts))
    return posts


def _watts_per_amp(site: Site, charger: Charger, phases: int) -> float:
    if site.supply is Supply.SPLIT_PHASE and charger.phases == 2:
        return 2 * site.nominal_v
    if site.supply is Supply.LINE_TO_LINE:
        return site.nominal_v * (1.0 if phases == 2 else phases / 3**0.5)
    return site.nominal_v * phases


def _covered(charging: Sequence[_Post], mean_w: float) -> list[_Post]:
    """Those whose minimums the sun still covers; the last in rank goes first."""
    left = sorted(charging, key=lambda post: (post.charger.rank, post.charger.id))
    while left and sum(post.least_w for post in left) > mean_w:
        left.pop()
    return left


def _division(charging: Sequence[_Post], mean_w: float) -> dict[ChargerId, float]:
    """In amperes: everyone has the minimum, the rest goes in equal watts by weight."""
    claims = [
        Claim(
            post.charger.min_a,
            post.charger.max_a,
            post.charger.weight / post.watts_per_amp,
            1,
            ((0, post.watts_per_amp, 0.0),),
        )
        for post in charging
    ]
    shares = share(claims, Room([0.0], [0.0], [max(0.0, mean_w)]))
    return {post.charger.id: amps for post, (amps, _) in zip(charging, shares, strict=True)}


def _settled(was_a: float | None, aim_a: float) -> float:
    """Not every cloud is worth a message."""
    if was_a is None or (was_a > 0) != (aim_a > 0) or abs(aim_a - was_a) >= STEP_A:
        return round(aim_a, 1)
    return was_a
