"""What the record holds after a story, against what the plant saw."""

from __future__ import annotations

from dataclasses import dataclass

from ampacity.storage.database import StorageError, open_database
from ampacity.storage.recording import recorded_runs
from ampacity.storage.records import sessions_between
from faults.town import Town, name_of

FOREVER_S = 1e12


@dataclass(frozen=True, slots=True)
class Kept:
    """What a look at the database found."""

    opens: bool
    sessions_missing: int
    """Whose end a charger saw acknowledged."""
    passes: int
    gaps: int


def look(town: Town) -> Kept:
    try:
        engine = open_database(town.site.parent / "ampacity.db")
    except StorageError:
        return Kept(False, 0, 0, 0)
    try:
        ended = {(one.charger, one.session) for one in sessions_between(engine, 0.0, FOREVER_S) if one.ended_s}
        missing = sum(
            (name_of(number), str(session)) not in ended
            for number, charger in enumerate(town.chargers)
            for session in charger.stopped
        )
        runs = recorded_runs(engine)
        return Kept(True, missing, sum(run.passes for run in runs), sum(run.gaps for run in runs))
    finally:
        engine.dispose()
