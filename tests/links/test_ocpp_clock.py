"""A charger's clock, from stamps that may be old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.links.ocpp.clock import ALIKE_S, ChargerClock, moment_of

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _note(clock: ChargerClock, at_s: float, charger_s: float) -> float | None:
    """A message that comes at `at_s`, stamped with `charger_s`, both since the same moment."""
    stamp = (BEGIN + timedelta(seconds=charger_s)).isoformat()
    return clock.note(stamp, at_s, BEGIN + timedelta(seconds=at_s))


def test_two_stamps_that_agree_tell_the_offset() -> None:
    clock = ChargerClock()
    _note(clock, 0.0, -7200.0)
    assert not clock.known
    _note(clock, 10.0, -7190.0)
    assert clock.known
    assert clock.offset_s == pytest.approx(-7200.0)


def test_an_old_stamp_that_is_sent_twice_tells_nothing() -> None:
    clock = ChargerClock()
    for at_s in (0.0, 10.0, 20.0):
        _note(clock, at_s, -7200.0)
    assert not clock.known
    assert clock.offset_s == 0.0


def test_a_stamp_from_the_future_is_believed_at_once() -> None:
    clock = ChargerClock()
    _note(clock, 0.0, 3600.0)
    assert clock.offset_s == pytest.approx(3600.0)


def test_a_clock_that_is_set_back_is_followed() -> None:
    clock = ChargerClock()
    _note(clock, 0.0, 3600.0)
    _note(clock, 10.0, 10.0)
    _note(clock, 20.0, 20.0)
    assert clock.offset_s == pytest.approx(0.0)


def test_what_was_held_back_while_offline_is_told_by_its_age() -> None:
    clock = ChargerClock()
    _note(clock, 0.0, 0.0)
    _note(clock, 10.0, 10.0)
    for n in range(50):
        assert _note(clock, 3600.0 + 0.02 * n, 100.0 + 10 * n) == pytest.approx(3500.0 - 9.98 * n)
    assert clock.offset_s == pytest.approx(0.0)


@given(st.floats(-86400, 86400), st.lists(st.floats(0, 86400), max_size=30), st.floats(0, 2))
def test_between_old_stamps_a_running_clock_is_found(offset_s: float, ages_s: list[float], delay_s: float) -> None:
    clock = ChargerClock()
    for n, age_s in enumerate([*ages_s, 0.0, 0.0]):
        _note(clock, 10.0 * n, 10.0 * n + offset_s - age_s - (delay_s if n % 2 else 0.0))
    assert clock.known
    assert clock.offset_s == pytest.approx(offset_s, abs=ALIKE_S + delay_s)


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2026-01-01T12:00:00Z", BEGIN),
        ("2026-01-01T12:00:00.000Z", BEGIN),
        ("2026-01-01T13:00:00+01:00", BEGIN),
        ("2026-01-01T12:00:00", BEGIN),
        (" 2026-01-01 12:00:00 ", BEGIN),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (12, None),
        (None, None),
    ],
)
def test_stamps_as_chargers_write_them(stamp: object, moment: datetime | None) -> None:
    assert moment_of(stamp) == moment


@given(st.text(max_size=40) | st.datetimes().map(str) | st.integers())
def test_any_stamp_is_a_moment_or_none(stamp: object) -> None:
    assert ChargerClock().note(stamp, 0.0, BEGIN) is None or moment_of(stamp) is not None


def _age_s(clock: ChargerClock, at_s: float, charger_s: float) -> float | None:
    stamp = (BEGIN + timedelta(seconds=charger_s)).isoformat()
    return clock.age_s(stamp, BEGIN + timedelta(seconds=at_s))


def test_the_age_of_a_stamp_is_told_by_our_time_where_its_clock_is_right() -> None:
    assert _age_s(ChargerClock(), 100.0, 80.0) == 20.0


def test_stamps_that_are_always_late_do_not_become_young() -> None:
    clock = ChargerClock()
    for at_s in (0.0, 10.0, 20.0, 30.0):
        _note(clock, at_s, at_s - 15.0)
    assert clock.known
    assert _age_s(clock, 30.0, 15.0) == 15.0


def test_one_stamp_that_was_not_late_shows_that_the_others_are() -> None:
    clock = ChargerClock()
    _note(clock, 0.0, 3600.0)
    for at_s in (10.0, 20.0, 30.0):
        _note(clock, at_s, at_s + 3580.0)
    assert _age_s(clock, 30.0, 3610.0) == 20.0


def test_a_stamp_from_its_future_is_of_now() -> None:
    assert _age_s(ChargerClock(), 100.0, 102.0) == 0.0


def test_what_is_no_stamp_has_no_age() -> None:
    assert ChargerClock().age_s("yesterday", BEGIN) is None


@given(st.lists(st.tuples(st.floats(0.1, 60.0), st.floats(0.0, 50.0)), min_size=1, max_size=20))
def test_by_a_clock_that_is_right_nothing_is_younger_than_it_is(messages: list[tuple[float, float]]) -> None:
    clock, at_s = ChargerClock(), 0.0
    for after_s, late_s in messages:
        at_s += after_s
        _note(clock, at_s, at_s - late_s)
        age_s = _age_s(clock, at_s, at_s - late_s)
        assert age_s is not None
        assert age_s >= late_s - 1e-5
