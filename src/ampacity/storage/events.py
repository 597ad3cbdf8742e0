"""What happened, in the record."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import Engine, insert, select

from ampacity.storage.schema import events
from ampacity.storage.transactions import keeping, reading

Told = tuple[float, str, Mapping[str, str | float | None]]
"""When (UTC), its code, and what its text has filled in."""


class EventRows:
    """The rows. Every method blocks, and raises StorageError when the database can't be reached."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def append(self, rows: Sequence[Told]) -> None:
        """In this order."""
        values = [{"at_s": at_s, "code": code, "params": json.dumps(dict(params))} for at_s, code, params in rows]
        with keeping(self._engine(), durable=False) as connection:
            connection.execute(insert(events), values)

    def newest(
        self, limit: int, *, before: int | None = None, without: Collection[str] = ()
    ) -> Sequence[tuple[int, Told]]:
        """With their ids, the newest first. `before`: those with a lower id; `without`: codes that are left out."""
        query = select(events.c.id, events.c.at_s, events.c.code, events.c.params)
        query = query.where(events.c.code.not_in(without)).order_by(events.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(events.c.id < before)
        with reading(self._engine()) as connection:
            return [(row[0], (row[1], row[2], json.loads(row[3]))) for row in connection.execute(query)]
