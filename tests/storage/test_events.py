"""What happened stays in the record, newest first."""

from __future__ import annotations

from sqlalchemy import Engine

from ampacity.storage.events import EventRows
from ampacity.storage.history import Retention, forget


def test_events_come_newest_first_page_by_page(engine: Engine) -> None:
    rows = EventRows(lambda: engine)
    rows.append([(float(number), "site-changed", {"n": number}) for number in range(5)])
    first = rows.newest(2)
    assert [told[2]["n"] for _, told in first] == [4, 3]
    assert [told[2]["n"] for _, told in rows.newest(2, before=first[-1][0])] == [2, 1]


def test_codes_can_be_left_out(engine: Engine) -> None:
    rows = EventRows(lambda: engine)
    rows.append([(1.0, "wish-pause", {"by": "Ann"}), (2.0, "site-changed", {})])
    assert [told[1] for _, told in rows.newest(9, without={"wish-pause"})] == ["site-changed"]


def test_what_shows_an_event_is_kept_with_it(engine: Engine) -> None:
    rows = EventRows(lambda: engine)
    rows.append([(1.0, "site-changed", {}), (2.0, "clamp-lost", {})], {1: "{}"})
    (last, _), (first, _) = rows.newest(9)
    assert rows.evidence(last) == ("clamp-lost", "{}")
    assert rows.evidence(first) is None
    assert rows.with_evidence([first, last]) == {last}


def test_what_showed_an_old_event_is_forgotten_with_it(engine: Engine) -> None:
    rows = EventRows(lambda: engine)
    rows.append([(0.0, "clamp-lost", {}), (90 * 86_400.0, "clamp-lost", {})], {0: "old", 1: "new"})
    (last, _), (first, _) = rows.newest(9)
    kept = Retention(seconds_days=1.0, minutes_days=30.0, quarters_days=1.0, journal_days=1.0)
    while forget(engine, kept, 100 * 86_400.0):
        pass
    assert rows.with_evidence([first, last]) == {last}


def test_what_is_old_is_forgotten(engine: Engine) -> None:
    rows = EventRows(lambda: engine)
    rows.append([(0.0, "site-changed", {}), (90 * 86_400.0, "site-changed", {})])
    kept = Retention(seconds_days=1.0, minutes_days=30.0, quarters_days=1.0, journal_days=1.0)
    assert forget(engine, kept, 100 * 86_400.0) == 1
    assert [told[0] for _, told in rows.newest(9)] == [90 * 86_400.0]
