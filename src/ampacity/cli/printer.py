"""Lines for another program, printed from a thread of its own: control never waits for who reads them."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

MOST_UNREAD = 1000
LAST_WORDS_S = 1.0


@contextmanager
def printer(output: int) -> Iterator[Callable[[str], None]]:
    """Takes lines for the file descriptor `output`. Never blocks, never raises.

    Lines that the reader is too slow for are left out, whole; when it is gone, printing ends. At the end those that
    still wait are printed, for as long as the reader takes them within a second.
    """
    lines: queue.Queue[bytes | None] = queue.Queue(MOST_UNREAD)
    writer = threading.Thread(target=_write, args=(lines, output), name="printer", daemon=True)
    writer.start()

    def put(line: str) -> None:
        with suppress(queue.Full):
            lines.put_nowait(f"{line}\n".encode())

    try:
        yield put
    finally:
        if writer.is_alive():
            with suppress(queue.Full):
                lines.put(None, timeout=LAST_WORDS_S)
            writer.join(LAST_WORDS_S)


def _write(lines: queue.Queue[bytes | None], output: int) -> None:
    # Not through sys.stdout: a thread that waits inside it would hold its lock when the program ends.
    while (line := lines.get()) is not None:
        try:
            while line:
                line = line[os.write(output, line) :]
        except OSError:
            return
