"""What the running controller keeps in the record: its stores, over the tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from sqlalchemy import Engine, select

from ampacity.core.site import ChargerId
from ampacity.links.ocpp.admission import Knock
from ampacity.links.tally import Tally
from ampacity.runtime.chronicle import KeptEvent
from ampacity.runtime.happenings import CODES, Event
from ampacity.runtime.notifications import Settings, settings_from
from ampacity.runtime.sessions import Running, Sessions
from ampacity.runtime.tags import KnownTag
from ampacity.runtime.updates import Checked, checked_from, checked_text
from ampacity.storage.database import upsert
from ampacity.storage.events import EventRows
from ampacity.storage.records import open_sessions, put_setting, setting
from ampacity.storage.schema import tallies as rows
from ampacity.storage.tags import TagRows
from ampacity.storage.transactions import keeping, reading

NOTIFICATIONS = "notifications"
DIAGNOSIS = "diagnosis"
KNOCKING = "knocking"
UPDATE_CHECK, UPDATE_CHECKED = "updates.check", "updates.checked"
ON, OFF = "on", "off"


class KeptTags:
    """Cards and tags. See `ampacity.runtime.tags.TagStore`."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._rows = TagRows(engine)
        self.remove = self._rows.remove
        self.seen = self._rows.seen

    def all(self) -> Sequence[KnownTag]:
        return [
            KnownTag(tag=tag, name=name, account=account, seen_s=seen_s, blocked=blocked)
            for tag, name, account, seen_s, blocked in self._rows.rows()
        ]

    def put(self, tag: KnownTag, *, who: str, now_s: float) -> None:
        self._rows.write(tag.tag, tag.name, tag.account, tag.seen_s, who=who, now_s=now_s)


class KeptEvents:
    """What happened. See `ampacity.runtime.chronicle.EventStore`."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._rows = EventRows(engine)

    def append(self, events: Sequence[Event]) -> None:
        self._rows.append([(event.at_s, event.code, event.params) for event in events])

    def newest(self, limit: int, *, before: int | None = None, without: Collection[str] = ()) -> Sequence[KeptEvent]:
        """Without those of a later version that this one has no words for."""
        return [
            KeptEvent(id=id_, event=Event(at_s=at_s, code=code, params=params))
            for id_, (at_s, code, params) in self._rows.newest(limit, before=before, without=without)
            if code in CODES
        ]


class KeptCheck:
    """What came of the last look for a newer version. See `ampacity.runtime.updates.CheckStore`."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def is_on(self) -> bool:
        return setting(self._engine(), UPDATE_CHECK) == ON

    def read(self) -> Checked:
        return checked_from(setting(self._engine(), UPDATE_CHECKED))

    def keep(self, checked: Checked) -> None:
        """Without a line in the audit: nobody did it."""
        with keeping(self._engine()) as connection:
            put_setting(connection, UPDATE_CHECKED, checked_text(checked))


class KeptTallies:
    """What has passed on each link, over all runs."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._counted_on: dict[str, Tally] = {}
        """By device: those to which the record was added."""

    def keep(self, tallies: Mapping[str, Tally]) -> None:
        """`tallies`: by device. One that is new here, or counts anew, counts on from the record first.

        Raises:
            StorageError
        """
        self._resume({name: tally for name, tally in tallies.items() if self._counted_on.get(name) is not tally})
        with keeping(self._engine(), durable=False) as connection:
            for device, tally in tallies.items():
                row = upsert(connection, rows, device=device, body=json.dumps(tally.kept()))
                update = {"body": row.excluded.body}
                connection.execute(row.on_conflict_do_update(index_elements=["device"], set_=update))

    def _resume(self, fresh: Mapping[str, Tally]) -> None:
        if not fresh:
            return
        with reading(self._engine()) as connection:
            kept = {row.device: row.body for row in connection.execute(select(rows.c.device, rows.c.body))}
        for device, tally in fresh.items():
            with suppress(ValueError):
                found = json.loads(kept.get(device, "{}"))
                tally.resume(found if isinstance(found, dict) else {})
            self._counted_on[device] = tally


def notification_settings(engine: Engine) -> Settings:
    """Who is told of what. What is damaged is as if not set.

    Raises:
        StorageError
    """
    try:
        return settings_from(setting(engine, NOTIFICATIONS))
    except ValueError:
        return Settings()


def keep_diagnosis(engine: Engine, diagnosis: str) -> None:
    """The newest look of the controller at itself, for a terminal beside it."""
    with keeping(engine, durable=False) as connection:
        put_setting(connection, DIAGNOSIS, diagnosis)


def read_diagnosis(engine: Engine) -> str | None:
    """None: no controller runs, or it ended well."""
    return setting(engine, DIAGNOSIS) or None


def keep_knocking(engine: Engine, at_s: float, knocks: Sequence[Knock]) -> None:
    """The unknown chargers that want in, for a terminal beside it. UTC seconds since 1970."""
    body = json.dumps({"at_s": at_s, "chargers": [asdict(knock) for knock in knocks]})
    with keeping(engine, durable=False) as connection:
        put_setting(connection, KNOCKING, body)


def read_knocking(engine: Engine) -> tuple[float, list[Knock]] | None:
    """When the controller saw them last, and whom; None: none has run yet, or what it left can't be read.

    Raises:
        StorageError
    """
    try:
        found = json.loads(setting(engine, KNOCKING) or "")
        return float(found["at_s"]), [Knock(**knock) for knock in found["chargers"]]
    except (ValueError, TypeError, KeyError):
        return None


def resume_sessions(engine: Engine, sessions: Sessions) -> None:
    """Tells of the sessions that an earlier run of the controller saw begin.

    Raises:
        StorageError
    """
    for one, begin_wh in open_sessions(engine):
        sessions.resume(ChargerId(one.charger), Running(one.session, one.tag, begin_wh, one.account))
