"""Other ways to steer chargers, to compare with: none at all, a fixed current, and a rolling maximum of the building.

They are given more than any real controller: the building's true load and the cars' true wishes, each second, without
delay. Where not all minimums fit, cars take turns; who has charged longest is paused first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from ampacity.core.allocate import Claim, Room, share
from ampacity.core.decide import decide
from ampacity.core.decision import Command, Decision, Setpoint
from ampacity.core.errors import AmpacityError
from ampacity.core.memory import Memory
from ampacity.core.observations import Observed
from ampacity.core.site import PauseMode, Site, on_step_a
from ampacity.sim.plant import Plant

Controller = Callable[[Site, Observed, float], Decision]
Policy = Callable[[Plant], Controller]
"""Makes the controller of a run. It may look at the plant, which no real one can."""

LONGEST_S = 86_400
TURN_S = 900
RAISE_A = 0.5

OURS = "ampacity"
STRICT = "ampacity-strict"
NAMES = (OURS, STRICT, "rolling-0", "rolling-15", "rolling-60", "rolling-180", "static", "uncontrolled")
"""Names that people use; any other number of seconds may stand behind `rolling-`."""


class PolicyUnknown(AmpacityError):
    """There is no such policy."""

    code = "policy-unknown"
    remedy = f"Use one of: {', '.join(NAMES)}, or rolling- with another number of seconds; or all."


def check_name(name: str) -> None:
    """Raises:
    PolicyUnknown: there is no policy of that name.
    """
    kind, _, seconds = name.partition("-")
    rolls = kind == "rolling" and seconds.isdecimal() and int(seconds) <= LONGEST_S
    if name not in NAMES and not rolls:
        raise PolicyUnknown(f"There is no policy {name!r}.")


def named(name: str, site: Site) -> tuple[Policy, Site]:
    """A policy by its name, and the site as it is to be run with it.

    Raises:
        PolicyUnknown: there is none of that name.
    """
    check_name(name)
    match name:
        case "ampacity":
            return controlled, site
        case "ampacity-strict":
            return controlled, replace(site, pause_mode=PauseMode.STRICT)
        case "static":
            return static, site
        case "uncontrolled":
            return uncontrolled, site
        case _:
            return rolling_maximum(int(name.partition("-")[2])), site


def controlled(plant: Plant) -> Controller:
    """This product's own controller, which looks at no plant."""
    return decide


def using(controller: Controller) -> Policy:
    """A policy that is this controller, whatever the plant."""
    return lambda plant: controller


def uncontrolled(plant: Plant) -> Controller:
    """Every charger gives all that it can."""

    def whole(site: Site, observed: Observed, now_s: float) -> Decision:
        return _decision(site, site.top_a, None if now_s == 0 else site.top_a, now_s)

    return whole


def rolling_maximum(window_s: int) -> Policy:
    """Takes the highest load of the last `window_s` seconds for the building's; 0: this second's alone."""

    def policy(plant: Plant) -> Controller:
        return _Shared(plant, _Rolling(plant, window_s)).decide

    return policy


def static(plant: Plant) -> Controller:
    """A fixed current for all chargers together: what the highest load of the whole run leaves."""
    highest = plant.highest_own()
    return _Shared(plant, lambda second: highest).decide


class _Rolling:
    """The highest of the last seconds, by place."""

    def __init__(self, plant: Plant, window_s: int) -> None:
        self._plant = plant
        self._window_s = window_s
        self._peaks: list[deque[tuple[int, float]]] = [deque() for _ in range(plant.site.topology.places)]

    def __call__(self, second: int) -> list[float]:
        lines = self._plant.site.topology.lines
        for circuit, own in enumerate(self._plant.own):
            for line, amps in enumerate(own):
                peaks = self._peaks[circuit * lines + line]
                while peaks and peaks[-1][1] <= amps:
                    peaks.pop()
                peaks.append((second, amps))
                while peaks[0][0] < second - self._window_s:
                    peaks.popleft()
        return [peaks[0][1] for peaks in self._peaks]


class _Shared:
    """Equal shares of what an estimate of the building leaves: down and pauses at once, up from half an ampere."""

    def __init__(self, plant: Plant, estimate: Callable[[int], Sequence[float]]) -> None:
        self._plant = plant
        self._estimate = estimate
        count = len(plant.sockets)
        self._limits = [0.0] * count
        self._since_s: list[int | None] = [None] * count
        """Since when a car is inside; None: it isn't."""
        self._waits_s: list[int | None] = [None] * count
        self._last: object = None
        self._next_s = 0

    def decide(self, site: Site, observed: Observed, now_s: float) -> Decision:
        second = int(now_s)
        loads = self._estimate(second)
        wanting = [n for n, socket in enumerate(self._plant.sockets) if socket.wants]
        state = (tuple(loads), tuple(wanting))
        before = list(self._limits)
        if state != self._last or second >= self._next_s:
            self._last = state
            self._choose(site, loads, wanting, second)
        return _decision(site, self._limits, before if second else None, now_s)

    def _choose(self, site: Site, loads: Sequence[float], wanting: Sequence[int], second: int) -> None:
        room = self._room(site, loads)
        inside = self._inside(site, room, wanting, second)
        claims = [self._claim(site, number) for number in inside]
        fair = {n: amps for n, (amps, _) in zip(inside, share(claims, room), strict=True)}
        for number, charger in enumerate(site.chargers):
            target = on_step_a(fair.get(number, 0.0) + 1e-9, charger.step_a)
            if target < self._limits[number] or target - self._limits[number] >= RAISE_A:
                self._limits[number] = target
        changes = [since + TURN_S for since in self._since_s if since is not None]
        self._next_s = min((s for s in changes if s > second), default=2**40)

    def _room(self, site: Site, loads: Sequence[float]) -> Room:
        limits = [amps for circuit in site.limits_a for amps in circuit]
        return Room(list(loads), [0.0] * len(limits), limits)

    def _claim(self, site: Site, number: int) -> Claim:
        charger, socket = site.chargers[number], self._plant.sockets[number]
        session = socket.session
        lines = charger.phases if session is None else session.lines
        way = site.topology.way[number][2**lines - 1 if lines < charger.phases else 0]
        most = site.top_a[number] if session is None else min(site.top_a[number], session.max_a)
        return Claim(charger.min_a, max(charger.min_a, most), charger.weight, 1, site.topology.pulls[way])

    def _inside(self, site: Site, room: Room, wanting: Sequence[int], second: int) -> list[int]:
        """Whose minimum fits. Those inside stay, unless they must go or their turn is over and another waits."""
        present = set(wanting)
        for number in range(len(site.chargers)):
            if number not in present:
                self._since_s[number] = self._waits_s[number] = None
            elif self._since_s[number] is None and self._waits_s[number] is None:
                self._waits_s[number] = second
        least = room.copy()
        waiting = sorted((n for n in wanting if self._since_s[n] is None), key=lambda n: (self._waits_s[n] or 0, n))
        staying = sorted(
            (n for n in wanting if self._since_s[n] is not None),
            key=lambda n: (bool(waiting) and second - (self._since_s[n] or 0) >= TURN_S, -(self._since_s[n] or 0), n),
        )
        fresh = [n for n in staying if not (waiting and second - (self._since_s[n] or 0) >= TURN_S)]
        over = [n for n in staying if n not in fresh]
        inside = []
        for number in (*fresh, *waiting, *over):
            claim = self._claim(site, number)
            reach, _ = least.reach_a(claim.pulls)
            if reach >= claim.floor_a - 1e-9:
                least.add(claim.pulls, claim.floor_a)
                inside.append(number)
                if self._since_s[number] is None:
                    self._since_s[number], self._waits_s[number] = second, None
                elif number in over:
                    self._since_s[number] = second
            elif self._since_s[number] is not None:
                self._since_s[number], self._waits_s[number] = None, second
        return inside


def _decision(site: Site, limits: Sequence[float], before: Sequence[float] | None, now_s: float) -> Decision:
    commands = tuple(
        Command(charger=charger.id, limit_a=limit, safe_a=charger.safe_a, lease_s=None, renewal=False)
        for number, (charger, limit) in enumerate(zip(site.chargers, limits, strict=True))
        if before is None or abs(limit - before[number]) > 1e-9
    )
    setpoints = tuple(Setpoint(c.id, limit, None, None) for c, limit in zip(site.chargers, limits, strict=True))
    return Decision(at_s=now_s, setpoints=setpoints, commands=commands, circuits=(), memory=Memory())
