"""The database of a running controller: opened as soon as it can be, by whoever needs it first."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import structlog
from sqlalchemy import Engine

from ampacity.storage.database import BUSY_S, Place, open_database

_log = structlog.get_logger("ampacity.journal")


class Store:
    """Holds the engine. May be used by several threads; opening blocks, and is never done on the control loop's."""

    def __init__(self, place: Place, *, busy_s: float = BUSY_S) -> None:
        self._place = place
        self._busy_s = busy_s
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def engine(self) -> Engine:
        """The engine, once the database is open.

        Raises:
            StorageError: it can't be opened now; the next call tries again.
        """
        with self._lock:
            if self._engine is None:
                self._engine = open_database(self._place, busy_s=self._busy_s)
                if isinstance(self._place, Path):
                    _look_at_rights(self._place)
            return self._engine

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None


def _look_at_rights(file: Path) -> None:
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        _log.warning(
            "storage-open-to-others",
            what=f"Others on this machine can read {file.name}, which tells who charges when.",
            remedy=f"Run: chmod 600 {file}*",
        )
