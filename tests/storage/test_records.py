"""Sessions and settings: there when they are acknowledged."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import Engine

from ampacity.core.observations import SessionEnded
from ampacity.core.site import ChargerId
from ampacity.storage.errors import StorageError
from ampacity.storage.records import (
    Change,
    Session,
    changes,
    finish_session,
    newest_changes,
    sessions_between,
    set_setting,
    setting,
)


def ended(energy_wh: int | None = 1234, reason: str = "Local") -> SessionEnded:
    return SessionEnded(charger=ChargerId("c0"), at_s=20.0, session="s0", energy_wh=energy_wh, reason=reason)


def test_a_finished_session_is_there_when_it_is_acknowledged(engine: Engine) -> None:
    finish_session(engine, ended(), 99.0)
    assert sessions_between(engine, 0.0, 100.0) == [
        Session(charger="c0", session="s0", started_s=None, ended_s=99.0, energy_wh=1234, reason="Local")
    ]


def test_a_session_that_is_reported_twice_is_there_once(engine: Engine) -> None:
    finish_session(engine, ended(), 99.0)
    finish_session(engine, ended(), 99.0)
    assert len(sessions_between(engine, 0.0, 100.0)) == 1


def test_an_energy_that_no_register_can_hold_is_not_known(engine: Engine) -> None:
    finish_session(engine, ended(energy_wh=2**63), 99.0)
    assert sessions_between(engine, 0.0, 100.0)[0].energy_wh is None


def test_a_session_that_cannot_be_stored_is_an_error_with_a_remedy(engine: Engine) -> None:
    with pytest.raises(StorageError) as caught:
        finish_session(engine, ended(reason="\ud800"), 99.0)
    assert caught.value.remedy


def test_a_setting_that_cannot_be_stored_is_an_error_and_no_change(engine: Engine, lock: ExitStack) -> None:
    with pytest.raises(StorageError, match="lock"):
        set_setting(engine, "k", "2", who="ben", wall_s=2.0)
    lock.close()
    assert setting(engine, "k") is None
    assert changes(engine) == []


def test_the_newest_changes_come_first_page_by_page_and_by_what_they_are_of(engine: Engine) -> None:
    for number in range(4):
        set_setting(engine, "a%.x" if number % 2 else "b.x", str(number), who="anna", wall_s=float(number))
    first = newest_changes(engine, 2)
    assert [one.new for one in first] == ["3", "2"]
    assert [one.new for one in newest_changes(engine, 9, before=first[-1].id)] == ["1", "0"]
    assert [one.new for one in newest_changes(engine, 9, under=["a%"])] == ["3", "1"]


def test_every_change_of_a_setting_is_audited(engine: Engine) -> None:
    set_setting(engine, "k", "1", who="anna", wall_s=1.0)
    set_setting(engine, "k", "2", who="ben", wall_s=2.0)
    set_setting(engine, "other", "3", who="ben", wall_s=3.0)
    set_setting(engine, "k", None, who="anna", wall_s=4.0)
    assert setting(engine, "k") is None
    assert changes(engine, "k") == [
        Change(at_s=1.0, who="anna", key="k", old=None, new="1"),
        Change(at_s=2.0, who="ben", key="k", old="1", new="2"),
        Change(at_s=4.0, who="anna", key="k", old="2", new=None),
    ]
