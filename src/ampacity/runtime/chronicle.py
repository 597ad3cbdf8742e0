"""Events on their way from control into the record, and to all who want to know at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ampacity.core.errors import AmpacityError
from ampacity.runtime.happenings import Event

MOST_WAITING = 1000
"""Kept in memory while the record can't be written. Then the oldest are given up."""
MOST_RECENT = 200
"""For pages that are open."""
LONGEST_PAUSE_S = 60.0
CLOSE_S = 5.0

_log = structlog.get_logger("ampacity.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvent:
    """An event in the record."""

    id: int
    """Later events have higher ones."""
    event: Event
    """Without its evidence."""
    has_evidence: bool = False


class EventStore(Protocol):
    """The record of events. Every method blocks, and raises StorageError when it can't be reached."""

    def append(self, events: Sequence[Event]) -> None: ...

    def newest(self, limit: int, *, before: int | None = None, without: Collection[str] = ()) -> Sequence[KeptEvent]:
        """The newest first. `before`: those with a lower id; `without`: codes that are left out."""
        ...


class NoEvents:
    """A controller without a record."""

    def append(self, events: Sequence[Event]) -> None:
        """Keeps nothing."""

    def newest(self, limit: int, *, before: int | None = None, without: Collection[str] = ()) -> Sequence[KeptEvent]:
        return []


@dataclass(frozen=True, slots=True)
class News:
    """An event for pages that are open."""

    number: int
    """Counts up by one in this run."""
    event: Event


class Chronicle:
    """Takes events from any thread, and returns at once. Start it once, and close it."""

    def __init__(self, store: EventStore, *, pause_s: float = 1.0) -> None:
        """`pause_s`: before a failed write is tried again, doubled each time."""
        self._store = store
        self._first_pause_s = pause_s
        self._waiting: deque[Event] = deque(maxlen=MOST_WAITING)
        """For the record."""
        self._recent: deque[News] = deque(maxlen=MOST_RECENT)
        self._told: tuple[Callable[[Event], None], ...] = ()
        self._number = 0
        self._lost = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Writes what is left, if it can be written. Blocks for at most CLOSE_S."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def put(self, events: Collection[Event]) -> None:
        """Into the record, and to all who watch."""
        with self._changed:
            for event in events:
                if len(self._waiting) == MOST_WAITING:
                    self._lost += 1
                self._waiting.append(event)
                self._number += 1
                self._recent.append(News(self._number, event))
            told = self._told
            self._changed.notify()
        for event in events:
            for one in told:
                one(event)

    def watch(self, told: Callable[[Event], None]) -> Callable[[], None]:
        """`told` is called for every event, on the thread that puts it: it must return at once and not raise. Returns
        how to stop it."""
        with self._changed:
            self._told = (*self._told, told)

        def stop() -> None:
            with self._changed:
                self._told = tuple(one for one in self._told if one is not told)

        return stop

    @property
    def number(self) -> int:
        """Of the newest; 0: there was none yet."""
        return self._number

    def since(self, number: int) -> Sequence[News]:
        """What came after that number, the oldest first, as far as it is still known."""
        if number >= self._number:
            return ()
        with self._changed:
            return [one for one in self._recent if one.number > number]

    def newest(self, limit: int, *, before: int | None = None, without: Collection[str] = ()) -> Sequence[KeptEvent]:
        """Out of the record; see EventStore.

        Raises:
            StorageError
        """
        return self._store.newest(limit, before=before, without=without)

    # --- the writer's thread ---

    def _work(self) -> None:
        pause_s, broken = 0.0, False
        while True:
            with self._changed:
                if pause_s:
                    until_s = time.monotonic() + pause_s
                    while not self._closing and (left_s := until_s - time.monotonic()) > 0:
                        self._changed.wait(left_s)
                else:
                    self._changed.wait_for(lambda: bool(self._waiting) or self._closing)
                events, closing = list(self._waiting), self._closing
                self._waiting.clear()
            failed = self._write(events)
            if failed is None:
                if broken:
                    _log.info("events-kept-again", lost=self._lost)
                pause_s, broken = 0.0, False
            else:
                self._put_back(events)
                if not broken:
                    _log.error(failed.code, what=f"Events can't be kept ({failed.what}).", remedy=failed.remedy)
                pause_s, broken = min(LONGEST_PAUSE_S, 2 * pause_s or self._first_pause_s), True
            if closing:
                return

    def _write(self, events: Sequence[Event]) -> AmpacityError | None:
        """What speaks against it."""
        try:
            if events:
                self._store.append(events)
        except AmpacityError as error:
            return error
        except Exception:  # of whatever kind: it's the events, not the record, and another attempt would fail as well
            _log.critical("events-lost", events=len(events), remedy="Report this.", exc_info=True)
        return None

    def _put_back(self, events: Sequence[Event]) -> None:
        with self._changed:
            room = MOST_WAITING - len(self._waiting)
            self._lost += max(0, len(events) - room)
            self._waiting.extendleft(reversed(events[-room:] if room else []))
