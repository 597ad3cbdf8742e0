from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.schedule import DAY_MIN, Schedule, is_on, most_a
from ampacity.core.site import ChargerId

LEFT, RIGHT = ChargerId("left"), ChargerId("right")
EVERY = frozenset(range(7))


def schedule(
    from_h: float, to_h: float, limit_a: float | None, days: frozenset[int] = EVERY, who: ChargerId | None = None
) -> Schedule:
    return Schedule(
        name="x",
        chargers=None if who is None else frozenset({who}),
        days=days,
        from_min=int(from_h * 60),
        to_min=int(to_h * 60),
        limit_a=limit_a,
    )


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    night = schedule(22, 6, 10, frozenset({4}))  # Friday
    assert is_on(night, 4, 22 * 60)
    assert is_on(night, 5, 5 * 60 + 59)
    assert not is_on(night, 5, 6 * 60)
    assert not is_on(night, 4, 5 * 60)


def test_sundays_night_ends_on_monday() -> None:
    assert is_on(schedule(22, 6, 10, frozenset({6})), 0, 60)


def test_who_may_charge_at_times_may_not_at_others() -> None:
    allowed = [schedule(22, 6, None, who=LEFT)]
    assert most_a(allowed, LEFT, 0, 23 * 60) is None
    assert most_a(allowed, LEFT, 0, 12 * 60) == 0.0
    assert most_a(allowed, RIGHT, 0, 12 * 60) is None


def test_the_lowest_limit_holds() -> None:
    both = [schedule(0, 24, 16), schedule(17, 21, 8), schedule(0, 24, None)]
    assert most_a(both, LEFT, 2, 18 * 60) == 8
    assert most_a(both, LEFT, 2, 12 * 60) == 16


@given(st.integers(0, 6), st.integers(0, DAY_MIN - 1), st.integers(0, DAY_MIN))
def test_a_schedule_on_every_day_holds_as_long_as_its_times_say(day: int, from_min: int, to_min: int) -> None:
    one = Schedule(name="x", chargers=None, days=EVERY, from_min=from_min, to_min=to_min, limit_a=0.0)
    held = sum(is_on(one, day, minute) for minute in range(DAY_MIN))
    assert held == ((to_min - from_min) % DAY_MIN or DAY_MIN)
