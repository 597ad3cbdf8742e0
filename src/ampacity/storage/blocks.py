"""From passes to blocks: what the journal writes at once, and what it may have to give up at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import msgspec

from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed, SessionEnded, SessionStarted
from ampacity.core.site import Site
from ampacity.storage.codec import encoded_pass, limits_of, packed_passes, packed_start

KEPT_UP = "passes came faster than they were written"


@dataclass(frozen=True, slots=True)
class Described:
    """A site and the text it was read from."""

    site: Site
    toml: str


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass as the loop hands it over."""

    wall_s: float
    """UTC seconds since 1970."""

    described: Described
    seen: Sequence[Observation]
    decision: Decision


@dataclass(frozen=True, slots=True)
class Gap:
    """Passes that were lost. Times on the controller's clock, first and last included."""

    first_s: float
    last_s: float
    passes: int
    why: str

    def then(self, later: Gap | None) -> Gap:
        """Both as one; `later` follows this without a pass between them."""
        if later is None:
            return self
        return Gap(self.first_s, later.last_s, self.passes + later.passes, self.why)


@dataclass(frozen=True, slots=True)
class Taken:
    """A pass, what was observed before it, and what was lost right before it."""

    entry: Pass
    before: Observed
    after: Observed
    gap: Gap | None


class Inbox:
    """Passes on their way from the loop to the writer's thread. Full, it gives up the oldest.

    What was observed is followed through all of them, given up or not.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._passes: deque[Pass] = deque()
        self._lock = Lock()
        self._observed = Observed()
        self._gap: Gap | None = None
        """What was given up since the last `take`."""
        self.lost = 0
        """Passes given up so far."""

    def put(self, entry: Pass) -> int:
        """Returns how many wait now."""
        with self._lock:
            self._passes.append(entry)
            if len(self._passes) > self._most:
                at_s = self._step().decision.at_s
                lost = Gap(at_s, at_s, 1, KEPT_UP)
                self._gap = lost if self._gap is None else self._gap.then(lost)
                self.lost += 1
            return len(self._passes)

    def take(self) -> Taken | None:
        """The oldest; None: empty."""
        with self._lock:
            if not self._passes:
                return None
            before, gap = self._observed, self._gap
            self._gap = None
            return Taken(self._step(), before, self._observed, gap)

    def _step(self) -> Pass:
        entry = self._passes.popleft()
        decision = entry.decision
        self._observed = self._observed.with_(entry.described.site, entry.seen).remembering(decision.memory)
        return entry


@dataclass(frozen=True, slots=True)
class Turn:
    """A car's session began or ended."""

    wall_s: float
    one: SessionStarted | SessionEnded


class Block:
    """Passes without a gap between them, about one site."""

    def __init__(self, taken: Taken, number: int, limits: Mapping[str, float]) -> None:
        """`number` of its first pass in the run; `limits` before it."""
        self.described = taken.entry.described
        self.gap = taken.gap
        """What was lost right before it."""
        self.number = number
        self.count = 0
        self.first_s = self.last_s = taken.entry.decision.at_s
        self.first_wall_s = self.wall_s = taken.entry.wall_s
        self.turns: list[Turn] = []
        self.body = b""
        """Its passes, once it is finished."""
        self._passes: list[msgspec.Raw] = []
        self._before: tuple[Observed, Mapping[str, float]] | None = (taken.before, limits)
        self._start: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes, once it is finished and settled."""
        return len(self.body) + len(self._start or b"")

    def add(self, entry: Pass, body: msgspec.Raw) -> None:
        at_s = entry.decision.at_s
        self.count += 1
        self.last_s, self.wall_s = at_s, entry.wall_s
        self._passes.append(body)
        for one in entry.seen:
            if isinstance(one, SessionStarted | SessionEnded):
                self.turns.append(Turn(entry.wall_s + one.at_s - at_s, one))

    def finish(self) -> None:
        self.body = packed_passes(self._passes)
        self._passes.clear()

    def settle(self) -> None:
        """Makes it as small as it gets: it may wait for long."""
        self._start = self.start()
        self._before = None

    def start(self) -> bytes | None:
        """What was known before its first pass; None: it can't be encoded, see `encoded_pass`."""
        if self._before is None:
            return self._start
        try:
            return packed_start(*self._before)
        except (ValueError, OverflowError, TypeError):
            return None

    def lost(self, why: str) -> Gap:
        """The gap that it leaves, with the one before it."""
        own = Gap(self.first_s, self.last_s, self.count, why)
        return own if self.gap is None else self.gap.then(own)

    def follow(self, gap: Gap) -> None:
        """All of `gap` was lost right before it."""
        self.gap = gap.then(self.gap)


class Blocks:
    """Builds blocks of at most `span_s` of the controller's clock."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._block: Block | None = None
        self._limits: Mapping[str, float] = {}
        self._number = 0
        self._gap: Gap | None = None
        """What was lost since the last block."""
        self.lost = 0
        """Passes that could not be encoded."""

    def add(self, taken: Taken) -> Block | None:
        """Takes a pass in. Returns the block before it, if that is finished by it."""
        done = None
        entry, gap = taken.entry, taken.gap
        decision = entry.decision
        block = self._block
        if block is not None and (
            gap is not None or entry.described is not block.described or decision.at_s - block.first_s >= self._span_s
        ):
            done = self.finish()
        if gap is not None:
            self._number += gap.passes
            self._gap = gap if self._gap is None else self._gap.then(gap)
        changed = limits_of(decision, self._limits)
        try:
            body = encoded_pass(entry.seen, decision, changed)
        except (ValueError, OverflowError, TypeError) as error:
            done = done or self.finish()
            lost = Gap(decision.at_s, decision.at_s, 1, f"a pass can't be encoded ({error})")
            self._gap = lost if self._gap is None else self._gap.then(lost)
            self.lost += 1
        else:
            if self._block is None:
                self._block = Block(taken, self._number, self._limits)
                self._block.gap, self._gap = self._gap, None
            self._block.add(entry, body)
        self._number += 1
        if changed:
            self._limits = {**self._limits, **changed}
        return done

    def follow(self, gap: Gap) -> None:
        """All of `gap` was lost right before the block that comes next; none is under way."""
        self._gap = gap.then(self._gap)

    def finish(self) -> Block | None:
        """The block under way, as far as it has come."""
        block, self._block = self._block, None
        if block is not None:
            block.finish()
        return block
