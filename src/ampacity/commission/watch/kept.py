"""What the watch keeps, in the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from ampacity.commission.dossier import Dossier, KeptDossier
from ampacity.commission.steptest.mounting import Wiring
from ampacity.core.site import ChargerId
from ampacity.storage.records import put_setting, setting
from ampacity.storage.transactions import keeping

WATCH = "watch"


class KeptWatch:
    """See `ampacity.commission.watch.watcher.WatchStore`."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._dossier = KeptDossier(engine)

    def read(self) -> str | None:
        return setting(self._engine(), WATCH) or None

    def keep(self, kept: str) -> None:
        with keeping(self._engine(), durable=False) as connection:
            put_setting(connection, WATCH, kept)

    def dossier(self) -> Dossier:
        return self._dossier.read()

    def learn(self, charger: ChargerId, wirings: Sequence[Wiring]) -> None:
        self._dossier.change(lambda one: one.with_wirings(charger, wirings))
