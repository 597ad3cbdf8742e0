"""What happened, in the record."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Engine, insert, select

from ampacity.storage.schema import event_evidence, events
from ampacity.storage.transactions import keeping, reading

NOTHING: Mapping[int, str] = MappingProxyType({})
Told = tuple[float, str, Mapping[str, str | float | None]]
"""When (UTC), its code, and what its text has filled in."""


class EventRows:
    """The rows. Every method blocks, and raises StorageError when the database can't be reached."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def append(self, rows: Sequence[Told], evidence: Mapping[int, str] = NOTHING) -> None:
        """In this order. `evidence`: by place in it, what shows it."""
        values = [{"at_s": at_s, "code": code, "params": json.dumps(dict(params))} for at_s, code, params in rows]
        with keeping(self._engine(), durable=False) as connection:
            if not evidence:
                connection.execute(insert(events), values)
                return
            for place, value in enumerate(values):
                (number,) = connection.execute(insert(events).values(value)).inserted_primary_key or (None,)
                if (body := evidence.get(place)) is not None:
                    connection.execute(insert(event_evidence).values(event=number, body=body))

    def with_evidence(self, numbers: Collection[int]) -> set[int]:
        """Those of these events that have some."""
        if not numbers:
            return set()
        query = select(event_evidence.c.event).where(event_evidence.c.event.in_(numbers))
        with reading(self._engine()) as connection:
            return set(connection.execute(query).scalars())

    def evidence(self, number: int) -> tuple[str, str] | None:
        """Its code, and what shows it; None: there is no such event, or nothing that shows it."""
        query = select(events.c.code, event_evidence.c.body).join(event_evidence, event_evidence.c.event == events.c.id)
        query = query.where(events.c.id == number)
        with reading(self._engine()) as connection:
            row = connection.execute(query).first()
        return None if row is None else (row[0], row[1])

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
