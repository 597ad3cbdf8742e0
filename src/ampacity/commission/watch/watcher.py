"""The watch beside the control loop: takes what passed, and works on it in a thread of its own."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import structlog

from ampacity.commission.dossier import Dossier
from ampacity.commission.steptest.mounting import Wiring
from ampacity.commission.watch.evidence import evidence_of
from ampacity.commission.watch.expected import alike, expected_of, place_of
from ampacity.commission.watch.explanations import Claim, Kind
from ampacity.commission.watch.judge import Learned, Said, share_of
from ampacity.commission.watch.life import Found, Life, Passed
from ampacity.config.installation import Installation
from ampacity.core.decision import Blindness, CircuitView, Command, Decision
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import ChargerId, MeterId, Site
from ampacity.runtime.happenings import Event, Param

EVERY_S = 5.0
LOOK_S = 60.0
"""How often it is looked whether a test has found something new."""
KEEP_S, KEEP_SOON_S = 1800.0, 60.0
"""How often what is known is kept: seldom, since a memory card wears by writing; sooner when something was found."""
MOST_WAITING = 20_000
"""Passes. Only a thread that hangs lets so many come together; then the oldest are given up."""
CLOSE_S = 10.0

_SAYS_NOTHING = frozenset(
    {Blindness.SILENT, Blindness.FROZEN, Blindness.ABSURD, Blindness.EXCHANGED, Blindness.NEVER_SEEN}
)
"""A meter that is turned still shows how the cars move."""

_log = structlog.get_logger("ampacity.watch")


class WatchStore(Protocol):
    """What the watch keeps. Every method blocks, and raises AmpacityError when the record can't be reached."""

    def read(self) -> str | None:
        """None: nothing was kept yet."""
        ...

    def keep(self, kept: str) -> None: ...

    def dossier(self) -> Dossier: ...

    def learn(self, charger: ChargerId, wirings: Sequence[Wiring]) -> None:
        """Into the dossier."""
        ...


class _Taken(NamedTuple):
    at_s: float
    site: Site
    seen: Sequence[Observation]
    commands: Sequence[Command]
    circuits: Sequence[CircuitView]


class Watch:
    """A watcher of the loop. It returns at once; start it once, and close it."""

    def __init__(
        self,
        store: WatchStore,
        installation: Callable[[], Installation],
        tell: Callable[[Collection[Event]], None],
        wall_s: Callable[[], float],
        *,
        is_testing: Callable[[], bool],
        every_s: float = EVERY_S,
    ) -> None:
        """`is_testing`: a test of the installation is under way, which is no daily life."""
        self._store = store
        self._installation = installation
        self._tell = tell
        self._wall_s = wall_s
        self._is_testing = is_testing
        self._every_s = every_s
        self._inbox: deque[_Taken | None] = deque(maxlen=MOST_WAITING)
        """None: a test is under way."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._life: Life | None = None
        self._site: Site | None = None
        self._standing: dict[str, str] = {}
        """Codes that were told and are not over; by what they are of."""
        self._looked_s = self._kept_s = float("-inf")
        self._is_news = False
        self._failed = False

    def __call__(self, site: Site, _: Observed, seen: Sequence[Observation], decision: Decision) -> None:
        if self._is_testing():
            if not self._inbox or self._inbox[-1] is not None:
                self._inbox.append(None)
        elif seen or decision.commands:
            self._inbox.append(_Taken(decision.at_s, site, seen, decision.commands, decision.circuits))

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Keeps what is known, if it can be kept. Blocks for at most CLOSE_S."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    # --- the watch's own thread ---

    def _run(self) -> None:
        while not self._closing.wait(self._every_s):
            self.work()
        self.work(last=True)

    def work(self, *, last: bool = False) -> None:
        """What has come since; the thread calls it again and again."""
        try:
            self._take()
            due_s = KEEP_SOON_S if self._is_news else KEEP_S
            if self._life is not None and (last or time.monotonic() - self._kept_s >= due_s):
                self._kept_s, self._is_news = time.monotonic(), False
                kept = {"version": 1, "standing": self._standing, "life": self._life.kept()}
                self._store.keep(json.dumps(kept, separators=(",", ":")))
        except AmpacityError as error:
            _log.debug("watch-not-kept", what=error.what)
        except Exception:  # of whatever kind: it is begun anew, and control knows nothing of it
            self._life, self._site = None, None
            if not self._failed:
                self._failed = True
                _log.critical("watch-failed", remedy="Control goes on. Report this.", exc_info=True)

    def _take(self) -> None:
        last: _Taken | None = None
        while self._inbox:
            one = self._inbox.popleft()
            if one is None:
                if self._life is not None:
                    self._life.interrupt()
                continue
            life = self._life_for(one.site)
            life.passed(
                Passed(
                    at_s=one.at_s,
                    seen=one.seen,
                    commands=one.commands,
                    unsure=_unsure(one.site, one.circuits),
                )
            )
            last = one
        if last is not None and self._life is not None:
            for found in self._life.found(last.at_s, self._wall_s()):
                self._is_news = True
                self._found(last.site, found)

    def _life_for(self, site: Site) -> Life:
        """What is watched, as it is installed now."""
        life, now_s = self._life, time.monotonic()
        if life is not None and site is self._site and now_s - self._looked_s < LOOK_S:
            return life
        expected = expected_of(self._installation(), site, self._store.dossier())
        self._looked_s = now_s
        if life is None:
            life = Life(site, expected)
            self._resume(life)
            self._kept_s = now_s
        elif site is not self._site or life.expected != expected:
            life.use(site, expected)
        self._life, self._site = life, site
        self._standing = {of: code for of, code in self._standing.items() if life.says(*_of(of))}
        return life

    def _resume(self, life: Life) -> None:
        kept = self._store.read()
        if not kept:
            return
        try:
            found: dict[str, Any] = json.loads(kept)
            life.resume(found["life"])
            self._standing = {str(of): str(code) for of, code in found["standing"].items()}
        except (ValueError, LookupError, TypeError, AttributeError):
            _log.warning("watch-damaged", remedy="It is watched anew from now on.")

    # --- what is told ---

    def _found(self, site: Site, found: Found) -> None:
        what, installation = found.what, self._installation()
        circuit = site.circuits[place_of(site, found.meter)].id
        name = installation.circuit_name_of(circuit)
        params: dict[str, Param] = {"circuit": name, "circuit_id": circuit, "meter": found.meter}
        charger = what.charger
        if charger is not None:
            params |= {"charger": installation.name_of(charger), "charger_id": charger}
        if isinstance(what, Learned):
            self._store.learn(what.charger, what.wirings)
            if not alike(site.supply, what.wirings):
                return
            params["found"] = _lines([int(line) for line in what.wirings[0]])
            code: str | None = "wiring-learned"
        else:
            params |= _figures(what, site, charger)
            code = self._code(found.meter, charger, what.claim, what.before)
        if code is not None:
            evidence = evidence_of(what.steps, name)
            self._tell([Event(at_s=round(self._wall_s(), 3), code=code, params=params, evidence=evidence)])

    def _code(self, meter: MeterId, charger: ChargerId | None, claim: Claim, before: Claim) -> str | None:
        """What is to be told; None: it was."""
        of = f"{meter}/{charger or ''}"
        if claim.kind is None:
            if self._standing.pop(of, None) is None:
                return None
            # Another meter may still see it otherwise.
            if charger is not None and any(_of(one)[1] == charger for one in self._standing):
                return None
            return "clamps-fit" if charger is None else "steps-fit"
        others = [code for one, code in self._standing.items() if charger is not None and _of(one)[1] == charger]
        self._standing[of] = claim.kind.value
        # Every meter above a charger sees that it was connected otherwise.
        return None if claim.kind is Kind.WIRING and claim.kind.value in others else claim.kind.value


def _of(of: str) -> tuple[MeterId, ChargerId | None]:
    meter, _, charger = of.partition("/")
    return MeterId(meter), ChargerId(charger) if charger else None


def _unsure(site: Site, circuits: Sequence[CircuitView]) -> list[MeterId]:
    meters = {one.id: one.meter for one in site.circuits}
    found = [meters.get(view.circuit) for view in circuits if view.blind in _SAYS_NOTHING]
    return [meter for meter in found if meter is not None]


def _figures(said: Said, site: Site, charger: ChargerId | None) -> Mapping[str, Param]:
    params: dict[str, Param] = {}
    claim = said.claim
    if claim.kind in (Kind.CLAMP_LOST, Kind.CLAMP_TURNED, Kind.RATIO):
        params["lines"] = ", ".join(f"L{line + 1}" for line in claim.lines)
    if claim.kind in (Kind.RATIO, Kind.REPORT):
        params["share_pct"] = round(100 * share_of(said))
    if claim.kind is Kind.WIRING and charger is not None:
        params["found"] = _lines(claim.lines)
        wiring = site.chargers[site.index_of_charger[charger]].wiring
        params["before"] = "?" if wiring is None else _lines([int(line) for line in wiring])
    return params


def _lines(lines: Sequence[int]) -> str:
    return ", ".join("?" if line < 0 else f"L{line + 1}" for line in lines)
