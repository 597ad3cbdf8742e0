"""Keeps everything that decided anything. One thread writes, in batches; the control path only hands over."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, SQLAlchemyError

from ampacity.core.decision import Decision
from ampacity.core.observations import Observation
from ampacity.core.site import Site
from ampacity.storage.blocks import Block, Blocks, Described, Inbox, Pass
from ampacity.storage.errors import StorageError, cause_of
from ampacity.storage.history import Retention, forget
from ampacity.storage.ledger import Ledger
from ampacity.storage.rollup import Roller, figures
from ampacity.storage.secrets import without_secrets

FLUSH_S = 5.0
"""What is not written yet is at risk: less than the 10 s that are promised."""

BLOCK_S = 2 * FLUSH_S
MOST_QUEUED = 600
"""Passes between loop and writer. The writer takes them out even while it can't write: only a disk that hangs fills
it."""

MOST_WAITING_BYTES = 8_000_000
"""Kept in memory while the database can't be written: some three hours of 25 chargers. Then the oldest is given up, and
the gap recorded."""

LONGEST_PAUSE_S = 60.0
FORGET_EVERY_S = 60.0
CLOSE_S = 30.0

_log = structlog.get_logger("ampacity.journal")


class JournalWriter:
    """The journal of one run. `append` returns at once and never raises."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        site: Site,
        toml: str,
        *,
        version: str,
        retention: Retention,
        started_wall_s: float,
        started_s: float,
        wall_s: Callable[[], float],
        flush_s: float = FLUSH_S,
        block_s: float = BLOCK_S,
        most_queued: int = MOST_QUEUED,
        most_waiting_bytes: int = MOST_WAITING_BYTES,
    ) -> None:
        """`engine` is called in the writer's thread, and may raise StorageError again and again: the database may be
        locked, its disk full, or not there yet. `toml`: the text that `site` was read from; its passwords are not
        kept. `started_wall_s` (UTC since 1970) and `started_s` (controller's clock) are the same instant. `wall_s` is
        called in the loop's thread and in the writer's.
        """
        self._engine = engine
        self._retention = retention
        self._wall_s = wall_s
        self._flush_s = flush_s
        self._most_queued = most_queued
        self._most_waiting_bytes = most_waiting_bytes
        self._described = Described(site, without_secrets(toml))
        self._inbox = Inbox(most_queued)
        self._wake = threading.Event()
        self._closing = False
        self._blocks = Blocks(block_s)
        self._waiting: deque[Block] = deque()
        self._roller = Roller()
        self._version, self._started_wall_s, self._started_s = version, started_wall_s, started_s
        self._ledger: Ledger | None = None
        self._broken = ""
        """Why the last attempt to write failed."""
        self._pause_s = 0.0
        self._retry_s = 0.0
        self._given_up = 0
        self._forget_s = time.monotonic() + FORGET_EVERY_S
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Passes given up so far."""
        return self._inbox.lost + self._blocks.lost + self._given_up

    def append(self, seen: Sequence[Observation], decision: Decision) -> None:
        """Hands over one pass. `seen` must not change afterwards."""
        if self._inbox.put(Pass(self._wall_s(), self._described, seen, decision)) >= self._most_queued // 2:
            self._wake.set()

    def site_changed(self, site: Site, toml: str) -> None:
        """The passes that follow are about this site."""
        self._described = Described(site, without_secrets(toml))

    def close(self) -> None:
        """Writes what is left, if it can be written, and ends the thread. Blocks for 30 s at the most."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=CLOSE_S)
        if self._thread.is_alive():
            _log.error("journal-lost", what="The disk does not answer; what was not written yet is lost.")

    # --- the writer's thread ---

    def _work(self) -> None:
        try:
            while not self._closing:
                self._wake.wait(self._flush_s)
                self._wake.clear()
                if not self._closing:
                    self._round()
            self._round(last=True)
        except Exception:
            # Nothing below it may raise; if it does, that must be in the log, and control goes on.
            _log.critical("journal-ended", remedy="Control goes on without a record. Report this.", exc_info=True)

    def _round(self, *, last: bool = False) -> None:
        while (taken := self._inbox.take()) is not None:
            self._roller.add(taken.entry.wall_s, figures(taken.entry.decision, taken.after))
            block = self._blocks.add(taken)
            if block is not None:
                self._waiting.append(block)
        block = self._blocks.finish()
        if block is not None:
            self._waiting.append(block)
        if self._waiting and (self._closing or time.monotonic() >= self._retry_s):
            self._write()
        if self._broken:
            self._bear(last=last)
        elif time.monotonic() >= self._forget_s:
            self._forget()

    def _write(self) -> None:
        try:
            if self._ledger is None:
                self._ledger = Ledger(
                    self._engine(),
                    version=self._version,
                    started_wall_s=self._started_wall_s,
                    started_s=self._started_s,
                )
            self._ledger.write(self._waiting, self._roller)
        except (IntegrityError, DataError, InterfaceError, ValueError, OverflowError) as error:
            # The values, not the database: another attempt would fail as well.
            self._failed(error)
            self._give_up(f"it can't be stored ({_cause(error)})")
        except (StorageError, SQLAlchemyError, OSError) as error:
            self._failed(error)
        else:
            self._waiting.clear()
            if self._broken:
                _log.info("storage-back", lost=self.lost)
            self._broken, self._pause_s, self._retry_s = "", 0.0, 0.0

    def _failed(self, error: Exception) -> None:
        if not self._broken:
            _log.error(
                error.code if isinstance(error, StorageError) else "storage",
                what=f"The journal can't be written ({_cause(error)}).",
                remedy=error.remedy
                if isinstance(error, StorageError)
                else "Control goes on. Check the disk; a gap is recorded once it works again.",
            )
        self._broken = _cause(error)
        self._pause_s = min(LONGEST_PAUSE_S, max(self._flush_s, 2 * self._pause_s))
        self._retry_s = time.monotonic() + self._pause_s

    def _bear(self, *, last: bool) -> None:
        """Keeps what waits small while the database can't be written."""
        for block in self._waiting:
            block.settle()
        while len(self._waiting) > 1 and sum(block.size for block in self._waiting) > self._most_waiting_bytes:
            self._give_up(self._broken)
        if last and self._waiting:
            _log.error("journal-lost", passes=sum(block.count for block in self._waiting), what=self._broken)

    def _give_up(self, why: str) -> None:
        """The oldest."""
        block = self._waiting.popleft()
        self._given_up += block.count
        if self._waiting:
            self._waiting[0].follow(block.lost(why))
        else:
            self._blocks.follow(block.lost(why))

    def _forget(self) -> None:
        self._forget_s = time.monotonic() + FORGET_EVERY_S
        try:
            forget(self._engine(), self._retention, self._wall_s())
        except (StorageError, SQLAlchemyError, OSError) as error:
            _log.warning("storage", what=f"Old records can't be deleted ({_cause(error)}).", remedy="Check the disk.")


def _cause(error: Exception) -> str:
    if isinstance(error, StorageError):
        return error.what
    return cause_of(error)
