"""Cards and tags in the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Engine, bindparam, delete, insert, select, update

from ampacity.storage.accounts import note
from ampacity.storage.schema import accounts, tags
from ampacity.storage.transactions import keeping, reading

Row = tuple[str, str, int | None, float | None, bool]
"""Tag, name, account, when it was last held, and whether its account is disabled."""


class TagRows:
    """The rows. Every method blocks, and raises StorageError when the database can't be reached."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def rows(self) -> Sequence[Row]:
        """All, in no order."""
        told = select(tags.c.tag, tags.c.name, tags.c.account, tags.c.seen_s, accounts.c.disabled)
        with reading(self._engine()) as connection:
            found = connection.execute(told.outerjoin_from(tags, accounts, tags.c.account == accounts.c.id))
            return [(row[0], row[1], row[2], row[3], bool(row[4])) for row in found]

    def write(self, tag: str, name: str, account: int | None, seen_s: float | None, *, who: str, now_s: float) -> None:
        """Adds it or puts it in the place of the one with this number, with a line in the audit."""
        values = {"name": name, "account": account, "seen_s": seen_s}
        with keeping(self._engine()) as connection:
            old = connection.execute(select(tags.c.name).where(tags.c.tag == tag)).scalar()
            if old is None:
                connection.execute(insert(tags).values(tag=tag, **values))
            else:
                connection.execute(update(tags).where(tags.c.tag == tag).values(**values))
            note(connection, now_s, who, f"tags.{tag}", old, name)

    def remove(self, tag: str, *, who: str, now_s: float) -> None:
        with keeping(self._engine()) as connection:
            old = connection.execute(select(tags.c.name).where(tags.c.tag == tag)).scalar()
            if connection.execute(delete(tags).where(tags.c.tag == tag)).rowcount:
                note(connection, now_s, who, f"tags.{tag}", old, None)

    def seen(self, times: Mapping[str, float]) -> None:
        """When tags were last held; not in the audit."""
        change = update(tags).where(tags.c.tag == bindparam("which")).values(seen_s=bindparam("at_s"))
        with keeping(self._engine()) as connection:
            connection.execute(change, [{"which": tag, "at_s": at_s} for tag, at_s in times.items()])
