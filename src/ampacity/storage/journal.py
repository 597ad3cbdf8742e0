"""Keeps everything that decided anything. One thread writes, in batches; the control path only hands over."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine, insert
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed, SessionStarted
from ampacity.core.site import Site
from ampacity.storage.codec import (
    Pass,
    digest,
    encoded_observation,
    limits_of,
    packed,
    packed_observed,
    packed_site,
)
from ampacity.storage.history import Retention, Roller, figures, forget
from ampacity.storage.schema import batches, gaps, runs, sessions, sites, snapshots

FLUSH_S = 5.0
"""What is not written yet is at risk: less than the 10 s that are promised."""

SNAPSHOT_S = 600.0
MOST_WAITING = 3_600
"""Passes kept in memory while the database can't be written; older ones are dropped, and the gap is recorded."""

FORGET_EVERY_S = 60.0

_log = structlog.get_logger("ampacity.journal")


@dataclass(frozen=True, slots=True)
class _Entry:
    wall_s: float
    site: Site
    seen: Sequence[Observation]
    decision: Decision


class JournalWriter:
    """The journal of one run. `append` returns at once and never raises."""

    def __init__(
        self,
        engine: Engine,
        site: Site,
        toml: str,
        *,
        version: str,
        retention: Retention,
        started_wall_s: float,
        started_s: float,
        wall_s: Callable[[], float],
        flush_s: float = FLUSH_S,
    ) -> None:
        self._engine = engine
        self._retention = retention
        self._wall_s = wall_s
        self._flush_s = flush_s
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._site, self._toml = site, toml
        self._known_site = site
        """The site of the passes written last."""
        self._observed = Observed()
        self._limits: dict[str, float] = {}
        self._roller = Roller()
        self._dropped: list[float] = []
        self._broken = ""
        self._snapshot_s = -math.inf
        self._forgot_s = started_wall_s
        self._offset_s = started_wall_s - started_s
        with engine.begin() as connection:
            key = connection.execute(
                insert(runs).values(started_s=started_wall_s, monotonic_s=started_s, version=version)
            ).inserted_primary_key
            self._run: int = key[0] if key is not None else 0
            connection.execute(insert(sites).values(run=self._run, from_s=started_s, site=packed_site(site), toml=toml))
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def append(self, seen: Sequence[Observation], decision: Decision) -> None:
        """Hands over one pass."""
        self._queue.put(_Entry(self._wall_s(), self._site, seen, decision))

    def site_changed(self, site: Site, toml: str) -> None:
        """The passes that follow are about this site."""
        self._site, self._toml = site, toml

    def close(self) -> None:
        """Writes what is left and ends the thread."""
        self._queue.put(None)
        self._thread.join(timeout=30)

    # --- the writer's thread ---

    def _work(self) -> None:
        waiting: list[_Entry] = []
        open_ = True
        while open_:
            open_ = self._collect(waiting)
            if waiting:
                self._write(waiting)
            if self._wall_s() - self._forgot_s >= FORGET_EVERY_S:
                self._forget()

    def _collect(self, waiting: list[_Entry]) -> bool:
        """Takes entries for the length of a batch. False: the journal is closed."""
        end_s = time.monotonic() + self._flush_s
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                entry = self._queue.get(timeout=left_s)
            except queue.Empty:
                return True
            if entry is None:
                return False
            waiting.append(entry)
            if len(waiting) > MOST_WAITING:
                self._drop(waiting.pop(0))
        return True

    def _drop(self, entry: _Entry) -> None:
        """Gives up the oldest pass; what it left behind is still followed, so that a snapshot after the gap is true."""
        self._dropped.append(entry.decision.at_s)
        self._observed = self._observed.with_(entry.site, entry.seen).remembering(entry.decision.memory)
        self._limits.update(limits_of(entry.decision, self._limits))

    def _write(self, waiting: list[_Entry]) -> None:
        """One transaction; what was written is removed from `waiting`, or all of it stays for the next try."""
        before = (self._observed, dict(self._limits), self._snapshot_s)
        try:
            with self._engine.begin() as connection:
                if self._dropped:
                    connection.execute(
                        insert(gaps).values(
                            run=self._run,
                            first_s=self._dropped[0],
                            last_s=self._dropped[-1],
                            passes=len(self._dropped),
                            why=self._broken[:200],
                        )
                    )
                    self._snapshot_s = -math.inf  # a replay starts anew after the gap
                start = 0
                for place in range(1, len(waiting) + 1):
                    if place == len(waiting) or waiting[place].site is not waiting[start].site:
                        self._write_batch(connection, waiting[start:place])
                        start = place
                for entry in waiting:
                    self._roller.add(connection, entry.wall_s, figures(entry.decision, self._observed))
                self._roller.flush(connection)
        except (SQLAlchemyError, OSError) as error:
            self._observed, self._limits, self._snapshot_s = before
            if not self._broken:
                _log.error(
                    "storage",
                    what=f"the journal can't be written ({getattr(error, 'orig', None) or error})",
                    remedy="Control goes on. Check the disk; a gap is recorded once it works again.",
                )
            self._broken = str(getattr(error, "orig", None) or error)
            return
        if self._broken:
            _log.info("storage-back", dropped=len(self._dropped))
        self._broken = ""
        self._dropped.clear()
        waiting.clear()

    def _write_batch(self, connection: object, entries: Sequence[_Entry]) -> None:
        site = entries[0].site
        execute = connection.execute  # type: ignore[attr-defined]
        at_s = entries[0].decision.at_s
        if site is not self._known_site:
            execute(insert(sites).values(run=self._run, from_s=at_s, site=packed_site(site), toml=self._toml))
            self._snapshot_s = -math.inf
            self._known_site = site
        if at_s - self._snapshot_s >= SNAPSHOT_S:
            execute(
                insert(snapshots).values(
                    run=self._run, before_s=at_s, wall_s=entries[0].wall_s, body=packed_observed(self._observed)
                )
            )
            self._snapshot_s = at_s
        passes = []
        for entry in entries:
            decision = entry.decision
            limits = limits_of(decision, self._limits)
            self._limits.update(limits)
            passes.append(
                Pass(
                    decision.at_s,
                    [encoded_observation(one) for one in entry.seen],
                    limits,
                    len(decision.commands),
                    digest(decision),
                )
            )
            self._observed = self._observed.with_(site, entry.seen).remembering(decision.memory)
            for one in entry.seen:
                if isinstance(one, SessionStarted):
                    self._begin_session(connection, one)
        execute(
            insert(batches).values(
                run=self._run,
                first_s=at_s,
                last_s=entries[-1].decision.at_s,
                wall_s=entries[-1].wall_s,
                passes=len(passes),
                body=packed(passes),
            )
        )

    def _begin_session(self, connection: object, one: SessionStarted) -> None:
        connection.execute(  # type: ignore[attr-defined]
            upsert(sessions)
            .values(charger=one.charger, session=one.session, started_s=self._offset_s + one.at_s)
            .on_conflict_do_nothing()
        )

    def _forget(self) -> None:
        self._forgot_s = self._wall_s()
        try:
            forget(self._engine, self._retention, self._forgot_s)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("storage", what=f"old records can't be deleted ({error})", remedy="Check the disk.")
