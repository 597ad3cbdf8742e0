"""Reads a journal back, and lets a recording be decided again."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from ampacity.core.decision import Command, Decision
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import Site
from ampacity.storage.codec import (
    Pass,
    decoded_observation,
    digest,
    limits_of,
    unpacked_passes,
    unpacked_site,
    unpacked_start,
)
from ampacity.storage.errors import StorageDamaged, cause_of
from ampacity.storage.schema import batches, gaps, runs, sites, snapshots

LATEST_S = 2.0**37
"""No computer's clock shows a later time, in seconds since 1970."""

Decide = Callable[[Site, Observed, float], Decision]


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the controller."""

    id: int
    started_s: float
    """UTC seconds since 1970."""
    version: str
    passes: int
    """How many are kept."""
    gaps: int
    """Passes that were lost."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a replay can begin."""

    observed: Observed
    limits: dict[str, float]
    """Every setpoint so far, in amperes."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One pass as it was."""

    at_s: float
    """On the controller's clock of that run."""
    site: Site
    seen: Sequence[Observation]
    limits: dict[str, float]
    """Setpoints that changed, in amperes."""
    digest: bytes
    commands: Sequence[Command] = ()
    start: Start | None = None
    """What was known before it, where a snapshot stands: at the start, every 10 min, and after a gap."""
    after_gap: bool = False
    """The pass before it was not kept."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One pass, decided again."""

    recorded: Recorded
    decision: Decision
    same: bool
    difference: str
    """In words; empty when it is the same."""


@contextmanager
def _readable() -> Iterator[None]:
    """SQLite gives back any type from any column of a damaged file, and words about the damage that are no text."""
    try:
        yield
    except (SQLAlchemyError, TypeError, ValueError, LookupError, OverflowError) as error:
        raise StorageDamaged(f"A record can't be read ({cause_of(error)}).") from error


def recorded_runs(engine: Engine) -> list[Run]:
    """All runs in the journal, oldest first.

    Raises:
        StorageDamaged: they can't be read back.
    """
    kept = select(func.coalesce(func.sum(batches.c.passes), 0)).where(batches.c.run == runs.c.id).scalar_subquery()
    lost = select(func.coalesce(func.sum(gaps.c.passes), 0)).where(gaps.c.run == runs.c.id).scalar_subquery()
    query = select(runs.c.id, runs.c.started_s, runs.c.version, kept, lost).order_by(runs.c.id)
    with _readable(), engine.connect() as connection:
        return [Run(int(r[0]), _moment_s(r[1]), str(r[2]), int(r[3]), int(r[4])) for r in connection.execute(query)]


def _moment_s(value: object) -> float:
    seconds = float(str(value))
    if not 0.0 <= seconds < LATEST_S:
        raise ValueError(f"{seconds:g} is no time")
    return seconds


def recording(engine: Engine, run: int, from_s: float = -math.inf, to_s: float = math.inf) -> Iterator[Recorded]:
    """The passes of a run, in order, read batch by batch.

    From the newest snapshot at or before `from_s` (the run's clock), or the first that is still kept, up to `to_s`.

    Raises:
        StorageDamaged: a record can't be read back.
    """
    passes = _passes(engine, run, from_s, to_s)
    while True:
        with _readable():
            one = next(passes, None)
        if one is None:
            return
        yield one


def _passes(engine: Engine, run: int, from_s: float, to_s: float) -> Iterator[Recorded]:
    with engine.connect() as connection:
        start_s = _start_of(connection, run, from_s)
        if start_s is None:
            return
        changes = connection.execute(
            select(sites.c.from_s, sites.c.site).where(sites.c.run == run).order_by(sites.c.id)
        ).all()
        starts = [float(row.from_s) for row in changes]
        known = [unpacked_site(row.site) for row in changes]
        rows = connection.execute(
            select(batches, snapshots.c.body.label("start"))
            .outerjoin(snapshots, (snapshots.c.run == run) & (snapshots.c.before_s == batches.c.first_s))
            .where(batches.c.run == run, batches.c.first_s >= start_s, batches.c.first_s <= to_s)
            .order_by(batches.c.id)
        )
        number: int | None = None
        for row in rows:
            after_gap = None not in (number, row.first_pass) and number != row.first_pass
            number = None if row.first_pass is None else row.first_pass + row.passes
            start = None if row.start is None else Start(*unpacked_start(row.start))
            for place, one in enumerate(unpacked_passes(row.body)):
                if one.at_s > to_s:
                    return
                site = known[max(0, bisect_right(starts, one.at_s) - 1)]
                first = place == 0
                yield _recorded(one, site, start if first else None, after_gap=first and after_gap)


def replay(
    engine: Engine, run: int, decide: Decide, from_s: float = -math.inf, to_s: float = math.inf
) -> Iterator[Replayed]:
    """Decides a recorded run again, from a snapshot, and anew from the next one after each gap.

    Yields one result a pass from `from_s` to `to_s` (the run's clock), in order; passes before the first snapshot
    that is still kept are left out.

    Raises:
        StorageDamaged: a record can't be read back.
    """
    observed: Observed | None = None
    limits: dict[str, float] = {}
    for one in recording(engine, run, from_s, to_s):
        if one.start is not None and (observed is None or one.after_gap):
            observed, limits = one.start.observed, dict(one.start.limits)
        elif one.after_gap:
            observed = None
        limits.update(one.limits)
        if observed is None:
            continue
        observed = observed.with_(one.site, one.seen)
        decision = decide(one.site, observed, one.at_s)
        observed = observed.remembering(decision.memory)
        if one.at_s < from_s:
            continue
        same = digest(decision) == one.digest
        yield Replayed(one, decision, same, "" if same else _difference(decision, one, limits))


def _start_of(connection: Connection, run: int, from_s: float) -> float | None:
    """The pass to begin with: one that has a snapshot."""
    of_run = select(func.max(snapshots.c.before_s)).where(snapshots.c.run == run, snapshots.c.before_s <= from_s)
    start_s: float | None = connection.execute(of_run).scalar()
    if start_s is None:
        start_s = connection.execute(select(func.min(snapshots.c.before_s)).where(snapshots.c.run == run)).scalar()
    return start_s


def _recorded(one: Pass, site: Site, start: Start | None, *, after_gap: bool) -> Recorded:
    seen = [decoded_observation(name, body) for name, body in one.seen]
    return Recorded(one.at_s, site, seen, dict(one.limits), one.digest, tuple(one.commands), start, after_gap)


def _difference(decision: Decision, one: Recorded, limits: dict[str, float]) -> str:
    other = limits_of(decision, limits)
    if other:
        told = {charger: f"{limits[charger]:g} A" if charger in limits else "nothing" for charger in other}
        return "; ".join(f"{charger}: {told[charger]} recorded, {now_a:g} A now" for charger, now_a in other.items())
    was, now = set(one.commands), set(decision.commands)
    parts = [f"{c.charger}: {c.limit_a:g} A was sent, is not sent now" for c in one.commands if c not in now]
    parts += [f"{c.charger}: {c.limit_a:g} A is sent now, was not" for c in decision.commands if c not in was]
    return "; ".join(parts) or "the same setpoints and commands, with other causes or in another order"
