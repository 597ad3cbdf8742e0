"""Sessions that go on are known over a restart of the controller."""

from __future__ import annotations

from ampacity.core.site import ChargerId
from ampacity.runtime.sessions import Running, Sessions

LEFT = ChargerId("left")


def test_a_session_of_an_earlier_run_is_known_once_the_record_tells_it() -> None:
    sessions = Sessions()
    assert sessions.of(LEFT, "7") is None
    sessions.resume(LEFT, Running("7", "CARD", 1000))
    assert sessions.of(LEFT, "7") == Running("7", "CARD", 1000)
    assert sessions.of(LEFT, "8") is None
    assert sessions.of(LEFT, None) is None


def test_what_is_given_is_known_at_once() -> None:
    sessions = Sessions()
    sessions.resume(LEFT, Running("7", None, 1000))
    sessions.give(LEFT, "7", 5)
    found = sessions.of(LEFT, "7")
    assert found is not None
    assert (found.account, found.begin_wh) == (5, 1000)
    sessions.give(LEFT, "not there", 5)
    assert sessions.of(LEFT, "not there") is None
