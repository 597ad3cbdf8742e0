"""What goes wrong stands in the log once, with what to do, and so does its end."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.core.test_obedience import disobedient, taken
from tests.core.test_trust import SITE, car, house
from tests.properties.house import Fault, House

from ampacity.core.decide import decide
from ampacity.core.decision import Blindness, Flag
from ampacity.runtime.notices import _BLIND, _FLAGS, Notices


def told(one: House, seconds: float, notices: Notices | None = None) -> list[MutableMapping[str, Any]]:
    notices = Notices() if notices is None else notices

    def watch(at: House) -> None:
        if at.decision is not None and at.decision.at_s == at.now_s:
            notices(at.site, at.observed, [], at.decision)

    one.after = watch
    with capture_logs() as logs:
        one.run(seconds)
    return logs


def test_every_kind_of_blindness_and_every_flag_has_words_and_a_remedy() -> None:
    assert set(_BLIND) == set(Blindness)
    assert set(_FLAGS) == set(Flag)
    for kind, (what, remedy) in _BLIND.items():
        assert what
        assert remedy or kind is Blindness.RECOVERING
    assert all(what and remedy for what, remedy in _FLAGS.values())


def test_a_silent_meter_is_told_once_and_so_is_its_return() -> None:
    one = house()
    one.step_load(0, 0, 4.0)
    one.plug_in(0, car())
    one.run(60)
    one.spoil(one.sensors[0], Fault.SILENT)
    notices = Notices()
    first = told(one, 60, notices)
    assert [log["event"] for log in first] == ["circuit-blind"]
    assert first[0]["why"] == "silent"
    one.spoil(one.sensors[0], Fault.NONE)
    assert [log["event"] for log in told(one, 60, notices)] == ["circuit-recovering", "circuit-seen"]


def test_a_charger_that_disobeys_is_told_as_flagged_and_as_stopped() -> None:
    events = [log["event"] for log in told(disobedient(), 300)]
    assert events.count("charger-flagged") == 1
    assert events.count("charger-stopped") == 1


@pytest.mark.parametrize(("guarded", "told_of"), [(True, ["unguarded"]), (False, [])])
def test_limits_that_do_not_end_are_told_of_a_charger_that_was_to_guard(guarded: bool, told_of: list[str]) -> None:
    site = replace(SITE, chargers=tuple(replace(one, guarded=guarded) for one in SITE.chargers))
    observed = taken(None)
    with capture_logs() as logs:
        Notices()(site, observed, [], decide(site, observed, 2.0))
    assert [log["flag"] for log in logs if log["event"] == "charger-flagged"] == told_of
