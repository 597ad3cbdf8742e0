"""Whether there is a newer version: asked of the index of packages, once a day, if the owner wants it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog

from ampacity.core.errors import AmpacityError
from ampacity.runtime.happenings import Event

DAY_S = 24 * 3600.0
ANSWER_S = 60.0
LOOK_EVERY_S = 600.0
CLOSE_S = 2.0
_FIRST = re.compile(r"^ampacity \((\d+(?:\.\d+){0,3})\)", re.MULTILINE)

_log = structlog.get_logger("ampacity.updates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of the last look."""

    checked_s: float | None = None
    """UTC; None: never."""
    newest: str | None = None
    """None: it is not known."""
    told: str | None = None
    """The version that an event was told of."""


class CheckStore(Protocol):
    """Where it is kept. Every method blocks, and raises StorageError."""

    def is_on(self) -> bool:
        """Whether the owner wants it."""
        ...

    def read(self) -> Checked: ...

    def keep(self, checked: Checked) -> None: ...


def checked_from(text: str | None) -> Checked:
    """As kept by `checked_text`. What is damaged is as if never looked."""
    try:
        return Checked() if text is None else msgspec.json.decode(text, type=Checked)
    except (msgspec.MsgspecError, ValueError):
        return Checked()


def checked_text(checked: Checked) -> str:
    return msgspec.json.encode(checked).decode()


def ask_pip() -> str:
    """What pip says of the versions there are, by its own configuration. Blocks for a minute at the most.

    Raises:
        OSError, subprocess.SubprocessError: it can't be asked.
    """
    asked = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "index", "versions", "ampacity"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=ANSWER_S, check=True, stdin=subprocess.DEVNULL)
    return done.stdout


def newest_in(said: str) -> str | None:
    """The newest version that pip tells of; None: none."""
    found = _FIRST.search(said)
    return None if found is None else found[1]


def is_newer(one: str, than: str) -> bool:
    """By the numbers of both; what has none is not newer."""
    return _numbers(one) > _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(one) for one in found[0].split(".")] if found is not None else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


class Updates:
    """Looks from time to time, in a thread of its own."""

    def __init__(
        self,
        store: CheckStore,
        version: str,
        tell: Callable[[Collection[Event]], None],
        *,
        ask: Callable[[], str] = ask_pip,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        """`version`: the one that runs."""
        self._store = store
        self._version = version
        self._tell = tell
        self._ask = ask
        self._wall_s = wall_s
        self.newer: str | None = None
        """A later version that is known to be there; None: none, or nobody has looked."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="updates", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def look(self) -> None:
        """Asks, if the owner wants it and a day has passed. Blocks.

        Raises:
            StorageError
        """
        now_s = self._wall_s()
        if not self._store.is_on():
            return
        before = self._store.read()
        self._know(before.newest)
        if before.checked_s is not None and 0 <= now_s - before.checked_s < DAY_S:
            return
        # Kept before it is asked: a controller that is started again and again asks once a day all the same.
        self._store.keep(Checked(checked_s=now_s, newest=before.newest, told=before.told))
        try:
            newest = newest_in(self._ask())
        except (OSError, subprocess.SubprocessError) as error:
            _log.info("updates-not-known", what=f"The package index can't be asked ({type(error).__name__}).")
            return
        if newest is None:
            return
        self._know(newest)
        told = before.told
        if is_newer(newest, self._version) and newest != told:
            self._tell([Event(at_s=now_s, code="update-available", params={"version": newest})])
            told = newest
        self._store.keep(Checked(checked_s=now_s, newest=newest, told=told))

    def _know(self, newest: str | None) -> None:
        self.newer = newest if newest is not None and is_newer(newest, self._version) else None

    def _work(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            try:
                self.look()
            except AmpacityError as error:
                _log.debug("updates-not-looked", what=error.what)
            except Exception:
                _log.critical("updates-ended", remedy="Report this.", exc_info=True)
                return
