"""Keeps a link running: what fails is started again, later and later, until it holds."""

from __future__ import annotations

import asyncio

import structlog

from ampacity.core.errors import AmpacityError
from ampacity.runtime.ports import Clock, Put, Source

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A link that held so long starts again after the first pause."""

_log = structlog.get_logger("ampacity.links")


async def supervised(source: Source, put: Put, clock: Clock, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
    """Runs the source until cancelled. An error that is not ours is told in full, and ends nothing else."""
    pause_s, told = first_pause_s, ""
    while True:
        begin_s = clock.now_s()
        try:
            await source.run(put)
        except AmpacityError as error:
            if str(error) != told:
                told = str(error)
                _log.warning(error.code, link=source.name, what=error.what, remedy=error.remedy)
        except Exception as error:
            if repr(error) != told:
                told = repr(error)
                _log.exception("link-failed", link=source.name, remedy="It is started again. Report this.")
        if clock.now_s() - begin_s > STEADY_S:
            pause_s = first_pause_s
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
