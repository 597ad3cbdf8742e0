"""Reads a journal back, and lets a recording be decided again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import Site
from ampacity.storage.codec import (
    decoded_observation,
    digest,
    limits_of,
    unpacked_observed,
    unpacked_passes,
    unpacked_site,
)
from ampacity.storage.schema import batches, gaps, runs, sites, snapshots

Decide = Callable[[Site, Observed, float], Decision]


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the controller."""

    id: int
    started_s: float
    version: str
    passes: int
    gaps: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """One pass as it was."""

    at_s: float
    site: Site
    seen: Sequence[Observation]
    limits: dict[str, float]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Replayed:
    """One pass, decided again."""

    recorded: Recorded
    decision: Decision
    same: bool
    difference: str
    """In words; empty when it is the same."""


def recorded_runs(engine: Engine) -> list[Run]:
    """All runs in the journal, oldest first."""
    with engine.connect() as connection:
        out = []
        for run in connection.execute(select(runs).order_by(runs.c.id)):
            counts = connection.execute(select(batches.c.passes).where(batches.c.run == run.id)).scalars().all()
            lost = connection.execute(select(gaps.c.passes).where(gaps.c.run == run.id)).scalars().all()
            out.append(Run(run.id, run.started_s, run.version, sum(counts), sum(lost)))
    return out


def replay(engine: Engine, run: int, decide: Decide) -> Iterator[Replayed]:
    """Decides a recorded run again, from its first snapshot, and anew from the next one after each gap.

    Yields one result a pass, in order; passes before the first snapshot that is still kept are left out.
    """
    observed: Observed | None = None
    limits: dict[str, float] = {}
    with engine.connect() as connection:
        starts = {row.before_s: row.body for row in connection.execute(select(snapshots).where(snapshots.c.run == run))}
        changes = [
            (row.from_s, unpacked_site(row.site))
            for row in connection.execute(select(sites).where(sites.c.run == run).order_by(sites.c.id))
        ]
        ends = {row.last_s for row in connection.execute(select(gaps).where(gaps.c.run == run))}
        rows = connection.execute(select(batches).where(batches.c.run == run).order_by(batches.c.id))
        last_s = -1.0
        for row in rows:
            if any(last_s < end <= row.first_s for end in ends):
                observed = None
            if observed is None and row.first_s in starts:
                observed = unpacked_observed(starts[row.first_s])
            for one in unpacked_passes(row.body):
                last_s = one.at_s
                limits.update(one.limits)
                if observed is None:
                    continue
                site = next((s for from_s, s in reversed(changes) if from_s <= one.at_s), changes[0][1])
                seen = [decoded_observation(name, body) for name, body in one.seen]
                observed = observed.with_(site, seen)
                decision = decide(site, observed, one.at_s)
                observed = observed.remembering(decision.memory)
                same = digest(decision) == one.digest
                yield Replayed(
                    Recorded(one.at_s, site, seen, dict(one.limits), one.digest),
                    decision,
                    same,
                    "" if same else _difference(decision, limits),
                )


def _difference(decision: Decision, limits: dict[str, float]) -> str:
    other = limits_of(decision, limits)
    if other:
        return "; ".join(f"{c}: {limits.get(c, 0.0):g} A recorded, {a:g} A now" for c, a in other.items())
    return "the same setpoints, with other causes or commands"
